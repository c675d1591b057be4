"""Which words are taken for which, and which are left out or added: places of two drawings.

Drawn as SVG by the template, so that the browser finds a font for any script.
"""

from collections import Counter
from typing import NamedTuple

from c2rl.report.words import NOTHING, Pair

OTHER, LEFT_OUT = "another word", "left out"
"""Last columns of the matrix."""
MOST_WORDS, MOST_BARS = 16, 15
"""Of the matrix, and of the bars."""

CELL, HEAD, ROW = 34, 96, 22
"""Pixels: side of a cell, height of the column names, height of a bar's row."""
BARS = 90
"""Pixels of the longest bar on each side."""


class Cell(NamedTuple):
    """A place of the matrix where something was counted."""

    x: int
    y: int
    times: int
    shade: float
    """Share of the row's word, 0 to 1."""
    is_right: bool


class Matrix(NamedTuple):
    """Words by the words that came out for them; all places in pixels of the drawing."""

    words: list[str]
    columns: list[str]
    cells: list[Cell]
    left: int
    size: tuple[int, int]
    alt: str


class Bar(NamedTuple):
    """How often a word was left out, and how often it was added."""

    word: str
    y: int
    missed: int
    added: int
    missed_width: float
    added_width: float


class Bars(NamedTuple):
    """The words with most mistakes; all places in pixels of the drawing."""

    bars: list[Bar]
    left: int
    """Where the words end."""
    middle: int
    """Where both sides begin."""
    size: tuple[int, int]
    alt: str


def matrix(counts: Counter[Pair]) -> Matrix | None:
    """Draw the words that are taken for one another most often.

    Args:
        counts: From `words.tally`.

    Returns:
        The matrix; None where no word was taken for another.
    """
    taken = Counter[str]()
    for (meant, said), count in counts.items():
        if NOTHING not in (meant, said) and meant != said:
            taken[meant] += count
            taken[said] += count
    chosen = sorted(taken, key=lambda word: (-taken[word], word))[:MOST_WORDS]
    if not chosen:
        return None
    columns = [*chosen, OTHER, LEFT_OUT]
    left = 16 + max(_width(word) for word in chosen)
    cells = [
        cell
        for number, word in enumerate(chosen)
        for cell in _row(_came_out(counts, word, chosen), columns, left, number)
    ]
    size = (left + CELL * len(columns) + 64, HEAD + CELL * len(chosen) + 8)
    return Matrix(chosen, columns, cells, left, size, _told(counts))


def _came_out(counts: Counter[Pair], word: str, chosen: list[str]) -> Counter[str]:
    found = Counter[str]()
    for (meant, said), count in counts.items():
        if meant == word:
            found[LEFT_OUT if said == NOTHING else said if said in chosen else OTHER] += count
    return found


def _row(found: Counter[str], columns: list[str], left: int, number: int) -> list[Cell]:
    total, y = max(1, found.total()), HEAD + CELL * number
    return [
        Cell(left + CELL * place, y, found[name], found[name] / total, place == number)
        for place, name in enumerate(columns)
        if found[name]
    ]


def _told(counts: Counter[Pair]) -> str:
    wrong = {p: n for p, n in counts.items() if NOTHING not in p and p[0] != p[1]}
    worst = sorted(wrong.items(), key=lambda item: (-item[1], item[0]))[:5]
    named = ", ".join(f"{meant} as {said} {n} times" for (meant, said), n in worst)
    return f"Matrix of words that are taken for one another. Most often: {named}."


def bars(counts: Counter[Pair]) -> Bars | None:
    """Draw the words that are left out or added most often; a confused word is both.

    Args:
        counts: From `words.tally`.

    Returns:
        One bar to the left and one to the right of each word; None without a mistake.
    """
    missed, added = Counter[str](), Counter[str]()
    for (meant, said), count in counts.items():
        if meant != said:
            missed[meant] += count
            added[said] += count
    del missed[NOTHING], added[NOTHING]
    both = missed + added
    chosen = sorted(both, key=lambda word: (-both[word], word))[:MOST_BARS]
    if not chosen:
        return None
    longest = max(max(missed[word], added[word]) for word in chosen)
    left = 16 + max(_width(word) for word in chosen)
    drawn = [
        Bar(word, ROW * (number + 1), missed[word], added[word],
            BARS * missed[word] / longest, BARS * added[word] / longest)
        for number, word in enumerate(chosen)
    ]  # fmt: skip
    named = ", ".join(f"{bar.word} {bar.missed} and {bar.added}" for bar in drawn[:5])
    return Bars(
        bars=drawn,
        left=left,
        middle=left + 40 + BARS,
        size=(left + 2 * BARS + 80, ROW * (len(drawn) + 2)),
        alt=f"Bars of words by how often they were missing and how often too many: {named}.",
    )


def _width(text: str) -> int:
    return sum(8 if ord(letter) < 0x2E80 else 15 for letter in text)
