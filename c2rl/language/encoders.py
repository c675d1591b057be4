"""The retriever's two encoders, which share nothing: one of features, one of words.

Source: Sec. III-C b, Sec. IV-B c (two MBart encoders); register rows 6, 20, 28.

Shape letters: B clips or sentences, T features of the longest, U tokens of the longest, C width.
"""

import copy
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from c2rl.language import backbones
from c2rl.language import tokenizer as language
from c2rl.language.backbones import Name
from c2rl.language.tokenizer import START, Tokenizer
from c2rl.nn.transformer import MAX_POSITIONS, Encoder

_DECODER_LAYERS = {"mbart": "decoder_layers", "mt5": "num_decoder_layers"}


class Encoders(NamedTuple):
    """Both encoders; what they give is 0 where padded."""

    signs: nn.Module
    """Takes (B, T, C) float features and their (B, T) mask; gives (B, T, C) float."""
    text: nn.Module
    """Takes (B, U) int64 tokens of `Tokenizer` and their (B, U) mask; gives (B, U, C) float."""
    width: int
    """C."""
    max_features: int | None
    """Longest clip; None: any."""
    max_tokens: int | None
    """Longest sentence, `</s>` included; None: any."""


class Built(NamedTuple):
    """Two encoders, their tokenizer, and what `restore` needs to build them again."""

    encoders: Encoders
    tokenizer: Tokenizer
    config: dict[str, Any]
    weights: str | None
    """Hash of the pretrained weights as they were read and trimmed; None: there are none."""


class PretrainedSigns(nn.Module):
    """An encoder of MBart or mT5 whose words are features."""

    def __init__(self, encoder: Any, *, input_scale: float) -> None:
        """Wrap an encoder.

        Args:
            encoder: Of a `transformers` model; its table of words is dropped.
            input_scale: Features are multiplied by it (register row 26).
        """
        super().__init__()
        encoder.embed_tokens = None
        self.encoder: Any = encoder
        self.input_scale = input_scale

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Encode clips: (B, T, C) features and their (B, T) mask to (B, T, C)."""
        scaled = features * self.input_scale
        encoded: Tensor = self.encoder(inputs_embeds=scaled, attention_mask=mask.long())[0]
        return encoded * mask[..., None]


class PretrainedText(nn.Module):
    """An encoder of MBart or mT5, fed as it was when it was pretrained.

    MBart reads `X </s> LANG`, mT5 `X </s>`. The code of the language is no word of the sentence, so
    nothing is given for it.
    """

    def __init__(self, encoder: Any, *, has_code: bool) -> None:
        """Wrap an encoder.

        Args:
            encoder: Of a trimmed `transformers` model: where it has a code, that is `START`.
            has_code: Whether the code of the language follows a sentence.
        """
        super().__init__()
        self.encoder: Any = encoder
        self.has_code = has_code

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Encode sentences: (B, U) tokens and their (B, U) mask to (B, U, C)."""
        seen = mask
        if self.has_code:
            ids = F.pad(ids, (0, 1)).scatter(1, mask.sum(dim=1, keepdim=True), START)
            seen = F.pad(mask, (1, 0), value=True)  # one longer
        encoded: Tensor = self.encoder(input_ids=ids, attention_mask=seen.long())[0]
        return encoded[:, : mask.shape[1]] * mask[..., None]


def build(
    name: Name,
    weights: str,
    *,
    sentences: Sequence[str],
    language_code: str,
    tokenizer: dict[str, Any],
    input_scale: Literal["one", "sqrt_width"],
    attention_dropout: float,
    **sizes: Any,
) -> Built:
    """Make the two encoders of a training.

    Args:
        name: Which model's encoders.
        weights: Of mbart and mt5: a hub id or a folder, whose tokenizer comes with it, and both
            encoders begin as copies of its encoder; or none: `sizes`, each with first weights of
            its own.
        sentences: Training sentences; the vocabulary is trimmed to them.
        language_code: ISO 639-1, of the sentences.
        tokenizer: name and size of `tokenizer.build`, for models without weights.
        input_scale: What features are multiplied by: 1, or the root of the model's width.
        attention_dropout: Of MBart's attention weights.
        sizes: width, layers, heads, feedforward and dropout; of pretrained weights only dropout is
            taken.

    Returns:
        The encoders with fresh or pretrained weights, and their tokenizer.

    Raises:
        FileNotFoundError: If the weights are not at hand.
        ValueError: If they are another model's, damaged, or lack the language.
    """
    if name == "transformer":
        own = language.build(**tokenizer, sentences=sentences)
        config = {"name": name, "vocabulary": own.size, **sizes}
        return Built(restore(config), own, config, None)

    def whole() -> backbones.Built:
        return backbones.build(
            name,
            weights,
            sentences=sentences,
            language_code=language_code,
            tokenizer=tokenizer,
            input_scale=input_scale,
            attention_dropout=attention_dropout,
            **sizes,
        )

    first = whole()
    text = _encoder_of(first.backbone)
    # First weights are drawn once more: two encoders that began alike would share something.
    signs = _encoder_of(whole().backbone) if weights == "none" else copy.deepcopy(text)
    config = copy.deepcopy(first.config)
    config["model"]["config"][_DECODER_LAYERS[name]] = 0  # or `restore` would build a decoder
    return Built(_wrap(name, signs, text, config), first.tokenizer, config, first.weights)


def restore(config: dict[str, Any]) -> Encoders:
    """Build both encoders again; their weights are to be filled in.

    Args:
        config: Of `Built`; one without a name is a transformer's.

    Returns:
        The same architecture.
    """
    name = config.get("name", "transformer")
    if name == "transformer":
        sizes = {key: config[key] for key in ("width", "layers", "heads", "feedforward", "dropout")}
        signs, text = Encoder(**sizes), Encoder(**sizes, vocabulary=config["vocabulary"])
        return Encoders(signs, text, sizes["width"], MAX_POSITIONS, MAX_POSITIONS)
    from c2rl.language import pretrained  # two seconds to import

    signs, text = (pretrained.rebuild(config["model"]).get_encoder() for _ in range(2))
    return _wrap(name, signs, text, config)


def _encoder_of(backbone: Any) -> Any:
    return backbone.model.get_encoder()


def _wrap(name: Name, signs: Any, text: Any, config: dict[str, Any]) -> Encoders:
    has_code = name == "mbart"
    positions: int | None = getattr(text.config, "max_position_embeddings", None)
    return Encoders(
        PretrainedSigns(signs, input_scale=config["input_scale"]),
        PretrainedText(text, has_code=has_code),
        int(text.config.d_model),
        positions,
        None if positions is None else positions - has_code,
    )
