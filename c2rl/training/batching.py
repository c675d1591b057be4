"""Which clips share a batch, and how features and tokens become padded tensors.

Shape letters: B clips, T feature rows of the longest, C width, U tokens of the longest.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from c2rl.nn.masks import Tokens, mask_of, pad_tokens
from c2rl.video.sample import generator


class Clips(Protocol):
    """Anything that gives a clip's features by position."""

    def __getitem__(self, clip: int, /) -> npt.NDArray[np.float16]:
        """Give (T', C) float16."""
        ...


class FeatureBatch(NamedTuple):
    """Clips' features and sentences."""

    features: Tensor
    """(B, T, C) float32, 0 where padded."""
    mask: Tensor
    """(B, T) bool, True where real."""
    tokens: Tokens
    sentence_ids: Tensor
    """(B,) int64; equal where the sentences are equal."""


def plan(num_clips: int, batch_size: int, *, seed: int, epoch: int) -> list[list[int]]:
    """Deal the clips of an epoch into batches.

    Args:
        num_clips: Of the split.
        batch_size: Clips a batch; batches differ by one at most, so none is a lonely rest.
        seed: Of the training.
        epoch: From 0.

    Returns:
        Positions in the split; every clip exactly once.
    """
    order = generator(seed, epoch, "order").permutation(num_clips)
    parts = np.array_split(order, -(-num_clips // batch_size))
    return [part.tolist() for part in parts]


def by_length(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Group clips of like length, for evaluation.

    Args:
        lengths: Of each clip.
        batch_size: Clips a batch.

    Returns:
        Positions; every clip exactly once.
    """
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def pad_features(clips: Sequence[npt.NDArray[np.float16]]) -> tuple[Tensor, Tensor]:
    """Pad clips' features.

    Args:
        clips: B arrays (T', C) float16.

    Returns:
        (B, T, C) float32 and (B, T) bool mask.
    """
    mask = mask_of(torch.tensor([len(c) for c in clips]))
    padded = torch.zeros(*mask.shape, clips[0].shape[1])
    padded[mask] = torch.from_numpy(np.concatenate(clips).astype(np.float32))
    return padded, mask


def feature_batches(
    clips: Clips,
    sentences: Sequence[str],
    tokens: Sequence[Sequence[int]],
    *,
    batch_size: int,
    seed: int,
) -> Callable[[int], Iterator[FeatureBatch]]:
    """Bind the clips of a split to the batches of an epoch.

    Args:
        clips: (T', C) float16 each, by position; a split of a feature store.
        sentences: Of the clips.
        tokens: Of the sentences.
        batch_size: Clips a batch.
        seed: Of the training.

    Returns:
        A function from the epoch, from 0, to its batches.
    """
    numbers = sentence_ids(sentences)

    def batches(epoch: int) -> Iterator[FeatureBatch]:
        for chosen in plan(len(sentences), batch_size, seed=seed, epoch=epoch):
            yield FeatureBatch(
                *pad_features([clips[i] for i in chosen]),
                pad_tokens([tokens[i] for i in chosen]),
                torch.tensor([numbers[i] for i in chosen]),
            )

    return batches


def sentence_ids(sentences: Sequence[str]) -> list[int]:
    """Number sentences so that equal ones have equal numbers.

    Args:
        sentences: Of a split.

    Returns:
        One number a sentence.
    """
    numbers: dict[str, int] = {}
    return [numbers.setdefault(sentence, len(numbers)) for sentence in sentences]
