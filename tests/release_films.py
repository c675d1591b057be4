"""What the miniature releases are made from, and what is known of them once they are written."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from films import Film

from c2rl.corpora import synthsign
from c2rl.corpora.synthsign.plan import Knobs, scenes
from c2rl.video import source

WIDTH, HEIGHT = 105, 130
COUNTS = {"train": 16, "dev": 6, "test": 6}
_EVERY = 3  # of SynthSign's frames: miniatures are to be small; more than 9 are left of each clip
_COARSE = np.uint8(0b11110000)  # fewer colours make smaller files
_MIDDLE = np.uint8(0b1000)


class Filmed(NamedTuple):
    """A clip of SynthSign, small."""

    split: str
    sentence: str
    gloss: tuple[str, ...]
    signer: int
    """From 1."""
    frames: Film
    """(T, 130, 105, 3) uint8, RGB."""


class Expected(NamedTuple):
    """What a loader should say of one clip."""

    id: str
    """As the data set spells it."""
    split: str
    """train, dev or test, whatever the release calls it."""
    sentence: str
    """As it stands in the release."""
    source: str
    """Where its frames are, or ought to be, relative to the release's root."""
    num_frames: int
    """Frames that a correct reader finds; 0 where the clip cannot be used."""
    fps: int
    signer: str | None = None
    """As spelt in the clip's name or row."""
    group: str | None = None
    """Names the sentence where others may sign it too."""
    start_s: float | None = None
    end_s: float | None = None
    box: tuple[int, int, int, int] | None = None
    """x0, y0, x1, y1 in pixels of the source, inside its frame."""
    status: str = "ok"
    reason: str = ""
    """Why it cannot be used."""


class Release(NamedTuple):
    """A release on disk, and the truth about it."""

    root: Path
    files: dict[str, str]
    """Annotation files by what they are; relative to the root."""
    clips: list[Expected]
    """In the order train, dev, test, and of the annotations within."""
    unlisted: list[Expected]
    """Annotated and on disk, but in no split."""

    def ids(self, split: str, status: str | None = "ok") -> list[str]:
        """List a split's clips of that status; None: of any."""
        return [c.id for c in self.clips if c.split == split and status in (None, c.status)]

    def clip(self, name: str) -> Expected:
        """Find a clip by its id."""
        return next(c for c in [*self.clips, *self.unlisted] if c.id == name)


def filmed(cache: Path, language: str) -> list[Filmed]:
    """Film the clips of a miniature; the signing is filmed once for all spoken languages.

    Args:
        cache: Folder that keeps the videos.
        language: Spoken language of the sentences: `de`, `en` or `zh`.

    Returns:
        16 clips of train, 6 of dev and 6 of test, in this order.
    """
    root = synthsign.make(cache, size="nano", language="de", workers=2)
    knobs = json.loads((root / "knobs.json").read_text("utf-8"))
    del knobs["generator"]
    spoken = scenes(Knobs(**knobs | {"language": language}))
    found = []
    left = dict(COUNTS)
    for clip, scene in zip(synthsign.clips(root), spoken, strict=True):
        assert clip.gloss == tuple(scene.sentence.gloss)
        if left[clip.split] == 0:
            continue
        left[clip.split] -= 1
        signer = int(scene.signer.name.removeprefix("signer"))
        frames = _small(root / clip.source)
        found.append(Filmed(clip.split, scene.sentence.text, clip.gloss, signer, frames))
    return found


@functools.lru_cache  # the languages share the films
def _small(path: Path) -> Film:
    images = list(source.read_frames(path).images)[::_EVERY]
    small = [cv2.resize(i, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for i in images]
    return np.asarray(small, np.uint8) & _COARSE | _MIDDLE


def of_split(clips: Sequence[Filmed], split: str) -> list[Filmed]:
    """Choose the clips of a split."""
    return [clip for clip in clips if clip.split == split]


def again(clip: Filmed, split: str) -> Filmed:
    """Sign the same sentence once more: the other-handed way, by another person, a frame faster."""
    frames = np.ascontiguousarray(clip.frames[1:, :, ::-1])
    return clip._replace(split=split, signer=clip.signer % 8 + 1, frames=frames)


def framed(frames: Film, width: int, height: int, *, left: int, top: int = 0) -> Film:
    """Show the signer at full height below `top` and `left` pixels from the left."""
    tall = height - top
    wide = round(tall * WIDTH / HEIGHT)
    right = width - left - wide
    shown = [cv2.resize(image, (wide, tall)) for image in frames]
    border = cv2.BORDER_REPLICATE
    return np.stack([cv2.copyMakeBorder(i, top, 0, left, right, border) for i in shown])


def write_text(root: Path, name: str, text: str) -> None:
    """Write a file of a release byte for byte."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))


def write_images(folder: Path, frames: Film, names: Sequence[str]) -> None:
    """Write a folder of frames, as PNG or JPEG."""
    folder.mkdir(parents=True)
    for name, image in zip(names, frames, strict=True):
        options = [cv2.IMWRITE_JPEG_QUALITY, 80] if name.endswith("jpg") else []
        assert cv2.imwrite(str(folder / name), image[..., ::-1], options)
