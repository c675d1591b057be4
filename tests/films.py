"""Small generated videos: no real person is in the repository."""

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

from c2rl.video import source

Film = np.ndarray
MakeVideo = Callable[..., Path]

LOSSLESS = {"codec": "libx264rgb", "pixels": "rgb24", "qp": "0"}


def film(num_frames: int = 12, height: int = 48, width: int = 64) -> Film:
    """Moving ramps and a moving disc, (T, H, W, 3) uint8, every frame different."""
    t, y, x = np.mgrid[:num_frames, :height, :width]
    disc = ((x - 10 - 3 * t) ** 2 + (y - height // 2) ** 2 < 80) * 200
    return np.stack([(x * 3 + 7 * t) % 256, (y * 5 + t) % 256, disc], axis=-1).astype(np.uint8)


def write_video(
    path: Path,
    images: Film,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    fps: int = 25,
    steps: list[int] | None = None,
    container: dict[str, str] | None = None,
    **options: str,
) -> Path:
    """Encode; `steps` are presentation times in frames where the rate shall vary."""
    with av.open(str(path), "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = pixels
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if steps is not None:
                frame.pts, frame.time_base = steps[number], 1 / stream.codec_context.framerate
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def read_all(path: Path, **options: object) -> Film:
    """Read a clip to the end."""
    return np.stack(list(source.read_frames(path, **options).images))


def unpack(frames: list[np.ndarray]) -> Film:
    """Decompress stored frames to (T, S, S, 3) RGB."""
    return np.stack([cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) for data in frames])
