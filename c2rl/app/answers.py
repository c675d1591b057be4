"""What a search gives a person."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from c2rl.app.words import Word
from c2rl.retrieve.index import Recall
from c2rl.retrieve.items import Item
from c2rl.retrieve.merge import Merged


class Found(NamedTuple):
    """A clip, or a sentence, that matches the query."""

    id: str
    """Of the clip; of a sentence, the first clip that has it."""
    split: str
    score: float
    """In [-1, 1]."""
    sentence: str
    """As annotated; empty where nobody did."""
    source: str
    """The clip's video."""
    start_s: float | None
    """Where it lies in the video, merged windows included; None: it is the whole video."""
    end_s: float | None
    words: Sequence[Word] = ()
    """Which moment matches which word; none between two clips."""
    merged: Sequence[str] = ()
    """Ids of further windows of the same moment."""


class Answer(NamedTuple):
    """What was found, and how."""

    query: str
    wanted: str
    """clips or sentences."""
    hits: list[Found]
    mode: str
    """exact, fast or certified."""
    scored: int
    """Clips or sentences that were scored exactly."""
    total: int
    """Those that there are."""
    recall: Recall | None
    """Of mode fast, by its audit."""
    seconds: dict[str, float]
    """load, encode, candidates, re-rank, alignment."""
    warnings: Sequence[str] = ()


def of_item(item: Item, score: float, merged: Merged, others: Sequence[str]) -> Found:
    """Tell a person of a hit.

    Args:
        item: The clip.
        score: Of the hit.
        merged: Where it lies with what was merged into it.
        others: Their ids.
    """
    place = (item.source, merged.start_s, merged.end_s)
    return Found(item.id, item.split, score, item.sentence, *place, merged=tuple(others))


def how(answer: Answer) -> str:
    """Say in a line how the hits were found, and what that promises.

    Args:
        answer: Of a search.
    """
    share = f"{answer.scored:,} of {answer.total:,} {answer.wanted} scored exactly"
    if answer.mode == "exact":
        return f"exact: {share}"
    if answer.mode == "certified":
        percent = 100 * answer.scored / max(1, answer.total)
        return f"certified: {share} ({percent:.2g} %), the rest proved to be worse"
    if answer.recall is None:
        return f"fast: {share}; nobody audited this index, so what it misses is unknown"
    found = answer.recall
    return (
        f"fast: {share}; {100 * found.top:.1f} % of the best ten and {100 * found.first:.0f} % of"
        f" the first are found, by {found.queries} random queries that were run exactly"
    )


def as_json(answer: Answer) -> dict[str, Any]:
    """Make an answer an object for a program.

    Args:
        answer: Of a search.
    """
    hits = [
        hit._asdict() | {"words": [word._asdict() for word in hit.words]} for hit in answer.hits
    ]
    recall = answer.recall._asdict() if answer.recall else None
    return answer._asdict() | {"hits": hits, "recall": recall}


def clock(seconds: float) -> str:
    """Write a time of a video as a player shows it.

    Example:
        >>> clock(4.25), clock(3723.5)
        ('0:04.2', '1:02:03.5')
    """
    tenths = int(10 * seconds + 1e-6)
    hours, rest = divmod(tenths, 36_000)
    minutes, rest = divmod(rest, 600)
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{start}:{rest // 10:02}.{rest % 10}"


def told(answer: Answer) -> list[str]:
    """Lay an answer out for a terminal.

    Args:
        answer: Of a search.

    Returns:
        Two lines a hit: score, time, split, id and sentence; then each word with its moment.
    """
    lines = []
    width = max([2, *(len(hit.id) for hit in answer.hits)])
    for place, hit in enumerate(answer.hits, 1):
        time = ""
        if hit.start_s is not None and hit.end_s is not None:
            time = f"{clock(hit.start_s)}-{clock(hit.end_s)}"
        line = f"{place:>3}  {hit.score:6.3f}  {hit.split:5}  {hit.id:<{width}}  {time:<19}"
        lines.append(f"{line}  {hit.sentence}".rstrip())
        moments = [f"{w.text} {clock(w.at_s)}" for w in hit.words if w.at_s is not None]
        if moments:
            lines.append(" " * 13 + " · ".join(moments))
    return lines


def profile(answer: Answer) -> list[str]:
    """Tell where the time went.

    Args:
        answer: Of a search.

    Returns:
        A line a step, with its share.
    """
    whole = sum(answer.seconds.values()) or 1.0
    steps = [
        f"{name:<12}{1e3 * took:>10.1f} ms{100 * took / whole:>6.0f} %"
        for name, took in answer.seconds.items()
    ]
    return [*steps, f"{'all':<12}{1e3 * whole:>10.1f} ms"]
