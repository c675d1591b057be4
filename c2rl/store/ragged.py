"""Ragged arrays on disk: one flat Zarr v3 array and offsets, complete or absent.

Chunks are uncompressed with a crc32c tail, so a chunk file is its raw little-endian bytes and four
more: we memory-map it, and stock zarr still reads and checks it. In the archive profile they are
zstd frames with the same tail, and are unpacked into memory when they are first used.

Shape letters in this file:
    N clips; T rows of one clip; S = sum of T; C columns.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from c2rl.store.integrity import TAIL_BYTES, Chunks, write_chunk

CHUNK_BYTES = 8 * 2**20
"""Size of one chunk in bytes, unpacked and without its checksum."""

MOST_MAPS = 256
"""Chunks of an array that a process keeps open; each costs it one of its 1,024 files."""

Profile = Literal["none", "zstd"]
"""none: memory-mapped; zstd: an archive, smaller, unpacked into memory when it is read."""

_PACKERS = {"none": (), "zstd": (ZstdCodec(level=3),)}
_CODECS: dict[tuple[str, ...], Profile] = {
    ("bytes", "crc32c"): "none",
    ("bytes", "zstd", "crc32c"): "zstd",
}

Array = npt.NDArray[Any]


def write_flat(
    path: Path,
    blocks: Iterable[Array],
    *,
    shape: tuple[int, ...],
    dtype: str,
    profile: Profile = "none",
) -> None:
    """Write blocks one after the other into a flat Zarr array, in whole chunks.

    Args:
        path: Folder of the array; its parent is a Zarr group.
        blocks: Arrays (T, ...) of the given kind of dtype whose rows sum up to `shape[0]`.
        shape: (S, ...) of the whole array.
        dtype: NumPy name of the element type; floats are filled with NaN where nothing is written.
        profile: How chunks are kept.

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
        compressors=(*_PACKERS[profile], Crc32cCodec()),
        fill_value=float("nan") if np.dtype(dtype).kind == "f" else 0,
        config={"write_empty_chunks": True},
    )
    done = 0
    chunk = np.empty(array.chunks, np.dtype(dtype).newbyteorder("<"))
    for number, rows in enumerate(_fill(chunk, blocks)):
        if done + rows > shape[0]:
            raise ValueError(f"{path}: more than the promised {shape[0]} rows were written")
        if profile == "none":  # the same bytes as zarr's, without its copies
            chunk[rows:] = array.fill_value
            write_chunk(path / _name(number, len(shape)), chunk)
        else:
            array[done : done + rows] = chunk[:rows]
        done += rows
    if done != shape[0]:
        raise ValueError(f"{path}: {done} rows were written, {shape[0]} were promised")


def _fill(chunk: Array, blocks: Iterable[Array]) -> Iterator[int]:
    """Fill one chunk's memory again and again, and tell each time how many rows are new."""
    held = 0
    for block in blocks:
        start = 0
        while start < len(block):
            part = block[start : start + len(chunk) - held]
            np.copyto(chunk[held : held + len(part)], part, casting="same_kind")
            start += len(part)
            held += len(part)
            if held == len(chunk):
                yield held
                held = 0
    if held:
        yield held


def _name(number: int, num_axes: int) -> str:
    """Path of a chunk file below its array."""
    return "/".join(["c", str(number), *["0"] * (num_axes - 1)])


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
    """A flat Zarr array, its chunks mapped and checked when they are first read."""

    def __init__(self, path: Path) -> None:
        """Read the array's metadata.

        Args:
            path: Folder written by `write_flat`.

        Raises:
            FileNotFoundError: If there is no array.
            ValueError: If it is packed in a way that is not ours.
        """
        info = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
        self.path = path
        self.shape: tuple[int, ...] = tuple(info["shape"])
        self.dtype = np.dtype(info["data_type"]).newbyteorder("<")
        self._chunk: tuple[int, ...] = tuple(info["chunk_grid"]["configuration"]["chunk_shape"])
        codecs = tuple(codec["name"] for codec in info["codecs"])
        if codecs not in _CODECS:
            raise ValueError(
                f"{path} is packed by {', '.join(codecs)}; bytes, perhaps zstd, and crc32c are read"
            )
        self.profile: Profile = _CODECS[codecs]
        row_bytes = int(self.dtype.itemsize * np.prod(self.shape[1:], dtype=np.int64))
        self._chunk_bytes = row_bytes * self._chunk[0]
        self._files = Chunks(path, num_bytes=row_bytes * self.shape[0])
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

        Raises:
            ValueError: If a chunk's bytes are not those that were written.
        """
        number, first = divmod(start, self._chunk[0])
        if first + end - start <= self._chunk[0] and start < end:
            chunk = self._maps.get(number)
            return (self._map(number) if chunk is None else chunk)[first : first + end - start]
        parts = [*self.chunks(start, end)]
        return np.concatenate(parts) if parts else np.empty((0, *self.shape[1:]), self.dtype)

    def chunks(self, start: int, end: int) -> Iterator[Array]:
        """Read rows [start, end) chunk by chunk.

        Args:
            start: First row.
            end: One past the last row.

        Yields:
            Read-only views, at most one chunk's rows each.
        """
        size = self._chunk[0]
        while start < end:
            number = start // size
            stop = min(end, (number + 1) * size)
            yield self._map(number)[start - number * size : stop - number * size]
            start = stop

    def span(self, number: int) -> tuple[int, int]:
        """Tell which rows a chunk holds.

        Args:
            number: Of the chunk.

        Returns:
            Its first row, and one past its last.
        """
        size = self._chunk[0]
        return min(number * size, len(self)), min((number + 1) * size, len(self))

    def _map(self, number: int) -> Array:
        chunk = self._maps.get(number)
        if chunk is None:
            chunk = self._read(number)
            while len(self._maps) >= MOST_MAPS:  # what was read from the oldest keeps it open
                self._maps.pop(next(iter([*self._maps]), -1), None)  # other threads drop it too
            self._maps[number] = chunk
        return chunk

    def _read(self, number: int) -> Array:
        name = _name(number, len(self.shape))
        data = self._files.open(name)
        if self.profile == "zstd":
            start, end = self.span(number)
            unpacked = np.asarray(zarr.open_array(self.path, mode="r")[start:end])
            unpacked.setflags(write=False)
            return unpacked
        if len(data) != self._chunk_bytes + TAIL_BYTES:
            raise ValueError(
                f"{self.path / name} is damaged: it has {len(data)} bytes, zarr.json asks for"
                f" {self._chunk_bytes + TAIL_BYTES}"
            )
        values: Array = data[:-TAIL_BYTES].view(self.dtype)
        return values.reshape(self._chunk)


def read_small(path: Path) -> Array:
    """Read a whole small array, checked.

    Args:
        path: Folder of the array.

    Returns:
        The array, read-only.

    Raises:
        ValueError: If its bytes are not those that were written.
    """
    array = FlatArray(path)
    return array.rows(0, len(array))
