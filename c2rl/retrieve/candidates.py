"""Which clips may be what is looked for, by one vector each; the only door to faiss.

CLCL is a late interaction, so one vector a clip can only choose candidates; what they score is for
`rerank` to say.

Shape letters: V clips, D width.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import faiss
import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

FLAT_MOST = 100_000
"""Most clips of which every vector is compared: some 5 ms on one core."""

_TRAINED_ON = 64
"""Vectors a list that k-means learns from; FAISS warns below 39."""

_PROBED = 4
"""One list of so many is looked into: what matches is not where a query's one vector points, so few
lists miss much, and codes that stay in registers make many cheap (a million clips: 3 to 7 ms)."""

_SEED = 1234


def kind(count: int, width: int) -> str:
    """Choose the index that suits a number of clips.

    Args:
        count: Clips.
        width: D.

    Returns:
        A name as FAISS's index factory understands it: Flat, or inverted lists (about 4 to 8 times
        the root of the clips) of product-quantised vectors, 4 bits for two numbers.

    Example:
        >>> kind(100_000, 128), kind(1_000_000, 128)
        ('Flat', 'IVF4096,PQ64x4fs')
    """
    if count <= FLAT_MOST:
        return "Flat"
    lists = 1 << int(np.ceil(np.log2(4 * count**0.5)) + 1e-9)
    return f"IVF{lists},PQ{width // 2 if width % 2 == 0 else width}x4fs"


def build(vectors: Vectors) -> Any:
    """Index vectors by inner product.

    Args:
        vectors: (V, D) float32, of length 1.

    Returns:
        A FAISS index in which a clip's number is its row.
    """
    count, width = vectors.shape
    index: Any = faiss.index_factory(width, kind(count, width), faiss.METRIC_INNER_PRODUCT)
    if not index.is_trained:
        chosen = np.random.default_rng(_SEED).permutation(count)[: _TRAINED_ON * index.nlist]
        index.train(np.ascontiguousarray(vectors[np.sort(chosen)]))
    index.add(vectors)
    return index


def write(path: Path, vectors: Vectors) -> None:
    """Write an index of vectors.

    Args:
        path: File to write.
        vectors: (V, D) float32, of length 1.
    """
    faiss.write_index(build(vectors), str(path))


class Candidates:
    """An index that was read; a flat one is searched on a GPU where there is one."""

    def __init__(self, path: Path) -> None:
        """Read an index; its bytes must have been checked, for FAISS trusts them.

        Args:
            path: Written by `write`.

        Raises:
            ValueError: If FAISS cannot read it.
        """
        try:
            self._index = cast("Any", faiss.read_index(str(path)))
        except RuntimeError as error:
            raise ValueError(f"{path} is no index that FAISS reads: {_first(error)}") from None
        lists: int = getattr(self._index, "nlist", 0)
        self.kind = "IVF-PQ" if lists else "Flat"
        self._probed = 0
        if lists:
            self._probed = max(1, lists // _PROBED)
            self._index.nprobe = self._probed
        self._on_gpu = None
        if faiss.get_num_gpus() and not lists:  # FAISS keeps such codes on the CPU
            self._on_gpu = faiss.index_cpu_to_all_gpus(self._index)

    def __len__(self) -> int:
        """Count the clips."""
        return int(self._index.ntotal)

    @property
    def width(self) -> int:
        """D."""
        return int(self._index.d)

    def search(self, vector: Vectors, count: int, removed: Sequence[int] | Numbers = ()) -> Numbers:
        """Propose clips.

        Args:
            vector: (D,) float32, the query's.
            count: Clips wanted.
            removed: Numbers of clips that are not to be proposed.

        Returns:
            (count or fewer,) int64, the most similar first.
        """
        count = min(count, len(self) - len(removed))
        if count <= 0:
            return np.empty(0, np.int64)
        if self._on_gpu is not None and not len(removed) and count <= _MOST_ON_GPU:
            _, found = self._on_gpu.search(vector[None], count)
        else:
            with _one_thread() if self.kind == "Flat" else nullcontext():
                _, found = self._index.search(vector[None], count, params=self._options(removed))
        numbers: Numbers = found[0][found[0] >= 0]
        return numbers

    def _options(self, removed: Sequence[int] | Numbers) -> Any:
        wanted: dict[str, Any] = {}
        if len(removed):
            batch = faiss.IDSelectorBatch(np.asarray(removed, dtype=np.int64))
            wanted["sel"] = faiss.IDSelectorNot(batch)
        if self._probed:
            found = faiss.SearchParametersIVF(**wanted)
            found.nprobe = self._probed
            return found
        return faiss.SearchParameters(**wanted) if wanted else None


_MOST_ON_GPU = 2048
"""Neighbours that FAISS gives on a GPU."""


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep FAISS to one thread: it does not share one query out, but waits 4 ms for the others."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _first(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[-1].strip()[:120]
