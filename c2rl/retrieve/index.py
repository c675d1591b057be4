"""Search: FAISS proposes clips by pooled vectors, exact CLCL orders them; the only door to faiss.

CLCL is a late interaction, so one vector a clip can only choose candidates.

Shape letters: V clips, T steps of a clip, U tokens of the query, D hidden width.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from c2rl.nn.masks import mask_of
from c2rl.objectives.similarity import clcl
from c2rl.store.features import FeatureSplit

Vectors = npt.NDArray[np.float32]


class Hit(NamedTuple):
    """A clip that was found."""

    number: int
    """Position in the embeddings."""
    score: float
    """Mix of both CLCL scores, in [-1, 1]."""


def pool(embeddings: Tensor) -> Vectors:
    """Pool a sequence into one unit vector.

    Args:
        embeddings: (T, D) float, real steps only.

    Returns:
        (D,) float32: the mean of the unit vectors, brought to length 1.
    """
    mean = F.normalize(embeddings.float(), dim=-1).mean(dim=0)
    return np.asarray(F.normalize(mean, dim=0), dtype=np.float32)


def write_index(path: Path, vectors: Vectors) -> None:
    """Write a flat inner-product index.

    Args:
        path: File to write.
        vectors: (V, D) float32, from `pool`.
    """
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(path))


def read_index(path: Path) -> faiss.Index:
    """Read an index.

    Args:
        path: Written by `write_index`.

    Returns:
        The FAISS index.
    """
    return faiss.read_index(str(path))


def score_pairs(
    clips: list[Tensor], texts: list[Tensor], *, sharpness: float, mix: float, tile: int = 64
) -> npt.NDArray[np.float32]:
    """Score all clips against all sentences by CLCL, tile by tile, in constant memory.

    Args:
        clips: V tensors (T, D), real steps only.
        texts: S tensors (U, D), real tokens only.
        sharpness: Temperature of CLCL's inner softmax.
        mix: Score = mix * V2T + (1 - mix) * T2V.
        tile: Clips and sentences a step.

    Returns:
        (V, S) float32.
    """
    scores = np.empty((len(clips), len(texts)), dtype=np.float32)
    for a in range(0, len(clips), tile):
        frames, frame_mask = _pad(clips[a : a + tile])
        for b in range(0, len(texts), tile):
            tokens, token_mask = _pad(texts[b : b + tile])
            both = clcl(frames, frame_mask, tokens, token_mask, sharpness=sharpness)
            mixed = mix * both.video_to_text + (1 - mix) * both.text_to_video
            scores[a : a + tile, b : b + tile] = mixed.numpy()
    return scores


def _pad(sequences: list[Tensor]) -> tuple[Tensor, Tensor]:
    mask = mask_of(torch.tensor([len(s) for s in sequences]))
    padded = torch.zeros(*mask.shape, sequences[0].shape[1])
    padded[mask] = torch.cat(sequences).float()
    return padded, mask


class StoredClips:
    """The token embeddings of all clips, read from the store when they are asked for."""

    def __init__(self, splits: Sequence[FeatureSplit]) -> None:
        """Put splits one after the other, as the index numbers them.

        Args:
            splits: Of an embedding store.
        """
        self._homes = [(split, i) for split in splits for i in range(len(split))]

    def __getitem__(self, number: int) -> Tensor:
        """Read one clip.

        Args:
            number: Position in the index.

        Returns:
            (T, D) float16.
        """
        split, i = self._homes[number]
        return torch.from_numpy(split[i].copy())


def search(
    index: faiss.Index,
    clips: StoredClips,
    text: Tensor,
    *,
    top: int,
    candidates: int,
    sharpness: float,
    mix: float,
) -> list[Hit]:
    """Find the clips that sign a sentence.

    Args:
        index: Pooled vectors of the clips.
        clips: Embeddings of the V clips; only those that the index proposes are read.
        text: (U, D) float, real tokens only.
        top: Hits to give.
        candidates: Clips that the index proposes; V or more makes the search exact.
        sharpness: Temperature of CLCL's inner softmax.
        mix: Score = mix * V2T + (1 - mix) * T2V.

    Returns:
        The best clips, best first.
    """
    _, found = index.search(pool(text)[None], min(candidates, index.ntotal))
    numbers = [int(n) for n in found[0] if n >= 0]
    scores = score_pairs([clips[n] for n in numbers], [text], sharpness=sharpness, mix=mix)[:, 0]
    order = np.argsort(-scores, kind="stable")[:top]
    return [Hit(numbers[i], float(scores[i])) for i in order]
