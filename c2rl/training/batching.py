"""Which clips share a batch.

A batch is what one optimiser step learns from. It is cut into micro-batches, and each process takes
some of them. Neither the cut nor a micro-batch depends on the number of processes, so one process
and eight do the same sums.

Shape letters: N clips of a batch.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from c2rl.training import distributed
from c2rl.video.sample import generator

Micro = TypeVar("Micro")


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


def bucketed(
    batches: list[list[int]], lengths: Sequence[int], bucket: int, *, seed: int, epoch: int
) -> list[list[int]]:
    """Exchange clips between the batches of a bucket, so that each has clips of like length.

    Args:
        batches: From `plan`.
        lengths: Of each clip of the split.
        bucket: Batches that exchange clips; 1: none do.
        seed: Of the training.
        epoch: From 0.

    Returns:
        As many batches of the same sizes, in random order.
    """
    if bucket == 1:
        return batches
    found = []
    for first in range(0, len(batches), bucket):
        own = batches[first : first + bucket]
        by_length = sorted((i for batch in own for i in batch), key=lambda i: lengths[i])
        ends = [*accumulate(map(len, own), initial=0)]
        found += [by_length[a:b] for a, b in pairwise(ends)]
    order = generator(seed, epoch, "buckets").permutation(len(found))
    return [found[i] for i in order]


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


def sentence_ids(sentences: Sequence[str]) -> list[int]:
    """Number sentences so that equal ones have equal numbers.

    Args:
        sentences: Of a split.

    Returns:
        One number a sentence.
    """
    numbers: dict[str, int] = {}
    return [numbers.setdefault(sentence, len(numbers)) for sentence in sentences]
