"""What is known of the clips of a store, a line read when it is asked for: a million cost nothing.

Shape letters: V clips.
"""

import json
import mmap
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from c2rl import provenance
from c2rl.store.integrity import check_files

_LINE = 10  # a newline; JSON has none inside a line
_STEP = 2**26  # bytes


class Item(NamedTuple):
    """A clip that can be found."""

    id: str
    split: str
    sentence: str
    """Empty where nobody annotated it."""
    language: str
    source: str
    """Its video."""
    start_s: float | None
    """First second of the clip in its video; None: from the beginning."""
    end_s: float | None
    """Last second; None: to the end."""
    num_frames: int
    fps: float
    """0 where unknown."""

    @property
    def duration_s(self) -> float | None:
        """Length in seconds; None where nothing tells it."""
        if self.num_frames and self.fps:
            return self.num_frames / self.fps
        if self.start_s is not None and self.end_s is not None:
            return self.end_s - self.start_s
        return None


class Items:
    """The lines of a store's clips.jsonl, by the clips' numbers."""

    def __init__(self, store: Path, meta: provenance.Meta) -> None:
        """Read nothing yet.

        Args:
            store: Feature store.
            meta: What its meta.json says.
        """
        self._store, self._meta = store, meta

    @cached_property
    def _lines(self) -> mmap.mmap:
        check_files(self._store, self._meta, "clips.jsonl")
        with (self._store / "clips.jsonl").open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @cached_property
    def _ends(self) -> npt.NDArray[np.int64]:
        found = [
            start
            + np.flatnonzero(np.frombuffer(self._lines[start : start + 2**26], np.uint8) == _LINE)
            for start in range(0, len(self._lines), 2**26)
        ]
        return np.concatenate(found)

    def __len__(self) -> int:
        """Count the clips."""
        return len(self._ends)

    def __getitem__(self, number: int) -> Item:
        """Read one line.

        Args:
            number: Of the clip.

        Raises:
            ValueError: If the file is not what was written.
        """
        start = int(self._ends[number - 1]) + 1 if number else 0
        return _item(json.loads(self._lines[start : int(self._ends[number])]))

    def __iter__(self) -> Iterator[Item]:
        """Read all lines."""
        return (self[number] for number in range(len(self)))

    def find(self, id_: str) -> int | None:
        """Look for a clip by its id.

        Args:
            id_: As the store spells it.

        Returns:
            Its number; None if there is none.
        """
        wanted = f'{{"id": {json.dumps(id_, ensure_ascii=False)}, '.encode()
        place = self._lines.find(wanted)
        while place > 0 and self._lines[place - 1] != _LINE:  # inside another clip's text
            place = self._lines.find(wanted, place + 1)
        return None if place < 0 else int(np.searchsorted(self._ends, place))


def _item(entry: dict[str, Any]) -> Item:
    return Item._make(entry.get(name) for name in Item._fields)
