"""How2Sign: American sign language of instructional videos, segments by seconds.

    [How2Sign/]
        video_level/{train,val,test}/rgb_front/raw_videos/<VIDEO_NAME>.mp4
        sentence_level/<split>/text/en/raw_text/re_aligned/how2sign_realigned_<split>.csv
        sentence_level/<split>/text/en/raw_text/how2sign_<split>.csv
        sentence_level/<split>/rgb_front/raw_videos/<SENTENCE_NAME>.mp4
    [boxes/]bounding_box_coco_{train,test}.pkl      (CiCo's; none for val)

The realigned tables are cut from the whole recordings by seconds. The clips of `sentence_level`
were cut by the original timing, so they belong to the original tables (`labels: original`).

Source: Sec. IV-A a; Duarte et al., How2Sign, CVPR 2021; CiCo (Cheng et al., CVPR 2023).
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from c2rl.corpora import files, labels
from c2rl.corpora.clip import SPLITS, Annotations, Box, Choice, Clip, Entry, Facts

FACTS = Facts(
    profile="en.sacre13a",
    counts={"train": 31165, "dev": 1741, "test": 2357},
    paper={"train": 31085, "dev": 1739, "test": 2348},
    obtain="how2sign.github.io gives How2Sign, with the re-aligned tables.",
    licence="CC BY-NC 4.0",
    citation="Duarte et al., How2Sign, CVPR 2021",
    marks=("How2Sign", "video_level", "sentence_level", "how2sign_realigned_train.csv"),
    labels=("release", "original", "unisign", "cico"),
    crop=("box", "detector", "square"),
    least_frames=3,
)
_NATIVE = {"train": "train", "dev": "val", "test": "test"}
_TABLE = "sentence_level/{0}/text/en/raw_text/re_aligned/how2sign_realigned_{0}.csv"
_ORIGINAL = "sentence_level/{0}/text/en/raw_text/how2sign_{0}.csv"
_RECORDINGS = "video_level/{0}/rgb_front/raw_videos"
_CLIPS = "sentence_level/{0}/rgb_front/raw_videos"
_COLUMNS = ("VIDEO_ID", "VIDEO_NAME", "SENTENCE_ID", "SENTENCE_NAME", "SENTENCE")

_BEYOND = "it begins after its recording ends"
INVALID = {f"g0yUlOaqL6k_{n}-3-rgb_front": _BEYOND for n in range(17, 25)} | {
    "fzrJBu2qsM8_11-8-rgb_front": "nothing is signed in it",
}
"""The nine test clips that CiCo, and so the paper, left out; by SENTENCE_NAME."""


class _Row(NamedTuple):
    """A line of a table, and which clip of its recording it is."""

    split: str
    recording: str
    group: str
    """SENTENCE_ID: the same sentence by another signer has the same one."""
    name: str
    """SENTENCE_NAME."""
    sentence: str
    start_s: float | None
    end_s: float | None
    clip: str
    """CiCo's name: the recording's, and the place of the segment in the order of time."""


def read(root: Path, choice: Choice) -> Annotations:
    """Read the annotations.

    Args:
        root: Folder of the release.
        choice: Whose files: `release` (realigned), `original`, `unisign` or `cico`; whether
            mojibake is mended; how CiCo's boxes are read.

    Returns:
        One entry a line; the known invalid clips have a status.

    Raises:
        FileNotFoundError: If peers' files are chosen and not there.
        ValueError: If an annotation file is not as expected.
    """
    home = root / "How2Sign" if (root / "How2Sign").is_dir() else root
    is_original = choice.labels == "original"
    tables = {split: _find_table(home, split, is_original) for split in SPLITS}
    used = [path for path in tables.values() if path is not None]
    rows = [
        row for split, path in tables.items() if path for row in _rows(path, split, is_original)
    ]
    absent = [
        f"{split}: {(_ORIGINAL if is_original else _TABLE).format(_NATIVE[split])}"
        for split, path in tables.items()
        if path is None
    ]
    if choice.labels in ("unisign", "cico"):
        found = labels.read_all(root, choice.labels)
        rows, absent = _joined(rows, found.rows, choice.labels), found.absent
        used += found.files
    notes: list[str] = []
    rows = _texts(rows, choice.repair_text, notes)
    boxes = {} if is_original else _read_boxes(root, home, choice.box, used, notes)
    entries = []
    for row in rows:
        clip = _clip(root, home, row, boxes.get(row.split, {}).get(row.clip))
        reason = _why_invalid(row, boxes.get(row.split)) if choice.labels == "release" else ""
        entries.append(Entry(clip, "known_defect" if reason else "", reason))
    return Annotations(entries, used, notes, absent)


def _find_table(home: Path, split: str, is_original: bool) -> Path | None:
    place = (_ORIGINAL if is_original else _TABLE).format(_NATIVE[split])
    return files.first(home, place, Path(place).name)


def _rows(path: Path, split: str, is_original: bool) -> list[_Row]:
    times = () if is_original else ("START_REALIGNED", "END_REALIGNED")
    found = []
    for line in files.read_table(path, delimiter="\t", columns=_COLUMNS + times, quoted=True):
        row = line.values
        try:
            start, end = [files.seconds(row[name]) for name in times] or (None, None)
        except ValueError as error:
            raise ValueError(f"{path}: line {line.number}: {error}, expected seconds.") from None
        recording, name = row["VIDEO_NAME"], row["SENTENCE_NAME"]
        found.append(
            _Row(split, recording, row["SENTENCE_ID"], name, row["SENTENCE"], start, end, "")
        )
    return _numbered(found)


def _numbered(rows: list[_Row]) -> list[_Row]:
    """Give each segment its place in time within its recording; the lines are in another order."""
    seen: Counter[str] = Counter()
    places = {}
    for number in sorted(range(len(rows)), key=lambda n: rows[n].start_s or 0.0):
        recording = rows[number].recording
        places[number] = f"{recording}_clip{seen[recording]}"
        seen[recording] += 1
    return [row._replace(clip=places[number]) for number, row in enumerate(rows)]


def _joined(rows: list[_Row], labelled: list[tuple[str, labels.Label]], kind: str) -> list[_Row]:
    """Take clips and sentences from peers, and times from the tables where these are there."""
    known = {(row.clip if kind == "cico" else row.name): row for row in rows}
    has_table = {row.split for row in rows}
    found = []
    for split, label in labelled:
        row = known.get(label.name)
        if row is None and (split in has_table or kind == "cico"):
            raise ValueError(
                f"{kind} labels have {label.name} in {split}, but"
                f" how2sign_realigned_{_NATIVE[split]}.csv has no such clip."
            )
        if row is None:  # a clip that was cut before
            group, _, _ = label.name.rpartition("-rgb_front")[0].rpartition("-")
            row = _Row(split, "", group, label.name, "", None, None, "")
        found.append(row._replace(sentence=label.sentence))
    return found


def _texts(rows: list[_Row], repair: bool, notes: list[str]) -> list[_Row]:
    """Tell the copy of the tables that was decoded with the wrong encoding; mend it if asked."""
    wrong = Counter(row.split for row in rows if files.is_mojibake(row.sentence))
    for split, count in wrong.items():
        done = "mended" if repair else "`prepare.repair_text: true` mends them"
        notes.append(
            f"{count} sentences of {split} hold UTF-8 that was read as Latin-1 (mojibake): {done}"
        )
    if not repair:
        return rows
    return [row._replace(sentence=files.repaired(row.sentence)) for row in rows]


def _read_boxes(
    root: Path, home: Path, kind: str, used: list[Path], notes: list[str]
) -> dict[str, dict[str, Box]]:
    """Read CiCo's boxes: x1, y1, w, h reach beyond the frame, and are cut off there."""
    boxes = {}
    for split in SPLITS:
        name = f"bounding_box_coco_{_NATIVE[split]}.pkl"
        path = files.first(root, name, f"boxes/{name}", f"{home.name}/{name}", f"cico/{name}")
        if path is None:
            continue
        used.append(path)
        boxes[split] = {
            clip.removesuffix(".mp4"): (b.x1, b.y1, b.x1 + b.w, b.y1 + b.h)
            if kind == "extent"
            else (b.x1, b.y1, b.x2, b.y2)
            for clip, b in labels.boxes(path).items()
        }
    lacking = [split for split in SPLITS if split not in boxes]
    if lacking:
        notes.append(f"no box file for {', '.join(lacking)}")
    return boxes


def _why_invalid(row: _Row, boxes: dict[str, Box] | None) -> str:
    if row.name in INVALID:
        return f"{INVALID[row.name]} (CiCo's list)"
    if boxes is not None and row.clip not in boxes:
        return "CiCo's box file, which defines the valid clips, leaves it out"
    return ""


def _clip(root: Path, home: Path, row: _Row, box: Box | None) -> Clip:
    folder, name = (_RECORDINGS, row.recording) if row.end_s is not None else (_CLIPS, row.name)
    place = home / folder.format(_NATIVE[row.split])
    return Clip(
        id=row.name,
        split=row.split,
        sentence=row.sentence,
        language="en",
        source=files.below(place, f"{name}.mp4", root),
        start_s=row.start_s,
        end_s=row.end_s,
        signer=row.name.removesuffix("-rgb_front").rpartition("-")[2] or None,
        group=row.group,
        box=box,
    )
