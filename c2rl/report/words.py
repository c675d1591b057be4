"""Which words of the references came out right, and what came out instead of the others.

Words are counted wherever they stand in the sentence: one that only moved is right.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

NOTHING = ""
"""Partner of a word that was left out, or that nobody signed."""

_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_ALONE}]|(?:(?![{_ALONE}_])\w)+(?:['’-](?:(?![{_ALONE}_])\w)+)*")

Pair = tuple[str, str]
"""A word of the reference and the one in its place; `NOTHING` on one side."""


def split(sentence: str) -> list[str]:
    """Cut a sentence into words, without punctuation and letter case.

    Args:
        sentence: In any script.

    Returns:
        Words; characters of scripts that write no spaces.

    Example:
        >>> split("Morgen regnet's, A-Hörnchen!"), split("明天A区有雨。")
        (['morgen', "regnet's", 'a-hörnchen'], ['明', '天', 'a', '区', '有', '雨'])
    """
    return _WORD.findall(unicodedata.normalize("NFKC", sentence).casefold())


def pairs(reference: str, hypothesis: str) -> list[Pair]:
    """Pair the words of a reference with those of its hypothesis.

    Args:
        reference: What was meant.
        hypothesis: What was said.

    Returns:
        Right words with themselves; words that stand in each other's place, as the edit distance
        aligns them; the rest with `NOTHING`.

    Example:
        >>> pairs("heute regnet es im norden", "es regnet im süden")[-2:]
        [('norden', 'süden'), ('heute', '')]
    """
    meant, said = split(reference), split(hypothesis)
    lost, extra = Counter(meant) - Counter(said), Counter(said) - Counter(meant)
    found = [(word, word) for word in (Counter(meant) & Counter(said)).elements()]
    for pair in _substituted(meant, said):
        if lost[pair[0]] and extra[pair[1]]:
            lost[pair[0]] -= 1
            extra[pair[1]] -= 1
            found.append(pair)
    found += [(word, NOTHING) for word in lost.elements()]
    return found + [(NOTHING, word) for word in extra.elements()]


_GAP, _REPLACED = 2, 3
"""Costs of the edit: less for a replaced word than for one left out and one added, but more than
half, so that of two edits as short as each other the one with more right words is taken."""


def _substituted(meant: Sequence[str], said: Sequence[str]) -> list[Pair]:
    """List what replaces what in the cheapest edit, in order."""
    costs = [[_GAP * j for j in range(len(said) + 1)]]
    for i, word in enumerate(meant):
        row = [_GAP * (i + 1)]
        for j, other in enumerate(said):
            replaced = costs[i][j] + (0 if word == other else _REPLACED)
            row.append(min(replaced, costs[i][j + 1] + _GAP, row[j] + _GAP))
        costs.append(row)
    found, i, j = [], len(meant), len(said)
    while i and j:
        step = 0 if meant[i - 1] == said[j - 1] else _REPLACED
        if costs[i][j] == costs[i - 1][j - 1] + step:
            i, j = i - 1, j - 1
            if step:
                found.append((meant[i], said[j]))
        elif costs[i][j] == costs[i - 1][j] + _GAP:
            i -= 1
        else:
            j -= 1
    return found[::-1]


def tally(predictions: Iterable[dict[str, Any]]) -> Counter[Pair]:
    """Count the pairs of all clips.

    Args:
        predictions: Rows of predictions.<split>.jsonl.

    Returns:
        Pair to how often it occurs.
    """
    return Counter(
        pair for row in predictions for pair in pairs(row["reference"], row["hypothesis"])
    )


def frequent(counts: Counter[Pair], most: int) -> list[str]:
    """Choose the words that the references have most often.

    Args:
        counts: From `tally`.
        most: How many at most.

    Returns:
        Words, the most frequent first, equally frequent ones by the alphabet.
    """
    meant = Counter[str]()
    for (word, _), count in counts.items():
        if word != NOTHING:
            meant[word] += count
    return sorted(meant, key=lambda word: (-meant[word], word))[:most]
