"""The embeddings of an index's clips, read from a store when they are asked for.

Shape letters: V clips, T vectors of a clip, D width.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from c2rl.retrieve.candidates import Numbers
from c2rl.retrieve.items import Items
from c2rl.retrieve.rerank import Block
from c2rl.store import ragged
from c2rl.store.features import FEATURES, FeatureStore

BLOCK_ROWS = 8192
"""Vectors of a block: small beside the store, large beside the cost of a call (measured)."""

Embeddings = npt.NDArray[np.float16]


class Stored:
    """The embeddings of all clips of a store, in its order, whatever their split."""

    def __init__(self, path: Path) -> None:
        """Open an embedding store.

        Args:
            path: Its folder.

        Raises:
            FileNotFoundError: If it is absent or incomplete.
            ValueError: If it is damaged.
        """
        store = FeatureStore(path)
        self.width: int = store.meta.counts["width"]
        self.items = Items(path, store.meta)
        self._arrays = [ragged.FlatArray(path / name / FEATURES) for name in store]
        self._first = ragged.offsets_of([len(store[name]) for name in store])
        self._rows = ragged.offsets_of([len(array) for array in self._arrays])
        splits = zip(store, self._rows[:-1], strict=True)
        starts = [store[name].offsets[:-1] + base for name, base in splits]
        self.offsets: Numbers = np.concatenate([*starts, self._rows[-1:]])
        """(V + 1,) int64: first row of each clip, counted through all splits."""

    def __len__(self) -> int:
        """Count the clips."""
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> Embeddings:
        """Read one clip: (T, D) float16, read-only.

        Args:
            number: Position in the store.

        Raises:
            IndexError: If there is no such clip.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"there are {len(self)} clips, asked for number {number}")
        split = int(np.searchsorted(self._first, number, side="right")) - 1
        start, end = self.offsets[number : number + 2] - self._rows[split]
        return self._arrays[split].rows(int(start), int(end))

    def blocks(self) -> Iterator[tuple[int, Block]]:
        """Read all clips, some whole ones at a time.

        Yields:
            The number of the first, and their vectors.
        """
        for split, array in enumerate(self._arrays):
            first, last = int(self._first[split]), int(self._first[split + 1])
            while first < last:
                most = self.offsets[first] + BLOCK_ROWS
                end = int(np.searchsorted(self.offsets, most, side="right")) - 1
                end = min(max(end, first + 1), last)
                offsets = self.offsets[first : end + 1]
                rows = array.rows(*(int(n) for n in offsets[[0, -1]] - self._rows[split]))
                yield first, Block(rows, offsets - offsets[0])
                first = end

    def gather(self, numbers: Numbers) -> Block:
        """Read some clips.

        Args:
            numbers: (n,) int64, increasing.

        Returns:
            Their vectors, in that order, copied.
        """
        lengths = self.offsets[numbers + 1] - self.offsets[numbers]
        offsets = ragged.offsets_of(lengths.tolist())
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[numbers] - offsets[:-1], lengths)
        out = np.empty((len(rows), self.width), np.float16)
        cuts = np.searchsorted(rows, self._rows)
        for split, array in enumerate(self._arrays):
            own = slice(int(cuts[split]), int(cuts[split + 1]))
            take(array, rows[own] - self._rows[split], out[own])
        return Block(out, offsets)


def take(array: ragged.FlatArray, rows: Numbers, out: Embeddings) -> None:
    """Copy rows of an array, chunk by chunk.

    Args:
        array: Whose rows.
        rows: (n,) int64, increasing.
        out: (n, ...) to write to.
    """
    if not len(rows):
        return
    chunks = rows // array.span(0)[1]
    cuts = (np.flatnonzero(np.diff(chunks)) + 1).tolist()
    for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        first, last = array.span(int(chunks[start]))
        chunk = array.rows(first, last)
        np.take(chunk, rows[start:end] - first, axis=0, out=out[start:end], mode="clip")
