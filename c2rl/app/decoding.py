"""What a decoding process of `c2rl predict` does: it reads a clip, or tells that it is a long one.

Without torch, which such a process must not load.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

from c2rl.extract.windows import LONGEST_S
from c2rl.video import source
from c2rl.video.decode import Result, Task, decode_one
from c2rl.video.files import safe_path


class Long(NamedTuple):
    """A video that is to be cut into windows before anything of it is decoded."""

    duration_s: float


def share_cores() -> None:
    """Let torch's threads sleep where they wait, instead of spinning on cores that decode.

    Beam search waits for them thousands of times a sentence: on two busy cores it takes 17 times as
    long otherwise. GNU's OpenMP reads this as torch is loaded, so it is to be called before.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")


def begin(_: None) -> Callable[[Task], Result | Long]:
    """Be what a decoding process does.

    Args:
        _: Nothing; a pool's processes are given something.

    Returns:
        A function that reads clips.
    """
    return read


def read(task: Task) -> Result | Long:
    """Decode a clip, unless it is a whole video that is longer than `LONGEST_S`.

    Args:
        task: The clip.

    Returns:
        Its frames, a status that tells why there are none, or its length.
    """
    if task.clip.start_s is None and task.clip.end_s is None:
        duration = _duration_s(task)
        if duration > LONGEST_S:
            return Long(duration)
    return decode_one(task)


def _duration_s(task: Task) -> float:
    """Tell a video's length by its packets; 0 where that fails, which the decoder then explains."""
    source.quiet()
    try:
        found = source.span(safe_path(task.root, task.clip.source), fps=task.clip.fps)
    except Exception:
        return 0.0
    return found.num_frames / found.fps if found.fps else 0.0
