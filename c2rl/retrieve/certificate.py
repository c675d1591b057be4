"""The best clips with a proof, most of them scored by no more than a bound.

CLCL's inner softmax takes weighted means, so the same score with maxima in their place (MaxSim) is
never less. A clip whose bound is below the k-th best score so far is out, and all the others are
scored.

Source: MaxSim is ColBERT's (Khattab and Zaharia, 2020).

Shape letters: V clips.
"""

import numpy as np
import numpy.typing as npt
import torch

from c2rl.retrieve import rerank
from c2rl.retrieve.candidates import Numbers
from c2rl.retrieve.rerank import Block, Query
from c2rl.retrieve.stored import Stored


def search(
    clips: Stored, query: Query, top: int, least: float, removed: Numbers
) -> tuple[Numbers, npt.NDArray[np.float32]]:
    """Score all clips that can be among the best.

    Args:
        clips: V of them.
        query: What is looked for.
        top: How many are wanted.
        least: A score that `top` clips are known to reach, here or in another part.
        removed: Numbers of clips that are out of the question.

    Returns:
        (n,) int64 numbers, increasing, and their (n,) float32 scores: of every clip that can be
        among the best `top`.
    """
    error = rerank.slack(clips.width)
    unit = query.unit()
    leaders = np.full(top, -np.inf, np.float32)
    found = [(np.empty(0, np.int64), np.empty(0, np.float32))]
    for first, block in clips.blocks():
        cosine = rerank.cosines(block, unit)
        bound = rerank.bounds_of(cosine, block.offsets, query).numpy()
        chosen = np.flatnonzero(bound >= least - 2 * error)
        chosen = chosen[~np.isin(first + chosen, removed)]
        if len(chosen):
            scores = _scores(cosine, block, chosen, query)
            found.append((first + chosen, scores))
            leaders = np.sort(np.concatenate([leaders, scores]))[-top:]
            least = max(least, float(leaders[0]))
    numbers, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return numbers, scores


def _scores(
    cosine: torch.Tensor, block: Block, chosen: Numbers, query: Query
) -> npt.NDArray[np.float32]:
    """Score some clips of a block, whose cosines are there."""
    lengths = np.diff(block.offsets)[chosen]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = np.arange(offsets[-1]) + np.repeat(block.offsets[chosen] - offsets[:-1], lengths)
    found: npt.NDArray[np.float32] = rerank.scores_of(
        cosine[torch.from_numpy(rows)], offsets, query
    ).numpy()
    return found
