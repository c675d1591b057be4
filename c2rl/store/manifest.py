"""What should be there and what is: one line a clip, with status and reason."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from c2rl.corpora.clip import SPLITS, Clip
from c2rl.provenance import write_atomic

OK = "ok"
_TRUTH = ("gloss", "gloss_spans", "gloss_words")
"""Of SynthSign alone; other corpora's lines do without."""


class Row(NamedTuple):
    """A clip and what became of it."""

    clip: Clip
    status: str
    """`ok`, or why the clip is left out: missing_file, decode_error, no_sentence, ..."""
    reason: str = ""
    """What was found, in words; empty when `ok`."""
    num_frames: int = 0
    """Native frames stored; 0 unless `ok`."""
    fps: float = 0.0
    """Frames per second of the source; 0 where unknown."""
    decoder: str = ""
    """Backend that read it: decord, pyav or frames."""
    video: Mapping[str, Any] = MappingProxyType({})
    """Facts of the source: codec, container, width, height, rotation, is_constant_rate, ..."""
    box_from: str = ""
    """What gave the clip's box: box (the annotation), detector, square or whole."""
    box_score: float = 0.0
    """Of the detector; 0 where it gave no box."""
    num_people: int = 0
    """People that the detector saw; 0 where it did not look."""


def write_manifest(path: Path, rows: Iterable[Row]) -> None:
    """Write one JSON object a clip.

    Args:
        path: Target file, JSON lines.
        rows: Clips in corpus order.
    """
    lines = []
    for row in rows:
        clip = {k: v for k, v in row.clip._asdict().items() if k not in _TRUTH}
        entry = clip | row._asdict() | {"video": dict(row.video)}
        del entry["clip"]
        if row.clip.gloss is not None:
            entry |= {name: getattr(row.clip, name) for name in _TRUTH}
        lines.append(json.dumps(entry, ensure_ascii=False))
    write_atomic(path, "\n".join(lines) + "\n")


def read_manifest(path: Path) -> list[Row]:
    """Read a manifest back.

    Args:
        path: File written by `write_manifest`.

    Returns:
        Its rows in order; the clip's `fps` is that of the row.
    """
    rows = []
    # not splitlines(), which also cuts at U+2028 and other characters that sentences may contain
    for line in path.read_text(encoding="utf-8").rstrip("\n").split("\n"):
        entry: dict[str, Any] = json.loads(line)
        clip = Clip(**{k: _frozen(entry[k]) for k in Clip._fields if k in entry})
        own = {k: entry[k] for k in Row._fields if k != "clip" and k in entry}
        rows.append(Row(clip=clip, **own))
    return rows


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value


def count(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Count clips per split and status.

    Args:
        rows: A manifest.

    Returns:
        Split to status to number; every split appears, `ok` first.
    """
    found = Counter((row.clip.split, row.status) for row in rows)
    splits = [*SPLITS, *sorted({split for split, _ in found} - set(SPLITS))]
    return {
        split: {OK: found[split, OK]}
        | {s: n for (p, s), n in sorted(found.items()) if p == split and s != OK}
        for split in splits
    }


def missing(expected: Iterable[str], written: Iterable[str]) -> list[str]:
    """Name the clips that should have been written and were not.

    Args:
        expected: Ids that must be there.
        written: Ids that are.

    Returns:
        Sorted ids; empty when the coverage is complete.
    """
    return sorted(set(expected) - set(written))
