"""What clips score for one query: CLCL on packed vectors, block by block.

The same numbers as `c2rl.objectives.similarity.clcl`, which is their definition; and their upper
bound. A query and what is looked for change sides here: a sentence looks for clips, a clip for
sentences. `Query.mix` says which side of the score counts how much.

float32 puts two nearly equal clips in either order. So what is best in float32, and all that is
within its error of that, is scored once more by the definition in float64, and that decides: the
best k are those that float64 would find among all.

Shape letters: V sequences of a block (clips, or sentences), F vectors of all of them, packed; U
vectors of the query; D width.
"""

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.dlpack import from_dlpack

from c2rl.nn.masks import mask_of
from c2rl.objectives.similarity import clcl

Scores = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

_PADDED = 64
"""Sequences that are padded to one length for the definition."""

EPS = 1e-6
"""Least length that a vector is divided by, as in CLCL's definition."""


class Query(NamedTuple):
    """What is looked for."""

    vectors: Tensor
    """(U, D) float, real ones only; need not be normalised."""
    sharpness: float
    """Temperature of CLCL's inner softmax."""
    mix: float
    """Weight of the direction in which each vector of what is found reads the query; the other, in
    which the query's vectors read what is found, has 1 - mix."""

    def unit(self) -> Tensor:
        """Scale to length 1: (D, U) float32."""
        return F.normalize(self.vectors.float(), dim=-1, eps=EPS).T.contiguous()


class Block(NamedTuple):
    """Some sequences, one after the other."""

    rows: npt.NDArray[np.float16]
    """(F, D), which may be a view of a file."""
    offsets: Numbers
    """(V + 1,): sequence i has rows [offsets[i], offsets[i + 1]), the first at 0."""


def slack(width: int) -> float:
    """Bound the error of a float32 score.

    A dot product of unit vectors is off by at most width * 2^-24. Of a softmax-weighted mean at
    temperature s, that much in every cosine moves the mean by at most 1 + E|cosine - mean| / s
    times as much, and E|cosine - mean| / s stays below the logarithm of the number of vectors; 8 is
    enough for a thousand. Exponentials and sums add a few units in the last place.

    Args:
        width: D.

    Returns:
        The most by which it can differ from exact arithmetic.
    """
    return 8 * width * 2.0**-24 + 4e-6


def as_tensor(rows: npt.NDArray[np.float16]) -> Tensor:
    """See an array as a tensor without a copy; it may be read-only, and is only read."""
    return from_dlpack(rows)


def cosines(block: Block, unit: Tensor) -> Tensor:
    """Compare all vectors of a block with those of a query.

    Args:
        block: V sequences.
        unit: (D, U) float32, of length 1.

    Returns:
        (F, U) float32.
    """
    vectors = as_tensor(block.rows).float()
    lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp_(min=EPS)
    return (vectors @ unit).div_(lengths)


def scores_of(cosine: Tensor, offsets: Numbers, query: Query) -> Tensor:
    """Score sequences by CLCL.

    Args:
        cosine: (F, U), from `cosines`.
        offsets: (V + 1,), of the sequences.
        query: Their query.

    Returns:
        (V,) float32.
    """
    width = cosine.shape[1]
    weight = torch.sub(cosine, 1).div_(query.sharpness).exp_()
    weighted = weight * cosine
    own = weighted.sum(dim=1, keepdim=True).div_(weight.sum(dim=1, keepdim=True))
    sums = _segment_sums(torch.cat([weight, weighted, own], dim=1), offsets)
    reads_query = sums[:, -1] / _sizes(offsets)
    is_read = (sums[:, width : 2 * width] / sums[:, :width]).mean(dim=1)
    return query.mix * reads_query + (1 - query.mix) * is_read


def scores_of_units(rows: npt.NDArray[np.float16], query: Query) -> Tensor:
    """Score sequences of one length whose vectors have length 1, which is quick.

    Args:
        rows: (V, T, D), of length 1 up to rounding.
        query: Their query.

    Returns:
        (V,) float32.
    """
    count, length, width = rows.shape
    cosine = as_tensor(rows.reshape(-1, width)).float() @ query.unit()
    weight = torch.sub(cosine, 1).div_(query.sharpness).exp_()
    weighted = weight * cosine
    reads_query = (weighted.sum(dim=1) / weight.sum(dim=1)).view(count, length).mean(dim=1)
    over_rows = (values.view(count, length, -1).sum(dim=1) for values in (weighted, weight))
    is_read = torch.div(*over_rows).mean(dim=1)
    return query.mix * reads_query + (1 - query.mix) * is_read


def _segment_sums(values: Tensor, offsets: Numbers) -> Tensor:
    """Add up each sequence's rows: a bag of embeddings is torch's fastest ragged sum."""
    own = torch.arange(len(values))
    starts = torch.from_numpy(offsets)
    return F.embedding_bag(own, values, starts, mode="sum", include_last_offset=True)


def _sizes(offsets: Numbers) -> Tensor:
    return torch.from_numpy(np.diff(offsets))


def bounds_of(cosine: Tensor, offsets: Numbers, query: Query) -> Tensor:
    """Bound the scores from above: MaxSim, which a softmax-weighted mean never exceeds.

    Args:
        cosine: (F, U), from `cosines`.
        offsets: (V + 1,), of the sequences.
        query: Their query.

    Returns:
        (V,) float32.
    """
    own = _segment_sums(cosine.amax(dim=1, keepdim=True), offsets)[:, 0]
    best = torch.from_numpy(np.maximum.reduceat(cosine.numpy(), offsets[:-1], axis=0))
    reads_query = own / _sizes(offsets)
    return query.mix * reads_query + (1 - query.mix) * best.mean(dim=1)


def exact_scores(sequences: Iterable[npt.NDArray[np.float16]], query: Query) -> Scores:
    """Score a few sequences by the definition, in float64.

    Args:
        sequences: (T, D) each.
        query: Their query.

    Returns:
        One score a sequence.
    """
    text = query.vectors.double()[None]
    real_text = torch.ones(text.shape[:2], dtype=torch.bool)
    found = [np.empty(0, np.float64)]
    several = iter(sequences)
    while some := list(islice(several, _PADDED)):
        real = mask_of(torch.tensor([len(rows) for rows in some]))
        signs = torch.zeros(*real.shape, text.shape[2], dtype=torch.float64)
        signs[real] = torch.cat([as_tensor(rows) for rows in some]).double()
        both = clcl(signs, real, text, real_text, sharpness=query.sharpness)
        mixed = query.mix * both.video_to_text + (1 - query.mix) * both.text_to_video
        found.append(mixed[:, 0].numpy())
    return np.concatenate(found)


def finalists(scores: npt.NDArray[np.float32], top: int, error: float) -> Numbers:
    """Tell which may be among the best, given how far a score can be off.

    Args:
        scores: (V,); minus infinity is out of the question.
        top: How many are wanted.
        error: From `slack`.

    Returns:
        Numbers, `top` or more unless there are fewer.
    """
    if not len(scores):
        return np.empty(0, np.int64)
    place = max(0, len(scores) - top)
    least = np.partition(scores, place)[place]
    if not np.isfinite(least):
        return np.flatnonzero(np.isfinite(scores))
    return np.flatnonzero(scores >= least - 2 * error)
