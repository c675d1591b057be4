"""Transformer blocks of the MBart kind: pre-norm, learned positions, normalised embedding.

Source: Sec. IV-B b (3 layers, 8 heads, hidden 512, feed-forward 2048, dropout 0.1); what the paper
leaves open follows MBart (register row 18).

Shape letters: B batch, T source steps, U steps of x, C width, H heads.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MAX_POSITIONS = 1024
"""Learned positions; longer input is refused."""


class KeyValue(NamedTuple):
    """Keys and values that attention has already computed."""

    key: Tensor
    """(B, H, T, C / H) float."""
    value: Tensor
    """(B, H, T, C / H) float."""


class Attention(nn.Module):
    """Multi-head attention; True in the mask means that the position may be looked at."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        """Build the projections.

        Args:
            width: C, a multiple of `heads`.
            heads: H.
            dropout: Probability of dropping an attention weight.

        Raises:
            ValueError: If the width is no multiple of the heads.
        """
        super().__init__()
        if width % heads:
            raise ValueError(f"width ({width}) must be a multiple of heads ({heads})")
        self.heads, self.dropout = heads, dropout
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, H, T, C / H)

    def keys_values(self, source: Tensor) -> KeyValue:
        """Project what is looked at.

        Args:
            source: (B, T, C) float.

        Returns:
            Its keys and values.
        """
        return KeyValue(self._split(self.key(source)), self._split(self.value(source)))

    def forward(self, x: Tensor, source: KeyValue, mask: Tensor | None, causal: bool) -> Tensor:
        """Let every step of x look at the source.

        Args:
            x: (B, U, C) float.
            source: Keys and values over T steps.
            mask: (B, T) bool, True where the source is real; None: all of it.
            causal: Step u looks at source steps <= u only; needs T == U.

        Returns:
            (B, U, C) float.
        """
        allowed = None if mask is None else mask[:, None, None, :]
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(
            self._split(self.query(x)), *source, allowed, dropout, is_causal=causal
        )
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(-2))
        return out


def feed_forward(width: int, feedforward: int, dropout: float) -> nn.Sequential:
    """Build the two-layer network of a block.

    Args:
        width: C.
        feedforward: Hidden units.
        dropout: Probability of dropping a hidden unit.

    Returns:
        A module from (..., C) to (..., C).
    """
    return nn.Sequential(
        nn.Linear(width, feedforward),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(feedforward, width),
    )


class EncoderBlock(nn.Module):
    """Self-attention and feed-forward, normalised first."""

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        """Build one block; arguments as in `Encoder`."""
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.feed = feed_forward(width, feedforward, dropout)
        self.attention_norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Refine (B, T, C) under a (B, T) mask."""
        normed = self.attention_norm(x)
        attended = self.attention(normed, self.attention.keys_values(normed), mask, causal=False)
        x = x + self.dropout(attended)
        refined: Tensor = x + self.dropout(self.feed(self.feed_norm(x)))
        return refined


class Embedding(nn.Module):
    """Adds learned positions, normalises and drops out; optionally looks tokens up first."""

    def __init__(self, width: int, dropout: float, vocabulary: int | None) -> None:
        """Build the tables.

        Args:
            width: C.
            dropout: Probability of dropping an element.
            vocabulary: Number of tokens; None where the input is features.
        """
        super().__init__()
        self.tokens = None if vocabulary is None else nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(MAX_POSITIONS, width)
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
        for table in (self.tokens, self.positions):
            if table is not None:
                nn.init.normal_(table.weight, std=0.02)
        self.scale = math.sqrt(width) if vocabulary is not None else 1.0

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """Embed a sequence.

        Args:
            x: (B, T) int64 tokens, or (B, T, C) float features.
            start: Position of the first step.

        Returns:
            (B, T, C) float.

        Raises:
            ValueError: If the sequence is longer than the positions that were learned.
        """
        if start + x.shape[1] > MAX_POSITIONS:
            raise ValueError(
                f"a sequence has {start + x.shape[1]} steps, the model takes {MAX_POSITIONS}:"
                " lower frames.keep or set frames.cap"
            )
        x = x if self.tokens is None else self.tokens(x) * self.scale
        positions = torch.arange(start, start + x.shape[1], device=x.device)
        out: Tensor = self.dropout(self.norm(x + self.positions(positions)))
        return out


class Encoder(nn.Module):
    """Embedding and encoder blocks; for features or, with a vocabulary, for tokens."""

    def __init__(
        self,
        *,
        width: int,
        layers: int,
        heads: int,
        feedforward: int,
        dropout: float,
        vocabulary: int | None = None,
    ) -> None:
        """Build the stack.

        Args:
            width: C.
            layers: Number of blocks.
            heads: Attention heads.
            feedforward: Hidden units of each block's network.
            dropout: Everywhere.
            vocabulary: Number of tokens; None where the input is features.
        """
        super().__init__()
        self.embedding = Embedding(width, dropout, vocabulary)
        self.blocks = nn.ModuleList(
            EncoderBlock(width, heads, feedforward, dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Encode a sequence.

        Args:
            x: (B, T) int64 tokens, or (B, T, C) float features.
            mask: (B, T) bool, True where real.

        Returns:
            (B, T, C) float, 0 where padded.
        """
        x = self.embedding(x)
        for block in self.blocks:
            x = block(x, mask)
        out: Tensor = self.norm(x) * mask[..., None]
        return out
