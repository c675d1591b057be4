"""The feature store: what the sign encoder says of every clip, read at memory speed.

One Zarr group a split: `features` (S, C) float16 and `offsets` (N + 1,) int64; `clips.jsonl` beside
them tells id, sentence and group, so translation and retrieval need nothing else.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from c2rl import provenance
from c2rl.store import ragged
from c2rl.store.manifest import Row, missing, read_manifest, write_manifest

Features = npt.NDArray[np.float16]

HIGHEST = float(np.finfo(np.float16).max)
"""Largest magnitude that float16 holds."""


class FeatureSplit:
    """The clips of one split, by number or by id."""

    def __init__(self, path: Path, rows: list[Row]) -> None:
        """Open the group of one split.

        Args:
            path: Group folder.
            rows: The split's clips, in the order of the array.
        """
        self.rows = rows
        self.ids: list[str] = [row.clip.id for row in rows]
        self._number = {id_: i for i, id_ in enumerate(self.ids)}
        self._features = ragged.FlatArray(path / "features")
        self.offsets: npt.NDArray[np.int64] = ragged.read_small(path / "offsets")

    @property
    def width(self) -> int:
        """Number of columns C."""
        return self._features.shape[1]

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
        return len(self.rows)

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
            KeyError: If there is no clip of that id.
        """
        number = self._number[clip] if isinstance(clip, str) else clip
        return self._features.rows(int(self.offsets[number]), int(self.offsets[number + 1]))


class FeatureStore:
    """Offline sign features of a corpus."""

    def __init__(self, path: Path | str) -> None:
        """Open a store.

        Args:
            path: Folder written by stage `extract`.

        Raises:
            FileNotFoundError: If it is absent or incomplete.
            ValueError: If it is another kind of artefact, or damaged.
        """
        self.path = Path(path)
        self.meta = provenance.read_meta(self.path, "features", made_by="extract")
        rows = read_manifest(self.path / "clips.jsonl")
        self.splits: dict[str, FeatureSplit] = {}
        for name in self.meta.counts["clips"]:
            own = [row for row in rows if row.clip.split == name]
            self.splits[name] = FeatureSplit(self.path / name, own)

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
) -> None:
    """Write a complete feature store and prove its coverage.

    Args:
        path: Final folder.
        rows: Clips, all of one split next to each other.
        features: Their (T', C) arrays in the same order; read once, lazily.
        lengths: T' of each clip, known beforehand.
        width: C.
        made_from: Encoder's fingerprint and extraction parameters.

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
    stream = iter(features)
    written: list[str] = []
    with provenance.artefact(path, "features", made_from=made_from, counts=counts) as folder:
        ragged.write_group(folder, {"made_from": made_from, "counts": counts})
        write_manifest(folder / "clips.jsonl", rows)
        for split, own in numbers.items():
            ragged.write_group(folder / split)
            blocks = (_checked(next(stream), rows[i].clip.id, lengths[i], written) for i in own)
            offsets = ragged.offsets_of([lengths[i] for i in own])
            shape = (int(offsets[-1]), width)
            ragged.write_flat(folder / split / "features", blocks, shape=shape, dtype="float16")
            ragged.write_flat(
                folder / split / "offsets", [offsets], shape=offsets.shape, dtype="int64"
            )
        absent = missing([row.clip.id for row in rows], written)
        if absent:
            raise ValueError(f"{len(absent)} clips were not written: {', '.join(absent[:5])}")


def _checked(features: npt.NDArray[Any], id_: str, length: int, written: list[str]) -> Features:
    if not np.isfinite(features).all() or np.abs(features).max(initial=0) > HIGHEST:
        raise ValueError(
            f"features of {id_} hold a value that float16 cannot: the encoder diverged"
        )
    if len(features) != length:
        raise ValueError(f"{id_} has {len(features)} feature rows, {length} were expected")
    written.append(id_)
    return features.astype(np.float16)
