"""Where the signer of a clip is: what the annotation says, else a detector, else the middle.

Source: Sec. IV-A a (Fast R-CNN on How2Sign); register row 33.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from c2rl.corpora.clip import Box, Clip
from c2rl.video import boxes, detect
from c2rl.video.files import ClipError, Image

RULE = 1
"""Raise it when the same frames would give another place: what was found is then forgotten."""


class Cropping(NamedTuple):
    """How the part of the picture that is kept is chosen."""

    steps: tuple[str, ...] = ("box", "whole")
    """In the order of trial: box (the annotated one), detector, square (the centre), whole."""
    weights: str = "none"
    """Detector; see `c2rl.video.detect.find`."""
    frames: int = 5
    """Frames of a clip that the detector looks at."""
    score: float = 0.5
    """Least score of a person."""
    margin: float = 0.1
    """Room around a detected box, as a share of its size."""


class Place(NamedTuple):
    """The part of the picture that is kept, and why."""

    box: Box | None
    """In pixels of the upright source, end exclusive; None: all of it."""
    by: str
    """The step that gave it: box, detector, square or whole."""
    score: float = 0.0
    """Of the detector; 0 where it gave none."""
    num_people: int = 0
    """People the detector saw; 0 where it did not look."""
    was_searched: bool = False
    """Whether the detector looked, with or without success."""


def place(
    clip: Clip,
    cropping: Cropping,
    *,
    num_frames: int,
    width: int,
    height: int,
    look: Callable[[Sequence[int]], Sequence[Image]],
) -> Place:
    """Choose the part of the picture that is kept for all frames of a clip.

    Args:
        clip: With its annotated box, if it has one.
        cropping: What is tried, in which order.
        num_frames: Of the clip.
        width: Of the upright picture, in pixels.
        height: Of the upright picture, in pixels.
        look: Reads the frames of the numbers it is asked for.

    Returns:
        The place by the first step that finds one.

    Raises:
        ClipError: `no_signer` if no step finds one.
        FileNotFoundError: If the detector's weights are not there.
    """
    was_searched = False
    for step in cropping.steps:
        if step == "whole":
            return Place(None, step, was_searched=was_searched)
        if step == "square":
            return Place(boxes.square(width, height), step, was_searched=was_searched)
        if step == "box" and clip.box is not None:
            return Place(clip.box, step)
        if step == "box" and clip.relative_box is not None:
            return Place(_squared(clip.relative_box, width, height), step)
        if step == "detector":
            was_searched = True
            detector = _detector(cropping.weights)
            images = look(boxes.frame_numbers(num_frames, cropping.frames))
            found = boxes.steady(
                [detector(image) for image in images],
                images=images,
                width=width,
                height=height,
                least_score=cropping.score,
                margin=cropping.margin,
            )
            if found is not None:
                return Place(found.box, step, round(found.score, 4), found.num_people, True)
    raise ClipError("no_signer", f"no box by {', '.join(cropping.steps)}")


def _squared(shares: Sequence[float], width: int, height: int) -> Box:
    try:
        return boxes.squared(shares, width, height)
    except ValueError as error:
        raise ClipError("bad_box", str(error)) from None


@functools.lru_cache(maxsize=1)
def _detector(weights: str) -> detect.Detector:
    return detect.load(weights)


def ready(cropping: Cropping) -> str:
    """Load the detector once before workers do, so that what is missing is told at once.

    Args:
        cropping: How signers are found.

    Returns:
        Hash of the detector's weights, whatever its file is called; empty where no step needs one.

    Raises:
        FileNotFoundError: If the weights are not there and cannot be downloaded.
        ValueError: If they are of another kind, or a library is missing.
    """
    if "detector" not in cropping.steps:
        return ""
    detect.load(cropping.weights)
    return detect.identity(cropping.weights)


def single_thread(cropping: Cropping) -> None:
    """Keep a worker's detector to one thread: the pool uses the cores.

    Args:
        cropping: How signers are found.
    """
    if not cropping.weights.endswith(".onnx"):  # those run on one thread anyway
        import torch

        torch.set_num_threads(1)
