"""CSL-Daily: Chinese sign language of daily life, frames in folders.

    sentence/frames_512x512/<name>/000000.jpg ...      (also sentence_frames-512x512/...)
    sentence-crop/<name>.mp4                           (in newer releases instead)
    sentence_label/{csl2020ct_v2.pkl, split_1.txt, video_map.txt}

A name is S<sentence>_P<performer>_T<take>; clips of one sentence are a group in retrieval.

Source: Sec. IV-A a; Zhou et al., Improving Sign Language Translation with Monolingual Data by Sign
Back-Translation, CVPR 2021.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

from c2rl.corpora import files, labels, unpickle
from c2rl.corpora.clip import SPLITS, Annotations, Choice, Clip, Entry, Facts

FACTS = Facts(
    profile="csl.char",
    counts={"train": 18401, "dev": 1077, "test": 1176},
    paper={"train": 18401, "dev": 1077, "test": 1176},
    obtain="USTC gives CSL-Daily to researchers who sign its agreement.",
    licence="Research only, by an agreement with USTC",
    citation="Zhou et al., Improving SLT with Monolingual Data by Sign Back-Translation, CVPR 2021",
    marks=("sentence_label", "sentence", "sentence_frames-512x512", "sentence-crop"),
    labels=("release", "video_map", "neccam", "unisign", "cico"),
    crop=("whole",),
    is_gapless=True,
)
FPS = 30.0
_MAP = ("name", "length", "char")
_FRAMES = (
    "sentence/frames_512x512",
    "sentence_frames-512x512/frames_512x512",
    "sentence_frames-512x512",
)
_VIDEOS = "sentence-crop"
_LISTED, _UNLISTED = "S000005_P0004_T00", "S000007_P0003_T00"
"""The split lists the one, which was never released; the release holds the other, unlisted."""


class _Media(NamedTuple):
    """Where clips lie, and how they are called there."""

    folder: Path
    suffix: str
    """Of a clip's name: empty for folders of frames."""
    fps: float | None


class _Told(NamedTuple):
    sentence: str
    length: int | None
    """Frames."""


def read(root: Path, choice: Choice) -> Annotations:
    """Read the annotations.

    Args:
        root: Folder of the release.
        choice: Whose sentences: `release` (csl2020ct_v2.pkl), `video_map` (another version of the
            text, which differs in some 4 % of dev and test), `neccam`, `unisign` or `cico`.

    Returns:
        One entry a line of the split; full-width punctuation is kept.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If an annotation file is not as expected.
    """
    if choice.labels in ("release", "video_map"):
        return _native(root, choice.labels)
    found = labels.read_all(root, choice.labels)
    media = _media(root)
    entries = [
        _entry(root, media, split, label.name, label.sentence) for split, label in found.rows
    ]
    lengths = {label.name: label.num_frames for _, label in found.rows if label.num_frames}
    return Annotations(entries, found.files, [], found.absent, lengths)


def _native(root: Path, kind: str) -> Annotations:
    split_path = _label_file(root, "split_1.txt")
    text_path = _label_file(root, "csl2020ct_v2.pkl" if kind == "release" else "video_map.txt")
    told = _from_pickle(text_path) if kind == "release" else _from_map(text_path)
    names, media = _split(split_path), _media(root)
    entries = [
        _entry(root, media, split, name, told[name].sentence if name in told else None)
        for split in SPLITS
        for name in names[split]
    ]
    unlisted = sorted(told.keys() - {entry.clip.id for entry in entries})
    notes = [
        f"{text_path.name} annotates {len(unlisted)} clips that {split_path.name} has in no split:"
        f" {', '.join(unlisted[:3])}{' ...' if len(unlisted) > 3 else ''}"
    ] * bool(unlisted)
    absent = [f"{split}: no line of {split_path.name}" for split in SPLITS if not names[split]]
    lengths = {name: one.length for name, one in told.items() if one.length is not None}
    return Annotations(entries, [split_path, text_path], notes, absent, lengths)


def _split(path: Path) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {split: [] for split in SPLITS}
    for line in files.read_table(path, delimiter="|", columns=("name", "split"), quoted=False):
        name, split = line.values["name"], line.values["split"]
        if split not in names:
            raise ValueError(
                f"{path}: line {line.number} has split '{split}', expected one of"
                f" {', '.join(SPLITS)}."
            )
        names[split].append(name)
    return names


def _label_file(root: Path, name: str) -> Path:
    found = files.first(root, f"sentence_label/{name}", name)
    if found is None:
        raise FileNotFoundError(
            f"{root / 'sentence_label' / name} is missing. {FACTS.obtain} It is part of the"
            " release's sentence_label."
        )
    return found


def _media(root: Path) -> _Media:
    """Look once which layout the release has; frames are preferred to videos."""
    folder = files.first(root, *_FRAMES)
    if folder is None and (root / _VIDEOS).is_dir():
        return _Media(root / _VIDEOS, ".mp4", None)
    return _Media(folder or root / _FRAMES[0], "", FPS)


def _entry(root: Path, media: _Media, split: str, name: str, sentence: str | None) -> Entry:
    clip = _clip(root, media, split, name, sentence or "")
    if name == _LISTED and not (root / clip.source).exists():
        reason = f"split_1.txt lists it, but it was never released ({_UNLISTED} was, in no split)"
        return Entry(clip, "known_defect", reason)
    if sentence is None:
        return Entry(clip, "no_annotation", "the split lists it, but no sentence belongs to it")
    return Entry(clip)


def _clip(root: Path, media: _Media, split: str, name: str, sentence: str) -> Clip:
    source = files.below(media.folder, name + media.suffix, root)
    parts = re.fullmatch(r"(S\d+)_(P\d+)_T\d+", name)
    group, signer = (parts[1], parts[2]) if parts else (name, None)
    return Clip(name, split, sentence, "zh", source, fps=media.fps, signer=signer, group=group)


def _from_pickle(path: Path) -> dict[str, _Told]:
    content = unpickle.load(path)
    info: Any = content.get("info") if isinstance(content, dict) else None
    if not isinstance(info, list):
        raise ValueError(f"{path}: expected a dictionary with a list 'info'.")
    found = {}
    for number, entry in enumerate(info):
        name = entry.get("name") if isinstance(entry, dict) else None
        characters = entry.get("label_char") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not isinstance(characters, list):
            raise ValueError(f"{path}: entry {number} of info has no name or no label_char.")
        length = entry.get("length")
        found[name] = _Told(
            "".join(str(character) for character in characters),
            length if isinstance(length, int) else None,
        )
    return found


def _from_map(path: Path) -> dict[str, _Told]:
    found = {}
    for line in files.read_table(path, delimiter="|", columns=_MAP, quoted=False):
        row = line.values
        length = int(row["length"]) if row["length"].isdecimal() else None
        found[row["name"]] = _Told(row["char"].replace(" ", ""), length)
    return found
