"""The text decoder: causal blocks with cross-attention to the signing, and a tied head.

Source: Sec. III-A c, Sec. IV-B b; register rows 18, 21.

Shape letters: B batch, T source steps, U target steps, C width, H heads.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from c2rl.nn.transformer import Attention, Embedding, KeyValue, feed_forward


class DecoderBlock(nn.Module):
    """Causal self-attention, attention to the source, feed-forward; normalised first."""

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        """Build one block; arguments as in `Decoder`."""
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.cross = Attention(width, heads, dropout)
        self.feed = feed_forward(width, feedforward, dropout)
        self.attention_norm, self.cross_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, source: KeyValue, mask: Tensor, past: KeyValue | None
    ) -> tuple[Tensor, KeyValue]:
        """Refine target steps.

        Args:
            x: (B, U, C) float; with `past` the newest step alone, U == 1.
            source: Cross-attention keys and values over T source steps.
            mask: (B, T) bool, True where the source is real.
            past: Self-attention keys and values of the earlier steps; None in training.

        Returns:
            (B, U, C) float, and the self-attention keys and values of all steps so far.
        """
        normed = self.attention_norm(x)
        seen = self.attention.keys_values(normed)
        if past is not None:
            seen = KeyValue(
                torch.cat([past.key, seen.key], 2), torch.cat([past.value, seen.value], 2)
            )
        attended = self.attention(normed, seen, None, causal=past is None and x.shape[1] > 1)
        x = x + self.dropout(attended)
        x = x + self.dropout(self.cross(self.cross_norm(x), source, mask, causal=False))
        x = x + self.dropout(self.feed(self.feed_norm(x)))
        return x, seen


class DecoderState(NamedTuple):
    """What step-by-step decoding keeps: per block the source's and the past steps' keys, values."""

    source: list[KeyValue]
    past: list[KeyValue]
    mask: Tensor
    """(B, T) bool, True where the source is real."""
    steps: int
    """Steps decoded so far."""


class Decoder(nn.Module):
    """Embedding, decoder blocks with cross-attention, and the tied language-model head."""

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
        """Build the stack; the head is the token embedding (register row 21).

        Args:
            vocabulary: Number of tokens.
            width: C.
            layers: Number of blocks.
            heads: Attention heads.
            feedforward: Hidden units of each block's network.
            dropout: Everywhere.
        """
        super().__init__()
        self.embedding = Embedding(width, dropout, vocabulary)
        self.blocks = nn.ModuleList(
            DecoderBlock(width, heads, feedforward, dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def _blocks(self) -> list[DecoderBlock]:
        return [block for block in self.blocks if isinstance(block, DecoderBlock)]

    def _logits(self, x: Tensor) -> Tensor:
        assert self.embedding.tokens is not None
        return F.linear(self.norm(x), self.embedding.tokens.weight)

    def forward(self, tokens: Tensor, source: Tensor, mask: Tensor) -> Tensor:
        """Score the next token at every step, given the true tokens before it.

        Args:
            tokens: (B, U) int64, beginning with the start token.
            source: (B, T, C) float sign features.
            mask: (B, T) bool, True where the source is real.

        Returns:
            (B, U, vocabulary) float logits.
        """
        x = self.embedding(tokens)
        for block in self._blocks():
            x, _ = block(x, block.cross.keys_values(source), mask, None)
        return self._logits(x)

    def begin(self, source: Tensor, mask: Tensor) -> DecoderState:
        """Prepare step-by-step decoding.

        Args:
            source: (B, T, C) float sign features.
            mask: (B, T) bool, True where real.

        Returns:
            The state before the first step.
        """
        keys = [block.cross.keys_values(source) for block in self._blocks()]
        empty = [KeyValue(kv.key[:, :, :0], kv.value[:, :, :0]) for kv in keys]
        return DecoderState(keys, empty, mask, 0)

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Score the next token of every sequence.

        Args:
            tokens: (B,) int64, the newest token of each.
            state: From `begin` or the step before.

        Returns:
            (B, vocabulary) float logits, and the state after this step.
        """
        x = self.embedding(tokens[:, None], start=state.steps)
        past = []
        for block, source, before in zip(self._blocks(), state.source, state.past, strict=True):
            x, seen = block(x, source, state.mask, before)
            past.append(seen)
        return self._logits(x)[:, 0], state._replace(past=past, steps=state.steps + 1)

    def reorder(self, state: DecoderState, rows: Tensor) -> DecoderState:
        """Let sequences go on from others' past.

        Args:
            state: From `step`.
            rows: (B,) int64; sequence i takes the past of sequence `rows[i]`, which has the same
                source.

        Returns:
            The state in the new order.
        """
        past = [KeyValue(kv.key[rows], kv.value[rows]) for kv in state.past]
        return state._replace(past=past)
