"""PHOENIX-2014T: German sign language of weather forecasts, frames in folders.

    [PHOENIX-2014-T-release-v3/][PHOENIX-2014-T/]
        annotations/manual/PHOENIX-2014-T.{train,dev,test}.corpus.csv
        features/fullFrame-210x260px/{train,dev,test}/<name>[/1]/images0001.png ...

Source: Sec. IV-A a; Camgoz et al., Neural Sign Language Translation, CVPR 2018.
"""

from collections.abc import Iterator
from pathlib import Path

from c2rl.corpora import files, labels
from c2rl.corpora.clip import SPLITS, Annotations, Choice, Clip, Entry, Facts

FACTS = Facts(
    profile="phoenix.gfslt",
    counts={"train": 7096, "dev": 519, "test": 642},
    paper={"train": 7098, "dev": 519, "test": 642},
    obtain="RWTH Aachen gives PHOENIX-2014T (release v3, 39 GB) to anyone.",
    licence="CC BY-NC-SA 3.0",
    citation="Camgoz et al., Neural Sign Language Translation, CVPR 2018",
    marks=("PHOENIX-2014-T-release-v3", "PHOENIX-2014-T", "annotations/manual"),
    labels=("release", "gfslt", "neccam", "cico", "corrnet"),
    crop=("whole",),
    is_gapless=True,
)
FPS = 25.0
_FOLDERS = ("PHOENIX-2014-T-release-v3/PHOENIX-2014-T", "PHOENIX-2014-T", ".")
_FRAMES = "features/fullFrame-210x260px"
_COLUMNS = ("name", "video", "start", "end", "speaker", "orth", "translation")


def read(root: Path, choice: Choice) -> Annotations:
    """Read the annotations.

    Args:
        root: Folder of the release.
        choice: Whose files: `release`, `gfslt`, `neccam` (its sentences end in " ."), `cico` or
            `corrnet`.

    Returns:
        One entry an annotated clip; its frames may be absent.

    Raises:
        FileNotFoundError: If peers' files are chosen and not there.
        ValueError: If an annotation file is not as expected.
    """
    home = next((root / f for f in _FOLDERS if (root / f / "annotations").is_dir()), root)
    frames = home / _FRAMES
    if choice.labels != "release":
        found = labels.read_all(root, choice.labels)
        clips = [
            _clip(root, frames, split, label.name, label.sentence, label.signer)
            for split, label in found.rows
        ]
        lengths = {label.name: label.num_frames for _, label in found.rows if label.num_frames}
        return Annotations([Entry(clip) for clip in clips], found.files, [], found.absent, lengths)
    entries, read_files, absent = [], [], []
    for split in SPLITS:
        path = home / f"annotations/manual/PHOENIX-2014-T.{split}.corpus.csv"
        if path.is_file():
            read_files.append(path)
            entries += [Entry(clip) for clip in _native(root, frames, split, path)]
        else:
            absent.append(f"{split}: {path.relative_to(root)}")
    return Annotations(entries, read_files, [], absent)


def _native(root: Path, frames: Path, split: str, path: Path) -> Iterator[Clip]:
    for line in files.read_table(path, delimiter="|", columns=_COLUMNS, quoted=False):
        row = line.values
        yield _clip(root, frames, split, row["name"], row["translation"], row["speaker"])


def _clip(
    root: Path, frames: Path, split: str, name: str, sentence: str, signer: str | None
) -> Clip:
    source = files.below(frames / split, name, root)
    # The column `video` names a folder `1` that release v3 does not have; some users made it.
    if files.is_inside(name) and (root / source / "1").is_dir():
        source += "/1"
    return Clip(name, split, sentence, "de", source, fps=FPS, signer=signer or None)
