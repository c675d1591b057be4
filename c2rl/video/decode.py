"""One clip, from its line in the corpus to compressed frames or a reason why not; for workers."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from c2rl.corpora.clip import Clip
from c2rl.store.manifest import OK
from c2rl.video import source
from c2rl.video.crop import decode_clip
from c2rl.video.files import ClipError, safe_path


class Task(NamedTuple):
    """One clip to decode, with all that a worker needs."""

    root: Path
    clip: Clip
    size: int
    codec: str
    quality: int
    use_decord: bool = True
    needs_sentence: bool = True
    """A corpus's clip without a sentence teaches nothing; somebody's own video needs none."""


class Result(NamedTuple):
    """What became of a clip."""

    status: str
    reason: str = ""
    frames: Sequence[npt.NDArray[np.uint8]] = ()
    fps: float = 0.0
    decoder: str = ""


def decode_one(task: Task) -> Result:
    """Decode one clip; runs in a worker.

    Args:
        task: The clip.

    Returns:
        Its frames, or a status that tells why there are none.
    """
    source.quiet()
    clip = task.clip
    if task.needs_sentence and not clip.sentence.strip():
        return Result("no_sentence", "the sentence is empty")
    try:
        decoded = decode_clip(
            _path(task),
            size=task.size,
            codec=task.codec,
            quality=task.quality,
            start_s=clip.start_s,
            end_s=clip.end_s,
            box=clip.box,
            fps=clip.fps,
            use_decord=task.use_decord,
        )
    except ClipError as error:
        return Result(error.status, error.reason)
    except Exception as error:  # whatever a library makes of a damaged file, the clip alone fails
        return Result(
            "decode_error", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        )
    return Result(OK, "", decoded.frames, decoded.fps, decoded.decoder)


def _path(task: Task) -> Path:
    return safe_path(task.root, task.clip.source)


def timeout_s(task: Task) -> float:
    """Tell how long a clip may take.

    Args:
        task: The clip.

    Returns:
        Environment variable `C2RL_DECODE_TIMEOUT` in seconds; else a minute and what a slow core
        and a slow disk may need for a clip of its length or a file of its size.

    Raises:
        ValueError: If the variable is no number.
    """
    told = os.environ.get("C2RL_DECODE_TIMEOUT")
    if told:
        return _seconds(told)
    clip = task.clip
    limit = 60.0
    if clip.end_s is not None:
        limit += 20 * max(0.0, clip.end_s - (clip.start_s or 0.0))
    try:
        path = _path(task)
        megabytes = path.stat().st_size / 1e6 if path.is_file() else 50.0
    except (ClipError, OSError):
        megabytes = 0.0
    return limit + megabytes * (1 if clip.end_s is not None else 20)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"C2RL_DECODE_TIMEOUT is '{text}', expected seconds.") from None


def without_decord(task: Task) -> Task | None:
    """Tell what to try after a time-out or crash: decord is known to hang where PyAV does not.

    Args:
        task: What failed.

    Returns:
        The same by PyAV; None if that was it.
    """
    return task._replace(use_decord=False) if task.use_decord else None
