"""MBart and mT5 of `transformers`, fed with features in the place of embedded words.

Shape letters: B clips, T features of the longest, C width of the model, U tokens of the longest, W
tokens in the vocabulary, R rows of a search (B times its beams).
"""

from typing import Any, NamedTuple

from torch import Tensor, nn
from transformers.cache_utils import EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from c2rl.language.tokenizer import START
from c2rl.nn.masks import Tokens, shift_right


class _Past(NamedTuple):
    """What step-by-step decoding of a `Pretrained` keeps."""

    encoded: Tensor
    """(R, T, C) float."""
    mask: Tensor
    """(R, T) bool, True where real."""
    cache: EncoderDecoderCache | None
    """Keys and values of the source and of the steps so far; None before the first step."""


class Pretrained(nn.Module):
    """MBart or mT5 of `transformers`, fed with features in the place of embedded words.

    Tokens are those of `Tokenizer`: the model's vocabulary is trimmed to them, so that the token
    that its decoder begins with (MBart's language code, mT5's padding) is `START`, wherever it was.
    """

    def __init__(self, model: Any, *, input_scale: float) -> None:
        """Wrap a model.

        Args:
            model: A trimmed `MBartForConditionalGeneration` or `MT5ForConditionalGeneration`.
            input_scale: Features are multiplied by it, as both models' words are embedded
                (register row 26).
        """
        super().__init__()
        self.model: Any = model
        self.input_scale = input_scale

    @property
    def width(self) -> int:
        """C."""
        return int(self.model.config.d_model)

    @property
    def max_positions(self) -> int | None:
        """Longest input and longest sentence; None, of mT5's relative positions: any."""
        found: int | None = getattr(self.model.config, "max_position_embeddings", None)
        return found

    def forward(self, features: Tensor, mask: Tensor, tokens: Tokens) -> Tensor:
        """Predict every token; see `Backbone`."""
        logits: Tensor = self.model(
            inputs_embeds=features * self.input_scale,
            attention_mask=mask.long(),
            decoder_input_ids=shift_right(tokens, START),
            use_cache=False,
        ).logits
        return logits

    def encode(self, features: Tensor, mask: Tensor) -> Tensor:
        """Encode features; see `Backbone`."""
        encoder = self.model.get_encoder()
        scaled = features * self.input_scale
        encoded: Tensor = encoder(inputs_embeds=scaled, attention_mask=mask.long())[0]
        return encoded

    def begin(self, source: Tensor, mask: Tensor) -> _Past:
        """Start to decode; see `StepDecoder`."""
        return _Past(source, mask, None)

    def step(self, tokens: Tensor, state: _Past) -> tuple[Tensor, _Past]:
        """Decode one token more; see `StepDecoder`."""
        found = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=state.encoded),
            attention_mask=state.mask.long(),
            decoder_input_ids=tokens[:, None],
            past_key_values=state.cache,
            use_cache=True,
        )
        return found.logits[:, -1], state._replace(cache=found.past_key_values)

    def reorder(self, state: _Past, rows: Tensor) -> _Past:
        """Change the order of the rows; see `StepDecoder`."""
        if state.cache is not None:  # the source's keys stay: its rows are the same clips
            past: Any = state.cache.self_attention_cache
            past.reorder_cache(rows)
        return state
