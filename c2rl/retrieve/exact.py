"""Exact CLCL scores of many clips with many sentences, tile by tile.

A tile is some whole clips against some whole sentences, so memory does not grow with their number;
inside one, `clcl_packed` computes without padding.

Source: register row 29 (the mix of both directions).

Shape letters: V clips, S sentences, T vectors of a clip, U tokens of a sentence, D width.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from c2rl.objectives.packed import clcl_packed

ROWS = {"cpu": (8192, 2048), "cuda": (65536, 16384)}
"""Vectors of the clips and tokens of the sentences of a tile, unless one alone has more."""


@torch.no_grad()
def score_pairs(
    clips: Sequence[Tensor],
    texts: Sequence[Tensor],
    *,
    sharpness: float,
    mix: float,
    device: torch.device | str | None = None,
    rows: tuple[int, int] | None = None,
) -> npt.NDArray[np.float32]:
    """Score all clips against all sentences by CLCL.

    Args:
        clips: V tensors (T, D) float, real vectors only.
        texts: S tensors (U, D) float, real tokens only.
        sharpness: Temperature of CLCL's inner softmax.
        mix: Score = mix * V2T + (1 - mix) * T2V.
        device: Where to compute; None: the CPU.
        rows: Vectors and tokens of a tile; None: what suits the device. Changes time and memory,
            not the scores.

    Returns:
        (V, S) float32.

    Raises:
        ValueError: If a clip or a sentence has no vector, or `sharpness` is below 0.03.
    """
    where = torch.device(device or "cpu")
    most, most_tokens = rows or ROWS["cpu" if where.type == "cpu" else "cuda"]
    scores = np.empty((len(clips), len(texts)), dtype=np.float32)
    for some in _tiles(clips, most):
        vectors, lengths = _pack(clips[some], where)
        for few in _tiles(texts, most_tokens):
            tokens, sizes = _pack(texts[few], where)
            both = clcl_packed(vectors, lengths, tokens, sizes, sharpness=sharpness)
            mixed = mix * both.video_to_text + (1 - mix) * both.text_to_video
            scores[some, few] = mixed.float().cpu().numpy()
    return scores


def _tiles(sequences: Sequence[Tensor], most: int) -> Iterator[slice]:
    """Cut sequences into runs of so many rows at most, or of one sequence."""
    first = rows = 0
    for number, sequence in enumerate(sequences):
        if number > first and rows + len(sequence) > most:
            yield slice(first, number)
            first, rows = number, 0
        rows += len(sequence)
    if first < len(sequences):
        yield slice(first, len(sequences))


def _pack(sequences: Sequence[Tensor], device: torch.device) -> tuple[Tensor, list[int]]:
    return torch.cat(list(sequences)).to(device), [len(sequence) for sequence in sequences]
