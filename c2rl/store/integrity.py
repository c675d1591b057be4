"""Whether the bytes of a store are those that were written; asked once, when a file is opened.

The chain: `meta.json` holds a checksum of itself and of every file. Small files are checked against
it when they are read. A chunk file ends in the crc32c of all before it, whatever its codec, and is
checked when it is first mapped; of large arrays a journal remembers that, by size and time of
change, so other processes and later runs need not read a chunk again before they use it.
"""

import json
import mmap
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import time_ns
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from c2rl import provenance, resumable

TAIL_BYTES = 4
"""Of a chunk file: the crc32c of what is before them, little-endian."""

REMEMBERED_BYTES = 64 * 2**20
"""Smaller arrays are checked by every process: some milliseconds, less than a journal takes."""

SETTLED_NS = 2_000_000_000
"""A file that changed this recently may change again within the same tick of the file system's
clock, with size and time the same; it is not remembered."""

Bytes = npt.NDArray[np.uint8]


def write_chunk(file: Path, chunk: npt.NDArray[Any]) -> None:
    """Write a chunk file: the chunk's bytes and their crc32c.

    Args:
        file: Its folder is created.
        chunk: Contiguous and little-endian.
    """
    data = chunk.reshape(-1).view(np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as target:
        target.write(data.data)
        target.write(google_crc32c.value(data).to_bytes(TAIL_BYTES, "little"))


def crc32c_holds(data: Bytes) -> bool:
    """Check the content of a chunk file against its tail.

    Args:
        data: (B,) uint8, the whole file.

    Returns:
        Whether the last four bytes are the crc32c of the others.
    """
    if len(data) <= TAIL_BYTES:
        return False
    found: int = google_crc32c.value(data[:-TAIL_BYTES])
    return found == int.from_bytes(data[-TAIL_BYTES:].tobytes(), "little")


def check_files(folder: Path, meta: provenance.Meta, wanted: str) -> None:
    """Check small files of an artefact before they are read.

    Args:
        folder: The artefact.
        meta: What its `meta.json` says.
        wanted: A part of their paths.

    Raises:
        ValueError: If one is not what was written.
    """
    for name, entry in meta.files.items():
        if wanted in name and provenance.hash_file(folder / name) != entry["blake2b"]:
            raise ValueError(
                f"{folder} is damaged: {name} is not what was written."
                " Delete the store and run the command that made it."
            )


class Chunks:
    """The chunk files of one array, each checked when it is first opened."""

    def __init__(self, folder: Path, *, num_bytes: int) -> None:
        """Look at nothing yet.

        Args:
            folder: Of the array.
            num_bytes: Size of the array, which decides whether checks are remembered.
        """
        self._folder = folder
        self._is_remembered = num_bytes > REMEMBERED_BYTES
        self._known: dict[str, list[int]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Drop what is known: another process may be on another machine."""
        return {**self.__dict__, "_known": None}

    def open(self, name: str) -> Bytes:
        """Map a chunk file.

        Args:
            name: Path below the array's folder.

        Returns:
            (B,) uint8, the whole file with its tail, read-only.

        Raises:
            FileNotFoundError: If it is gone.
            ValueError: If its bytes are not those that were written.
        """
        path = self._folder / name
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            size = found.st_size
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        data = np.frombuffer(whole, np.uint8)
        identity = [size, found.st_mtime_ns]
        if self._checked().get(name) == identity:
            return data
        if not crc32c_holds(data):
            raise ValueError(
                f"{path} is damaged: its bytes do not agree with their crc32c."
                " `c2rl features verify --deep` on the store names the clips that lie in it."
            )
        self._checked()[name] = identity
        if self._is_remembered and time_ns() - found.st_mtime_ns > SETTLED_NS:
            self._remember(name, identity)
        return data

    @property
    def _journal(self) -> Path:
        return resumable.journal({"checked": str(self._folder.resolve())})

    def _checked(self) -> dict[str, list[int]]:
        """Size and time that each chunk had when its crc32c held."""
        if self._known is None:
            self._known = dict(self._journaled()) if self._is_remembered else {}
        return self._known

    def _journaled(self) -> Iterator[tuple[str, list[int]]]:
        with suppress(OSError):  # none yet, or out of reach: chunks are checked again
            for line in self._journal.read_bytes().splitlines():
                with suppress(ValueError):  # torn by a kill: the chunk is checked again
                    name, *identity = json.loads(line)
                    yield name, identity

    def _remember(self, name: str, identity: list[int]) -> None:
        with suppress(OSError):  # a journal that cannot be written costs time, nothing else
            self._journal.parent.mkdir(parents=True, exist_ok=True)
            with self._journal.open("ab") as file:  # one write, appended: writers do not mix
                file.write(f"\n{json.dumps([name, *identity])}\n".encode())
