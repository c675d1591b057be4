"""Which part of the picture is the signer: one steady box a clip, and the boxes of the corpora.

A box is x0, y0, x1, y1 in pixels of the upright source, its end exclusive.

Source: register rows 16 and 33.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from c2rl.corpora.clip import Box
from c2rl.video.files import Image

LEAST_SCORE = 0.05
"""Detectors do not tell people whom they are less sure of; torchvision has the same floor."""
COCO_PERSON = 1
"""COCO's class as torchvision numbers it; 0 is the background."""

Bytes = npt.NDArray[np.uint8]

_LEAST_OVERLAP = 0.3  # boxes of two frames that share less are two people
_MOVEMENT_SIDE = 64  # pixels of the long side of the picture in which movement is seen
_LONG_SIDE = 320
_WHITE, _GREEN = (255, 255, 255), (0, 255, 0)


class Person(NamedTuple):
    """A person in a picture, as a detector sees it."""

    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 in pixels."""
    score: float
    """How sure the detector is, in [0, 1]."""


def people(
    boxes: npt.NDArray[Any], scores: npt.NDArray[Any], *, width: int, height: int
) -> list[Person]:
    """Make people of a detector's numbers.

    Args:
        boxes: (N, 4) float, x0, y0, x1, y1 in pixels.
        scores: (N,) float.
        width: Of the picture; boxes are cut off at its border.
        height: Of the picture.

    Returns:
        Those of at least `LEAST_SCORE` who are in the picture, the surest first.
    """
    inside = boxes.astype(np.float64).clip(0, [width, height, width, height])
    found = [
        Person((x0, y0, x1, y1), min(1.0, score))
        for (x0, y0, x1, y1), score in zip(inside.tolist(), scores.tolist(), strict=True)
        if score >= LEAST_SCORE and x0 < x1 and y0 < y1
    ]
    return sorted(found, key=lambda person: (-person.score, person.box))


class Signer(NamedTuple):
    """The person whom a clip shows, and where."""

    box: Box
    """Inside the picture."""
    score: float
    """Mean over all frames looked at; 0 where the signer was not found."""
    num_people: int
    """Different people in at least half of the frames; above 1 it is worth a look."""


def frame_numbers(num_frames: int, count: int) -> list[int]:
    """Choose frames to look at: the middles of equal parts of a clip.

    Args:
        num_frames: Frames of the clip.
        count: Most frames to choose.

    Returns:
        Increasing numbers.

    Example:
        >>> frame_numbers(100, 5), frame_numbers(2, 5)
        ([10, 30, 50, 70, 90], [0, 1])
    """
    count = min(count, num_frames)
    return [(2 * i + 1) * num_frames // (2 * count) for i in range(count)]


def steady(
    found: Sequence[Sequence[Person]],
    *,
    width: int,
    height: int,
    least_score: float,
    margin: float,
    images: Sequence[Image] = (),
) -> Signer | None:
    """Find the signer and one box that holds them in every frame.

    Boxes of different frames are the same person where they overlap; those that overlap most are
    linked first, and a person is in each frame once. Who is in less than half of the frames is not
    considered: a passer-by, a mistake of the detector, or somebody who moves too far for one box.
    The signer is, of the others, the one who is large, sure and moving: the greatest product of
    what area times score sums up to and of the mean movement in the box. On news with an
    interpreter the size alone decides by few percent, the movement by a multiple; without pictures,
    or where nothing moves, the size decides.

    The box is the union of the signer's boxes, not their median: arms are stretched out in few of
    the frames, a median would cut the hands off, and the hands are the language. What a union
    costs, a box too wide where one detection was, is a little resolution.

    Args:
        found: The people in each frame looked at; the order of the frames does not matter.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        least_score: People below are passed over.
        margin: Room to leave on each side, as a share of the box's width and height.
        images: The frames looked at, (height, width, 3) uint8 each, to see who moves.

    Returns:
        The signer; None where nobody is in half of the frames.
    """
    frames = sorted(sorted(p for p in people if p.score >= least_score) for people in found)
    people = [seen for seen in _linked(frames) if 2 * len(seen) >= len(frames)]
    if not people:
        return None
    moving = _movement(images)

    def weight(seen: Sequence[Person]) -> tuple[float, float]:
        size = sum(_area(p.box) * p.score for p in seen)
        x0, y0, x1, y1 = (value * _MOVEMENT_SIDE / max(width, height) for value in _union(seen))
        inside = moving[int(y0) : math.ceil(y1), int(x0) : math.ceil(x1)]
        return size * float(inside.mean()) if inside.size else 0.0, size

    signer = max(people, key=weight)
    x0, y0, x1, y1 = _union(signer)
    right, down = margin * (x1 - x0), margin * (y1 - y0)
    box = (
        max(0, math.floor(x0 - right)),
        max(0, math.floor(y0 - down)),
        min(width, math.ceil(x1 + right)),
        min(height, math.ceil(y1 + down)),
    )
    return Signer(box, sum(p.score for p in signer) / len(frames), len(people))


def _linked(frames: Sequence[Sequence[Person]]) -> list[list[Person]]:
    """Tell people apart: groups of boxes, at most one of each frame."""
    boxes = [(number, person) for number, people in enumerate(frames) for person in people]
    pairs = [
        (iou(a.box, b.box), i, j)
        for i, (number, a) in enumerate(boxes)
        for j, (other, b) in enumerate(boxes[:i])
        if number != other
    ]
    groups = {i: {number: person} for i, (number, person) in enumerate(boxes)}
    group_of = list(groups)
    for overlap, i, j in sorted(pairs, reverse=True):
        mine, theirs = group_of[i], group_of[j]
        if overlap >= _LEAST_OVERLAP and groups[mine].keys().isdisjoint(groups[theirs]):
            groups[mine] |= groups.pop(theirs)
            group_of = [mine if group == theirs else group for group in group_of]
    return [list(group.values()) for group in groups.values()]


def _union(seen: Sequence[Person]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = zip(*(person.box for person in seen), strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _movement(images: Sequence[Image]) -> npt.NDArray[np.uint8]:
    """Tell how far the grey of each place goes up and down over the frames, on a small picture."""
    if not images:
        return np.zeros((0, 0), np.uint8)
    height, width = images[0].shape[:2]
    scale = _MOVEMENT_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = [
        cv2.resize(cv2.cvtColor(i, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
        for i in images
    ]
    return np.asarray(np.ptp(np.stack(small), axis=0), np.uint8)


def square(width: int, height: int) -> Box:
    """Take the largest square in the middle of a picture.

    Args:
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.

    Returns:
        Its box.

    Example:
        >>> square(1280, 720)
        (280, 0, 1000, 720)
    """
    side = min(width, height)
    x0, y0 = (width - side) // 2, (height - side) // 2
    return x0, y0, x0 + side, y0 + side


def squared(box: Sequence[float], width: int, height: int) -> Box:
    """Make an OpenASL box a square: the short side grows around the middle.

    The official crop does the same, and paints black what lies outside the picture; this box is
    therefore not cut off. Where it begins outside at half a pixel the official one is a pixel short
    of a square.

    Args:
        box: x0, y0, x1, y1 as shares of width and height, as the release has them.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.

    Returns:
        The square's box in pixels, which may begin below 0 and end beyond the picture.

    Raises:
        ValueError: If nothing of the box lies in the picture.

    Example:
        >>> squared((0.25, 0.0, 0.5, 1.0), 1280, 720)
        (120, 0, 840, 720)
    """
    if not (box[0] < min(1, box[2]) and box[1] < min(1, box[3]) and min(box[2:]) > 0):
        raise ValueError(f"box {tuple(box)} is empty, expected shares of width and height")
    x0, y0, x1, y1 = (int(share * n) for share, n in zip(box, (width, height) * 2, strict=True))
    side = max(x1 - x0, y1 - y0)
    x0 -= math.ceil((side - (x1 - x0)) / 2)
    y0 -= math.ceil((side - (y1 - y0)) / 2)
    return x0, y0, x0 + side, y0 + side


def draw(image: Image, box: Box, people: Sequence[Sequence[float]] = ()) -> Bytes:
    """Show on a small picture which part was cut out.

    Args:
        image: (H, W, 3) uint8, RGB.
        box: What was cut out, in green; what lies outside the picture is not seen.
        people: Boxes of everybody found there, in thin white.

    Returns:
        (bytes,) uint8, a whole JPEG whose long side is at most 320 pixels.
    """
    scale = min(1.0, _LONG_SIDE / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    if scale < 1:
        small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    for corners, colour, thickness in [*((p, _WHITE, 1) for p in people), (box, _GREEN, 2)]:
        x0, y0, x1, y1 = (round(value * scale) for value in corners)
        cv2.rectangle(small, (x0, y0), (x1 - 1, y1 - 1), colour, thickness)
    options = [cv2.IMWRITE_JPEG_QUALITY, 80]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return np.asarray(cv2.imencode(".jpg", small, options)[1], np.uint8).reshape(-1)


def _area(box: Sequence[float]) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Measure how much two boxes overlap: intersection over union.

    Args:
        a: x0, y0, x1, y1.
        b: The same of the other.

    Returns:
        0 where they are apart, 1 where they are equal.

    Example:
        >>> iou((0, 0, 2, 2), (1, 0, 3, 2))
        0.3333333333333333
    """
    both = _area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    either = _area(a) + _area(b) - both
    return float(both / either) if either > 0 else 0.0
