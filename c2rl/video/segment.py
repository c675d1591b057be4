"""Which frames a segment is: seconds become numbers; a header's promise counts only against it."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from c2rl.video.files import ClipError
from c2rl.video.probe import Probe

_SLACK = 1e-6  # of a frame: a start computed as number / fps must hit that frame


def segment(found: Probe, start_s: float | None, end_s: float | None) -> tuple[int, int]:
    """Turn seconds into frames: from floor(start * fps) up to, without, ceil(end * fps).

    Args:
        found: The source.
        start_s: First second; None: from the beginning.
        end_s: Last second; None: to the end. Clipped to the frames that there are.

    Returns:
        Number of the first frame and of the one after the last; at least one frame.

    Raises:
        ClipError: `bad_segment` if it is no stretch of time or begins after the end,
            `decode_error` if the file is truncated before its end.
    """
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


def numbers(first: int, end: int, keep: Sequence[int] | None) -> Sequence[int]:
    """Number the frames to read within the file.

    Args:
        first: Number of the segment's first frame.
        end: Number of the frame after its last.
        keep: Numbers within the segment, increasing; None: all of them.

    Returns:
        Numbers within the file; at least one.

    Raises:
        ValueError: If `keep` is empty, not increasing, or leaves the segment.
    """
    if keep is None:
        return range(first, end)
    wanted = [first + int(number) for number in keep]
    inside = bool(wanted) and first <= wanted[0] and wanted[-1] < end
    if not inside or any(later <= earlier for earlier, later in pairwise(wanted)):
        raise ValueError(
            f"keep is {list(keep)}, expected increasing numbers from 0 to {end - first - 1}."
        )
    return wanted


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
