"""Which clips lie in which file of a store, as far as it can still be read."""

from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from c2rl.store import ragged
from c2rl.store.manifest import OK, Row, read_manifest

UNREADABLE = (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError)
"""What reading a damaged file may raise: it is damaged in no foreseen way."""


class ClipName(NamedTuple):
    """A clip."""

    split: str
    id: str
    """`#n` where the manifest cannot be read: position in the split."""


class Content:
    """The clips of a store by file; parts are read when a finding asks for them."""

    def __init__(self, path: Path, names: Collection[str]) -> None:
        """Read nothing yet.

        Args:
            path: The store.
            names: Files that it has or should have.
        """
        self._path = path
        self._is_frames = any(name.startswith("frames.zarr/") for name in names)
        self._splits = {name.split("/")[0] for name in names if "/features/" in name}

    def touched(self, name: str) -> tuple[list[ClipName], str]:
        """Name the clips that need a file.

        Args:
            name: Path of the file below the store.

        Returns:
            The clips; and in words whose they are where that is more than a chunk.
        """
        if name.startswith("overlays"):
            return [], ""
        home, _, rest = name.rpartition("/c/")
        split = "" if self._is_frames else name.split("/")[0]
        clips = self._clips(split if split in self._splits else "")
        offsets = self._offsets(split, home) if home and not home.endswith("offsets") else None
        number = rest.split("/")[0]
        if offsets is None or len(offsets) != len(clips) + 1 or not number.isdecimal():
            of = f" of {split}" if split in self._splits else ""
            return clips, f"all {len(clips)} clips{of}" if clips else f"every clip{of}"
        try:
            start, end = ragged.FlatArray(self._path / home).span(int(number))
        except UNREADABLE:
            return clips, f"all {len(clips)} clips"
        inside = (offsets[:-1] < end) & (offsets[1:] > start)
        return [clips[i] for i in np.flatnonzero(inside)], ""

    def _clips(self, split: str) -> list[ClipName]:
        if self._is_frames:
            rows: Sequence[Row] = [row for row in self._rows if row.status == OK]
        else:
            rows = [row for row in self._rows if split in ("", row.clip.split)]
        return [ClipName(row.clip.split, row.clip.id) for row in rows] or self._numbered(split)

    def _numbered(self, split: str) -> list[ClipName]:
        """Name clips by position, where the manifest is lost."""
        arrays = {name: f"{name}/offsets" for name in ([split] if split else sorted(self._splits))}
        if self._is_frames:
            arrays = {"": "frames.zarr/clip_offsets"}
        read = {name: self._read(array) for name, array in arrays.items()}
        return [
            ClipName(name, f"#{i}")
            for name, offsets in read.items()
            if offsets is not None
            for i in range(len(offsets) - 1)
        ]

    @cached_property
    def _rows(self) -> list[Row]:
        name = "manifest.jsonl" if self._is_frames else "clips.jsonl"
        try:
            return read_manifest(self._path / name)
        except UNREADABLE:
            return []

    def _offsets(self, split: str, home: str) -> npt.NDArray[np.int64] | None:
        """(N + 1,) rows of the array in `home` at which clips begin; None where they are lost."""
        if not self._is_frames:
            return self._read(f"{split}/offsets")
        frames, clips = (self._read(f"frames.zarr/{n}_offsets") for n in ("frame", "clip"))
        if frames is None or clips is None or clips[-1] >= len(frames):
            return None
        return frames[clips]

    def _read(self, name: str) -> npt.NDArray[np.int64] | None:
        try:
            return ragged.read_small(self._path / name)
        except UNREADABLE:
            return None
