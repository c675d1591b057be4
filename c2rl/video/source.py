"""Reading videos, GIFs and folders of frames: with `probe.py` the only door to decord and PyAV.

Every frame is the one that PyAV gives when it decodes the file from its first packet on; seeking
and skipping are for codecs whose frames are known by their presentation times. decord, with another
FFmpeg, is the second reader, for files on which PyAV hangs or crashes: the same frames, slower, for
one progressive 8-bit H.264 stream of constant rate, no edit list, no rotation, no need to seek.
Use it in a worker process (`pool.py`): either library may hang on a damaged file.

Shape letters: T frames; H, W height and width in pixels.
"""

import bisect
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from c2rl.video.files import MAX_PIXELS, ClipError, Image, images, read_image, words
from c2rl.video.probe import Probe, open_video, probe, video_stream
from c2rl.video.segment import numbers, segment

if TYPE_CHECKING:
    from av import VideoFrame

MAX_FRAMES = 200_000  # of a clip: about two hours
BATCH_BYTES = 256 * 2**20
"""Largest clip in raw RGB that decord may hold at once; longer ones are streamed by PyAV."""

# Not MPEG-4: the inverse transforms of the two FFmpegs differ by up to 2 of 255. Not HEVC, VP8 and
# VP9: in damaged files decord passes over what does not decode.
_DECORD_CODECS = {"h264"}
_DECORD_PIXELS = {"yuv420p", "yuvj420p", "yuv422p", "yuv444p", "gbrp"}
_DECORD_CONTAINERS = {"mp4", "matroska"}
_STRICT = 1e-4  # decord's tolerance, in which 0 is none: it may replace no frame by the one before
_ONE_PACKET_ONE_FRAME = {"h264", "hevc", "vp9", "av1"}
_SKIPPABLE = {"h264"}  # not HEVC: no reference in its temporal layer may be one for those above
_SEEK_FROM = 200  # frames; nearer ones are reached sooner without seeking

_FACTS = (
    *("codec", "container", "pixel_format", "width", "height"),
    *("rotation", "is_constant_rate", "has_edit_list", "num_streams"),
)


class Frames(NamedTuple):
    """The frames of a clip, decoded while they are iterated."""

    images: Iterator[Image]
    """T arrays (H, W, 3) uint8, RGB, upright."""
    fps: float
    """Frames per second of the source; 0 where unknown."""
    decoder: str
    """decord, pyav or frames."""
    video: dict[str, Any]
    """Facts of the source, for JSON: `_FACTS`, of which the size is that of the upright frame."""


class Span(NamedTuple):
    """What a clip is, as far as its packets tell."""

    num_frames: int
    fps: float
    """Frames per second of the source; 0 where unknown."""
    width: int
    """Of the upright frame, in pixels."""
    height: int
    is_counted: bool
    """Whether exactly that many frames will decode, or the clip fails."""


def span(
    path: Path,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    fps: float | None = None,
    least_frames: int = 1,
) -> Span:
    """Tell how many frames `read_frames` would give, and how large they are.

    Args:
        path: Video file or folder of images.
        start_s: First second; None: from the beginning.
        end_s: Last second; None: to the end.
        fps: Frame rate of a folder; a video carries its own.
        least_frames: A shorter clip is refused.

    Returns:
        Their number, rate and size.

    Raises:
        ClipError: If the clip cannot be read.
    """
    found, first, end = _clip(path, start_s, end_s, fps, least_frames)
    is_counted = found.kind == "frames" or _is_counted(found)
    return Span(end - first, found.fps, found.width, found.height, is_counted)


def read_frames(
    path: Path,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    fps: float | None = None,
    keep: Sequence[int] | None = None,
    least_frames: int = 1,
    use_decord: bool = False,
) -> Frames:
    """Read a clip: the frames from floor(start * fps) up to, without, ceil(end * fps).

    Args:
        path: Video file or folder of images.
        start_s: First second; None: from the beginning.
        end_s: Last second; None: to the end. Clipped to the frames that there are.
        fps: Frame rate of a folder; a video carries its own.
        keep: Numbers within the clip, increasing, of the frames to give; None: all. Damage to
            others may stay unnoticed.
        least_frames: A shorter clip is refused.
        use_decord: Whether decord reads what suits it, and PyAV the rest.

    Returns:
        The frames; at least one.

    Raises:
        ClipError: If the clip cannot be read, here or while the frames are iterated.
        ValueError: If `keep` is empty, not increasing, or leaves the clip.
    """
    found, first, end = _clip(path, start_s, end_s, fps, least_frames)
    wanted = numbers(first, end, keep)
    if len(wanted) > MAX_FRAMES:
        raise ClipError("too_large", f"{len(wanted)} frames, at most {MAX_FRAMES} can be stored")
    video = {name: getattr(found, name) for name in _FACTS}
    if found.kind == "frames":
        files = images(path)
        return Frames(_read_images([files[n] for n in wanted]), found.fps, "frames", video)
    batch = _read_decord(path, found, wanted) if use_decord else None
    if batch is not None:
        return Frames(iter(batch), found.fps, "decord", video)
    least = len(wanted) if keep is not None or _is_counted(found) else least_frames
    return Frames(_read_pyav(path, found, wanted, least), found.fps, "pyav", video)


def quiet() -> None:
    """Stop both libraries from writing about damaged files to the terminal."""
    import av

    av.logging.set_level(None)
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    with suppress(ImportError):  # decord is made for few kinds of machine
        import decord

        decord.logging.set_level(decord.logging.QUIET)


def _clip(
    path: Path, start_s: float | None, end_s: float | None, fps: float | None, least_frames: int
) -> tuple[Probe, int, int]:
    found = probe(path, fps=fps)
    first, end = segment(found, start_s, end_s)
    if found.width * found.height > MAX_PIXELS:
        raise ClipError("too_large", f"{found.width}x{found.height} pixels a frame")
    if end - first < least_frames:
        raise _too_short(end - first, least_frames)
    return found, first, end


def _too_short(num_frames: int, least_frames: int) -> ClipError:
    return ClipError("too_short", f"{num_frames} frames remain, at least {least_frames} are needed")


def _is_counted(found: Probe) -> bool:
    return found.codec in _ONE_PACKET_ONE_FRAME


def _has_times(found: Probe) -> bool:
    return _is_counted(found) and found.is_timed


def _has_gaps(wanted: Sequence[int]) -> bool:
    """Tell whether a frame before the last wanted one is not wanted."""
    return wanted[-1] != len(wanted) - 1


def _can_skip(found: Probe) -> bool:
    """Tell whether frames that no other refers to may be left out with nothing else changing."""
    return (
        found.codec in _SKIPPABLE
        and _has_times(found)
        and not found.has_edit_list
        and not found.is_interlaced
    )


def _suits_decord(found: Probe, wanted: Sequence[int]) -> bool:
    return (
        not _has_gaps(wanted)  # decord would seek, and miss in open groups of pictures
        and found.num_streams == 1
        and not found.has_edit_list
        and found.rotation == 0
        and found.is_constant_rate
        and not found.is_interlaced
        and found.codec in _DECORD_CODECS
        and found.container in _DECORD_CONTAINERS
        and found.pixel_format in _DECORD_PIXELS
        and len(wanted) * found.width * found.height * 3 <= BATCH_BYTES
    )


def _read_decord(path: Path, found: Probe, wanted: Sequence[int]) -> Image | None:
    """Read in one batch and drop the reader; None where it does not suit, fails or miscounts."""
    import decord

    if not _suits_decord(found, wanted):
        return None
    try:
        reader = decord.VideoReader(
            str(path.absolute()), ctx=decord.cpu(0), num_threads=1, fault_tol=_STRICT
        )
        try:
            if len(reader) != found.num_frames:
                return None
            batch: Image = reader.get_batch(list(wanted)).asnumpy()
        finally:
            del reader  # its thread decodes ahead without limit
    except Exception:  # decord raises DECORDError, RuntimeError, IndexError, ...: PyAV has its say
        return None
    return batch if batch.shape == (len(wanted), found.height, found.width, 3) else None


class _LostError(Exception):
    """The quick way did not give the frames that were expected of it."""


def _read_pyav(path: Path, found: Probe, wanted: Sequence[int], least: int) -> Iterator[Image]:
    """Try the quick way where there is one; the plain one goes on from what that has given."""
    import av

    done = 0
    try:
        if _has_times(found) and (
            wanted[0] >= _SEEK_FROM or (_has_gaps(wanted) and _can_skip(found))
        ):
            try:
                for image in _decode_quickly(path, found, wanted):
                    done += 1
                    yield image
            except (_LostError, av.FFmpegError, EOFError, IndexError):
                pass  # the plain way tells what is wrong, if anything is
        if done < len(wanted):
            for image in _decode_plainly(path, found, wanted[done:]):
                done += 1
                yield image
    except MemoryError:  # PyAV's is an FFmpegError too
        raise
    except (av.FFmpegError, EOFError, IndexError) as error:  # see `probe._packets`
        reason = f"{done} of {len(wanted)} frames decode: {words(error)}"
        raise ClipError("decode_error", reason) from None
    if done == 0 or (least == len(wanted) and done < least):
        raise ClipError("decode_error", f"{done} of {len(wanted)} frames decode")
    if done < least:
        raise _too_short(done, least)


def _decode_quickly(path: Path, found: Probe, wanted: Sequence[int]) -> Iterator[Image]:
    """Seek to the key frame before the clip, and skip what is neither wanted nor referred to."""
    times = deque(found.pts[list(wanted)].tolist())
    kept = set(times)
    skips = _can_skip(found)
    with open_video(path) as container:
        stream, _ = video_stream(container, path)
        # concealing damage would look at frames that are skipped: leave it to the plain way
        stream.codec_context.options = {"err_detect": "explode"}
        key = None
        place = bisect.bisect_right(found.keys.tolist(), times[0]) - 1
        if wanted[0] >= _SEEK_FROM and place > 0:
            key = int(found.keys[place])
            container.seek(key, stream=stream)
        for packet in container.demux(stream):
            if skips:
                needed = packet.pts in kept or not packet.size
                stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
            for frame in packet.decode():
                if frame.pts is None or (key is not None and frame.pts < key):
                    continue
                if key not in (None, frame.pts) or frame.is_corrupt or frame.pts > times[0]:
                    raise _LostError
                key = None
                if frame.pts == times[0]:
                    yield _upright(frame, found)
                    times.popleft()
                if not times:
                    return
    raise _LostError


def _decode_plainly(path: Path, found: Probe, wanted: Sequence[int]) -> Iterator[Image]:
    """Decode everything up to the last wanted frame; number by time where it is told, or count."""
    kept = set(wanted)
    told = {time: n for n, time in enumerate(found.pts.tolist())} if _has_times(found) else {}
    number = -1
    with open_video(path) as container:
        stream, _ = video_stream(container, path)
        for frame in container.decode(stream):
            number = max(number + 1, told.get(frame.pts, 0))
            if number in kept:
                yield _upright(frame, found)
            if number >= wanted[-1]:
                return


def _upright(frame: "VideoFrame", found: Probe) -> Image:
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), found.rotation // 90))


def _read_images(paths: list[Path]) -> Iterator[Image]:
    return (read_image(path, number, len(paths)) for number, path in enumerate(paths))
