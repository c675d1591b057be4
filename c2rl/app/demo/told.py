"""What the page tells of a clip or a query."""

from typing import NamedTuple

from c2rl.app.answers import Answer, Found
from c2rl.app.demo.moments import Moment
from c2rl.app.predictions import Translation
from c2rl.report.pictures import Picture


class Near(NamedTuple):
    """A training sentence that is like a clip."""

    sentence: str
    score: float
    id: str
    """Of the first clip that signs it."""


class Translated(NamedTuple):
    """A clip and what it says."""

    name: str
    about: str
    id: str
    """Of a stored clip; empty of an uploaded one."""
    n_best: list[Translation]
    strip: Picture | None
    moments: list[Moment]
    nearest: list[Near]


class Hit(NamedTuple):
    """A clip that was found."""

    found: Found
    has_video: bool
    strip: Picture | None
    moments: list[Moment]


class Searched(NamedTuple):
    """What was found, and how."""

    answer: Answer
    hits: list[Hit]


class Inspected(NamedTuple):
    """What is stored of a clip."""

    id: str
    sentence: str
    facts: list[tuple[str, str]]
    has_video: bool
    strip: Picture | None
    used: Picture
    features: Picture
    moments: list[Moment]
