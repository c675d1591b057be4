"""Ragged arrays on disk: one flat Zarr v3 array and offsets, complete or absent.

Chunks are uncompressed with a crc32c tail, so a chunk file is its raw little-endian bytes and four
more: we memory-map it, and stock zarr still reads and checks it.

Shape letters in this file:
    N clips; T rows of one clip; S = sum of T; C columns.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import Crc32cCodec

CHUNK_BYTES = 8 * 2**20
"""Size of one chunk file in bytes, without its checksum."""

Array = npt.NDArray[Any]


def write_flat(path: Path, blocks: Iterable[Array], *, shape: tuple[int, ...], dtype: str) -> None:
    """Write blocks one after the other into a flat Zarr array, in whole chunks.

    Args:
        path: Folder of the array; its parent is a Zarr group.
        blocks: Arrays (T, ...) of the given dtype whose rows sum up to `shape[0]`.
        shape: (S, ...) of the whole array.
        dtype: NumPy name of the element type; floats are filled with NaN where nothing is written.

    Raises:
        ValueError: If the blocks have more or fewer rows than `shape` says.
    """
    row_bytes = int(np.dtype(dtype).itemsize * np.prod(shape[1:], dtype=np.int64))
    rows = max(1, CHUNK_BYTES // max(1, row_bytes))
    array = zarr.create_array(
        path,
        shape=shape,
        dtype=dtype,
        chunks=(min(rows, max(1, shape[0])), *shape[1:]),
        compressors=(Crc32cCodec(),),
        fill_value=float("nan") if np.dtype(dtype).kind == "f" else 0,
        config={"write_empty_chunks": True},
    )
    done = 0
    for chunk in _rechunk(blocks, array.chunks[0]):
        if done + len(chunk) > shape[0]:
            raise ValueError(f"{path}: more than the promised {shape[0]} rows were written")
        array[done : done + len(chunk)] = chunk
        done += len(chunk)
    if done != shape[0]:
        raise ValueError(f"{path}: {done} rows were written, {shape[0]} were promised")


def _rechunk(blocks: Iterable[Array], rows: int) -> Iterator[Array]:
    held: list[Array] = []
    num_held = 0
    for block in blocks:
        held.append(block)
        num_held += len(block)
        if num_held >= rows:
            joined = np.concatenate(held)
            whole = len(joined) - len(joined) % rows
            for start in range(0, whole, rows):
                yield joined[start : start + rows]
            held, num_held = [joined[whole:]], len(joined) - whole
    if num_held:
        yield np.concatenate(held)


def write_group(path: Path, attributes: dict[str, Any] | None = None) -> None:
    """Create a Zarr v3 group.

    Args:
        path: Its folder.
        attributes: What stock zarr shows as `group.attrs`.
    """
    zarr.create_group(path, attributes=attributes or {})


def offsets_of(lengths: Sequence[int]) -> Array:
    """Turn lengths into offsets.

    Args:
        lengths: N lengths in rows.

    Returns:
        (N + 1,) int64, first 0; clip i has rows [offsets[i], offsets[i + 1]).
    """
    return np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))]).astype(np.int64)


class FlatArray:
    """A flat Zarr array read through memory maps, opened lazily per process."""

    def __init__(self, path: Path) -> None:
        """Read the array's metadata.

        Args:
            path: Folder written by `write_flat`.

        Raises:
            FileNotFoundError: If there is no array.
        """
        info = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
        self.path = path
        self.shape: tuple[int, ...] = tuple(info["shape"])
        self.dtype = np.dtype(info["data_type"]).newbyteorder("<")
        self._chunk: tuple[int, ...] = tuple(info["chunk_grid"]["configuration"]["chunk_shape"])
        self._maps: dict[int, Array] = {}

    def __len__(self) -> int:
        """Count the rows."""
        return self.shape[0]

    def __getstate__(self) -> dict[str, Any]:
        """Drop the memory maps: each process opens its own."""
        return {**self.__dict__, "_maps": {}}

    def rows(self, start: int, end: int) -> Array:
        """Read rows [start, end).

        Args:
            start: First row.
            end: One past the last row.

        Returns:
            (end - start, ...) array; a read-only view of the file where it lies in one chunk.
        """
        size = self._chunk[0]
        parts = []
        while start < end:
            number = start // size
            stop = min(end, (number + 1) * size)
            parts.append(self._map(number)[start - number * size : stop - number * size])
            start = stop
        if not parts:
            return np.empty((0, *self.shape[1:]), self.dtype)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _map(self, number: int) -> Array:
        if number not in self._maps:
            name = "/".join(["c", str(number), *["0"] * (len(self.shape) - 1)])
            self._maps[number] = np.memmap(
                self.path / name, dtype=self.dtype, mode="r", shape=self._chunk
            )
        return self._maps[number]


def read_small(path: Path) -> Array:
    """Read a whole small array through stock zarr, which checks its crc32c.

    Args:
        path: Folder of the array.

    Returns:
        The array in memory.
    """
    return np.asarray(zarr.open_array(path, mode="r")[...])
