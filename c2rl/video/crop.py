"""From a source to stored frames: cut out the signer, resize, compress.

Stage `prepare` and the direct route (`encoder.encode("clip.mp4")`) both come through here, so a
clip gives the same pixels either way.

Shape letters in this file:
    T frames; H, W height and width of the source; S stored size in pixels.
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from c2rl.corpora.clip import Box, Clip
from c2rl.video import signer
from c2rl.video.boxes import draw
from c2rl.video.files import ClipError, Image
from c2rl.video.signer import Cropping, Place
from c2rl.video.source import read_frames, span

Bytes = npt.NDArray[np.uint8]

Choose = Callable[[int, float], Sequence[int]]
"""From the number of frames and their rate to the numbers of those that are needed."""

MAX_BYTES = 2**30
"""Most bytes of a clip's compressed frames, which are held in memory and sent between processes."""


class Decoded(NamedTuple):
    """A clip as the frame store keeps it."""

    frames: list[Bytes]
    """Whole JPEG or PNG files, (bytes,) uint8 each."""
    numbers: Sequence[int]
    """Which frames of the clip they are, increasing."""
    num_frames: int
    """T, frames of the clip."""
    fps: float
    """Frames per second of the source; 0 where unknown."""
    decoder: str
    """decord, pyav or frames."""
    video: dict[str, Any]
    """Codec, size and so on of the source; see `source.Frames`."""
    place: Place
    """What of the picture was kept, and why."""
    overlay: Bytes | None
    """A small JPEG with the box drawn in, where it was asked for."""


def crop(image: Image, *, size: int, box: Box | None = None, pad: bool = False) -> Image:
    """Cut out a box and squash it to a square.

    Args:
        image: (H, W, 3) uint8.
        size: S, side of the result in pixels; the aspect ratio is not kept (register row 16).
        box: x0, y0, x1, y1 in pixels, end exclusive; None: the whole image.
        pad: Whether what lies outside the image is black; otherwise the box is cut off there.

    Returns:
        (S, S, 3) uint8.

    Raises:
        ClipError: `bad_box` if nothing of the box lies in the image.
    """
    if box is not None:
        height, width = image.shape[:2]
        x0, y0 = max(0, box[0]), max(0, box[1])
        x1, y1 = min(width, box[2]), min(height, box[3])
        if x0 >= x1 or y0 >= y1:
            raise ClipError("bad_box", f"box {box} is empty in a {width}x{height} frame")
        image = image[y0:y1, x0:x1]
        border = (y0 - box[1], box[3] - y1, x0 - box[0], box[2] - x1)
        if pad and any(border):
            black = cv2.copyMakeBorder(image, *border, cv2.BORDER_CONSTANT, value=(0, 0, 0))
            image = np.asarray(black, np.uint8)
    height, width = image.shape[:2]
    smaller = (min(width, size), min(height, size))
    if smaller != (width, height):
        image = np.asarray(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    if smaller != (size, size):
        image = np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)
    return image


def pack(image: Image, *, codec: str, quality: int) -> Bytes:
    """Compress one frame.

    Args:
        image: (S, S, 3) uint8, RGB.
        codec: `jpeg` (always 4:4:4) or `png`.
        quality: Of JPEG, 1 to 100.

    Returns:
        (bytes,) uint8, a whole file.
    """
    options = [cv2.IMWRITE_PNG_COMPRESSION, 6]
    if codec == "jpeg":
        options = [
            cv2.IMWRITE_JPEG_QUALITY,
            quality,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ]
    suffix = ".jpg" if codec == "jpeg" else ".png"
    _, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return np.asarray(data, np.uint8).reshape(-1)


def decode_clip(
    path: Path,
    clip: Clip,
    *,
    size: int,
    codec: str,
    quality: int,
    cropping: Cropping | None = None,
    known: Place | None = None,
    least_frames: int = 1,
    wants_overlay: bool = False,
    choose: Choose | None = None,
    use_decord: bool = False,
) -> Decoded:
    """Read a clip, crop it, and compress it as the frame store keeps it.

    One raw frame is held at a time, or one batch of at most `source.BATCH_BYTES`.

    Args:
        path: Video file or folder of images.
        clip: Its segment, frame rate and annotated box.
        size: S, side of the stored frames in pixels.
        codec: `jpeg` or `png`.
        quality: Of JPEG, 1 to 100.
        cropping: How the signer is found; None: the annotated box, else the whole frame.
        known: Where an earlier run found the signer; None: it is to be found.
        least_frames: A shorter clip is refused.
        wants_overlay: Whether to draw the box into a small picture of the clip's middle.
        choose: Which frames are needed; None: all. The others are not even decoded where that
            gives the same pixels; where the number of frames is uncertain all are given.
        use_decord: Whether decord reads what suits it, and PyAV the rest.

    Returns:
        The compressed frames, as the frame store would give them.

    Raises:
        ClipError: If the clip cannot be read.
        FileNotFoundError: If the detector's weights are not there.
    """
    cv2.setNumThreads(1)  # the pool uses the cores
    start_s, end_s, fps = clip.start_s, clip.end_s, clip.fps
    read = functools.partial(
        read_frames, path, start_s=start_s, end_s=end_s, fps=fps, use_decord=use_decord
    )

    def look(numbers: Sequence[int]) -> list[Image]:
        return list(read(keep=numbers).images)

    found = span(path, start_s=start_s, end_s=end_s, fps=fps, least_frames=least_frames)
    place = known or signer.place(
        clip,
        cropping or Cropping(),
        num_frames=found.num_frames,
        width=found.width,
        height=found.height,
        look=look,
    )
    overlay = None
    if wants_overlay and place.box is not None:
        overlay = draw(look([found.num_frames // 2])[0], place.box)
    kept = choose(found.num_frames, found.fps) if choose and found.is_counted else None
    decoded = read(keep=kept)
    pad = place.by == "box" and clip.box is None  # an OpenASL square
    frames: list[Bytes] = []
    room = MAX_BYTES
    for image in decoded.images:
        small = crop(image, size=size, box=place.box, pad=pad)
        frames.append(pack(small, codec=codec, quality=quality))
        room -= len(frames[-1])
        if room < 0:
            raise ClipError("too_large", f"the first {len(frames)} frames take over 1 GiB")
    numbers = range(len(frames)) if kept is None else kept
    count = len(frames) if kept is None else found.num_frames
    return Decoded(
        frames, numbers, count, decoded.fps, decoded.decoder, decoded.video, place, overlay
    )
