"""Reading what was said and what should have been, and bringing both together by id or by line."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from c2rl.corpora.files import read_text
from c2rl.translate.labelled import Role, unlabelled
from c2rl.translate.rows import MissingError, column, is_table

_VIDEO = re.compile(r"\.(mp4|avi|mov|mkv|webm)$", re.IGNORECASE)
KINDS = ("spacing", "nfkc", "case", "text")
"""How a reference can differ from the data set's string, mildest first."""


class Read(NamedTuple):
    """One side of what is scored."""

    path: Path
    texts: tuple[str, ...]
    ids: tuple[str, ...] | None
    """None: the file names no clips; lines count."""
    note: str = ""
    """What was taken off the lines; empty if nothing."""
    splits: tuple[str, ...] | None = None
    """Of each clip, where the file tells."""
    column: str = ""
    """Where a table or JSON had them; empty for text."""


class Pairs(NamedTuple):
    """Both sides by the same ids."""

    hypotheses: dict[str, str]
    references: dict[str, str]


class Difference(NamedTuple):
    """A reference that is not the data set's string."""

    id: str
    kind: str
    """One of `KINDS`."""
    found: str
    expected: str


def read(path: Path, role: Role) -> Read:
    """Read the hypotheses or the references of a file.

    Args:
        path: .jsonl, .json, .csv or .tsv; everything else is text, a sentence a line, unless its
            first line is a header.
        role: Which are wanted of a file that holds both.

    Returns:
        The sentences in the order of the file; where it names clips, with ids.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds none, names a clip twice, or labels its lines in a way that is not
            known.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file; expected {role} sentences, one a line.")
    text = read_text(path)
    try:
        if path.suffix in (".jsonl", ".json", ".csv", ".tsv") or is_table(text):
            name, texts, ids, splits = column(text, path.suffix, role)
            note = ""
        else:
            texts, ids, what = unlabelled(text, role)
            name, splits = "", None
            note = f"{path}: {what} were taken off {len(texts)} lines" * bool(what)
    except ValueError as error:
        raise type(error)(f"{path}: {error}") from None
    if not texts:
        raise ValueError(f"{path} holds no sentences; expected one a line.")
    # Labels often name the video's file; the data set's ids have no suffix.
    names = None if ids is None else tuple(_VIDEO.sub("", id_.strip()) for id_ in ids)
    doubled = [id_ for id_, count in Counter(names or ()).items() if count > 1]
    if doubled:
        raise ValueError(f"{path} names {_some(doubled)} more than once; expected every clip once.")
    return Read(path, tuple(texts), names, note, tuple(splits) if splits else None, name)


def second(path: Path, other: Read) -> Read | None:
    """Read the references that a file of hypotheses may hold as well.

    Args:
        path: The file.
        other: The hypotheses that were read of it.

    Returns:
        They; None if it holds no others.

    Raises:
        ValueError: As `read` does.
    """
    if not other.column:
        return None
    try:
        found = read(path, "reference")
    except MissingError:
        return None
    return None if found.column == other.column else found


def pair(hypotheses: Read, references: Read, *, part: bool = False) -> Pairs:
    """Bring two files together: by id where both have ids, by line where neither has.

    Args:
        hypotheses: What was said.
        references: What should have been.
        part: The references may be of more clips than the hypotheses.

    Returns:
        Both by the same ids; lines are numbered with leading zeros, so they sort as they lie.

    Raises:
        ValueError: If they are not of the same clips, or a reference is empty.
    """
    ours, theirs = match(hypotheses, references, part=part)
    empty = [id_ for id_, sentence in theirs.items() if not sentence.strip()]
    if empty:
        names = empty if references.ids else [f"line {int(id_)}" for id_ in empty]
        raise ValueError(
            f"{references.path}: {len(empty)} of {len(theirs)} references are empty"
            f" ({_some(names)}). Leave these clips out of both sides."
        )
    return Pairs(ours, theirs)


def match(ours: Read, theirs: Read, *, part: bool = False) -> tuple[dict[str, str], dict[str, str]]:
    """Bring any two files together, as `pair` does, whatever their sentences are.

    Args:
        ours: One file.
        theirs: The other.
        part: The other may be of more clips.

    Returns:
        Both by the same ids.

    Raises:
        ValueError: If they are not of the same clips.
    """
    _require_alike(ours, theirs)
    first, other = _by_id(ours), _by_id(theirs)
    missing, extra = [i for i in other if i not in first], [i for i in first if i not in other]
    if extra or (missing and not part):
        told = [f"{len(missing)} missing ({_some(missing)})"] * bool(missing and not part)
        told += [f"{len(extra)} extra ({_some(extra)})"] * bool(extra)
        raise ValueError(
            f"{ours.path} is not of the clips of {theirs.path}: {' and '.join(told)}. A score of a"
            " part is no score: give the same clips on both sides."
        )
    return first, {id_: other[id_] for id_ in first}


def left_out(hypotheses: Read, references: Read) -> str:
    """Say which clips have a reference but no hypothesis, of the splits that have hypotheses.

    Args:
        hypotheses: What was said.
        references: Of the whole data set.

    Returns:
        One sentence; empty if none is left out.
    """
    if not hypotheses.ids or not references.ids:
        return ""
    splits = references.splits or ("",) * len(references.ids)
    split = dict(zip(references.ids, splits, strict=True))
    touched = {split[id_] for id_ in hypotheses.ids}
    wanted = [id_ for id_ in references.ids if split[id_] in touched]
    missing = sorted(set(wanted) - set(hypotheses.ids))
    of = f"{references.path} {' and '.join(sorted(touched))}".strip()
    return (
        f"{len(missing)} of {len(wanted)} clips of {of} have no hypothesis ({_some(missing)}): the"
        " score is of the others"
    ) * bool(missing)


def differences(found: Mapping[str, str], expected: Mapping[str, str]) -> list[Difference]:
    """Compare references with the data set's strings.

    Args:
        found: Id to reference.
        expected: Id to the data set's string, of the same ids.

    Returns:
        Those that differ: in spacing alone; in what NFKC takes away, and spacing; in case as well;
        or in the text itself, as references do that went through a tokenizer.
    """
    told = []
    for id_, theirs in expected.items():
        if found[id_] == theirs:
            continue
        forms = zip(KINDS, _forms(found[id_]), _forms(theirs), strict=False)
        kind = next((kind for kind, a, b in forms if a == b), "text")
        told.append(Difference(id_, kind, found[id_], theirs))
    return told


def _forms(sentence: str) -> tuple[str, str, str]:
    """Give a sentence without spaces, in NFKC as well, and in one case as well."""
    wide = unicodedata.normalize("NFKC", sentence)
    bare, half = "".join(sentence.split()), "".join(wide.split())
    return bare, half, half.casefold()


def _require_alike(ours: Read, theirs: Read) -> None:
    if (ours.ids is None) != (theirs.ids is None):
        bare, other = (ours, theirs) if ours.ids is None else (theirs, ours)
        raise ValueError(
            f"{other.path} names its clips, but {bare.path} does not, so their order may differ."
            " Give both with ids, or both without."
        )
    if ours.ids is None and len(ours.texts) != len(theirs.texts):
        blank = [f"; the last line of {r.path} is blank" for r in (ours, theirs) if not r.texts[-1]]
        raise ValueError(
            f"{ours.path} has {len(ours.texts)} lines, but {theirs.path} has {len(theirs.texts)}"
            f"{''.join(blank)}. Give a line for every clip in both."
        )


def _by_id(side: Read) -> dict[str, str]:
    width = len(str(len(side.texts)))
    ids = side.ids or [f"{number:0{width}}" for number in range(1, len(side.texts) + 1)]
    return dict(zip(ids, side.texts, strict=True))


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:3]) + f" and {len(names) - 3} more" * (len(names) > 3)
