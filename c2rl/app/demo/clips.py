"""The clips of the corpus: features, frames, and the videos where they are still there."""

import os
from pathlib import Path
from typing import NamedTuple

from c2rl.app.words import Stretch
from c2rl.prepare.release import find_root
from c2rl.report import strips
from c2rl.report.pictures import Picture
from c2rl.store.features import Features, FeatureStore
from c2rl.store.frames import FrameStore
from c2rl.store.manifest import Row
from c2rl.video.files import ClipError, safe_path


class Example(NamedTuple):
    """A clip to begin with."""

    id: str
    about: str


class Clips:
    """Everything that is stored of a corpus's clips, by their ids."""

    def __init__(self, data: Path, dataset: str) -> None:
        """Open the stores.

        Args:
            data: Folder of all artefacts.
            dataset: Name of the corpus.

        Raises:
            FileNotFoundError: If a store is absent or incomplete.
            ValueError: If one is damaged.
        """
        self.features = FeatureStore(data / "features" / f"{dataset}.zarr")
        self.frames = FrameStore(data / "frames" / dataset)
        self._numbers = {row.clip.id: number for number, row in enumerate(self.frames.rows)}
        self._rows = {row.clip.id: row for rows in self.features.rows.values() for row in rows}
        root = find_root(dataset, self.frames.meta.made_from.get("synthsign"))
        if not os.environ.get("C2RL_DATA"):
            root = data / "raw" / root.relative_to("data/raw")
        self._root = root

    @property
    def splits(self) -> list[str]:
        """Names of the splits."""
        return list(self.features)

    def ids(self, split: str) -> list[str]:
        """List the clips of a split.

        Args:
            split: One of `splits`.
        """
        return self.features[split].ids

    def row(self, id_: str) -> Row:
        """Tell what is known of a clip.

        Args:
            id_: Of the clip.

        Raises:
            ValueError: If there is none of that id.
        """
        if id_ not in self._rows:
            raise ValueError(f"no clip has the id '{id_}': choose one from the list.")
        return self._rows[id_]

    def stretch(self, id_: str) -> Stretch:
        """Tell where a clip lies in its video.

        Args:
            id_: Of the clip.
        """
        row = self.row(id_)
        duration = row.num_frames / row.fps if row.fps else None
        return Stretch(row.clip.start_s or 0.0, duration)

    def values(self, id_: str) -> Features:
        """Read the features of a clip.

        Args:
            id_: Of the clip.

        Returns:
            (T', C) float16.
        """
        return self.features[self.row(id_).clip.split][id_]

    def strip(self, id_: str) -> Picture | None:
        """Make a film strip of a clip.

        Args:
            id_: Of the clip.

        Returns:
            The strip; None where its frames are not stored.
        """
        number = self._numbers.get(id_)
        return None if number is None else strips.strip(self.frames, number)

    def video(self, id_: str) -> Path | None:
        """Find the video of a clip.

        Args:
            id_: Of the clip.

        Returns:
            A file below the corpus's folder; None where there is none, as of folders of frames.
        """
        try:
            path = safe_path(self._root, self.row(id_).clip.source)
        except ClipError:
            return None
        return path if path.is_file() else None

    def examples(self, count: int) -> list[Example]:
        """Choose clips to begin with: of the last split, of as many signers as there are.

        Args:
            count: How many, at most.
        """
        seen: dict[str, list[str]] = {}
        for id_ in self.ids(self.splits[-1]):
            seen.setdefault(self.row(id_).clip.signer or "", []).append(id_)
        rounds = [own[n] for n in range(count) for own in seen.values() if n < len(own)]
        return [Example(id_, self.about(id_)) for id_ in rounds[:count]]

    def about(self, id_: str) -> str:
        """Tell signer and length of a clip, in words.

        Args:
            id_: Of the clip.
        """
        row, stretch = self.row(id_), self.stretch(id_)
        length = f"{row.num_frames} frames"
        if stretch.duration_s is not None:
            length = f"{stretch.duration_s:.1f} s"
        return f"{row.clip.signer}, {length}" if row.clip.signer else length
