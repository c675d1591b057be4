"""Files of finished clips, a few dozen each: what a kill leaves of work that goes on.

A shard file is written beside its place and renamed into it, so it is whole or not there.
"""

import json
import os
import platform
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from c2rl.corpora.clip import Clip
from c2rl.store.manifest import Row

SHARD = 64
"""Most clips of a shard."""

TRANSIENT = ("decode_timeout", "decode_crash")
"""Statuses that may go better another time."""

_UNFINISHED = ".unfinished"
# what reading a damaged archive may raise: a flipped bit can ask for encryption, or a new method
_TORN = (
    *(OSError, ValueError, KeyError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)


def path_of(folder: Path, number: int) -> Path:
    """Name a shard's file.

    Args:
        folder: Of the work.
        number: Of the shard.

    Returns:
        Its path.
    """
    return folder / f"{number:06d}.npz"


def save(path: Path, rows: Sequence[Row], **arrays: npt.NDArray[Any]) -> None:
    """Write a shard.

    Args:
        path: Its file.
        rows: What became of each of its clips.
        arrays: What was made of them.
    """
    entries = [
        row._asdict() | {"clip": row.clip.id, "box": row.clip.box, "video": dict(row.video)}
        for row in rows
    ]
    told = json.dumps({"arrays": len(arrays), "rows": entries})
    # A name of its own: two hosts that share a disk may both hold a shard whose first owner hung.
    temporary = path.with_name(f".{path.stem}.{platform.node()}.{os.getpid()}{_UNFINISHED}")
    try:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, rows=_bytes(told), **arrays)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def rows(path: Path, clips: Sequence[Clip]) -> list[Row] | None:
    """Read what an earlier run found.

    Args:
        path: A shard's file.
        clips: The clips that it should hold.

    Returns:
        Their rows; None if the file is absent, torn, or of other clips.
    """
    try:
        found = json.loads(load(path, "rows").tobytes())
        with zipfile.ZipFile(path) as archive:  # a flipped length makes an entry swallow the next
            if archive.testzip() or len(archive.namelist()) != 1 + found["arrays"]:
                return None
    except _TORN:
        return None
    told: list[dict[str, Any]] = found["rows"]
    if [row["clip"] for row in told] != [clip.id for clip in clips]:
        return None
    return [_row(clip, row) for clip, row in zip(clips, told, strict=True)]


def load(path: Path, name: str) -> npt.NDArray[Any]:
    """Read one array of a shard.

    Args:
        path: The shard's file.
        name: As it was given to `save`.

    Returns:
        The array.
    """
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return np.asarray(archive[name])


def sweep(folder: Path) -> None:
    """Remove what killed writers left.

    Args:
        folder: Of work that nobody else does.
    """
    for path in folder.glob(f".*{_UNFINISHED}"):
        path.unlink()


def _bytes(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


def _row(clip: Clip, told: dict[str, Any]) -> Row:
    box = told.pop("box")
    return Row(**told | {"clip": clip._replace(box=tuple(box) if box else None)})
