"""What a clause is called in German, English and Chinese.

A clause is spoken as a list of chunks; each names the slot whose sign it renders (or None for a
word that has no sign). So the text, the spoken order of the signs and the place of each sign's
words come from one list.
"""

import re
from typing import NamedTuple

from c2rl.corpora.synthsign.lexicon import PAST, Compound, Sign

_ARTICLE = {"m": "einen", "f": "eine", "n": "ein"}
_ENDING = {"m": "en", "f": "e", "n": "es"}
_GAP = {"de": " ", "en": " ", "zh": ""}
_JOINT = {"de": " und ", "en": " and ", "zh": "，"}
_UNSIGNED = {
    "de": re.compile("^(?:(?:am|im|in|zu|der|die|das|meine?|unser) )*"),
    "en": re.compile("^(?:(?:at|in|the|my|our) )*"),
    "zh": re.compile("^在"),
}
"""Articles, possessives and prepositions that a phrase begins with; they have no sign."""

Span = tuple[int, int]
"""[first, end) character of some words in a sentence."""


class Clause(NamedTuple):
    """What one clause says, before any language."""

    time: Sign | None
    place: Sign | None
    person: Sign
    object: Sign | Compound | None
    adjective: Sign | None
    verb: Sign
    negated: bool
    question: bool


class Chunk(NamedTuple):
    """Some words, and the slot of the clause they render."""

    words: str
    slot: str | None


def spoken(clause: Clause, language: str) -> list[Chunk]:
    """Put a clause into words.

    Args:
        clause: What is said.
        language: One of `de`, `en`, `zh`.

    Returns:
        Chunks in spoken order, without capital or final punctuation.
    """
    chunks = {"de": _german, "en": _english, "zh": _chinese}[language](clause)
    return [chunk for chunk in chunks if chunk.words]


def punctuated(clauses: list[list[Chunk]], question: bool, language: str) -> str:
    """Write spoken clauses as one sentence, the way corpora of that language do.

    Args:
        clauses: Chunks of each clause, from `spoken`.
        question: Whether the sentence asks.
        language: One of `de`, `en`, `zh`.

    Returns:
        The sentence: German in lower case without punctuation, as in PHOENIX14T.
    """
    gap, joint = _GAP[language], _JOINT[language]
    text = joint.join(gap.join(c.words for c in one) for one in clauses)
    if language == "de":
        return text
    return text[0].upper() + text[1:] + {"en": ".?", "zh": "。？"}[language][question]


def word_spans(clauses: list[list[Chunk]], language: str) -> list[dict[str, Span]]:
    """Tell where the words of each sign stand in the sentence that `punctuated` writes.

    Args:
        clauses: Chunks of each clause, from `spoken`.
        language: One of `de`, `en`, `zh`.

    Returns:
        Per clause: slot to the characters of its words, without the articles, possessives and
        prepositions that have no sign.
    """
    spans: list[dict[str, Span]] = []
    start = 0
    for clause in clauses:
        found: dict[str, Span] = {}
        for words, slot in clause:
            end = start + len(words)
            if slot is not None:
                found[slot] = (end - len(_UNSIGNED[language].sub("", words)), end)
            start = end + len(_GAP[language])
        start += len(_JOINT[language]) - len(_GAP[language])
        spans.append(found)
    return spans


def _phrase(sign: Sign | None, language: str, slot: str) -> Chunk:
    return Chunk("" if sign is None else str(getattr(sign, language)[0]), slot)


def _is_past(clause: Clause) -> bool:
    return clause.time is not None and clause.time.gloss in PAST


def _german(clause: Clause) -> list[Chunk]:
    verb = Chunk(clause.verb.de[_is_past(clause)], "verb")
    particle = Chunk(clause.verb.de[2] if len(clause.verb.de) > 2 else "", None)
    time, place = _phrase(clause.time, "de", "time"), _phrase(clause.place, "de", "place")
    person = _phrase(clause.person, "de", "person")
    first = time if time.words else place if place.words else person  # before the finite verb
    middle = [chunk for chunk in (person, time) if chunk is not first]
    goal: list[Chunk] = []
    if clause.object is not None:
        noun, gender = clause.object.de
        stem = _phrase(clause.adjective, "de", "adjective").words
        goal = [
            Chunk("k" * clause.negated + _ARTICLE[gender], None),
            Chunk(stem + _ENDING[gender] if stem else "", "adjective"),
            Chunk(noun, "object"),
        ]
    elif clause.negated:
        goal = [Chunk("nicht", None)]
    late = [] if first is place and not clause.question else [place]
    # The negation of a verb alone stands before the place, an object behind it.
    end = [*late, *goal] if clause.object is not None else [*goal, *late]
    if clause.question:
        return [verb, person, time, *end, particle]
    return [first, verb, *middle, *end, particle]


def _english(clause: Clause) -> list[Chunk]:
    forms, past = clause.verb.en, _is_past(clause)
    auxiliary = "did" if past else "does"
    time, place = _phrase(clause.time, "en", "time"), _phrase(clause.place, "en", "place")
    person = _phrase(clause.person, "en", "person")
    bare = clause.negated or clause.question
    verb = [
        Chunk(f"{auxiliary} not" if clause.negated and not clause.question else "", None),
        Chunk(forms[2] if bare else forms[past], "verb"),
    ]
    goal: list[Chunk] = []
    if clause.object is not None:
        adjective = _phrase(clause.adjective, "en", "adjective")
        noun = Chunk(clause.object.en[0], "object")
        first = (adjective.words or noun.words)[0]
        goal = [Chunk("an" if first in "aeiou" else "a", None), adjective, noun]
    goal.append(Chunk(forms[3] if len(forms) > 3 else "", None))
    if clause.question:
        negation = Chunk("not" if clause.negated else "", None)
        return [Chunk(auxiliary, None), person, negation, *verb, *goal, place, time]
    return [time, person, *verb, *goal, place]


def _chinese(clause: Clause) -> list[Chunk]:
    past = _is_past(clause)
    negation = Chunk(("没" if past else "不") if clause.negated else "", None)
    aspect = Chunk("了" if past and not clause.negated else "", None)
    goal: list[Chunk] = []
    if clause.object is not None:
        goal = [
            _phrase(clause.adjective, "zh", "adjective"),
            Chunk(clause.object.zh[0], "object"),
        ]
    return [
        _phrase(clause.time, "zh", "time"),
        _phrase(clause.person, "zh", "person"),
        negation,
        _phrase(clause.place, "zh", "place"),
        _phrase(clause.verb, "zh", "verb"),
        aspect,
        *goal,
        Chunk("吗" if clause.question else "", None),
    ]
