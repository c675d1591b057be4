"""Which clips share a batch, and how features and tokens become padded tensors.

A batch is what one optimiser step learns from. It is cut into micro-batches, and each process takes
some of them. Neither the cut nor a micro-batch depends on the number of processes, so one process
and eight do the same sums.

Shape letters: B clips, T feature rows of the longest, C width, U tokens of the longest.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from c2rl.nn.masks import Tokens, mask_of, pad_tokens
from c2rl.training import distributed
from c2rl.video.sample import generator

FEATURE_CLIPS = 16
"""Clips of a micro-batch of features: the paper's share of one process (Sec. IV-B c)."""

Micro = TypeVar("Micro")


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


class Whole(NamedTuple):
    """What every process knows of a batch without asking: who holds what, and how long it is."""

    shares: list[int]
    """Clips of each process, in the order of the batch."""
    feature_lengths: list[int]
    """Feature rows of each clip of the batch."""
    token_lengths: list[int]
    """Tokens of each clip's sentence."""
    sentence_ids: Tensor
    """(N,) int64; equal where the sentences are equal."""
    first_micro_batch: int
    """Number, in the batch, of this process's first micro-batch."""

    def token_part(self, mask: Tensor) -> float:
        """Tell a micro-batch's share of the batch's tokens, from the mask of its sentences."""
        return int(mask.sum()) / sum(self.token_lengths)

    def of_rank(self, lengths: list[int]) -> list[int]:
        """Add up lengths process by process."""
        ends = [*accumulate(self.shares, initial=0)]
        return [sum(lengths[a:b]) for a, b in pairwise(ends)]

    def own(self, lengths: list[int]) -> list[int]:
        """Take the lengths of this process's clips."""
        rank = distributed.rank()
        start = sum(self.shares[:rank])
        return lengths[start : start + self.shares[rank]]


class Step(NamedTuple, Generic[Micro]):
    """One optimiser step's batch as one process sees it."""

    micro_batches: list[Micro]
    """This process's share, one at least."""
    whole: Whole


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


def cut(batch: Sequence[int], lengths: Sequence[int], size: int) -> list[list[int]]:
    """Cut a batch into micro-batches that are about equally much work.

    Clips are dealt longest first, to and fro, so that each micro-batch has about the same number of
    frames: ranks wait little for one another, and none needs much more memory than the mean.

    Args:
        batch: Positions in the split.
        lengths: Of each clip of the split.
        size: Most clips of a micro-batch.

    Returns:
        Positions; micro-batches differ by one clip at most.
    """
    number = -(-len(batch) // size)
    dealt: list[list[int]] = [[] for _ in range(number)]
    longest_first = sorted(batch, key=lambda i: -lengths[i])
    for turn in range(0, len(batch), number):
        row = longest_first[turn : turn + number]
        for pile, clip in zip(dealt if turn // number % 2 == 0 else dealt[::-1], row, strict=False):
            pile.append(clip)
    return dealt


def share(
    micro_batches: list[list[int]],
    feature_lengths: Sequence[int],
    token_lengths: Sequence[int],
    sentence_numbers: Sequence[int],
) -> tuple[list[list[int]], Whole]:
    """Give this process its micro-batches of a batch.

    Args:
        micro_batches: From `cut`.
        feature_lengths: Of each clip of the split.
        token_lengths: Of each clip's sentence.
        sentence_numbers: From `sentence_ids`.

    Returns:
        Its micro-batches, and what it must know of the others.

    Raises:
        ValueError: If there are fewer micro-batches than processes.
    """
    by_rank = distributed.deal(micro_batches)
    if not all(by_rank):
        raise ValueError(
            f"a batch has {len(micro_batches)} micro-batches for {len(by_rank)} processes: lower"
            " C2RL_DEVICES, or give a larger batch_size"
        )
    order = [i for micro in micro_batches for i in micro]
    whole = Whole(
        [sum(map(len, own)) for own in by_rank],
        [feature_lengths[i] for i in order],
        [token_lengths[i] for i in order],
        torch.tensor([sentence_numbers[i] for i in order]),
        sum(map(len, by_rank[: distributed.rank()])),
    )
    return by_rank[distributed.rank()], whole


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
    tokens: Sequence[Sequence[int]],
    *,
    batch_size: int,
    seed: int,
) -> Callable[[int, int], Iterator[Step[FeatureBatch]]]:
    """Bind the clips of a split to the batches of an epoch.

    Where the store has several views of a clip, each epoch draws one, whatever the batch.

    Args:
        clips: (T', C) float16 each, by position; a split of a feature store.
        tokens: Of the sentences.
        batch_size: Clips a batch.
        seed: Of the training.

    Returns:
        A function from the epoch and the first step wanted, both from 0, to this process's share of
        the batches from there on.
    """
    ids, lengths, numbers = clips.ids, clips.lengths, sentence_ids(clips.sentences)
    token_lengths = [len(t) for t in tokens]

    def view(clip: int, epoch: int) -> npt.NDArray[np.float16]:
        if clips.num_views == 1:
            return clips.view(clip, 0)
        drawn = generator(seed, epoch, ids[clip], "view").integers(clips.num_views)
        return clips.view(clip, int(drawn))

    def micro_batch(chosen: list[int], epoch: int) -> FeatureBatch:
        return FeatureBatch(
            [ids[i] for i in chosen],
            *pad_features([view(i, epoch) for i in chosen]),
            pad_tokens([tokens[i] for i in chosen]),
            torch.tensor([numbers[i] for i in chosen]),
        )

    def batches(epoch: int, start: int) -> Iterator[Step[FeatureBatch]]:
        for batch in plan(len(ids), batch_size, seed=seed, epoch=epoch)[start:]:
            own, whole = share(cut(batch, lengths, FEATURE_CLIPS), lengths, token_lengths, numbers)
            yield Step([distributed.to_device(micro_batch(c, epoch)) for c in own], whole)

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
