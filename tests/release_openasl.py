"""OpenASL in miniature: videos by their YouTube id, sentences as times, boxes as shares."""

import json
import math
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path, PurePosixPath

import numpy as np
from films import Film, write_video
from release_films import Expected, Filmed, Release, framed, of_split, write_text

HEADER = "vid yid start end raw-text tokenized-text gloss split"
WIDTH, HEIGHT = 320, 180
NATIVE = {"train": "train", "dev": "valid", "test": "test"}
_LEFT = 88  # pixels; the signer reaches from there to 233
_BOX = (0.2, 0.1, 0.8, 1.0)  # whole pixels: 64, 18, 256, 180
_OUTSIDE = (-0.0125, 0.1, 1.0125, 1.0)  # 4 pixels too far on both sides
_PAUSE = 6  # frames
_GONE = "zsynASLgone"

Box = tuple[float, float, float, float]


def openasl(root: Path, clips: Sequence[Filmed], *, folder: str = "videos") -> Release:
    """Write the release.

    The last clip of the first video of train has no box, the first a box that leaves the frame.
    The last video of train is gone, as `missing.txt` says.

    Args:
        root: Folder that gets `data` and the videos.
        clips: English clips.
        folder: Where the videos are; the data set leaves it to the user.

    Returns:
        What is there; frames are counted from floor(start * fps) up to, without, ceil(end * fps).
    """
    train, dev, test = (of_split(clips, split) for split in ("train", "dev", "test"))
    train[0] = train[0]._replace(sentence=f"“{train[0].sentence}” I’m sure… It’s “so”.")
    train[1] = train[1]._replace(sentence=f'He calls it "{train[1].sentence[:-1]}", and leaves.')
    told: list[Expected] = []
    rows: dict[str, str] = {}
    for yid, fps, signed in (
        ("-synASL-001", 25, train[:7]),
        ("Ksyn_ASL-02", 30, train[7:14]),
        (_GONE, 25, train[14:]),
        ("dsyn-ASL0-1", 24, dev),
        ("Tsyn-1-ASL_", 50, test),
    ):
        found = _expected(yid, fps, signed, (PurePosixPath(folder) / f"{yid}.mp4").as_posix())
        if yid != _GONE:
            (root / folder).mkdir(parents=True, exist_ok=True)
            write_video(root / folder / f"{yid}.mp4", _film(signed), fps=fps, preset="veryfast")
        if not told:  # the first video
            found[0] = found[0]._replace(box=(0, 18, WIDTH, HEIGHT))
            found[-1] = found[-1]._replace(box=None)
        told += found
        rows |= {one.id: _row(one, clip) for one, clip in zip(found, signed, strict=True)}
    boxes = {one.id: _BOX for one in told if one.box} | {told[0].id: _OUTSIDE}
    files = {
        "table": "data/openasl-v1.0.tsv",
        "boxes": "data/bbox-v1.0.json",
        "missing": f"{folder}/missing.txt",
    }
    # videos and splits alternate in the table
    order = sorted(rows, key=lambda name: (name.rsplit("-", 2)[1], name))
    lines = ["\t".join(HEADER.split(" ")), *(rows[name] for name in order)]
    write_text(root, files["table"], "".join(f"{line}\n" for line in lines))
    write_text(root, files["boxes"], json.dumps(boxes))
    write_text(root, files["missing"], f"{_GONE}\n")
    splits = list(NATIVE)
    told.sort(key=lambda one: (splits.index(one.split), order.index(one.id)))
    return Release(root, files, told, [])


def _film(clips: Sequence[Filmed]) -> Film:
    shown: list[Film] = []
    for clip in clips:
        shown += [clip.frames, np.repeat(clip.frames[-1:], _PAUSE, axis=0)]
    return framed(np.concatenate(shown), WIDTH, HEIGHT, left=_LEFT)


def _expected(yid: str, fps: int, clips: Sequence[Filmed], source: str) -> list[Expected]:
    told = []
    is_gone = yid == _GONE
    first = 0
    total = sum(len(clip.frames) + _PAUSE for clip in clips)
    for clip in clips:
        end = first + len(clip.frames)
        start_s, end_s = _milliseconds(first, fps), _milliseconds(end, fps)
        count = min(math.ceil(end_s * fps), total) - math.floor(start_s * fps)
        told.append(
            Expected(
                id=f"{yid}-{_clock(start_s)}-{_clock(end_s)}",
                split=clip.split,
                sentence=clip.sentence,
                source=source,
                num_frames=0 if is_gone else count,
                fps=fps,
                start_s=float(start_s),
                end_s=float(end_s),
                box=(64, 18, 256, HEIGHT),
                status="missing_file" if is_gone else "ok",
                reason="the video is gone from YouTube" if is_gone else "",
            )
        )
        first = end + _PAUSE
    return told


def _milliseconds(frames: int, fps: int) -> Fraction:
    return Fraction(round(Fraction(frames * 1000, fps)), 1000)


def _clock(seconds: Fraction) -> str:
    """Write HH:MM:SS.mmm."""
    minutes, rest = divmod(int(seconds * 1000), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _row(one: Expected, clip: Filmed) -> str:
    *yid, start, end = one.id.rsplit("-", 2)
    tokens = " ".join(re.findall(r"\w+|[^\w\s]", clip.sentence.lower()))
    gloss = " ".join(clip.gloss)
    return "\t".join([one.id, *yid, start, end, clip.sentence, tokens, gloss, NATIVE[one.split]])
