"""Long videos in windows: hours of signing at the memory of seconds, each window with its time.

A window is a clip like any other, a segment of its video, so whatever reads a clip reads it.
"""

from pathlib import Path
from typing import NamedTuple

from c2rl.corpora.clip import Clip
from c2rl.video import source
from c2rl.video.decode import Task
from c2rl.video.files import safe_path
from c2rl.video.pool import num_workers, run
from c2rl.video.source import Span

LONGEST_S = 60.0
"""A longer video is cut: no corpus has a sentence of more than a minute."""

_LOOK_S = 120.0  # for the packets of an hour, on a slow disk


class Windows(NamedTuple):
    """How long videos are cut."""

    length_s: float = 15.0
    overlap_s: float = 5.0
    """Of neighbours: what lies across a cut is whole in one of them, up to this length."""


USUAL_WINDOWS = Windows()


def cut(tasks: list[Task], windows: Windows) -> list[Task]:
    """Replace long videos by their windows.

    Args:
        tasks: Clips to decode; those with a start or an end, or a sentence, stay as they are.
        windows: How.

    Returns:
        The tasks, in order.

    Raises:
        ValueError: If windows do not move on.
    """
    if not 0 <= windows.overlap_s < windows.length_s:
        raise ValueError(
            f"windows of {windows.length_s:g} s overlap by {windows.overlap_s:g} s; expected an"
            " overlap of 0 or more, and less than their length."
        )
    places = [n for n, task in enumerate(tasks) if _may_be_cut(task.clip)]
    spans: dict[int, Span | None] = {}
    asked = [tasks[n] for n in places]
    for outcome in run(_look, asked, workers=num_workers(), timeout_s=lambda _: _LOOK_S):
        spans[places[outcome.number]] = outcome.value
    found: list[Task] = []
    for number, task in enumerate(tasks):
        span = spans.get(number)
        duration = span.num_frames / span.fps if span and span.fps else 0.0
        if duration > LONGEST_S:
            found += [task._replace(clip=c) for c in _windows(task.clip, duration, windows)]
        else:
            found.append(task)
    return found


def _may_be_cut(clip: Clip) -> bool:
    return clip.start_s is None and clip.end_s is None and not clip.sentence


def _look(task: Task) -> Span | None:
    """Tell how long a video is, in a worker; what cannot be read is told when it is decoded."""
    source.quiet()
    try:
        path: Path = safe_path(task.root, task.clip.source)
        return source.span(path, fps=task.clip.fps)
    except Exception:
        return None


def _windows(clip: Clip, duration: float, windows: Windows) -> list[Clip]:
    step = windows.length_s - windows.overlap_s
    found: list[Clip] = []
    start = 0.0
    while not found or start + windows.overlap_s < duration:
        end = min(start + windows.length_s, duration)
        id_ = f"{clip.id}@{start:.2f}-{end:.2f}"
        found.append(clip._replace(id=id_, start_s=start, end_s=end))
        start = len(found) * step
    return found
