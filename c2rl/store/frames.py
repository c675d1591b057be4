"""The frame store: every native frame of every clip, cropped, resized and compressed once.

Training draws another frame of each segment every epoch, so all frames are kept.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from c2rl import provenance
from c2rl.provenance import write_atomic, write_lines
from c2rl.store import ragged
from c2rl.store.integrity import check_files
from c2rl.store.manifest import OK, Row, read_manifest, write_manifest

Bytes = npt.NDArray[np.uint8]


class EncodedClip(NamedTuple):
    """The compressed frames of one clip."""

    data: Bytes
    """(B,) uint8. All frames' files one after the other."""
    sizes: npt.NDArray[np.int64]
    """(T,) int64. Bytes of each frame."""


class FrameStore:
    """Random access to the compressed frames of the clips whose status is ok."""

    def __init__(self, path: Path) -> None:
        """Open a store.

        Args:
            path: Folder written by stage `prepare`.

        Raises:
            FileNotFoundError: If it is absent or incomplete.
            ValueError: If it is another kind of artefact, or damaged.
        """
        self.path = path
        self.meta = provenance.read_meta(path, "frames", made_by="prepare")
        check_files(path, self.meta, "zarr.json")
        self.codec: str = self.meta.made_from["frames"]["codec"]
        group = path / "frames.zarr"
        self._data = ragged.FlatArray(group / self.codec)
        self._frame_offsets = ragged.read_small(group / "frame_offsets")
        self._clip_offsets = ragged.read_small(group / "clip_offsets")

    @cached_property
    def manifest(self) -> list[Row]:
        """All clips of the corpus in its order, unreadable ones too; read and checked once."""
        check_files(self.path, self.meta, "manifest.jsonl")
        return read_manifest(self.path / "manifest.jsonl")

    @cached_property
    def rows(self) -> list[Row]:
        """The readable clips, in the order of the arrays."""
        return [row for row in self.manifest if row.status == OK]

    def __len__(self) -> int:
        """Count the readable clips."""
        return len(self._clip_offsets) - 1

    def split(self, name: str) -> list[int]:
        """List the clips of a split.

        Args:
            name: train, dev or test.

        Returns:
            Their positions in `rows`.
        """
        return [i for i, row in enumerate(self.rows) if row.clip.split == name]

    def num_bytes(self, number: int) -> int:
        """Tell the size of a clip.

        Args:
            number: Position in `rows`.

        Returns:
            Bytes of all its frames.
        """
        first, last = self._clip_offsets[number : number + 2]
        return int(self._frame_offsets[last] - self._frame_offsets[first])

    def read(self, number: int, indices: Sequence[int]) -> list[Bytes]:
        """Read compressed frames of one clip.

        Args:
            number: Position in `rows`.
            indices: Native frame numbers within the clip.

        Returns:
            One (bytes,) uint8 array a frame: a whole JPEG or PNG file.

        Raises:
            IndexError: If a frame number lies outside the clip.
        """
        first, last = self._clip_offsets[number : number + 2]
        frames = []
        for index in indices:
            if not 0 <= index < last - first:
                raise IndexError(
                    f"{self.rows[number].clip.id} has {last - first} frames, asked for {index}"
                )
            start, end = self._frame_offsets[first + index : first + index + 2]
            frames.append(self._data.rows(int(start), int(end)))
        return frames

    def reader(self, number: int) -> Callable[[Sequence[int]], list[Bytes]]:
        """Bind `read` to one clip.

        Args:
            number: Position in `rows`.

        Returns:
            A function from frame numbers to compressed frames.
        """
        return lambda indices: self.read(number, indices)


def write_frame_store(
    path: Path,
    rows: Sequence[Row],
    clips: Iterable[EncodedClip],
    *,
    sizes: Sequence[npt.NDArray[np.int64]],
    made_from: dict[str, Any],
    counts: dict[str, Any],
    overlays: Mapping[str, bytes] | None = None,
) -> None:
    """Write a complete frame store.

    Args:
        path: Final folder.
        rows: The whole manifest, in order.
        clips: Encoded frames of the rows whose status is ok, in order; read once, lazily.
        sizes: The `sizes` of each of those clips, known beforehand.
        made_from: What made it; `made_from["frames"]["codec"]` names the array.
        counts: Clips per split and status.
        overlays: Clip id to a small JPEG that shows the box in the source; of a few clips.

    Raises:
        ValueError: If clips and manifest disagree.
    """
    expected = [row.num_frames for row in rows if row.status == OK]
    if [len(s) for s in sizes] != expected:
        raise ValueError("the manifest's frame counts differ from the encoded clips'")
    frame_sizes = np.concatenate(sizes) if sizes else np.empty(0, np.int64)
    frame_offsets = ragged.offsets_of(frame_sizes.tolist())
    clip_offsets = ragged.offsets_of(expected)
    with provenance.artefact(path, "frames", made_from=made_from, counts=counts) as folder:
        write_manifest(folder / "manifest.jsonl", rows)
        for number, picture in enumerate((overlays or {}).values()):
            write_atomic(folder / "overlays" / f"{number}.jpg", picture)
        if overlays:
            write_lines(folder / "overlays.jsonl", overlays)
        group = folder / "frames.zarr"
        codec = made_from["frames"]["codec"]
        ragged.write_group(group, {"codec": codec})
        total = int(frame_offsets[-1])
        blocks = (clip.data for clip in clips)
        ragged.write_flat(group / codec, blocks, shape=(total,), dtype="uint8")
        for name, values in (("frame_offsets", frame_offsets), ("clip_offsets", clip_offsets)):
            ragged.write_flat(group / name, [values], shape=values.shape, dtype="int64")
