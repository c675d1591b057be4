"""Which moment of a clip matches which word: CLCL's own inner weights, told in seconds.

Shape letters: T vectors of the clip, U tokens of the sentence, D width.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from c2rl.language.tokenizer import Tokenizer
from c2rl.language.vocabulary import SPECIAL
from c2rl.objectives.similarity import match

_UNSPACED = 0x2E80
"""Letters from here on (CJK) are written without spaces: each token is a word."""

_COMMON = 0.01
"""Share of a vocabulary's letters from which a script counts as one of its own."""


_PIECES = 5000
"""Pieces of a vocabulary that are looked at, at least if it has so many."""


class Word(NamedTuple):
    """A word and the moment that it reads."""

    text: str
    share: float
    """Where in the clip, from 0 to 1: the middle of the vector that it reads most."""
    start: float
    """From where on it reads at least half as much, without a gap; from 0 to 1."""
    end: float
    """Up to where."""
    at_s: float | None
    """`share` in seconds of the video; None where the clip's length is unknown."""
    start_s: float | None
    end_s: float | None
    weight: float
    """Share of what it reads that lies there; 1 / T where it reads everything alike."""


class Stretch(NamedTuple):
    """Where a clip lies in its video, in seconds."""

    start_s: float
    duration_s: float | None


def group(tokenizer: Tokenizer, sentence: str) -> list[tuple[str, list[int]]]:
    """Put the tokens of a sentence together to words.

    Args:
        tokenizer: Of the retriever.
        sentence: Any text.

    Returns:
        Each word with the positions of its tokens; the end mark belongs to none.
    """
    spans = tokenizer.offsets(sentence)
    if spans is None:  # the backend does not say: pieces are named as they are
        pieces = tokenizer.pieces(tokenizer.encode(sentence))
        named = [(piece.replace("▁", ""), [i]) for i, piece in enumerate(pieces)]
        return [(text, own) for text, own in named if text and text not in SPECIAL]
    words: list[tuple[int, int, list[int]]] = []
    for place, (first, end) in enumerate(spans):
        if first == end:
            continue
        touches = bool(words) and words[-1][1] == first
        if (
            touches
            and not _stands_alone(sentence[first - 1])
            and not _stands_alone(sentence[first])
        ):
            start, _, own = words[-1]
            words[-1] = (start, end, [*own, place])
        else:
            words.append((first, end, [place]))
    return [(sentence[first:end], own) for first, end, own in words]


def _stands_alone(letter: str) -> bool:
    return ord(letter) >= _UNSPACED or unicodedata.category(letter).startswith("P")


def align(
    signs: Tensor,
    text: Tensor,
    words: Sequence[tuple[str, list[int]]],
    stretch: Stretch,
    *,
    sharpness: float,
) -> list[Word]:
    """Tell which moment each word reads.

    A vector stands for an equal part of the clip, up to a frame.

    Args:
        signs: (T, D) float, the clip.
        text: (U, D) float, the sentence.
        words: From `group`.
        stretch: Of the clip.
        sharpness: Temperature of CLCL's inner softmax.

    Returns:
        The words, in their order; punctuation is left out.
    """
    return place(read(signs, text, words, sharpness=sharpness), stretch)


def read(
    signs: Tensor, text: Tensor, words: Sequence[tuple[str, list[int]]], *, sharpness: float
) -> list[tuple[str, Tensor]]:
    """Tell how much of each moment every word reads.

    Args:
        signs: As for `align`.
        text: Likewise.
        words: Likewise.
        sharpness: Likewise.

    Returns:
        Each word with its (T,) weights, which add up to 1; punctuation is left out.
    """
    reads = match(signs.float(), text.float(), sharpness=sharpness)  # (U, T)
    return [
        (name, reads[own].mean(dim=0))
        for name, own in words
        if any(letter.isalnum() for letter in name)
    ]


def place(words: Sequence[tuple[str, Tensor]], stretch: Stretch) -> list[Word]:
    """Tell where each word reads most.

    Args:
        words: From `read`.
        stretch: Of the clip.

    Returns:
        The words, in their order.
    """
    found = []
    for name, weights in words:
        peak = int(weights.argmax())
        half = float(weights[peak]) / 2
        first = last = peak
        while first > 0 and weights[first - 1] >= half:
            first -= 1
        while last + 1 < len(weights) and weights[last + 1] >= half:
            last += 1
        places = ((peak + 0.5) / len(weights), first / len(weights), (last + 1) / len(weights))
        at, start, end = (_seconds(place, stretch) for place in places)
        inside = float(weights[first : last + 1].sum())
        shares = [round(place, 4) for place in places]
        found.append(Word(name, shares[0], shares[1], shares[2], at, start, end, round(inside, 4)))
    return found


def _seconds(share: float, stretch: Stretch) -> float | None:
    if stretch.duration_s is None:
        return None
    return round(stretch.start_s + share * stretch.duration_s, 3)


def scripts(text: str) -> Counter[str]:
    """Count the letters of a text by their script.

    Example:
        >>> sorted(scripts("regen 雨").items())
        [('CJK', 1), ('LATIN', 5)]
    """
    return Counter(unicodedata.name(c, "?").split()[0] for c in text if c.isalpha())


def warnings(tokenizer: Tokenizer, sentence: str) -> list[str]:
    """Tell what makes a query one that the retriever cannot understand.

    Args:
        tokenizer: Of the retriever; its pieces are those of the training sentences.
        sentence: The query.

    Returns:
        A line for each reason.
    """
    known: Counter[str] = Counter()
    pieces = range(len(SPECIAL), tokenizer.size, max(1, tokenizer.size // _PIECES))
    for piece in tokenizer.pieces(pieces):
        known += scripts(piece)
    whole = sum(known.values())
    own = {name for name, count in known.items() if count >= _COMMON * whole}
    other = {name: n for name, n in scripts(sentence).items() if name not in own}
    if 2 * sum(other.values()) > sum(scripts(sentence).values()):
        return [
            f"the query is written in {_names(other)}, the retriever learned"
            f" {_names(own)}: what it finds means little"
        ]
    covered = tokenizer.unknown([sentence])["covered"]
    if covered < 50:
        return [f"the retriever knows {covered:.0f} % of the query's tokens from its training"]
    return []


def _names(scripts: Sequence[str] | set[str] | dict[str, int]) -> str:
    return ", ".join(sorted(name.capitalize() if name != "CJK" else name for name in scripts))
