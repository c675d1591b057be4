"""The feature store: what the sign encoder says of every clip, read at memory speed.

One Zarr group a split: `features` (S, C) float16 and `offsets` (N + 1,) int64; `clips.jsonl` beside
them tells id, sentence and group, so translation and retrieval need nothing else. Where there are
`view_1`, `view_2`, ..., they are the same clips through other frames of each segment.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from c2rl import provenance
from c2rl.provenance import Meta
from c2rl.store import ragged, remote
from c2rl.store.integrity import check_files
from c2rl.store.manifest import Row, missing, read_manifest, write_manifest

if TYPE_CHECKING:
    import torch

    from c2rl.store.loaded import Loaded

Features = npt.NDArray[np.float16]

HIGHEST = float(np.finfo(np.float16).max)
"""Largest magnitude that float16 holds."""

FEATURES = "features"
"""Array of a split; of its further views: view_1, view_2, ..."""

VIEWED = "train"
"""The split whose further views are stored: what is scored is sampled in one way."""


class FeatureSplit:
    """The clips of one split, by number or by id; what is large is read when it is asked for."""

    def __init__(self, store: "FeatureStore", name: str) -> None:
        """Open the group of one split.

        Args:
            store: Whose split it is.
            name: train, dev, ...
        """
        self.name = name
        self._store = store
        self._num_clips: int = store.meta.counts["clips"][name]
        counted: int = store.meta.counts.get("views", {}).get(name, 1)
        arrays = [FEATURES, *(f"view_{number}" for number in range(1, counted))]
        self._views = [ragged.FlatArray(store.path / name / array) for array in arrays]

    @cached_property
    def rows(self) -> list[Row]:
        """The split's clips, in the order of the array."""
        return self._store.rows.get(self.name, [])

    @cached_property
    def ids(self) -> list[str]:
        """Id of each clip."""
        return [row.clip.id for row in self.rows]

    @cached_property
    def _number(self) -> dict[str, int]:
        return {id_: i for i, id_ in enumerate(self.ids)}

    @cached_property
    def offsets(self) -> npt.NDArray[np.int64]:
        """(N + 1,) int64; clip i has rows [offsets[i], offsets[i + 1])."""
        offsets = ragged.read_small(self._store.path / self.name / "offsets")
        if len(offsets) != self._num_clips + 1 or offsets[-1] != len(self._views[0]):
            raise ValueError(
                f"{self._store.path} is damaged: {self.name}/offsets tells of {len(offsets) - 1}"
                f" clips with {offsets[-1]} rows, stored are {self._num_clips} with"
                f" {len(self._views[0])}"
            )
        return offsets

    @property
    def num_views(self) -> int:
        """Samplings of each clip that are stored; 1 where there is the deterministic one alone."""
        return len(self._views)

    @property
    def width(self) -> int:
        """Number of columns C."""
        return self._views[0].shape[1]

    @property
    def profile(self) -> ragged.Profile:
        """How it is kept: none (memory-mapped) or zstd (an archive)."""
        return self._views[0].profile

    @property
    def lengths(self) -> list[int]:
        """Rows of each clip."""
        return [int(n) for n in np.diff(self.offsets)]

    @property
    def sentences(self) -> list[str]:
        """Annotated sentence of each clip."""
        return [row.clip.sentence for row in self.rows]

    @property
    def groups(self) -> list[str]:
        """Sentence group of each clip; its own id where the corpus has no groups."""
        return [row.clip.group or row.clip.id for row in self.rows]

    def __len__(self) -> int:
        """Count the clips."""
        return self._num_clips

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ids."""
        return iter(self.ids)

    def __getitem__(self, clip: int | str) -> Features:
        """Read one clip.

        Args:
            clip: Position or id.

        Returns:
            (T', C) float16, a read-only view of the file.

        Raises:
            IndexError: If there is no clip of that position.
            KeyError: If there is no clip of that id.
            ValueError: If its bytes are not those that were written.
        """
        return self.view(clip, 0)

    def view(self, clip: int | str, number: int) -> Features:
        """Read one clip through other frames.

        Args:
            clip: Position or id.
            number: Of the view; 0 is the deterministic sampling, that every split has.

        Returns:
            (T', C) float16, a read-only view of the file; T' is the same in all views.

        Raises:
            IndexError: If there is no clip of that position, or no such view.
            KeyError: If there is no clip of that id.
            ValueError: If its bytes are not those that were written.
        """
        place = self._number[clip] if isinstance(clip, str) else clip
        if not 0 <= place < self._num_clips:
            raise IndexError(f"{self.name} has {self._num_clips} clips, asked for {place}")
        offsets = self.offsets
        return self._views[number].rows(int(offsets[place]), int(offsets[place + 1]))

    def load(self, device: "torch.device | str | None" = None, *, view: int = 0) -> "Loaded":
        """Copy the whole split into memory or on to a GPU; nothing is read afterwards.

        Args:
            device: Where the rows go; None: the CPU.
            view: Which of the stored views.

        Returns:
            (S, C) float16 and (N + 1,) int64 offsets; `gather` takes clips out of it on the device.

        Raises:
            ValueError: If bytes are not those that were written.
        """
        from c2rl.store import loaded  # torch takes seconds, and looking at a store needs none

        chunks = self._views[view].chunks(0, len(self._views[0]))
        return loaded.load(chunks, self.offsets, width=self.width, device=device)


class FeatureStore:
    """Offline sign features of a corpus."""

    def __init__(self, path: Path | str) -> None:
        """Open a store.

        Args:
            path: Folder written by stage `extract`, or the URL of one (`s3://bucket/x.zarr`), which
                `remote.fetch` copies to this machine when it is first opened.

        Raises:
            FileNotFoundError: If it is absent or incomplete.
            OSError: If a URL is out of reach.
            ValueError: If it is another kind of artefact, or damaged.
        """
        self.path = remote.local(path, "features")
        self.meta: Meta = provenance.read_meta(self.path, "features", made_by="extract")
        check_files(self.path, self.meta, "zarr.json")
        self.splits = {name: FeatureSplit(self, name) for name in self.meta.counts["clips"]}

    @cached_property
    def rows(self) -> dict[str, list[Row]]:
        """Split to its clips, in the order of the arrays; read and checked when first used."""
        check_files(self.path, self.meta, "clips.jsonl")
        found: dict[str, list[Row]] = {}
        for row in read_manifest(self.path / "clips.jsonl"):
            found.setdefault(row.clip.split, []).append(row)
        return found

    def __getitem__(self, split: str) -> FeatureSplit:
        """Choose a split.

        Args:
            split: train, dev, test; `clips` where the videos came without a corpus.

        Raises:
            KeyError: If the store has no such split; the message lists those it has.
        """
        if split not in self.splits:
            raise KeyError(f"{self.path} has no split '{split}', only {', '.join(self.splits)}")
        return self.splits[split]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the splits' names."""
        return iter(self.splits)

    def __len__(self) -> int:
        """Count the splits."""
        return len(self.splits)


def write_feature_store(
    path: Path,
    rows: Sequence[Row],
    features: Iterable[Features],
    *,
    lengths: Sequence[int],
    width: int,
    made_from: dict[str, Any],
    views: Sequence[Iterable[Features]] = (),
    profile: ragged.Profile = "none",
) -> None:
    """Write a complete feature store and prove its coverage.

    Args:
        path: Final folder.
        rows: Clips, all of one split next to each other.
        features: Their (T', C) arrays in the same order, float16 or wider; read once, lazily.
        lengths: T' of each clip, known beforehand.
        width: C.
        made_from: Encoder's fingerprint and extraction parameters.
        views: Further views of the clips of train, in the same order.
        profile: none, to be memory-mapped; zstd, an archive that takes less room.

    Raises:
        ValueError: If a clip was not written, or holds a value that float16 cannot.
    """
    splits = list(dict.fromkeys(row.clip.split for row in rows))
    numbers = {s: [i for i, row in enumerate(rows) if row.clip.split == s] for s in splits}
    counts = {
        "clips": {s: len(own) for s, own in numbers.items()},
        "rows": {s: sum(lengths[i] for i in own) for s, own in numbers.items()},
        "width": width,
    }
    if views:
        counts["views"] = {s: 1 + len(views) if s == VIEWED else 1 for s in splits}
    stream = iter(features)
    written: list[str] = []
    with provenance.artefact(path, "features", made_from=made_from, counts=counts) as folder:
        ragged.write_group(folder, {"made_from": made_from, "counts": counts})
        write_manifest(folder / "clips.jsonl", rows)
        for split, own in numbers.items():
            home = folder / split
            ragged.write_group(home)
            offsets = ragged.offsets_of([lengths[i] for i in own])
            sources = [stream, *(views if split == VIEWED else ())]
            for number, source in enumerate(map(iter, sources)):
                blocks = (
                    _checked(clip, rows[i].clip.id, lengths[i], written)
                    for i, clip in zip(own, source, strict=False)  # of all splits
                )
                ragged.write_flat(
                    home / (f"view_{number}" if number else FEATURES),
                    blocks,
                    shape=(int(offsets[-1]), width),
                    dtype="float16",
                    profile=profile,
                )
            ragged.write_flat(home / "offsets", [offsets], shape=offsets.shape, dtype="int64")
        absent = missing([row.clip.id for row in rows], written)
        if absent:
            raise ValueError(f"{len(absent)} clips were not written: {', '.join(absent[:5])}")


def _checked(
    features: npt.NDArray[Any], id_: str, length: int, written: list[str]
) -> npt.NDArray[Any]:
    if not _fits(features):
        raise ValueError(
            f"features of {id_} hold a value that float16 cannot: the encoder diverged"
        )
    if len(features) != length:
        raise ValueError(f"{id_} has {len(features)} feature rows, {length} were expected")
    written.append(id_)
    return features


def _fits(features: npt.NDArray[Any]) -> bool:
    if features.dtype == np.float16:  # by its bits, four times as fast: no exponent of all ones
        return bool((features.view(np.uint16) & 0x7C00).max(initial=0) < 0x7C00)
    # largest and smallest are NaN where anything is, and NaN is in no order
    return bool(features.max(initial=0) <= HIGHEST and features.min(initial=0) >= -HIGHEST)
