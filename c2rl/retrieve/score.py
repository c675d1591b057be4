"""Retrieval scores: grouped and paired protocol, ties by expected rank, bootstrap intervals.

Source: Table VI; the protocol is CiCo's (`grouped`): clips are grouped by sentence, V2T ranks the
sentences for every clip, T2V ranks the groups for every sentence by their best clip. Register rows
29, 30.

Shape letters: V clips, G groups (one sentence each), Q queries.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating[Any]]
Values = npt.NDArray[np.float64]

SEED = 0
"""Of the bootstrap: as many queries, the same resamples, whoever is scored."""

STATISTICS: dict[str, Callable[[Values], float]] = {
    "r1": lambda ranks: 100 * float((ranks <= 1).mean()),
    "r5": lambda ranks: 100 * float((ranks <= 5).mean()),
    "r10": lambda ranks: 100 * float((ranks <= 10).mean()),
    "median_rank": lambda ranks: float(np.median(ranks)),
    "mean_rank": lambda ranks: float(ranks.mean()),
    "mrr": lambda ranks: 100 * float((1 / ranks).mean()),
}
"""Of the ranks of all queries; recalls and the mean reciprocal rank in per cent."""


class Ranked(NamedTuple):
    """Where the right answers of one direction's queries came."""

    ranks: Values
    """(Q,) expected rank of the right answer, 1 is best."""
    ties: npt.NDArray[np.int64]
    """(Q,) other candidates whose score equals the right answer's."""


class Ranks(NamedTuple):
    """Both directions under one protocol."""

    v2t: Ranked
    """(V,) each clip's own sentence."""
    t2v: Ranked
    """(G,) each sentence's own group."""


def expected_ranks(scores: Scores, right: npt.NDArray[np.int64]) -> Ranked:
    """Rank the right candidate of every query; equal scores share the mean of their ranks.

    Args:
        scores: (Q, candidates), higher is better.
        right: (Q,) int64, the right candidate.

    Returns:
        (Q,) ranks and ties.

    Raises:
        ValueError: If a score is not a number, which is neither better nor worse than another.

    Example:
        >>> expected_ranks(np.array([[0.9, 0.9, 0.1]]), np.array([0])).ranks.tolist()
        [1.5]
    """
    if np.isnan(scores).any():
        raise ValueError(
            f"{int(np.isnan(scores).sum())} of {scores.size} scores are not a number: weights or"
            " features are damaged, or the training diverged; lower retrieve.lr, or extract again"
        )
    own = scores[np.arange(len(scores)), right][:, None]
    better = (scores > own).sum(axis=1)
    ties = (scores == own).sum(axis=1) - 1
    return Ranked(1.0 + better + ties / 2, ties)


def grouped(scores: Scores, group: npt.NDArray[np.int64]) -> Ranks:
    """Rank under the grouped protocol.

    Args:
        scores: (V, G) similarity of every clip with every group's sentence.
        group: (V,) int64, group of each clip; every group has a clip.

    Returns:
        Ranks of all clips and all sentences.
    """
    best = np.full((scores.shape[1], scores.shape[1]), -np.inf, dtype=scores.dtype)
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

    Raises:
        ValueError: If a name is blank: such clips would pass for one sentence's.
    """
    numbers: dict[str, int] = {}
    first: list[int] = []
    for i, name in enumerate(groups):
        if not name.strip():
            raise ValueError(f"clip {i} has an empty group name: name its sentence's group")
        if name not in numbers:
            numbers[name] = len(numbers)
            first.append(i)
    return np.array([numbers[name] for name in groups], dtype=np.int64), first


def intervals(ranks: Values, *, resamples: int) -> dict[str, float]:
    """Bound every statistic by a bootstrap over the queries; the candidates stay.

    Args:
        ranks: (Q,) of one direction.
        resamples: How often Q queries are drawn with replacement.

    Returns:
        `<statistic>_low` and `<statistic>_high`, the 2.5th and 97.5th percentile.
    """
    draw = np.random.default_rng(SEED)
    found = np.empty((resamples, len(STATISTICS)))
    for number in range(resamples):
        drawn = ranks[draw.integers(len(ranks), size=len(ranks))]
        found[number] = [statistic(drawn) for statistic in STATISTICS.values()]
    low, high = np.percentile(found, (2.5, 97.5), axis=0)
    return {
        f"{name}_{end}": round(float(values[i]), 2)
        for i, name in enumerate(STATISTICS)
        for end, values in (("low", low), ("high", high))
    }


def summary(ranks: Ranks, *, resamples: int = 0) -> dict[str, Any]:
    """Turn ranks into the numbers of Table VI.

    Args:
        ranks: Of one protocol.
        resamples: Of the bootstrap; 0: no intervals.

    Returns:
        For t2v and v2t: r1, r5, r10 and mrr in per cent, median_rank, mean_rank, `ties`, the
        queries whose right answer has an equal, the number of queries `n`, and the 95 % intervals;
        `pool`, the number of candidates, and `chance`, the R@1 of guessing, in per cent.
    """
    pool = len(ranks.t2v.ranks)

    def side(found: Ranked) -> dict[str, float]:
        told: dict[str, float] = {n: round(f(found.ranks), 2) for n, f in STATISTICS.items()}
        told |= {"ties": int((found.ties > 0).sum()), "n": len(found.ranks)}
        return told | (intervals(found.ranks, resamples=resamples) if resamples else {})

    return {
        "t2v": side(ranks.t2v),
        "v2t": side(ranks.v2t),
        "pool": pool,
        "chance": round(100 / pool, 2),
    }
