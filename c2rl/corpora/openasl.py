"""OpenASL: American sign language from online videos, segments by time codes.

    [data/]openasl-v1.0.tsv    vid yid start end raw-text tokenized-text gloss split
    [data/]bbox-v1.0.json      vid -> x0 y0 x1 y1 as shares of width and height
    [videos/|raw/]<yid>.mp4    whole videos; or clips/<vid>.mp4, cut before

A clip's id holds colons; `file_name` is how it is spelt on disk. There is no standard protocol for
retrieval: clips of equal sentences are a group, and the paired protocol takes each clip for itself
(register row 30).

Source: Sec. IV-A a; Shi et al., Open-Domain Sign Language Translation Learned from Online Video,
EMNLP 2022.
"""

import json
import math
import os
from pathlib import Path, PurePosixPath
from typing import Any

from c2rl import provenance
from c2rl.corpora import files, labels
from c2rl.corpora.clip import SPLITS, Annotations, Choice, Clip, Entry, Facts

Relative = tuple[float, float, float, float]

FACTS = Facts(
    profile="en.sacre13a",
    counts={"dev": 967, "test": 976},
    paper={"train": 96476, "dev": 966, "test": 975},
    obtain="github.com/chevalierNoir/OpenASL has the annotations; videos come from their owners.",
    licence="CC BY-NC-ND 4.0",
    citation="Shi et al., Open-Domain SLT Learned from Online Video, EMNLP 2022",
    marks=("openasl-v1.0.tsv", "data/openasl-v1.0.tsv"),
    labels=("release", "unisign"),
    crop=("box", "detector", "square"),
)
_COLUMNS = ("vid", "yid", "start", "end", "raw-text", "split")
_SPLITS = {"train": "train", "valid": "dev", "test": "test"}
_FOLDERS = ("videos", "raw", "data/raw", "data/videos", ".", "data")
_CLIPS = ("clips", "data/clips", ".")
_SUFFIXES = frozenset({".mp4", ".mkv", ".webm"})


def file_name(clip_id: str) -> str:
    """Spell a clip's id so that every file system takes it.

    Args:
        clip_id: For instance abc-00:00:14.100-00:00:17.266.

    Returns:
        The id with dashes for colons.
    """
    return clip_id.replace(":", "-")


def read(root: Path, choice: Choice) -> Annotations:
    """Read the annotations.

    Args:
        root: Folder of the release.
        choice: Whose files: `release`, or `unisign`, whose clips were cut before.

    Returns:
        One entry an annotated clip; its video may be absent.

    Raises:
        FileNotFoundError: If the annotations are not there.
        ValueError: If an annotation file is not as expected.
    """
    notes: list[str] = []
    boxes_path = files.first(root, "bbox-v1.0.json", "data/bbox-v1.0.json")
    boxes = {} if boxes_path is None else _read_boxes(boxes_path, notes)
    if boxes_path is None:
        notes.append("bbox-v1.0.json is not there, so no clip has a box")
    read_files = [] if boxes_path is None else [boxes_path]
    if choice.labels != "release":
        found = labels.read_all(root, choice.labels)
        stems = _stems(root, _CLIPS)
        clips = [_cut_before(split, label, stems, boxes) for split, label in found.rows]
        return Annotations(
            [Entry(clip) for clip in clips], found.files + read_files, notes, found.absent
        )
    path = files.first(root, "openasl-v1.0.tsv", "data/openasl-v1.0.tsv")
    if path is None:
        raise FileNotFoundError(f"{root / FACTS.marks[0]} is missing. {FACTS.obtain}")
    stems = _stems(root, _FOLDERS)
    clips = [_clip(root, path, line, stems, boxes) for line in _lines(path, notes)]
    clips.sort(key=lambda clip: SPLITS.index(clip.split))  # stable: the file's order in each split
    splits = {clip.split for clip in clips}
    absent = [f"{s}: no line of {path.name}" for s in SPLITS if s not in splits]
    return Annotations([Entry(clip) for clip in clips], [path, *read_files], notes, absent)


def _lines(path: Path, notes: list[str]) -> list[files.Line]:
    """Read the table as CSV has it, as its authors do; with bare quotes where that goes wrong."""
    options: dict[str, Any] = {"delimiter": "\t", "columns": _COLUMNS}
    bare = list(files.read_table(path, quoted=False, **options))
    try:
        quoted = list(files.read_table(path, quoted=True, **options))
    except ValueError:
        quoted = []
    if len(quoted) == len(bare):
        return quoted
    notes.append(f"{path.name} has bare quotation marks: they are read as text")
    return bare


def _clip(
    root: Path,
    path: Path,
    line: files.Line,
    stems: dict[str, str],
    boxes: dict[str, Relative | None],
) -> Clip:
    row = line.values
    if row["split"] not in _SPLITS:
        raise ValueError(
            f"{path}: line {line.number} has split '{row['split']}', expected one of"
            f" {', '.join(_SPLITS)}."
        )
    try:
        start, end = files.seconds(row["start"]), files.seconds(row["end"])
    except ValueError as error:
        raise ValueError(f"{path}: line {line.number}: {error}, expected HH:MM:SS.mmm.") from None
    return Clip(
        id=row["vid"],
        split=_SPLITS[row["split"]],
        sentence=row["raw-text"],
        language="en",
        source=stems.get(row["yid"]) or files.below(root / "videos", f"{row['yid']}.mp4", root),
        start_s=start,
        end_s=end,
        group=provenance.fingerprint(row["raw-text"]),
        relative_box=boxes.get(row["vid"]),
    )


def _cut_before(
    split: str, label: labels.Label, stems: dict[str, str], boxes: dict[str, Relative | None]
) -> Clip:
    name = file_name(label.name)
    source = stems.get(name) or stems.get(label.name) or f"clips/{name}.mp4"
    return Clip(
        id=label.name,
        split=split,
        sentence=label.sentence,
        language="en",
        source=source,
        group=provenance.fingerprint(label.sentence),
        relative_box=boxes.get(label.name),
    )


def _stems(root: Path, folders: tuple[str, ...]) -> dict[str, str]:
    """Map the names of all videos, without suffix, to their paths below the root."""
    found: dict[str, str] = {}
    for folder in reversed(folders):  # the first folder wins
        place = root / folder
        if place.is_dir():
            with os.scandir(place) as entries:
                names = sorted(e.name for e in entries if Path(e.name).suffix in _SUFFIXES)
            found |= {Path(n).stem: (PurePosixPath(folder) / n).as_posix() for n in names}
    return found


def _read_boxes(path: Path, notes: list[str]) -> dict[str, Relative | None]:
    try:
        content = json.loads(files.read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}.") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected an object of vid -> [x0, y0, x1, y1].")
    boxes = {vid: _box(value) for vid, value in content.items()}
    wrong = [vid for vid, box in boxes.items() if box is None]
    if wrong:
        notes.append(f"{len(wrong)} boxes of {path.name} are no rectangles, first {wrong[0]}")
    return boxes


def _box(value: Any) -> Relative | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    if not all(isinstance(part, int | float) and math.isfinite(part) for part in value):
        return None
    x0, y0, x1, y1 = (min(1.0, max(0.0, float(part))) for part in value)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
