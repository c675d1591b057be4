"""Films a sentence: renders every frame and writes an H.264 MP4."""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from c2rl.corpora.synthsign.draw import Brush, Image, Pose, background, person
from c2rl.corpora.synthsign.motion import FPS, Motion
from c2rl.corpora.synthsign.signer import Signer, Take

_MARGIN = 32  # pixels by which the grain is larger than the frame, so that it can wander


def frames(
    rng: np.random.Generator, motion: Motion, signer: Signer, take: Take, *, width: int, height: int
) -> Iterator[Image]:
    """Render a clip.

    Args:
        rng: Source of chance.
        motion: The pose of every frame.
        signer: Who signs.
        take: Camera, light and clothes.
        width: Pixels.
        height: Pixels.

    Yields:
        (height, width, 3) uint8 frames, RGB.
    """
    wall = background(rng, take, width=width, height=height)
    grain = rng.normal(0, take.grain, size=(height + _MARGIN, width + _MARGIN, 1))
    grain = np.repeat(np.rint(grain).astype(np.int16), 3, axis=2)
    corners = rng.integers(0, _MARGIN, size=(len(motion.hands), 2))
    sway, phase_x, phase_y = take.jitter
    for index, (left, top) in enumerate(corners):
        seconds = index / FPS
        offset = (
            take.offset[0] + sway * np.sin(2 * np.pi * 0.9 * seconds + phase_x),
            take.offset[1] + sway * np.sin(2 * np.pi * 1.3 * seconds + phase_y),
        )
        image = wall.copy()
        brush = Brush(image, scale=take.scale, offset=offset, roll=take.roll)
        pose = Pose(*(series[index] for series in motion[:4]))
        person(brush, pose, signer, take)
        lit = cv2.convertScaleAbs(image, alpha=take.light)
        seen = cv2.add(lit, grain[top : top + height, left : left + width], dtype=cv2.CV_8U)
        yield np.asarray(seen, dtype=np.uint8)


def write(path: Path, images: Iterator[Image], *, width: int, height: int) -> None:
    """Write frames as an MP4 that is complete or absent.

    The bytes depend on nothing but the frames: there is one thread, and no macroblock tree, which
    reads memory that x264 never set. There are no B-frames, hence no edit list, and every decoder
    counts the same number of frames.

    Args:
        path: The file.
        images: (height, width, 3) uint8 frames, RGB.
        width: Pixels, even.
        height: Pixels, even.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    options = {"crf": "20", "preset": "veryfast", "bf": "0", "threads": "1", "g": str(FPS)}
    options["x264-params"] = "mbtree=0"
    muxing = {"fflags": "+bitexact", "use_editlist": "0", "movflags": "+faststart"}
    with av.open(str(temporary), "w", format="mp4", options=muxing) as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, FPS)
        stream.codec_context.thread_count = 1
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def quiet() -> None:
    """Keep OpenCV to one thread: workers are parallel already."""
    cv2.setNumThreads(1)
