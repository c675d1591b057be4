"""What is to be extracted, in which shards: the same on every machine that looks at the files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from c2rl.corpora.clip import Clip
from c2rl.extract.trained import Trained
from c2rl.extract.work import Work
from c2rl.store import shards
from c2rl.store.features import VIEWED
from c2rl.store.frames import FrameStore

START_S = 300.0
"""Seconds a shard may take beside its clips: a slow disk, a busy machine."""
_FRAME_S = 2.0  # ResNet-18 on a slow core, many times over


class Part(NamedTuple):
    """A shard's clips."""

    clips: list[Clip]
    work: Work
    timeout_s: float


class Plan(NamedTuple):
    """A whole extraction."""

    parts: list[Part]
    frames: Path | None
    """Frame store; None where videos are decoded."""
    made_from: dict[str, Any]
    """What the clips are, for the store's provenance."""
    key: Any
    """What decides the clips' frames; with another one, other unfinished work is gone on with."""

    @property
    def num_clips(self) -> int:
        """Count the clips."""
        return sum(len(part.clips) for part in self.parts)


def from_frames(path: Path, trained: Trained, *, views: int) -> Plan:
    """Plan the extraction of a corpus.

    Args:
        path: Frame store.
        trained: The encoder.
        views: Phases of the sampling that are stored of the clips of train.

    Returns:
        Every readable clip, split by split.

    Raises:
        FileNotFoundError: If the store is absent or incomplete.
        ValueError: If it is another kind of artefact, or damaged.
    """
    store = FrameStore(path)
    parts = []
    for split in store.meta.counts:
        numbers = store.split(split)
        wanted = views if split == VIEWED else 1
        for group in in_shards(numbers):
            rows = [store.rows[number] for number in group]
            seen = sum(trained.length(row.num_frames, row.fps) for row in rows) * wanted
            work = Work(group, wanted)
            parts.append(Part([row.clip for row in rows], work, START_S + _FRAME_S * seen))
    made_from = {
        "frames": store.meta.fingerprint,
        "profile": store.meta.made_from["profile"],
    }
    return Plan(parts, path, made_from, store.meta.fingerprint)


def in_shards(items: Sequence[Any]) -> list[list[Any]]:
    """Deal clips into shards, in their order.

    Args:
        items: Clips of one split.

    Returns:
        Groups of at most `shards.SHARD`.
    """
    size = shards.SHARD
    return [list(items[i : i + size]) for i in range(0, len(items), size)]
