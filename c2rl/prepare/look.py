"""What is known of each clip of a release before it is decoded: from outside, or by a probe."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from c2rl.corpora.clip import Annotations, Clip
from c2rl.corpora.files import is_page
from c2rl.prepare.release import Medium
from c2rl.store.manifest import OK
from c2rl.video import pool, source
from c2rl.video.files import ClipError, safe_path, verdict

_TIMEOUT_S = 120.0  # for reading the packets of one recording


class Probed(NamedTuple):
    """What is known of a clip."""

    status: str
    reason: str = ""
    num_frames: int | None = None
    """None where nobody counted."""
    fps: float | None = None
    """None where unknown."""


class _Task(NamedTuple):
    """A clip to probe, with all that a worker needs."""

    root: Path
    clip: Clip
    least_frames: int


def from_outside(
    root: Path, found: Annotations, seen: Mapping[str, Medium | None], *, is_gapless: bool
) -> list[Probed]:
    """Judge clips by what the annotations and the file system tell.

    Args:
        root: Folder of the release.
        found: What its annotations say.
        seen: What `release.media` saw.
        is_gapless: Whether a gap in the numbers of a folder's frames is a lost frame.

    Returns:
        One for each clip.
    """
    return [
        Probed(entry.status, entry.reason)
        if entry.status
        else _outside(root, entry.clip, seen[entry.clip.source], is_gapless)
        for entry in found.entries
    ]


def _outside(root: Path, clip: Clip, medium: Medium | None, is_gapless: bool) -> Probed:
    try:
        safe_path(root, clip.source)
    except ClipError as error:
        return Probed(error.status, error.reason)
    if not clip.sentence.strip():
        return Probed("no_sentence", "the sentence is empty")
    if medium is None:
        return Probed("missing_file", f"{clip.source} does not exist")
    if medium.num_frames == 0 or (medium.num_frames is None and medium.num_bytes == 0):
        return Probed("empty_video", f"{clip.source} is empty")
    if is_gapless and medium.gap:
        return Probed("missing_frames", medium.gap)
    if is_page(medium.head):
        return Probed("decode_error", f"{clip.source} is a web page: its download failed")
    return Probed(OK, "", medium.num_frames, clip.fps)


def probe_one(task: _Task) -> Probed:
    """Probe one clip; runs in a worker.

    Args:
        task: The clip.

    Returns:
        Its frames and rate, or why it cannot be read.
    """
    source.quiet()
    clip = task.clip
    try:
        found = source.span(
            safe_path(task.root, clip.source),
            start_s=clip.start_s,
            end_s=clip.end_s,
            fps=clip.fps,
            least_frames=task.least_frames,
        )
    except Exception as error:  # the clip alone fails
        return Probed(*verdict(error))
    return Probed(OK, "", found.num_frames, found.fps or None)


def inside(
    root: Path,
    found: Annotations,
    probed: Sequence[Probed],
    *,
    least_frames: int,
    workers: int,
    report: Callable[[int, int], None],
) -> list[Probed]:
    """Probe the clips that look good from outside, in killable workers.

    Args:
        root: Folder of the release.
        found: What its annotations say.
        probed: From `from_outside`.
        least_frames: A shorter clip is told.
        workers: Processes.
        report: Told the clips probed and all clips.

    Returns:
        One for each clip.
    """
    result = list(probed)
    todo = [number for number, p in enumerate(probed) if p.status == OK]
    tasks = [_Task(root, found.entries[number].clip, least_frames) for number in todo]
    outcomes = pool.run(probe_one, tasks, workers=workers, timeout_s=lambda _: _TIMEOUT_S)
    for done, (place, failure, value) in enumerate(outcomes, 1):
        result[todo[place]] = value or Probed(f"decode_{failure}", "the prober gave no answer")
        report(done, len(todo))
    return result
