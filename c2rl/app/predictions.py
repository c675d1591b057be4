"""What a prediction gives a person: sentences with their times, as lines, JSON or subtitles."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from c2rl.app.answers import clock


class Translation(NamedTuple):
    """A sentence and how sure the model is."""

    sentence: str
    score: float
    """Log probability a token."""


class Window(NamedTuple):
    """A stretch of a video, and what is signed there."""

    start_s: float
    end_s: float | None
    """None where nothing tells how fast the frames follow one another."""
    n_best: Sequence[Translation]
    """Sentences, best first; none where it could not be read."""
    reason: str = ""
    """Why there is none."""


class Prediction(NamedTuple):
    """What is signed in a video."""

    source: str
    """The file, or folder of frames."""
    windows: Sequence[Window] = ()
    """The whole video, or overlapping windows of a long one; none where it could not be read."""
    reason: str = ""
    """Why there is none."""

    @property
    def n_best(self) -> Sequence[Translation]:
        """Sentences of the whole video, best first; none of a long one, which has many."""
        return self.windows[0].n_best if len(self.windows) == 1 else ()

    @property
    def failure(self) -> str:
        """What went wrong, in a line; empty where nothing did."""
        broken = [window for window in self.windows if window.reason]
        if self.reason or not broken:
            return self.reason
        return (
            f"{len(broken)} of {len(self.windows)} windows have no sentence; that from"
            f" {clock(broken[0].start_s)} on: {broken[0].reason}"
        )


class Cue(NamedTuple):
    """A sentence and when it is on show."""

    start_s: float
    end_s: float
    sentence: str


def cues(windows: Iterable[Window]) -> list[Cue]:
    """Make one sequence of overlapping windows.

    The seconds that two neighbours share are halved between them; where both say the same, they
    become one. Windows without a sentence leave a gap, from their own start to the next one's.

    Args:
        windows: Of one video, in order.

    Returns:
        Cues in order, none of which overlap.

    Raises:
        ValueError: If nothing tells how long a window is.

    Example:
        >>> said = [[Translation("regen", -0.5)], [Translation("sonne", -0.5)]]
        >>> for cue in cues([Window(0.0, 15.0, said[0]), Window(10.0, 25.0, said[1])]):
        ...     print(*cue)
        0.0 12.5 regen
        12.5 25.0 sonne
    """
    found: list[Cue] = []
    for window in windows:
        if not window.n_best:
            continue
        if window.end_s is None:
            raise ValueError("nothing tells how fast its frames follow one another, so no times")
        start, sentence = window.start_s, window.n_best[0].sentence
        if found and found[-1].end_s > start:
            middle = (found[-1].end_s + start) / 2
            found[-1] = found[-1]._replace(end_s=middle)
            start = middle
        if found and found[-1].end_s == start and found[-1].sentence == sentence:
            found[-1] = found[-1]._replace(end_s=window.end_s)
        else:
            found.append(Cue(start, window.end_s, sentence))
    return found


def srt(prediction: Prediction) -> str:
    """Write subtitles (SubRip), a cue for each sentence.

    Args:
        prediction: Of one video.

    Returns:
        The file's text; empty where nothing was read.

    Raises:
        ValueError: If nothing tells how long a window is.

    Example:
        >>> print(srt(Prediction("a.mp4", [Window(0.0, 2.5, [Translation("regen", -0.5)])])))
        1
        00:00:00,000 --> 00:00:02,500
        regen
        <BLANKLINE>
    """
    try:
        made = cues(prediction.windows)
    except ValueError as error:
        raise ValueError(f"{prediction.source}: {error}. Subtitles need a video.") from None
    blocks = [
        f"{number}\n{_stamp(cue.start_s)} --> {_stamp(cue.end_s)}\n{cue.sentence}\n"
        for number, cue in enumerate((cue for cue in made if cue.sentence), 1)
    ]
    return "\n".join(blocks)


def _stamp(seconds: float) -> str:
    minutes, milliseconds = divmod(int(1000 * seconds + 0.5), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02},{milliseconds % 1000:03}"


def told(prediction: Prediction, *, with_scores: bool) -> list[str]:
    """Lay a prediction out for a terminal: columns with tabs between them.

    Args:
        prediction: Of one video.
        with_scores: Whether to list all sentences of each window with their scores; otherwise the
            best ones, as `cues` puts them together.

    Returns:
        A line a sentence: the source; when, if it is a long video; score; sentence.
    """
    source, windows = prediction.source, prediction.windows
    is_long = len(windows) > 1
    if is_long and not with_scores:
        return [
            f"{source}\t{clock(cue.start_s)}-{clock(cue.end_s)}\t{cue.sentence}"
            for cue in cues(windows)
        ]
    lines = []
    for window in windows:
        when = f"{clock(window.start_s)}-{clock(window.end_s or 0.0)}\t" if is_long else ""
        for sentence, score in window.n_best if with_scores else window.n_best[:1]:
            how_sure = f"{score:.3f}\t" if with_scores else ""
            lines.append(f"{source}\t{when}{how_sure}{sentence}")
    return lines


def as_json(prediction: Prediction) -> dict[str, Any]:
    """Make a prediction an object for a program.

    Args:
        prediction: Of one video.

    Returns:
        `clip`; `n_best` of a video that was taken whole; `windows`; `error`, null where all went
        well.
    """
    windows = [
        window._asdict() | {"n_best": [found._asdict() for found in window.n_best]}
        for window in prediction.windows
    ]
    return {
        "clip": prediction.source,
        "n_best": [found._asdict() for found in prediction.n_best],
        "windows": windows,
        "error": prediction.failure or None,
    }
