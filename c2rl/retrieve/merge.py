"""Hits that show the same moment of one video count once.

Windows of a long video overlap, so a sign that lies where two of them do is found twice.
"""

from collections.abc import Sequence
from typing import NamedTuple

LEAST = 0.1
"""Share of the shorter span from which two spans show the same: annotated clips of one video may
touch, and stay apart."""


class Span(NamedTuple):
    """Where a hit lies."""

    source: str
    """Its video."""
    start_s: float | None
    """None: the hit is a whole video, and overlaps no other."""
    end_s: float | None


class Merged(NamedTuple):
    """A hit and what was merged into it."""

    best: int
    """Position of the hit among the spans."""
    others: list[int]
    """Positions of the hits that overlap it, best first."""
    start_s: float | None
    """First second of all of them."""
    end_s: float | None


def merge(spans: Sequence[Span]) -> list[Merged]:
    """Merge each hit into the best one that it overlaps.

    What overlaps only a merged hit stays by itself, or a whole video could become one.

    Args:
        spans: Of the hits, best first.

    Returns:
        What is left, best first.

    Example:
        >>> merge([Span("a.mp4", 10, 25), Span("a.mp4", 0, 15), Span("b.mp4", 0, 15)])[0]
        Merged(best=0, others=[1], start_s=0, end_s=25)
    """
    found: list[Merged] = []
    for place, span in enumerate(spans):
        homes = (n for n, own in enumerate(found) if _overlap(spans[own.best], span))
        home = next(homes, None)
        if home is None:
            found.append(Merged(place, [], span.start_s, span.end_s))
        else:
            own = found[home]
            start = min(s for s in (own.start_s, span.start_s) if s is not None)
            end = max(s for s in (own.end_s, span.end_s) if s is not None)
            found[home] = Merged(own.best, [*own.others, place], start, end)
    return found


def _overlap(one: Span, other: Span) -> bool:
    if one.source != other.source:
        return False
    if one.start_s is None or one.end_s is None or other.start_s is None or other.end_s is None:
        return False
    common = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    return common > LEAST * min(one.end_s - one.start_s, other.end_s - other.start_s)
