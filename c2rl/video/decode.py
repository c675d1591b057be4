"""One clip, from its line in the corpus to compressed frames or a reason why not; for workers."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from c2rl.corpora.clip import Clip
from c2rl.store.manifest import OK, Row
from c2rl.video import signer, source
from c2rl.video.crop import Choose, Decoded, decode_clip
from c2rl.video.files import ClipError, images, refuse_gap, safe_path, verdict
from c2rl.video.pool import Outcome
from c2rl.video.signer import Cropping, Place


class Task(NamedTuple):
    """One clip to decode, with all that a worker needs."""

    root: Path
    clip: Clip
    size: int
    codec: str
    quality: int
    use_decord: bool = False
    needs_sentence: bool = True
    """A corpus's clip without a sentence teaches nothing; somebody's own video needs none."""
    cropping: Cropping = Cropping()
    known: Place | None = None
    """Where an earlier run found the signer."""
    least_frames: int = 1
    is_gapless: bool = False
    """Whether a gap in the numbers of a folder's frames is a lost frame."""
    wants_overlay: bool = False
    choose: Choose | None = None
    """Which frames are needed; importable by name. None: all."""
    refused: tuple[str, str] | None = None
    """Status and reason of a clip that the corpus knows to be unusable."""


class Result(NamedTuple):
    """What became of a clip."""

    status: str
    reason: str = ""
    frames: Sequence[npt.NDArray[np.uint8]] = ()
    numbers: Sequence[int] = ()
    """Which frames of the clip they are."""
    num_frames: int = 0
    """Of the clip."""
    fps: float = 0.0
    decoder: str = ""
    video: dict[str, Any] | None = None
    place: Place = Place(None, "")
    overlay: npt.NDArray[np.uint8] | None = None
    seconds: float = 0.0
    """That it took."""


def decode_one(task: Task) -> Result:
    """Decode one clip; runs in a worker.

    Args:
        task: The clip.

    Returns:
        Its frames, or a status that tells why there are none.
    """
    source.quiet()
    began = time.perf_counter()
    clip = task.clip
    if task.refused is not None:
        return Result(*task.refused)
    if task.needs_sentence and not clip.sentence.strip():
        return Result("no_sentence", "the sentence is empty")
    if "detector" in task.cropping.steps:
        signer.single_thread(task.cropping)
    try:
        path = _path(task)
        if task.is_gapless and path.is_dir():
            refuse_gap(images(path))
        decoded = read_clip(path, task)
    except Exception as error:  # the clip alone fails
        return Result(*verdict(error))
    return Result(OK, "", *decoded, time.perf_counter() - began)


def read_clip(path: Path, task: Task) -> Decoded:
    """Read a clip as its task says; in this process, where nothing stops a hanging decoder.

    Args:
        path: Video file or folder of images.
        task: The clip; its root is not asked for.

    Returns:
        The compressed frames.

    Raises:
        ClipError: If the clip cannot be read.
        FileNotFoundError: If the detector's weights are not there.
    """
    return decode_clip(
        path,
        task.clip,
        size=task.size,
        codec=task.codec,
        quality=task.quality,
        cropping=task.cropping,
        known=task.known,
        least_frames=task.least_frames,
        wants_overlay=task.wants_overlay,
        choose=task.choose,
        use_decord=task.use_decord,
    )


def result_of(outcome: Outcome, task: Task) -> Result:
    """Tell what became of a clip whose worker may have been killed.

    Args:
        outcome: What the pool says of `decode_one`.
        task: The clip.

    Returns:
        Its result; `decode_timeout` or `decode_crash` where there is none.
    """
    if not outcome.failure:
        result: Result = outcome.value
        return result
    reason = "the decoder's process died"
    if outcome.failure == "timeout":
        reason = f"the decoder did not answer within {timeout_s(task):.0f} s"
    return Result(f"decode_{outcome.failure}", reason)


def row_of(clip: Clip, result: Result) -> Row:
    """Tell in the manifest what became of a clip.

    Args:
        clip: As annotated.
        result: From `decode_one`.

    Returns:
        The row, with the box that was cut out.
    """
    if result.status == OK:
        clip = clip._replace(box=result.place.box)
    return Row(
        clip,
        result.status,
        result.reason,
        result.num_frames,
        result.fps,
        result.decoder,
        result.video or {},
        result.place.by,
        result.place.score,
        result.place.num_people,
    )


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
    if "detector" in task.cropping.steps and task.known is None:
        limit += 30.0 * (1 + task.cropping.frames)  # Faster R-CNN on a slow core
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


def with_decord(task: Task) -> Task | None:
    """Tell what to try after a time-out or crash: the other reader, where it suits.

    Args:
        task: What failed.

    Returns:
        The same, with decord; None if that was it.
    """
    return None if task.use_decord else task._replace(use_decord=True)
