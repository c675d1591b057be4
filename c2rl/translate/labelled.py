"""Text files of sentences, and the labels that other projects put before each of them.

A labelled file is never scored as it lies: the label would be counted as words, right ones at that.
"""

import re
from typing import Literal, NamedTuple

Role = Literal["hypothesis", "reference"]

_UNISIGN = re.compile(
    r"sample: (?P<id>.+?), (?P<label>prediction|hypothesis|ground-truth|reference|target): ?"
    r"(?P<text>.*)",
    re.DOTALL,
)
_FAIRSEQ = re.compile(r"(?P<label>[DHT])-(?P<id>\d+)\t(?:-?[\d.e-]+\t)?(?P<text>[^\t]*)", re.DOTALL)
_NAMED = re.compile(r"(?P<id>[^\s|]+)[\t|](?P<text>[^\t|]*)", re.DOTALL)
"""neccam/slt's `name|sentence`, or a name and a tab."""
_SAID = {"prediction", "hypothesis", "D", "H"}
_COLUMNS = {"\t": "a tab", "|": "'|'"}


class Labelled(NamedTuple):
    """Sentences, freed of what stood before them."""

    texts: list[str]
    ids: list[str] | None
    """As written; None where there were no labels."""
    what: str = ""
    """What was taken off; empty if nothing."""


def lines(text: str) -> list[str]:
    r"""Split text at line feeds alone: a sentence may hold other separators, as U+2028.

    Args:
        text: A file's content.

    Returns:
        Its lines, without the carriage returns before line feeds; the last one need not end.

    Example:
        >>> lines("a\r\n\nb\u2028c")
        ['a', '', 'b\u2028c']
    """
    found = [line.removesuffix("\r") for line in text.split("\n")]
    return found[:-1] if found[-1] == "" else found


def unlabelled(text: str, role: Role) -> Labelled:
    """Take known labels off the lines of a file, and refuse what looks like unknown ones.

    Args:
        text: The file's content.
        role: What its lines should be.

    Returns:
        A sentence a line; blank lines are empty sentences.

    Raises:
        ValueError: If only some lines are labelled, if they are labelled as the other role, or if
            all lines seem to have labels or columns of a kind that is not known.
    """
    found = lines(text)
    for pattern, what in ((_UNISIGN, "'sample: ..., prediction: ...'"), (_FAIRSEQ, "fairseq")):
        seen = [pattern.fullmatch(line) for line in found]
        matches = [match for match in seen if match]
        if matches and len(matches) < len(found):
            raise ValueError(
                f"line {seen.index(None) + 1} has no label, but others have ({what}). Leave only"
                " the lines with the sentences."
            )
        if matches:
            _require_role({match["label"] for match in matches}, role)
            return _freed(matches, f"{what} labels")
    named = [match for match in map(_NAMED.fullmatch, found) if match]
    if named and len(named) == len(found):
        return _freed(named, "names and '|' or a tab")
    _require_bare(found)
    return Labelled(found, None)


def _freed(matches: list[re.Match[str]], what: str) -> Labelled:
    return Labelled([match["text"] for match in matches], [match["id"] for match in matches], what)


def _require_role(labels: set[str], role: Role) -> None:
    if len({label in _SAID for label in labels}) > 1 or {"D", "H"} <= labels:
        raise ValueError(
            f"it holds lines of several kinds ({', '.join(sorted(labels))}). Leave those of the"
            f" {role} only."
        )
    if (labels <= _SAID) != (role == "hypothesis"):
        raise ValueError(
            f"it was given for the {role}, but its lines are labelled '{min(labels)}'. Give the"
            " hypotheses first, then the references."
        )


def _require_bare(found: list[str]) -> None:
    for mark, name in _COLUMNS.items():
        if found and all(mark in line for line in found):
            raise ValueError(
                f"every line has {name}, so it seems to have columns. Give a .tsv or .csv with a"
                " header, or only the sentences."
            )
    if len(found) < 3:
        return
    starts = {line.split(maxsplit=1)[0] if line.strip() else "" for line in found}
    label = min(starts)
    if len(starts) == 1 and label.endswith((":", "=", ">", "]")):
        raise ValueError(
            f"every line begins with '{label}', which would be scored as a word. Leave only the"
            " sentences."
        )
    for start in (0, 1):
        if all(re.match(rf"\W?{n}[.:)\]]?\s", line) for n, line in enumerate(found, start)):
            raise ValueError("the lines are numbered. Leave only the sentences.")
