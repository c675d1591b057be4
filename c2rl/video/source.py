"""Reading videos, GIFs and folders of frames: with `probe.py` the only door to decord and PyAV.

decord is the quick reader and is used where both give the same frames: one video stream, no edit
list, no rotation, constant frame rate, 8 bits, a codec and container that it knows. PyAV reads the
rest. Use it in a worker process (`pool.py`): either library may hang on a damaged file.

Shape letters in this file:
    T frames; H, W height and width in pixels.
"""

import bisect
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from c2rl.video.files import MAX_PIXELS, ClipError, Image, images, read_image, words
from c2rl.video.probe import Probe, probe, video_stream

MAX_FRAMES = 200_000
"""Most frames of a clip: about two hours."""
BATCH_BYTES = 256 * 2**20
"""Largest clip in raw RGB that decord may hold at once; longer ones are streamed by PyAV."""

# Not MPEG-4: the inverse transforms of the two FFmpegs differ by up to 2 of 255.
_DECORD_CODECS = {"h264", "hevc", "vp8", "vp9"}
_DECORD_PIXELS = {"yuv420p", "yuvj420p", "yuv422p", "yuv444p", "gbrp"}
_DECORD_CONTAINERS = {"mp4", "matroska"}
_ONE_PACKET_ONE_FRAME = {"h264", "hevc", "vp9", "av1"}
_SEEK_FROM = 200  # frames; nearer ones are reached sooner without seeking
_SLACK = 1e-6  # of a frame: a start computed as number / fps must hit that frame


class Frames(NamedTuple):
    """The frames of a clip, decoded while they are iterated."""

    images: Iterator[Image]
    """T arrays (H, W, 3) uint8, RGB, upright."""
    fps: float
    """Frames per second of the source; 0 where unknown."""
    decoder: str
    """decord, pyav or frames."""


def read_frames(
    path: Path,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    fps: float | None = None,
    use_decord: bool = True,
) -> Frames:
    """Read a clip: the frames from floor(start * fps) up to, without, ceil(end * fps).

    Args:
        path: Video file or folder of images.
        start_s: First second; None: from the beginning.
        end_s: Last second; None: to the end. Clipped to the frames that there are.
        fps: Frame rate of a folder; a video carries its own.
        use_decord: False reads everything by PyAV.

    Returns:
        The frames; at least one.

    Raises:
        ClipError: If the clip cannot be read, here or while the frames are iterated.
    """
    found = probe(path, fps=fps)
    first, end = _span(found, start_s, end_s)
    if found.width * found.height > MAX_PIXELS:
        raise ClipError("too_large", f"{found.width}x{found.height} pixels a frame")
    if end - first > MAX_FRAMES:
        raise ClipError("too_large", f"{end - first} frames, at most {MAX_FRAMES} can be stored")
    if found.kind == "frames":
        return Frames(_read_images(images(path)[first:end]), found.fps, "frames")
    if use_decord and _suits_decord(found, end - first):
        batch = _read_decord(path, found, first, end)
        if batch is not None:
            return Frames(iter(batch), found.fps, "decord")
    return Frames(_read_pyav(path, found, first, end), found.fps, "pyav")


def quiet() -> None:
    """Stop both libraries from writing about damaged files to the terminal."""
    import av
    import decord

    av.logging.set_level(None)
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    decord.logging.set_level(decord.logging.QUIET)


def _span(found: Probe, start_s: float | None, end_s: float | None) -> tuple[int, int]:
    """Turn seconds into frames [first, end); the header's promise counts only against the file."""
    count = found.num_frames
    if start_s is None and end_s is None:
        _refuse_truncated(found, count + 1)
        return 0, count
    if start_s is not None and end_s is not None and not 0 <= start_s < end_s:
        raise ClipError("bad_segment", f"from {start_s} s to {end_s} s is no stretch of time")
    if found.fps <= 0:
        raise ClipError("bad_segment", "the frame rate is unknown, so seconds mean nothing")
    first, end = _frame_numbers(found, start_s or 0.0, end_s)
    if first >= found.num_promised:
        length = found.num_promised / found.fps
        raise ClipError("bad_segment", f"starts at {start_s} s, but the video has {length:.2f} s")
    _refuse_truncated(found, count + 1 if end is None else min(end, found.num_promised))
    return first, max(first + 1, count if end is None else min(end, count))


def _frame_numbers(found: Probe, start_s: float, end_s: float | None) -> tuple[int, int | None]:
    if found.is_constant_rate or not len(found.pts):
        first = math.floor(start_s * found.fps + _SLACK)
        return first, None if end_s is None else math.ceil(end_s * found.fps - _SLACK)
    times = (found.pts - found.pts[0]) * found.time_base  # the frame on show at that second
    slack = _SLACK / found.fps
    length = times[-1] + 1 / found.fps
    last = found.num_promised if start_s >= length else len(times)
    first = int(np.searchsorted(times, start_s + slack, side="right")) - 1
    first = last if start_s >= length else max(0, first)
    return first, None if end_s is None else int(np.searchsorted(times, end_s - slack))


def _refuse_truncated(found: Probe, end: int) -> None:
    if found.num_frames < found.num_promised and end > found.num_frames:
        raise ClipError(
            "decode_error",
            f"truncated: {found.num_frames} of {found.num_promised} frames are in the file",
        )


def _suits_decord(found: Probe, num_frames: int) -> bool:
    return (
        found.num_streams == 1
        and not found.has_edit_list
        and found.rotation == 0
        and found.is_constant_rate
        and found.codec in _DECORD_CODECS
        and found.container in _DECORD_CONTAINERS
        and found.pixel_format in _DECORD_PIXELS
        and num_frames * found.width * found.height * 3 <= BATCH_BYTES
    )


def _read_decord(path: Path, found: Probe, first: int, end: int) -> Image | None:
    """Read in one batch and drop the reader; None where decord fails or counts otherwise."""
    import decord

    try:
        reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
        try:
            if len(reader) != found.num_frames:
                return None
            batch: Image = reader.get_batch(list(range(first, end))).asnumpy()
        finally:
            del reader  # its thread decodes ahead without limit
    except Exception:  # decord raises DECORDError, RuntimeError, IndexError, ...: PyAV has its say
        return None
    return batch if batch.shape == (end - first, found.height, found.width, 3) else None


class _LostError(Exception):
    """Seeking did not land on the key frame that was asked for."""


def _read_pyav(path: Path, found: Probe, first: int, end: int) -> Iterator[Image]:
    import av

    done = 0
    try:
        try:
            for image in _decode_pyav(path, found, first, end, seek=True):
                done += 1
                yield image
        except _LostError:
            for image in _decode_pyav(path, found, first, end, seek=False):
                done += 1
                yield image
    except (av.FFmpegError, EOFError) as error:
        reason = f"{done} of {end - first} frames decode: {words(error)}"
        raise ClipError("decode_error", reason) from None
    if done < end - first and (done == 0 or _is_counted(found)):
        raise ClipError("decode_error", f"{done} of {end - first} frames decode")


def _is_counted(found: Probe) -> bool:
    return found.codec in _ONE_PACKET_ONE_FRAME


def _decode_pyav(path: Path, found: Probe, first: int, end: int, *, seek: bool) -> Iterator[Image]:
    import av

    with av.open(str(path)) as container:
        stream, _ = video_stream(container, path)
        number, key = 0, None
        if seek and first >= _SEEK_FROM and len(found.keys) and _is_counted(found):
            # of the key frames at or before the clip, the last
            place = bisect.bisect_right(found.keys.tolist(), int(found.pts[first])) - 1
            if place > 0:
                key = int(found.keys[place])
                number = int(np.searchsorted(found.pts, key))
                container.seek(key, stream=stream)
        for frame in container.decode(stream):
            if key is not None:
                if frame.pts is None or frame.pts < key:
                    continue
                if frame.pts != key:
                    raise _LostError
                key = None
            if number >= first:
                image = frame.to_ndarray(format="rgb24")
                yield np.ascontiguousarray(np.rot90(image, found.rotation // 90))
            number += 1
            if number >= end:
                return
        if key is not None:
            raise _LostError


def _read_images(paths: list[Path]) -> Iterator[Image]:
    for number, path in enumerate(paths):
        yield read_image(path, number, len(paths))
