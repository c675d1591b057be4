"""A part of an index: clips that were added together, never changed afterwards.

    embeddings.zarr  (T, D) float16 a clip, memory-mapped; a feature store
    index.faiss      one pooled vector a clip
    quarters.zarr    four pooled vectors a clip, (V, 4 D) float16, memory-mapped
    audit.json       how much of the truth the quick search finds with these

A retriever's own folder holds the same four, so it is a part as it stands.

The quick search narrows in two steps before anything is scored exactly. One vector a clip is what
FAISS can search, but it forgets which signs there are. So of eight or sixteen times the clips that
are wanted, those are kept that score best by their quarters' vectors, which CLCL compares as if
they were clips of four vectors.

Shape letters: V clips, T vectors of a clip, D width.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from c2rl import provenance
from c2rl.retrieve import audit, candidates, rerank
from c2rl.retrieve.audit import Audit
from c2rl.retrieve.candidates import Candidates, Numbers, Vectors
from c2rl.retrieve.exact import score_pairs
from c2rl.retrieve.rerank import Block, Query
from c2rl.retrieve.stored import Embeddings, Stored, take
from c2rl.store import ragged
from c2rl.store.features import write_feature_store
from c2rl.store.integrity import check_files
from c2rl.store.manifest import Row

EMBEDDINGS, INDEX, AUDIT = "embeddings.zarr", "index.faiss", "audit.json"
QUARTERS = "quarters.zarr"
SUMMARY = "vectors"
"""Array in it."""

FOUR = 4
"""Pooled vectors of a clip."""

WIDER = {"Flat": 8, "IVF-PQ": 16}
"""Clips that the one vector proposes for each that the four leave; codes order them less well."""


class Part:
    """An open part."""

    def __init__(self, path: Path, meta: provenance.Meta) -> None:
        """Open a part.

        Args:
            path: Its folder, or a retriever's.
            meta: What its meta.json says.

        Raises:
            FileNotFoundError: If it is incomplete.
            ValueError: If it is damaged.
        """
        self.path, self.meta = path, meta
        self.clips = Stored(path / EMBEDDINGS)
        self.items = self.clips.items

    def __len__(self) -> int:
        """Count the clips, removed ones too."""
        return len(self.clips)

    @cached_property
    def candidates(self) -> Candidates:
        """The pooled vectors; read and checked when first used."""
        check_files(self.path, self.meta, INDEX)
        found = Candidates(self.path / INDEX)
        if (len(found), found.width) != (len(self), self.clips.width):
            raise ValueError(
                f"{self.path / INDEX} has {len(found)} vectors of {found.width} numbers, but the"
                f" token store beside it has {len(self)} clips of {self.clips.width}."
            )
        return found

    @cached_property
    def _quarters(self) -> ragged.FlatArray:
        if f"{QUARTERS}/zarr.json" not in self.meta.files:
            raise FileNotFoundError(
                f"{self.path} has no {QUARTERS}, which mode fast and certified need: make it anew,"
                " or search in mode exact."
            )
        check_files(self.path, self.meta, f"{QUARTERS}/")
        return ragged.FlatArray(self.path / QUARTERS / SUMMARY)

    @cached_property
    def audit(self) -> Audit | None:
        """What was found when the part was written; None where nobody asked."""
        if AUDIT not in self.meta.files:
            return None
        check_files(self.path, self.meta, AUDIT)
        return audit.read(self.path / AUDIT)

    def propose(self, query: Query, count: int, removed: Sequence[int] | Numbers = ()) -> Numbers:
        """Choose clips that may be among the best.

        Args:
            query: What is looked for.
            count: Clips wanted.
            removed: Numbers of clips that are not to be proposed.

        Returns:
            (count or fewer,) int64 numbers, increasing.
        """
        return _propose(self.candidates, self._quarters, query, count, removed)


def _propose(
    candidates: Candidates,
    quarters: ragged.FlatArray,
    query: Query,
    count: int,
    removed: Sequence[int] | Numbers = (),
) -> Numbers:
    wide = np.sort(candidates.search(pool(query.vectors), WIDER[candidates.kind] * count, removed))
    if len(wide) <= count:
        return wide
    rows = np.empty((len(wide), quarters.shape[1]), np.float16)
    take(quarters, wide, rows)
    scores = rerank.scores_of_units(rows.reshape(len(wide), FOUR, -1), query).numpy()
    chosen = np.argpartition(-scores, count - 1)[:count]
    return np.sort(wide[chosen])


def pool(embeddings: Tensor) -> Vectors:
    """Pool a sequence into one unit vector.

    Args:
        embeddings: (T, D) float, real steps only.

    Returns:
        (D,) float32: the mean of the unit vectors, brought to length 1.
    """
    mean = F.normalize(embeddings.float(), dim=-1).mean(dim=0)
    return np.asarray(F.normalize(mean, dim=0), dtype=np.float32)


def quarters_of(lengths: Numbers) -> tuple[Numbers, Numbers]:
    """Cut clips into quarters.

    Args:
        lengths: (V,) int64, vectors of each clip.

    Returns:
        First vector of each clip's four quarters, (V, 4), and one past the last; a clip of fewer
        than four vectors has some of them in more than one quarter.

    Example:
        >>> [found.tolist() for found in quarters_of(np.array([9, 2]))]
        [[[0, 2, 4, 6], [0, 0, 1, 1]], [[2, 4, 6, 9], [1, 1, 2, 2]]]
    """
    edges = lengths[:, None] * np.arange(FOUR + 1) // FOUR
    return edges[:, :-1], np.maximum(edges[:, :-1] + 1, edges[:, 1:])


def _summaries(block: Block) -> tuple[Vectors, Embeddings]:
    """Pool the clips of a block: whole, (V, D), and by quarters, (V, 4 D)."""
    unit = F.normalize(rerank.as_tensor(block.rows).float(), dim=-1)
    count = len(block.offsets) - 1
    first, end = (edges.reshape(-1) for edges in quarters_of(np.diff(block.offsets)))
    starts = np.repeat(block.offsets[:-1], FOUR) + first
    offsets = ragged.offsets_of((end - first).tolist())
    rows = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], end - first)
    four = _means(unit, rows, offsets).half().numpy().reshape(count, -1)
    return _means(unit, np.arange(len(unit)), block.offsets).numpy(), four


def _means(unit: Tensor, rows: Numbers, offsets: Numbers) -> Tensor:
    bags = (torch.from_numpy(rows), unit, torch.from_numpy(offsets))
    return F.normalize(F.embedding_bag(*bags, mode="mean", include_last_offset=True), dim=-1)


def write_candidates(
    folder: Path, queries: Sequence[Tensor], *, sharpness: float, mix: float
) -> None:
    """Write what the quick search needs beside an embedding store.

    Args:
        folder: Holds `embeddings.zarr`; gets the other three.
        queries: (U, D) float each, some 32 that are typical; none: no audit.
        sharpness: Temperature of CLCL's inner softmax.
        mix: Of the score that ranks.
    """
    clips = Stored(folder / EMBEDDINGS)
    vectors = np.empty((len(clips), clips.width), np.float32)
    scores = np.empty((len(clips), len(queries)), np.float32)

    def fours() -> Iterator[Embeddings]:
        """Read everything once."""
        for first, block in clips.blocks():
            own = slice(first, first + len(block.offsets) - 1)
            vectors[own], four = _summaries(block)
            yield four
            if queries:
                rows = rerank.as_tensor(block.rows)
                some = [rows[a:b] for a, b in pairwise(block.offsets.tolist())]
                scores[own] = score_pairs(some, queries, sharpness=sharpness, mix=mix)

    ragged.write_group(folder / QUARTERS)
    home = folder / QUARTERS / SUMMARY
    ragged.write_flat(home, fours(), shape=(len(clips), FOUR * clips.width), dtype="float16")
    candidates.write(folder / INDEX, vectors)
    if queries:
        asked = [Query(vectors, sharpness, mix) for vectors in queries]
        best = [np.argsort(-own, kind="stable")[: audit.TOP].tolist() for own in scores.T]
        index, quarters = Candidates(folder / INDEX), ragged.FlatArray(home)
        found = audit.run(
            best,
            lambda query, count: _propose(index, quarters, asked[query], count).tolist(),
            clips=len(clips),
        )
        audit.write(folder / AUDIT, found)


def write_part(
    path: Path,
    rows: Sequence[Row],
    embeddings: Iterable[Embeddings],
    *,
    lengths: Sequence[int],
    width: int,
    made_from: dict[str, Any],
    queries: Sequence[Tensor],
    sharpness: float,
    mix: float,
) -> None:
    """Write a complete part.

    Args:
        path: Its folder.
        rows: V clips, all of one split next to each other.
        embeddings: Their (T, D) arrays in the same order; read once, lazily.
        lengths: T of each.
        width: D.
        made_from: Fingerprints of the retriever and of the features.
        queries: As for `write_candidates`.
        sharpness: Likewise.
        mix: Likewise.
    """
    counts = {"clips": len(rows), "width": width}
    with provenance.artefact(path, "part", made_from=made_from, counts=counts) as folder:
        write_feature_store(
            folder / EMBEDDINGS, rows, embeddings, lengths=lengths, width=width, made_from=made_from
        )
        write_candidates(folder, queries, sharpness=sharpness, mix=mix)
