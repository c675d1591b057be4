"""Retrieval scores: grouped and paired protocol, ties by expected rank.

Source: Table VI; the protocol is CiCo's (`grouped`): clips are grouped by sentence, V2T ranks the
sentences for every clip, T2V ranks the groups for every sentence by their best clip.

Shape letters: V clips, G groups (one sentence each).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating[Any]]


class Ranks(NamedTuple):
    """Expected rank of the right answer, 1 is best."""

    v2t: npt.NDArray[np.float64]
    """(V,) rank of each clip's own sentence."""
    t2v: npt.NDArray[np.float64]
    """(G,) rank of each sentence's own group."""


def expected_ranks(scores: Scores, right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Rank the right candidate of every query; equal scores share the mean of their ranks.

    Args:
        scores: (queries, candidates), higher is better.
        right: (queries,) int64, the right candidate.

    Returns:
        (queries,) float64.

    Example:
        >>> expected_ranks(np.array([[0.9, 0.9, 0.1]]), np.array([0])).tolist()
        [1.5]
    """
    own = scores[np.arange(len(scores)), right][:, None]
    better = (scores > own).sum(axis=1)
    equal = (scores == own).sum(axis=1) - 1
    ranks: npt.NDArray[np.float64] = 1.0 + better + equal / 2
    return ranks


def grouped(scores: Scores, group: npt.NDArray[np.int64]) -> Ranks:
    """Rank under the grouped protocol.

    Args:
        scores: (V, G) similarity of every clip with every group's sentence.
        group: (V,) int64, group of each clip; every group has a clip.

    Returns:
        Ranks of all clips and all sentences.
    """
    best = np.full((scores.shape[1], scores.shape[1]), -np.inf)
    np.maximum.at(best, group, scores)  # (G groups, G sentences): the best clip of each group
    return Ranks(expected_ranks(scores, group), expected_ranks(best.T, np.arange(len(best))))


def paired(scores: Scores) -> Ranks:
    """Rank when every clip has its own sentence, equal sentences included.

    Args:
        scores: (V, V).

    Returns:
        Ranks of all clips and all sentences.
    """
    own = np.arange(len(scores))
    return Ranks(expected_ranks(scores, own), expected_ranks(scores.T, own))


def number_groups(groups: Sequence[str]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Number the groups in order of appearance.

    Args:
        groups: Group name of each clip.

    Returns:
        (V,) int64 group numbers, and the first clip of each group, whose sentence stands for it.
    """
    numbers: dict[str, int] = {}
    first: list[int] = []
    for i, name in enumerate(groups):
        if name not in numbers:
            numbers[name] = len(numbers)
            first.append(i)
    return np.array([numbers[name] for name in groups], dtype=np.int64), first


def summary(ranks: Ranks) -> dict[str, Any]:
    """Turn ranks into the numbers of Table VI.

    Args:
        ranks: Of one protocol.

    Returns:
        For t2v and v2t: r1, r5, r10 in per cent and median_rank; `pool`, the number of candidates,
        and `chance`, the R@1 of guessing, in per cent.
    """
    pool = len(ranks.t2v)

    def side(values: npt.NDArray[np.float64]) -> dict[str, float]:
        recall = {f"r{k}": round(float(100 * (values <= k).mean()), 2) for k in (1, 5, 10)}
        return {**recall, "median_rank": float(np.median(values)), "n": len(values)}

    return {
        "t2v": side(ranks.t2v),
        "v2t": side(ranks.v2t),
        "pool": pool,
        "chance": round(100 / pool, 2),
    }
