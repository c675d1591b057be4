"""Example clips: which ones, and their film strips."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from c2rl import provenance
from c2rl.report.pictures import Picture, encode
from c2rl.store.frames import FrameStore

FRAMES = 8
"""Frames of a strip."""
SIDE = 112
"""Most pixels of a frame's side."""


class Example(NamedTuple):
    """A clip with its translation."""

    kind: str
    """best, random or worst."""
    id: str
    reference: str
    hypothesis: str
    rouge_l: float
    score: float | None
    """Log probability a token."""
    others: list[str]
    """The next best translations."""
    language: str
    """ISO 639-1 code; empty where unknown."""
    about: str
    """Signer and length, in words."""
    strip: Picture | None


def choose(predictions: Sequence[dict[str, Any]], count: int) -> list[tuple[str, dict[str, Any]]]:
    """Choose the best, some random and the worst translations.

    Args:
        predictions: Rows of predictions.<split>.jsonl.
        count: How many to show.

    Returns:
        Kind and row. Best and worst by ROUGE-L, equal ones by id; the random ones by a hash of
        their ids, so that reports of two runs show the same clips where they can.

    Example:
        >>> rows = [{"id": str(i), "rouge_l": 10.0 * i} for i in range(9)]
        >>> [(kind, row["id"]) for kind, row in choose(rows, 3)]
        [('best', '8'), ('random', '1'), ('worst', '0')]
    """
    ordered = sorted(predictions, key=lambda row: (-row["rouge_l"], row["id"]))
    count = min(count, len(ordered))
    best, worst = -(-count // 3), count // 3
    rest = ordered[best : len(ordered) - worst]
    drawn = sorted(rest, key=lambda row: provenance.fingerprint(row["id"]))
    return [
        *(("best", row) for row in ordered[:best]),
        *(("random", row) for row in drawn[: count - best - worst]),
        *(("worst", row) for row in ordered[len(ordered) - worst :]),
    ]


def examples(store: FrameStore, predictions: Sequence[dict[str, Any]], count: int) -> list[Example]:
    """Show some clips with their translations.

    Args:
        store: Frames; a clip that it lacks is shown without a strip.
        predictions: Rows of predictions.<split>.jsonl.
        count: How many.

    Returns:
        Best, random and worst ones.
    """
    numbers = {row.clip.id: number for number, row in enumerate(store.rows)}
    found = []
    for kind, row in choose(predictions, count):
        number = numbers.get(row["id"])
        clip = None if number is None else store.rows[number].clip
        found.append(
            Example(
                kind=kind,
                id=row["id"],
                reference=row["reference"],
                hypothesis=row["hypothesis"],
                rouge_l=row["rouge_l"],
                score=row.get("score"),
                others=[sentence for sentence, _ in row.get("n_best", [])],
                language=clip.language if clip else "",
                about="" if number is None else _about(store, number),
                strip=None if number is None else strip(store, number),
            )
        )
    return found


def _about(store: FrameStore, number: int) -> str:
    row = store.rows[number]
    length = f"{row.num_frames / row.fps:.1f} s, " if row.fps else ""
    signer = f", {row.clip.signer}" if row.clip.signer else ""
    return f"{length}{row.num_frames} frames{signer}"


def strip(store: FrameStore, number: int) -> Picture:
    """Put evenly chosen frames of a clip side by side.

    Args:
        store: Frames.
        number: Position in `store.rows`.

    Returns:
        One JPEG of `FRAMES` frames, fewer where the clip is shorter.

    Raises:
        ValueError: If a stored frame is no image.
    """
    row = store.rows[number]
    chosen = evenly(row.num_frames)
    when = f"frames {chosen[0]} to {chosen[-1]} of {row.num_frames}"
    return film(
        store.read(number, chosen),
        f"Film strip of clip {row.clip.id}: {len(chosen)} evenly chosen frames, {when}.",
        broken=f"a stored frame of {row.clip.id} is no image. Run `dvc repro prepare`.",
    )


def evenly(num_frames: int) -> list[int]:
    """Choose the frames of a strip: `FRAMES` of them, or all where there are fewer.

    Args:
        num_frames: Of the clip, at least one.

    Example:
        >>> evenly(16), evenly(2)
        ([1, 3, 5, 7, 9, 11, 13, 15], [0, 1])
    """
    count = min(FRAMES, num_frames)
    return [(2 * i + 1) * num_frames // (2 * count) for i in range(count)]


def film(files: Iterable[npt.NDArray[np.uint8]], alt: str, *, broken: str) -> Picture:
    """Put frames of one clip side by side.

    Args:
        files: Compressed frames, all of one size.
        alt: What the strip shows, in words.
        broken: What to say if one is no image.

    Returns:
        One JPEG.

    Raises:
        ValueError: If a frame is no image.
    """
    images = [_decode(file, broken) for file in files]
    if max(images[0].shape) > SIDE:
        images = [_shrink(image) for image in images]
    wide = np.hstack(images)
    return Picture(encode(wide, "jpeg"), alt, wide.shape[1], wide.shape[0])


def _decode(file: npt.NDArray[np.uint8], broken: str) -> npt.NDArray[np.uint8]:
    image = cv2.imdecode(file.copy(), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(broken)
    return image.astype(np.uint8, copy=False)


def _shrink(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8, copy=False)
