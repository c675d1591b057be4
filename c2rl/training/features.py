"""Batches of cached sign features: where they lie, and how they become padded tensors.

Shape letters: B clips, T feature rows of the longest, S rows of all clips together, C width, U
tokens of the longest.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from c2rl.nn.masks import Tokens, mask_of, pad_tokens
from c2rl.store.loaded import Loaded
from c2rl.training import distributed
from c2rl.training.batching import Step, bucketed, by_length, cut, plan, sentence_ids, share
from c2rl.video.sample import generator

FEATURE_CLIPS = 16
"""Clips of a micro-batch of features: the paper's share of one process (Sec. IV-B c)."""


class Clips(Protocol):
    """A split of features, as a feature store gives it."""

    @property
    def ids(self) -> list[str]:
        """Of the clips."""
        ...

    @property
    def sentences(self) -> list[str]:
        """Of the clips."""
        ...

    @property
    def lengths(self) -> list[int]:
        """Feature rows of each clip."""
        ...

    @property
    def num_views(self) -> int:
        """Samplings of each clip that are stored."""
        ...

    @property
    def width(self) -> int:
        """C."""
        ...

    def load(self, device: torch.device | str | None = None, *, view: int = 0) -> Loaded:
        """Give one sampling of all clips as one tensor."""
        ...

    def view(self, clip: int, number: int, /) -> npt.NDArray[np.float16]:
        """Give (T', C) float16 of one of them."""
        ...


class FeatureBatch(NamedTuple):
    """Clips' features and sentences."""

    ids: list[str]

    features: Tensor
    """(B, T, C) float32, 0 where padded."""
    mask: Tensor
    """(B, T) bool, True where real."""
    tokens: Tokens
    sentence_ids: Tensor
    """(B,) int64; equal where the sentences are equal."""


def pad_features(clips: Sequence[npt.NDArray[np.float16]]) -> tuple[Tensor, Tensor]:
    """Pad clips' features.

    Args:
        clips: B arrays (T', C) float16.

    Returns:
        (B, T, C) float32 and (B, T) bool mask.
    """
    return pad_rows(torch.from_numpy(np.concatenate(clips)), [len(c) for c in clips])


def pad_rows(rows: Tensor, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Pad clips that lie one after the other.

    Args:
        rows: (S, C) float16.
        lengths: B of them, that add up to S.

    Returns:
        (B, T, C) float32 and (B, T) bool mask, where the rows are.
    """
    mask = mask_of(torch.tensor(lengths)).to(rows.device, non_blocking=True)
    padded = torch.zeros(*mask.shape, rows.shape[1], device=rows.device)
    padded[mask] = rows.float()
    return padded, mask


Reader = Callable[[Sequence[tuple[int, int]]], tuple[Tensor, Tensor]]
"""Takes clips and the views of them, by position; gives their padded features and mask."""


def reader(clips: Clips) -> Reader:
    """Choose where the features of a training lie.

    On a GPU they lie in its memory, all of them, if that leaves half of what is free to the model;
    else files are mapped to memory. What is read is the same.

    Args:
        clips: Of the training.

    Returns:
        What reads a batch.
    """
    device = distributed.device()
    if device.type == "cpu":
        return mapped(clips)
    size = 2 * sum(clips.lengths) * clips.width * clips.num_views
    return mapped(clips) if 2 * size > torch.cuda.mem_get_info(device)[0] else held(clips, device)


def mapped(clips: Clips) -> Reader:
    """Read clips from the store's files, which are mapped to memory.

    Args:
        clips: Of the training.

    Returns:
        What reads a batch.
    """

    def read(chosen: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        padded, mask = pad_features([clips.view(clip, view) for clip, view in chosen])
        return distributed.to_device(padded), distributed.to_device(mask)

    return read


def held(clips: Clips, device: torch.device) -> Reader:
    """Copy all clips to a device, once.

    Args:
        clips: Of the training.
        device: Where to.

    Returns:
        What reads a batch, without leaving the device.
    """
    views = [clips.load(device, view=view) for view in range(clips.num_views)]
    lengths = clips.lengths
    ends = accumulate(lengths * len(views), initial=0)
    everything = Loaded(torch.cat([v.features for v in views]), torch.tensor([*ends]))

    def read(chosen: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        found = everything.gather([view * len(lengths) + clip for clip, view in chosen])
        return pad_rows(found.features, [lengths[clip] for clip, _ in chosen])

    return read


def feature_batches(
    clips: Clips,
    tokens: Sequence[Sequence[int]],
    *,
    batch_size: int,
    seed: int,
    bucket: int = 1,
) -> Callable[[int, int], Iterator[Step[FeatureBatch]]]:
    """Bind the clips of a split to the batches of an epoch.

    Where the store has several views of a clip, each epoch draws one, whatever the batch.

    Args:
        clips: (T', C) float16 each, by position; a split of a feature store.
        tokens: Of the sentences.
        batch_size: Clips a batch.
        seed: Of the training.
        bucket: Batches that exchange clips, so that each has clips of like length; 1: none do.

    Returns:
        A function from the epoch and the first step wanted, both from 0, to this process's share of
        the batches from there on.
    """
    ids, lengths, numbers = clips.ids, clips.lengths, sentence_ids(clips.sentences)
    token_lengths, read = [len(t) for t in tokens], reader(clips)

    def view(clip: int, epoch: int) -> int:
        if clips.num_views == 1:
            return 0
        return int(generator(seed, epoch, ids[clip], "view").integers(clips.num_views))

    def micro_batch(chosen: list[int], epoch: int) -> FeatureBatch:
        return FeatureBatch(
            [ids[i] for i in chosen],
            *read([(i, view(i, epoch)) for i in chosen]),
            distributed.to_device(pad_tokens([tokens[i] for i in chosen])),
            distributed.to_device(torch.tensor([numbers[i] for i in chosen])),
        )

    def micro_batches(batch: list[int]) -> list[list[int]]:
        if bucket == 1:
            return cut(batch, lengths, FEATURE_CLIPS)
        alike = by_length([lengths[i] for i in batch], FEATURE_CLIPS)
        return [[batch[i] for i in group] for group in alike]

    def batches(epoch: int, start: int) -> Iterator[Step[FeatureBatch]]:
        dealt = plan(len(ids), batch_size, seed=seed, epoch=epoch)
        for batch in bucketed(dealt, lengths, bucket, seed=seed, epoch=epoch)[start:]:
            own, whole = share(micro_batches(batch), lengths, token_lengths, numbers)
            yield Step([micro_batch(chosen, epoch) for chosen in own], whole)

    return batches
