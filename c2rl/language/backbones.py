"""Sequence-to-sequence models behind one signature: features and their mask in, sentences out.

Source: Sec. III-C, Sec. IV-B c (MBart), Table IX (MBart, mT5), Fig. 3 (3-layer transformer, MBart
with and without pre-training); register rows 26, 27.

Shape letters: B clips, T features of the longest, C width of the model, U tokens of the longest, W
tokens in the vocabulary, R rows of a search (B times its beams).
"""

import hashlib
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from c2rl.language import tokenizer as language
from c2rl.language.tokenizer import END, START, Tokenizer
from c2rl.nn.decoder import Decoder, DecoderState
from c2rl.nn.masks import Tokens, shift_right
from c2rl.nn.search import Hypothesis, StepDecoder, beam_search
from c2rl.nn.transformer import MAX_POSITIONS, Encoder

Name = Literal["transformer", "mbart", "mt5"]


class SmallTransformer(nn.Module):
    """The 3-layer transformer of Fig. 3, from first weights of its own."""

    max_positions: int | None = MAX_POSITIONS
    """Longest input and longest sentence; None: any."""

    def __init__(
        self,
        *,
        vocabulary: int,
        width: int,
        layers: int,
        heads: int,
        feedforward: int,
        dropout: float,
    ) -> None:
        """Build encoder and decoder.

        Args:
            vocabulary: Number of tokens.
            width: Hidden size.
            layers: Blocks of each.
            heads: Attention heads.
            feedforward: Hidden units of each block's network.
            dropout: Everywhere.
        """
        super().__init__()
        self.width = width
        self.encoder = Encoder(
            width=width, layers=layers, heads=heads, feedforward=feedforward, dropout=dropout
        )
        self.decoder = Decoder(
            vocabulary=vocabulary,
            width=width,
            layers=layers,
            heads=heads,
            feedforward=feedforward,
            dropout=dropout,
        )

    def forward(self, features: Tensor, mask: Tensor, tokens: Tokens) -> Tensor:
        """Predict every token; see `Backbone`."""
        before = shift_right(tokens, START)
        logits: Tensor = self.decoder(before, self.encoder(features, mask), mask)
        return logits

    def encode(self, features: Tensor, mask: Tensor) -> Tensor:
        """Encode features; see `Backbone`."""
        encoded: Tensor = self.encoder(features, mask)
        return encoded

    def begin(self, source: Tensor, mask: Tensor) -> DecoderState:
        """Start to decode; see `StepDecoder`."""
        return self.decoder.begin(source, mask)

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Decode one token more; see `StepDecoder`."""
        return self.decoder.step(tokens, state)

    def reorder(self, state: DecoderState, rows: Tensor) -> DecoderState:
        """Change the order of the rows; see `StepDecoder`."""
        return self.decoder.reorder(state, rows)


class Backbone(StepDecoder, Protocol):
    """What the stages on features ask of a model."""

    @property
    def width(self) -> int:
        """C."""
        ...

    @property
    def max_positions(self) -> int | None:
        """Longest input and longest sentence; None: any."""
        ...

    def __call__(self, features: Tensor, mask: Tensor, tokens: Tokens, /) -> Tensor:
        """Predict every token from the features and the tokens before it.

        Args:
            features: (B, T, C) float.
            mask: (B, T) bool, True where real.
            tokens: The sentences.

        Returns:
            (B, U, W) float logits.
        """
        ...

    def encode(self, features: Tensor, mask: Tensor, /) -> Tensor:
        """Give the encoder's (B, T, C) float output for features and their (B, T) mask."""
        ...


def generate(
    backbone: Backbone, features: Tensor, mask: Tensor, **search: Any
) -> list[list[Hypothesis]]:
    """Find the best sentences.

    Args:
        backbone: In evaluation mode.
        features: (B, T, C) float.
        mask: (B, T) bool, True where real.
        search: beams, length_penalty and max_length of `beam_search`.

    Returns:
        For each clip its best hypotheses, best first.
    """
    source = backbone.encode(features, mask)
    return beam_search(backbone, source, mask, start=START, end=END, **search)


class Built(NamedTuple):
    """A backbone, its tokenizer, and what `restore` needs to build it again."""

    backbone: Backbone
    tokenizer: Tokenizer
    config: dict[str, Any]
    weights: str | None
    """Hash of the pretrained weights as they were read and trimmed; None: there are none."""


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
    """Make the backbone of a training.

    Args:
        name: Which model.
        weights: Of mbart and mt5: a hub id or a folder, whose tokenizer comes with it; or none,
            which is a model of `sizes` from first weights of its own.
        sentences: Training sentences; the vocabulary is trimmed to them.
        language_code: ISO 639-1, of the sentences.
        tokenizer: name and size of `tokenizer.build`, for models without weights.
        input_scale: What features are multiplied by: 1, or the root of the model's width.
        attention_dropout: Of MBart's attention weights.
        sizes: width, layers, heads, feedforward and dropout; of pretrained weights only dropout is
            taken.

    Returns:
        The model with fresh or pretrained weights, and its tokenizer.

    Raises:
        FileNotFoundError: If the weights are not at hand.
        ValueError: If they are another model's, damaged, or lack the language.
    """
    if name == "transformer":
        own = language.build(**tokenizer, sentences=sentences)
        config = {"vocabulary": own.size, **sizes}
        return Built(SmallTransformer(**config), own, {"name": name, **config}, None)
    from c2rl.language import pretrained, seq2seq, trim  # two seconds to import

    dropout = {"dropout": sizes["dropout"], "attention_dropout": attention_dropout}
    read: str | None = None
    if weights == "none":
        own = language.build(**tokenizer, sentences=sentences)
        model = pretrained.fresh(name, vocabulary=own.size, **sizes | dropout)
    else:
        model, backend = pretrained.load(name, weights, language_code)
        own = language.cut(backend, sentences)
        trim.trim(model, trim.old_ids(own, backend, model, language_code))
        pretrained.set_dropout(model, **dropout)
        read = _hash(model)
    scale = math.sqrt(model.config.d_model) if input_scale == "sqrt_width" else 1.0
    config = {"model": pretrained.config_of(model), "input_scale": scale}
    backbone = seq2seq.Pretrained(model, input_scale=scale)
    return Built(backbone, own, {"name": name, **config}, read)


def _hash(model: nn.Module) -> str:
    """Hash weights by name, type and bits; a path or hub id says too little of them."""
    found = hashlib.blake2b(digest_size=8)
    for name, tensor in model.state_dict().items():
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().contiguous().view(-1).view(torch.uint8).numpy())
    return found.hexdigest()


def restore(config: dict[str, Any]) -> Backbone:
    """Build a backbone again; its weights are to be filled in.

    Args:
        config: Of `Built`.

    Returns:
        The same architecture.
    """
    rest = {key: value for key, value in config.items() if key != "name"}
    if config["name"] == "transformer":
        return SmallTransformer(**rest)
    from c2rl.language import pretrained, seq2seq

    model = pretrained.rebuild(rest["model"])
    return seq2seq.Pretrained(model, input_scale=rest["input_scale"])
