"""What was computed, as HTML in which every text is escaped."""

from functools import cache
from typing import Any
from urllib.parse import quote

import jinja2
import markupsafe

from c2rl.app import answers
from c2rl.app.demo.moments import Moment
from c2rl.app.demo.told import Inspected, Searched, Translated
from c2rl.report import templates

_FIRST_S = 0.001
"""A browser that is sent to 0 shows nothing before it plays."""


@cache
def _environment() -> jinja2.Environment:
    made = templates.environment("c2rl.app", "demo")
    made.filters |= {"clock": answers.clock, "address": address}
    made.globals |= {"best": best, "first": _FIRST_S}
    return made


def address(id_: str) -> str:
    """Tell where the page plays a clip from.

    Args:
        id_: Of the clip.
    """
    return f"/clip/{quote(id_, safe='')}"


def best(moments: list[Moment]) -> float:
    """Tell where a clip is to start: where the word begins that is surest of its place.

    Args:
        moments: Of the words.

    Returns:
        Seconds.
    """
    surest = max(moments, key=lambda moment: moment.word.weight, default=None)
    start = (surest.word.start_s if surest else None) or 0.0
    return max(start, _FIRST_S)


def asset(name: str) -> str:
    """Read a part of the page that never changes.

    Args:
        name: Of the file.
    """
    return _environment().get_template(f"{name}.jinja").render()


def translated(told: Translated, *, has_video: bool) -> str:
    """Show a translation.

    Args:
        told: The clip and what it says.
        has_video: Whether the page can play it.
    """
    return _render("translated", told=told, has_video=has_video)


def searched(told: Searched) -> str:
    """Show what was found.

    Args:
        told: Hits and how they were found.
    """
    milliseconds = round(1e3 * sum(told.answer.seconds.values()))
    how = f"{answers.how(told.answer)}; {milliseconds} ms."
    return _render("searched", answer=told.answer, hits=told.hits, how=how)


def inspected(told: Inspected) -> str:
    """Show what is stored of a clip.

    Args:
        told: The clip.
    """
    return _render("inspected", told=told)


def sentence(error: BaseException) -> str:
    """Tell what went wrong in a line.

    Args:
        error: What was raised.
    """
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])  # str() of a KeyError adds quotes
    return " ".join(str(error).split()) or "this needs more memory than there is"


def escape(text: str) -> str:
    """Write a text as HTML.

    Args:
        text: Any.
    """
    return str(markupsafe.escape(text))


def failure(reason: str) -> str:
    """Say why there is no answer.

    Args:
        reason: A sentence.
    """
    return _render("failure", reason=reason[:1].upper() + reason[1:])


def _render(name: str, **values: Any) -> str:
    return _environment().get_template(f"{name}.html.jinja").render(**values)
