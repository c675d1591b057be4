"""From a source to stored frames: cut out the signer, resize, compress.

Stage `prepare` and the direct route (`encoder.encode("clip.mp4")`) both come through here, so a
clip gives the same pixels either way.

Shape letters in this file:
    T frames; H, W height and width of the source; S stored size in pixels.
"""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from c2rl.video.files import ClipError
from c2rl.video.source import read_frames

Image = npt.NDArray[np.uint8]
Bytes = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]


class Decoded(NamedTuple):
    """A clip as the frame store keeps it."""

    frames: list[Bytes]
    """T whole JPEG or PNG files, (bytes,) uint8 each."""
    fps: float
    """Frames per second of the source; 0 where unknown."""
    decoder: str
    """decord, pyav or frames."""


def crop(image: Image, *, size: int, box: Box | None = None) -> Image:
    """Cut out a box and squash it to a square.

    Args:
        image: (H, W, 3) uint8.
        size: S, side of the result in pixels; the aspect ratio is not kept (register row 16).
        box: x0, y0, x1, y1 in pixels, end exclusive, cut off at the border; None: the whole image.

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
    *,
    size: int,
    codec: str,
    quality: int,
    start_s: float | None = None,
    end_s: float | None = None,
    box: Box | None = None,
    fps: float | None = None,
    use_decord: bool = True,
) -> Decoded:
    """Read a clip, crop it, and compress it as the frame store keeps it.

    One raw frame is held at a time, or one batch of at most `source.BATCH_BYTES`.

    Args:
        path: Video file or folder of images.
        size: S, side of the stored frames in pixels.
        codec: `jpeg` or `png`.
        quality: Of JPEG, 1 to 100.
        start_s: First second; None: from the beginning.
        end_s: Last second; None: to the end.
        box: Signer's box x0, y0, x1, y1 in source pixels; None: the whole frame.
        fps: Frame rate of a folder; a video carries its own.
        use_decord: False reads everything by PyAV.

    Returns:
        The compressed frames, as the frame store would give them.

    Raises:
        ClipError: If the clip cannot be read.
    """
    cv2.setNumThreads(1)  # the pool uses the cores
    read = read_frames(path, start_s=start_s, end_s=end_s, fps=fps, use_decord=use_decord)
    frames = [
        pack(crop(image, size=size, box=box), codec=codec, quality=quality) for image in read.images
    ]
    return Decoded(frames, read.fps, read.decoder)
