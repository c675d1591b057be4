"""Masks and the operations that must not see padding.

Masks are True where a position is real.

Shape letters: B clips, T steps, U tokens of the longest, C channels.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Tokens(NamedTuple):
    """Padded sentences."""

    ids: Tensor
    """(B, U) int64, 0 where padded."""
    mask: Tensor
    """(B, U) bool, True where real."""


def mask_of(lengths: Tensor, size: int | None = None) -> Tensor:
    """Mark the real positions of padded sequences.

    Args:
        lengths: (B,) int64, at least 1.
        size: Padded length T; the longest when None.

    Returns:
        (B, T) bool, True where real.
    """
    size = int(lengths.max()) if size is None else size
    return torch.arange(size, device=lengths.device)[None, :] < lengths[:, None]


def pad_tokens(sentences: Sequence[Sequence[int]]) -> Tokens:
    """Pad tokenised sentences.

    Args:
        sentences: B lists of token ids, none empty.

    Returns:
        Padded ids and mask.
    """
    mask = mask_of(torch.tensor([len(s) for s in sentences]))
    ids = torch.zeros(mask.shape, dtype=torch.int64)
    ids[mask] = torch.tensor([t for s in sentences for t in s])
    return Tokens(ids, mask)


def shift_right(tokens: Tokens, start: int) -> Tensor:
    """Give a decoder the tokens before each one.

    Args:
        tokens: B sentences.
        start: Token before the first one.

    Returns:
        (B, U) int64: the start, then all tokens but the last.
    """
    first = tokens.ids.new_full((len(tokens.ids), 1), start)
    return torch.cat([first, tokens.ids[:, :-1]], dim=1)


def unpack(packed: Tensor, mask: Tensor) -> Tensor:
    """Spread packed rows over padded sequences.

    Args:
        packed: (sum of lengths, C) float, clip after clip.
        mask: (B, T) bool, True where real.

    Returns:
        (B, T, C) float, 0 where padded.
    """
    padded = packed.new_zeros(*mask.shape, packed.shape[-1])
    padded[mask] = packed
    return padded


def mean(values: Tensor, mask: Tensor) -> Tensor:
    """Average the real positions of each sequence.

    Args:
        values: (B, T, C) float.
        mask: (B, T) bool, True where real; at least one a row.

    Returns:
        (B, C) float.
    """
    real = mask[..., None]
    return (values * real).sum(1) / real.sum(1)


class MaskedBatchNorm(nn.Module):
    """Batch norm over time whose statistics come from real positions alone.

    Padding would shift mean and variance, so that a clip's features depended on its batch mates.
    """

    def __init__(self, channels: int) -> None:
        """Build the norm.

        Args:
            channels: C.
        """
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Normalise the real positions.

        Args:
            x: (B, T, C) float.
            mask: (B, T) bool, True where real.

        Returns:
            (B, T, C) float, 0 where padded.
        """
        return unpack(self.norm(x[mask]), mask)
