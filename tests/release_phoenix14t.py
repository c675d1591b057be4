"""PHOENIX-2014-T in miniature: frames as PNG in folders, annotations divided by bars."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from release_films import Expected, Filmed, Release, again, of_split, write_images, write_text

HOME = "PHOENIX-2014-T-release-v3/PHOENIX-2014-T"
HEADER = "name|video|start|end|speaker|orth|translation"
_MANUAL = f"{HOME}/annotations/manual"
_FRAMES = f"{HOME}/features/fullFrame-210x260px"
_SHOWS = (  # of no day that there was
    "31June_2030_Sunday_tagesschau",
    "30February_2031_Monday_tagesschau",
    "31September_2032_Friday_tagesschau",
)


def phoenix14t(
    root: Path,
    clips: Sequence[Filmed],
    *,
    inner_folder: bool = False,
    plain_numbers: bool = False,
) -> Release:
    """Write the release.

    The first sentence of train is also the last of test, the second is signed twice in train, and
    the fourth of train has a word in quotation marks, which are no quoting here.

    Args:
        root: Folder that gets `PHOENIX-2014-T-release-v3`.
        clips: German clips.
        inner_folder: Whether frames lie in `<name>/1/`, where the annotations say that they are;
            `source` is told without the `1`.
        plain_numbers: `images1.png` instead of `images0001.png`.

    Returns:
        What is there.
    """
    told: list[Expected] = []
    files: dict[str, str] = {}
    number = 0
    for split, signed in _signed(clips).items():
        rows = [HEADER]
        for clip in signed:
            name = f"{_SHOWS[number % len(_SHOWS)]}-{number + 1}"
            number += 1
            rows.append(_row(name, clip))
            folder = f"{_FRAMES}/{split}/{name}"
            told.append(
                Expected(name, split, clip.sentence, folder, len(clip.frames), 25, _speaker(clip))
            )
            _write(root / folder / ("1" if inner_folder else ""), clip, plain_numbers)
        files[split] = f"{_MANUAL}/PHOENIX-2014-T.{split}.corpus.csv"
        write_text(root, files[split], "".join(f"{row}\n" for row in rows))
        if split == "train":
            files["decoy"] = files[split].replace("train", "train-complex-annotation")
            complicated = [HEADER, *(_complicated(row) for row in rows[1:])]
            write_text(root, files["decoy"], "".join(f"{row}\n" for row in complicated))
    return Release(root, files, told, [])


def _signed(clips: Sequence[Filmed]) -> dict[str, list[Filmed]]:
    train, dev, test = (of_split(clips, split) for split in ("train", "dev", "test"))
    train[2] = again(train[1], "train")
    first, rest = train[3].sentence.split(" ", 1)
    train[3] = train[3]._replace(sentence=f'"{first}" {rest}')
    test[-1] = again(train[0], "test")
    return {"train": train, "dev": dev, "test": test}


def _row(name: str, clip: Filmed) -> str:
    orth = " ".join(clip.gloss)
    return f"{name}|{name}/1/*.png|-1|-1|{_speaker(clip)}|{orth}|{clip.sentence}"


def _complicated(row: str) -> str:
    *others, orth, _ = row.split("|")
    return "|".join([*others, f"__ON__ {orth} __OFF__", "nicht zu benutzen"])


def _speaker(clip: Filmed) -> str:
    return f"Signer{clip.signer:02d}"


def _write(folder: Path, clip: Filmed, plain_numbers: bool) -> None:
    count = range(1, len(clip.frames) + 1)
    names = [f"images{i}.png" if plain_numbers else f"images{i:04d}.png" for i in count]
    # nearest neighbours: 210 x 260 pixels that compress like a quarter of them
    nearest = cv2.INTER_NEAREST
    frames = np.stack([cv2.resize(i, (210, 260), interpolation=nearest) for i in clip.frames])
    write_images(folder, frames, names)
