"""What a source is: a video by its packets, or a folder of frames; nothing is trusted unread.

Shares with `source.py` the door to PyAV.
"""

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from c2rl.video.files import MAX_PIXELS, ClipError, images, read_image, words

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_TIMED = {"mp4", "matroska", "mpegts", "flv"}  # AVI stores no times, and FFmpeg's guess is wrong


class Probe(NamedTuple):
    """What a source is, found by reading its packets without decoding them."""

    kind: str
    """`video` or `frames`."""
    codec: str
    """Codec of a video; suffix of a folder's images."""
    container: str
    """First name of FFmpeg's demuxer (`mov` is told as mp4); empty for a folder."""
    pixel_format: str
    fps: float
    """Mean frames per second; 0 where unknown."""
    width: int
    """Of the upright frame, in pixels."""
    height: int
    num_streams: int
    """Video streams, attached pictures not counted."""
    rotation: int
    """Degrees, counter-clockwise, by which a decoded frame must be turned to be upright."""
    has_edit_list: bool
    """Whether the container hides some of its frames."""
    is_constant_rate: bool
    is_interlaced: bool
    """Whether the first frame is made of two half pictures."""
    is_timed: bool
    """Whether a frame is known by its presentation time: each has one of its own, not guessed."""
    num_frames: int
    """Frames in the file, as far as its packets tell."""
    num_promised: int
    """Frames that the container says it has; more than `num_frames` in a truncated file."""
    pts: npt.NDArray[np.int64]
    """(num_frames,) presentation times in `time_base`, increasing; empty where unknown."""
    keys: npt.NDArray[np.int64]
    """Presentation times of the key frames, increasing."""
    time_base: float
    """Seconds."""


def probe(path: Path, *, fps: float | None = None) -> Probe:
    """Find out what a source is.

    Args:
        path: Video file or folder of images.
        fps: Frame rate of a folder; a video carries its own.

    Returns:
        What was found.

    Raises:
        ClipError: If there is nothing to read.
    """
    if path.is_dir():
        return _probe_folder(path, fps)
    if not path.is_file():
        raise ClipError("missing_file", f"{path} does not exist")
    status = path.stat()
    if status.st_size == 0:
        raise ClipError("empty_video", f"{path.name} has 0 bytes")
    return _probe_video(path, status.st_size, status.st_mtime_ns)


def _probe_folder(folder: Path, fps: float | None) -> Probe:
    found = images(folder)
    if not found:
        raise ClipError("empty_video", f"{folder.name} holds no png or jpg")
    first = read_image(found[0], 0, len(found))
    none = np.empty(0, np.int64)
    height, width = first.shape[:2]
    return Probe(
        "frames", found[0].suffix.lower().lstrip("."), "", "rgb24", fps or 0.0, width, height, 1,
        0, False, True, False, False, len(found), len(found), none, none, 0.0,
    )  # fmt: skip


@functools.lru_cache(maxsize=8)  # segments of one long video follow one another
def _probe_video(path: Path, size: int, mtime_ns: int) -> Probe:
    import av

    del size, mtime_ns  # part of the cache's key only
    try:
        with open_video(path) as container:
            stream, num_streams = video_stream(container, path)
            table = _packets(container, stream)
            facts = _facts(container, stream, table, path)._replace(num_streams=num_streams)
        if not table.num_frames:
            raise ClipError("empty_video", f"{path.name} has a video stream without frames")
        return _first_frame(path, facts)
    except MemoryError:  # PyAV's is an FFmpegError too
        raise
    except (av.FFmpegError, EOFError, IndexError) as error:
        raise ClipError("decode_error", f"{path.name}: {words(error)}") from None


class _Table(NamedTuple):
    num_packets: int
    num_frames: int
    pts: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]
    has_pts: bool


def open_video(path: Path, **options: str) -> "InputContainer":
    """Open a file, and nothing but a file.

    Args:
        path: Video file.
        options: FFmpeg's, for its container.

    Returns:
        The container, to be closed by the caller.

    Raises:
        av.FFmpegError: If it cannot be opened.
    """
    import av

    # a relative `12:30.mp4` would be read as a protocol's name; a title may be in any encoding
    return av.open(str(path.absolute()), options=options, metadata_errors="replace")


def video_stream(container: "InputContainer", path: Path) -> tuple["VideoStream", int]:
    """Choose the stream to read.

    Args:
        container: An open file.
        path: Its path, for the message.

    Returns:
        The first video stream that is no attached picture, set to one thread; how many there are.

    Raises:
        ClipError: `decode_error` if there is none with a decoder, `too_large` if its frames are.
    """
    import av

    picture = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & picture]
    if not streams:
        raise ClipError("decode_error", f"{path.name} has no video stream")
    context = streams[0].codec_context
    if context is None:
        raise ClipError("decode_error", f"{path.name} is in a codec that has no decoder here")
    if context.width * context.height > MAX_PIXELS:  # before a decoder reserves memory for them
        raise ClipError("too_large", f"{context.width}x{context.height} pixels a frame")
    context.thread_count = 1  # the pool uses the cores
    return streams[0], len(streams)


def _packets(container: "InputContainer", stream: "VideoStream") -> _Table:
    import av

    times: list[int] = []
    keys: list[int] = []
    num_packets = num_frames = 0
    has_pts = True
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            num_packets += 1
            if packet.is_discard:
                continue
            num_frames += 1
            has_pts &= packet.pts is not None
            time = packet.pts if packet.pts is not None else packet.dts
            if time is not None:
                times.append(time)
                if packet.is_keyframe:
                    keys.append(time)
    except MemoryError:
        raise
    except (av.FFmpegError, IndexError):  # the latter where a damaged file grows a stream
        pass  # what is readable up to there is counted
    known = times if len(times) == num_frames else []
    return _Table(
        num_packets,
        num_frames,
        np.sort(np.array(known, dtype=np.int64)),
        np.sort(np.array(keys if known else [], dtype=np.int64)),
        has_pts,
    )


def _facts(container: "InputContainer", stream: "VideoStream", table: _Table, path: Path) -> Probe:
    time_base = float(stream.time_base or 0)
    steps = np.diff(table.pts)
    constant = bool(len(steps) == 0 or (steps.min() > 0 and steps.max() - steps.min() <= 1))
    fps = float(stream.average_rate or stream.base_rate or 0)
    if len(steps) and table.pts[-1] > table.pts[0]:
        measured = len(steps) / (float(table.pts[-1] - table.pts[0]) * time_base)
        fps = fps if abs(fps - measured) <= 0.005 * measured else measured
    container_name = container.format.name.split(",")
    name = "mp4" if "mp4" in container_name else container_name[0]
    promised = _promised(container, stream, table, fps)
    hidden = table.num_packets > table.num_frames
    if name == "mp4" and promised > table.num_packets and _all_packets(path) >= promised:
        hidden, promised = True, table.num_frames
    context = stream.codec_context
    return Probe(
        kind="video",
        codec=context.codec.canonical_name,
        container=name,
        pixel_format=context.pix_fmt or "",
        fps=fps,
        width=0,
        height=0,
        num_streams=0,
        rotation=0,
        has_edit_list=hidden,
        is_constant_rate=constant,
        is_interlaced=False,
        is_timed=table.has_pts and name in _TIMED and bool((steps > 0).all()),
        num_frames=table.num_frames,
        num_promised=max(table.num_frames, 0 if hidden else promised),
        pts=table.pts,
        keys=table.keys,
        time_base=time_base,
    )


def _promised(container: "InputContainer", stream: "VideoStream", table: _Table, fps: float) -> int:
    """Frames by the header; by the duration where that clearly says more than is there."""
    if stream.frames:
        return int(stream.frames)
    told = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if told:
        seconds = int(told[1]) * 3600 + int(told[2]) * 60 + float(told[3])
    elif container.duration and len(container.streams) == 1:
        seconds = container.duration / 1e6
    else:
        return 0  # the duration may be that of the sound
    expected = int(seconds * fps + 0.5)
    return expected if expected > table.num_frames * 1.05 + 2 else 0


def _all_packets(path: Path) -> int:
    """Count the packets with those that an edit list hides."""
    with open_video(path, ignore_editlist="1") as container:
        stream, _ = video_stream(container, path)
        return sum(1 for packet in container.demux(stream) if packet.size)


def _first_frame(path: Path, facts: Probe) -> Probe:
    """Add what only a decoded frame tells."""
    with open_video(path) as container:
        stream, _ = video_stream(container, path)
        for frame in container.decode(stream):
            rotation = round(frame.rotation / 90) * 90 % 360
            size = (frame.width, frame.height)
            width, height = size[::-1] if rotation % 180 else size
            return facts._replace(
                rotation=rotation, width=width, height=height, is_interlaced=frame.interlaced_frame
            )
    raise ClipError("decode_error", f"{path.name}: no frame decodes")
