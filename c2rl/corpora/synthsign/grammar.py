"""Sentences of SynthSign: what is said, how it is signed, how it is spoken.

Signed order is TIME PLACE PERSON OBJECT ADJECTIVE VERB. Articles, prepositions and auxiliaries
have no sign; negation and questions are shown on face and head only.
"""

from typing import NamedTuple

import numpy as np

from c2rl.corpora.synthsign.lexicon import Compound, Sign, Vocabulary, vocabulary
from c2rl.corpora.synthsign.wording import Chunk, Clause, Span, punctuated, spoken, word_spans

SIGNED_ORDER = ("time", "place", "person", "object", "adjective", "verb")
_SCOPE = frozenset({"person", "object", "adjective", "verb"})
_SHORTEST, _LONGEST = 2, 5
_PATIENCE = 2000


class Sentence(NamedTuple):
    """A spoken sentence and what is signed for it."""

    text: str
    gloss: tuple[str, ...]
    negated: tuple[bool, ...]
    """Per sign: whether the head shakes over it."""
    question: bool
    words: tuple[Span | None, ...]
    """Per sign: its words in the text; a compound's two signs share one. None: it has no words."""


def signed(clause: Clause, order: tuple[str, ...] = SIGNED_ORDER) -> list[tuple[str, bool, str]]:
    """List the signs of a clause.

    Args:
        clause: What is said.
        order: Slots in the order in which they are signed; absent ones are skipped.

    Returns:
        Of each sign: gloss, whether it is inside the scope of a negation, and slot.
    """
    signs: list[tuple[str, bool, str]] = []
    for slot in order:
        filler: Sign | Compound | None = getattr(clause, slot)
        if filler is None:
            continue
        glosses = filler.glosses if isinstance(filler, Compound) else (filler.gloss,)
        signs += [(gloss, clause.negated and slot in _SCOPE, slot) for gloss in glosses]
    return signs


def clause(rng: np.random.Generator, signs: Vocabulary, *, may_ask: bool = True) -> Clause:
    """Draw one clause of two to five signs.

    Args:
        rng: Source of chance.
        signs: The vocabulary.
        may_ask: Whether the clause may be a question.

    Returns:
        The clause.
    """
    while True:
        drawn = _any_clause(rng, signs, may_ask)
        if _SHORTEST <= len(signed(drawn)) <= _LONGEST:
            return drawn


def _any_clause(rng: np.random.Generator, signs: Vocabulary, may_ask: bool) -> Clause:
    def one(choices: tuple[Sign, ...]) -> Sign:
        return choices[int(rng.integers(len(choices)))]

    def maybe(chance: float, choices: tuple[Sign, ...]) -> Sign | None:
        return one(choices) if rng.random() < chance else None

    mood = rng.random()
    time, place, person = maybe(0.34, signs.time), maybe(0.26, signs.place), one(signs.person)
    negated, question = mood < 0.18, may_ask and 0.18 <= mood < 0.36
    if rng.random() < 0.4:
        verb = one(signs.intransitive)
        return Clause(time, place, person, None, None, verb, negated, question)
    goals: tuple[Sign | Compound, ...] = (*signs.object, *signs.compound)
    goal = goals[int(rng.integers(len(goals)))]
    adjective = maybe(0.25, signs.adjective)
    return Clause(time, place, person, goal, adjective, one(signs.transitive), negated, question)


def sentence(
    rng: np.random.Generator,
    signs: Vocabulary,
    *,
    language: str,
    clauses: int = 1,
    reordering: float = 1.0,
) -> Sentence:
    """Draw one sentence.

    Args:
        rng: Source of chance.
        signs: The vocabulary.
        language: One of `de`, `en`, `zh`.
        clauses: How many clauses are joined.
        reordering: Probability that the signs follow the sign language's order, not the spoken.

    Returns:
        The sentence; only sentences of one clause ask.
    """
    drawn = [clause(rng, signs, may_ask=clauses == 1) for _ in range(clauses)]
    chunks = [spoken(one, language) for one in drawn]
    is_reordered = rng.random() < reordering
    marks: list[tuple[str, bool, Span | None]] = []
    for one, said, spans in zip(drawn, chunks, word_spans(chunks, language), strict=True):
        order = SIGNED_ORDER if is_reordered else _spoken_order(said)
        marks += [(gloss, negated, spans.get(slot)) for gloss, negated, slot in signed(one, order)]
    question = drawn[-1].question
    gloss, negated, words = zip(*marks, strict=True)
    return Sentence(punctuated(chunks, question, language), gloss, negated, question, words)


def _spoken_order(chunks: list[Chunk]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chunk.slot for chunk in chunks if chunk.slot))


def sentences(
    *,
    clauses: list[int],
    language: str = "de",
    seed: int = 0,
    vocabulary_size: int = 28,
    reordering: float = 1.0,
) -> list[Sentence]:
    """Draw distinct sentences.

    Args:
        clauses: Number of clauses of each sentence wanted.
        language: One of `de`, `en`, `zh`.
        seed: Seed of the corpus.
        vocabulary_size: How many signs of the lexicon are used.
        reordering: Probability of the sign language's own order.

    Returns:
        One sentence per entry of `clauses`, no text twice.

    Raises:
        ValueError: If the grammar cannot give that many.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    signs, seen, drawn = vocabulary(vocabulary_size), set[str](), list[Sentence]()
    for count in clauses:
        for _ in range(_PATIENCE):
            one = sentence(rng, signs, language=language, clauses=count, reordering=reordering)
            if one.text not in seen:
                break
        else:
            raise ValueError(
                f"the grammar gave only {len(drawn)} distinct sentences of {len(clauses)} wanted."
                " Raise synthsign.vocabulary or choose a smaller synthsign.size."
            )
        seen.add(one.text)
        drawn.append(one)
    return drawn
