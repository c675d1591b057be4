"""Draws one pose as an image: background, body, head, face, arms, hands."""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from c2rl.corpora.synthsign.signer import Colour, Signer, Take

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Point = tuple[float, float]

_SHIFT = 4  # fractional bits of OpenCV's coordinates
_ONE = 1 << _SHIFT
_CENTRE = (0.5, 0.6)  # where an offset of zero puts the body's (0, 0.6), in frame widths
_HEAD = (0.0, 0.37)
_NECK = (0.0, 0.56)
_HEAD_RX, _HEAD_RY = 0.135, 0.175
_SHOULDER_Y = 0.66
_PALM, _FINGER, _FINGER_WIDTH = 0.052, 0.105, 0.034
_RIM = [(math.cos(a), math.sin(a)) for a in (3.6, 3.88, 4.16, 4.44, 4.71, 4.98, 5.26, 5.54, 5.82)]
_RING = [(math.cos(k * math.pi / 6), math.sin(k * math.pi / 6)) for k in range(12)]
# Direction of thumb and fingers against the hand's axis, closed and spread; base on the palm.
_CLOSED = (1.25, 0.20, 0.07, -0.07, -0.20)
_SPREAD = (0.95, 0.42, 0.14, -0.14, -0.50)


class Brush:
    """Draws in body coordinates, through the camera of one take."""

    def __init__(self, image: Image, *, scale: float, offset: Point, roll: float) -> None:
        """Aim the camera.

        Args:
            image: (height, width, 3) uint8; drawn into.
            scale: Factor of size.
            offset: Where the body is shifted, in frame widths.
            roll: Slant in radians.
        """
        width = image.shape[1]
        self.image = image
        self.scale = scale * width
        self._roll = math.degrees(roll)
        self._cos = math.cos(roll) * self.scale * _ONE
        self._sin = math.sin(roll) * self.scale * _ONE
        self._x = (_CENTRE[0] + offset[0]) * width * _ONE + _CENTRE[1] * self._sin + 0.5
        self._y = (_CENTRE[1] + offset[1]) * width * _ONE - _CENTRE[1] * self._cos + 0.5

    def pixel(self, point: Point) -> tuple[int, int]:
        """Turn body coordinates (frame widths) into OpenCV's fixed-point pixels."""
        x, y = point
        return (
            int(x * self._cos - y * self._sin + self._x),
            int(x * self._sin + y * self._cos + self._y),
        )

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """Draw a round-ended polyline of that width, at least one pixel."""
        thickness = max(1, round(width * self.scale))
        path = [self.pixel(point) for point in points]
        if len(path) == 2:
            cv2.line(self.image, path[0], path[1], colour, thickness, cv2.LINE_AA, _SHIFT)
        else:
            corners = np.array(path, dtype=np.int32)
            cv2.polylines(self.image, [corners], False, colour, thickness, cv2.LINE_AA, _SHIFT)

    def fill(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon."""
        corners = np.array([self.pixel(point) for point in points], dtype=np.int32)
        cv2.fillPoly(self.image, [corners], colour, cv2.LINE_AA, _SHIFT)

    def ellipse(self, centre: Point, rx: float, ry: float, colour: Colour, tilt: float = 0) -> None:
        """Fill an ellipse; tilt in radians."""
        axes = round(rx * self.scale * _ONE), round(ry * self.scale * _ONE)
        angle, middle = math.degrees(tilt) + self._roll, self.pixel(centre)
        cv2.ellipse(self.image, middle, axes, angle, 0, 360, colour, -1, cv2.LINE_AA, _SHIFT)


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (int(min(255, c * factor)) for c in colour)
    return red, green, blue


class At(Protocol):
    """Places a point of the head in body coordinates."""

    def __call__(self, x: float, y: float, depth: float = 0.0) -> Point:
        """Place the point x, y from the head's centre, depth forward of it."""


class Pose(NamedTuple):
    """One frame of a `Motion`."""

    hands: Floats
    shapes: Floats
    head: Floats
    face: Floats


def person(brush: Brush, pose: Pose, signer: Signer, take: Take) -> None:
    """Draw the signer.

    Args:
        brush: Where to draw.
        pose: hands (2, 3), shapes (2, 7), head (2,), face (4,); see `Motion`.
        signer: Body and colours.
        take: Clothes of this clip.
    """
    _torso(brush, signer, take)
    _head(brush, pose, signer)
    for hand in (1, 0):
        side = 1.0 if hand else -1.0
        x, y, angle = (float(value) for value in pose.hands[hand])
        palm = (-side * x, y)
        axis = (-side * math.cos(angle), math.sin(angle))
        wrist = (palm[0] - axis[0] * 0.05, palm[1] - axis[1] * 0.05)
        _arm(brush, side, wrist, signer, take)
        _hand(brush, palm, axis, side, pose.shapes[hand].tolist(), signer)


def _torso(brush: Brush, signer: Signer, take: Take) -> None:
    half, edge = signer.shoulder, _shade(take.outfit, 0.7)
    outline: list[Point] = [
        (-0.07, 0.575),
        (-half, _SHOULDER_Y - 0.035),
        (-half - 0.05, _SHOULDER_Y + 0.03),
        (-half + 0.01, 1.4),
        (half - 0.01, 1.4),
        (half + 0.05, _SHOULDER_Y + 0.03),
        (half, _SHOULDER_Y - 0.035),
        (0.07, 0.575),
    ]
    brush.fill(outline, take.outfit)
    brush.line([*outline, outline[0]], 0.008, edge)
    brush.fill([(-0.065, 0.46), (0.065, 0.46), (0.07, 0.59), (0, 0.63), (-0.07, 0.59)], signer.skin)
    brush.line([(-0.07, 0.58), (0, 0.635), (0.07, 0.58)], 0.01, edge)


def _arm(brush: Brush, side: float, wrist: Point, signer: Signer, take: Take) -> None:
    shoulder = (side * (signer.shoulder - 0.01), _SHOULDER_Y + 0.03)
    lift = max(0.0, shoulder[1] - wrist[1])
    elbow = (
        (shoulder[0] + wrist[0]) / 2 + side * 0.10,
        (shoulder[1] + wrist[1]) / 2 + 0.08 + 0.25 * lift,
    )
    cuff = (elbow[0] + 0.72 * (wrist[0] - elbow[0]), elbow[1] + 0.72 * (wrist[1] - elbow[1]))
    dark = _shade(take.outfit, 0.55)
    brush.line([shoulder, elbow, cuff], signer.arm + 0.016, dark)
    brush.line([shoulder, elbow, cuff], signer.arm, _shade(take.outfit, 0.92))
    brush.line([cuff, wrist], 0.062, _shade(signer.skin, 0.5))
    brush.line([cuff, wrist], 0.048, _shade(signer.skin, 0.95))


def _hand(
    brush: Brush, palm: Point, axis: Point, side: float, shape: list[float], signer: Signer
) -> None:
    size = signer.hand
    across = (axis[1] * side, -axis[0] * side)  # towards the thumb

    def at(along: float, beside: float) -> Point:
        x = palm[0] + size * (along * axis[0] + beside * across[0])
        return x, palm[1] + size * (along * axis[1] + beside * across[1])

    *fingers, spread, ring = shape
    strokes: list[tuple[Point, Point, float]] = []
    for finger, straight in enumerate(fingers):
        if straight <= 0.1:
            continue
        is_thumb = finger == 0
        angle = (1 - spread) * _CLOSED[finger] + spread * _SPREAD[finger]
        along, beside = (0.0, 0.03) if is_thumb else (0.02, 0.021 * (2.5 - finger))
        length = 0.03 + straight * (_FINGER - 0.02 * is_thumb)
        tip = at(along + length * math.cos(angle), beside + length * math.sin(angle))
        width = _FINGER_WIDTH * size * (1.15 if is_thumb else 1.0)
        strokes.append((at(along, beside), tip, width))
    dark, skin = _shade(signer.skin, 0.4), signer.skin
    radius = _PALM * size * (1 + 0.25 * ring)
    for base, tip, width in strokes:
        brush.line((base, tip), width + 0.02, dark)
    brush.ellipse(palm, radius + 0.01, radius + 0.01, dark)
    for base, tip, width in strokes:
        brush.line((base, tip), width, skin)
    brush.ellipse(palm, radius, radius, skin)
    if ring > 0.3:
        brush.ellipse(palm, 0.55 * radius * ring, 0.55 * radius * ring, (24, 20, 20))
    elif sum(fingers[1:]) < 3.0:  # curled fingers show their knuckles
        for beside in (-0.017, 0.0, 0.017):
            brush.line((at(0.012, beside), at(0.038, beside)), 0.007, dark)


def _head(brush: Brush, pose: Pose, signer: Signer) -> None:
    yaw, tilt = float(pose.head[0]), float(pose.head[1])
    cos, sin = math.cos(tilt), math.sin(tilt)
    size = signer.head

    def at(x: float, y: float, depth: float = 0.0) -> Point:
        """Place a point of the head: x, y from its centre, depth forward of it."""
        u = x * size + 0.022 * yaw + 0.05 * yaw * depth
        v = (_HEAD[1] - _NECK[1]) + y * size
        return _NECK[0] + cos * u - sin * v, _NECK[1] + sin * u + cos * v

    rx, ry = _HEAD_RX * size, _HEAD_RY * size
    dark = _shade(signer.skin, 0.55)
    style, hair = signer.hairstyle, signer.hair
    if style == "long":
        brush.ellipse(at(0, 0.02), rx * 1.25, ry * 1.2, hair, tilt)
    elif style == "bun":
        brush.ellipse(at(0, -0.2), rx * 0.5, rx * 0.45, hair, tilt)
    if style != "bald":
        brush.ellipse(at(0, -0.03), rx * 1.08, ry * 1.02, hair, tilt)
    brush.ellipse(at(0, 0), rx + 0.006, ry + 0.006, dark, tilt)
    brush.ellipse(at(0, 0), rx, ry, signer.skin, tilt)
    if style != "bald":
        rim = [at(_HEAD_RX * x, _HEAD_RY * y) for x, y in _RIM]
        brush.fill(rim, hair)
    _face(brush, pose, signer, at, tilt)


def _face(brush: Brush, pose: Pose, signer: Signer, at: At, tilt: float) -> None:
    raised, knit, opened, corners = (float(value) for value in pose.face)
    black, white, lip = (20, 16, 16), (240, 240, 236), (150, 40, 44)
    brow = (30, 22, 18) if signer.skin[0] > 150 else (12, 8, 8)
    for side in (-1.0, 1.0):
        brush.ellipse(at(side * 0.056, -0.005, 1), 0.027, 0.017 + 0.008 * raised, white, tilt)
        brush.ellipse(at(side * 0.056, -0.005, 1), 0.013, 0.014, black, tilt)
        if signer.has_glasses:
            ring = [at(side * 0.056 + 0.042 * x, 0.032 * y, 1) for x, y in _RING]
            brush.line([*ring, ring[0]], 0.006, (50, 50, 56))
        inner = -0.048 - 0.045 * raised + 0.034 * knit
        outer = -0.042 - 0.035 * raised - 0.014 * knit
        ends = [at(side * 0.02, inner, 1), at(side * 0.092, outer, 1)]
        brush.line(ends, 0.017 + 0.005 * knit, brow)
    brush.line([at(0, 0.01, 1.4), at(0, 0.045, 1.4)], 0.01, _shade(signer.skin, 0.72))
    if opened > 0.15:
        brush.ellipse(at(0, 0.092, 1), 0.04, 0.008 + 0.03 * opened, lip, tilt)
        brush.ellipse(at(0, 0.092, 1), 0.027, 0.004 + 0.02 * opened, (50, 10, 14), tilt)
    else:
        bend = -0.026 * corners
        mouth = [at(0.05 * x, 0.092 + bend * (x * x - 0.5), 1) for x in (-1, -0.5, 0, 0.5, 1)]
        brush.line(mouth, 0.016, lip)


def background(rng: np.random.Generator, take: Take, *, width: int, height: int) -> Image:
    """Draw the wall behind the signer: a gradient with a soft texture.

    Args:
        rng: Source of chance.
        take: Colours of this clip.
        width: Pixels.
        height: Pixels.

    Returns:
        (height, width, 3) uint8, RGB.
    """
    share = np.linspace(0, 1, height)[:, None, None]
    wall = (1 - share) * np.array(take.top) + share * np.array(take.bottom)  # (height, 1, 3)
    coarse = rng.normal(0, 1.5 * take.grain, size=(6, 5)).astype(np.float32)
    texture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(wall + texture[:, :, None], 0, 255), dtype=np.uint8)
