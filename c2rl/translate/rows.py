"""Sentences of JSON and tables: which column holds which, under the names that projects use."""

import csv
import io
import json
import re
from typing import Any, NamedTuple

from c2rl.translate.labelled import Role, lines

_IDS = (
    *("id", "clip", "clip_id", "sentence_name", "name", "sample", "sample_id", "utt_id", "key"),
    *("video_name", "video_id", "video", "file"),
)
"""Columns that name a clip, best first."""
_COLUMNS: dict[Role, tuple[str, ...]] = {
    "hypothesis": (
        *("hypothesis", "hyp", "hypo", "prediction", "pred", "predicted", "predicted_text"),
        *("predicted_translation", "generated", "output"),
    ),
    "reference": (
        *("reference", "ref", "ground_truth", "gt", "target", "tgt", "gold", "label"),
        *("gt_sentence", "reference_text"),
    ),
}
_TEXT = ("sentence", "text", "translation", "char")
"""Columns that are either, in a file without one of the above."""
_KNOWN = {*_IDS, *_TEXT, *_COLUMNS["hypothesis"], *_COLUMNS["reference"]}


class MissingError(ValueError):
    """No column holds what is wanted."""


class Column(NamedTuple):
    """A file's sentences of one kind."""

    name: str
    """Empty where there are sentences alone."""
    texts: list[str]
    ids: list[str] | None
    """As written; None where no column names clips."""
    splits: list[str] | None
    """Of each clip, where the file tells."""


def is_table(text: str) -> bool:
    """Tell whether a text file is a table all the same, as CSL-Daily's `video_map.txt` is.

    Args:
        text: The file's content.

    Returns:
        True where the first line names a column of clips and one of sentences.
    """
    names = {_key(name) for name in re.split(r"[|\t]", text.split("\n", 1)[0])}
    return bool(names & set(_IDS) and names & (_KNOWN - set(_IDS)))


def column(text: str, suffix: str, role: Role) -> Column:
    """Find the sentences of a kind.

    Args:
        text: The file's content.
        suffix: .jsonl or .json; tables have any other.
        role: Which are wanted of a file that may hold both.

    Returns:
        They, in the order of the file.

    Raises:
        MissingError: If there is no such column.
        ValueError: If the file is not well-formed, or the column is ambiguous or no text.
    """
    rows = _json_rows(text, suffix) if suffix.startswith(".json") else _table(text, suffix)
    if rows and all(isinstance(row, str) for row in rows):
        return Column("", rows, None, None)
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"expected objects with {role}, or sentences alone; not both.")
    rows = [{_key(name): value for name, value in row.items()} for row in rows]
    names = set(rows[0]) if rows else set()
    name = _name(names, role)
    texts = [row.get(name) for row in rows]
    for number, found in enumerate(texts, 1):
        if not isinstance(found, str):
            raise ValueError(f"{name} of entry {number} is {found!r}, expected text.")
    return Column(name, texts, _ids(rows, names - {name}), _splits(rows))


def _json_rows(text: str, suffix: str) -> list[Any]:
    if suffix == ".jsonl":
        rows = enumerate(lines(text), 1)
        return [_json(line, f"line {number} is") for number, line in rows if line.strip()]
    found = _json(text, "it is")
    if isinstance(found, dict):
        return [
            {"id": id_, **own} if isinstance(own, dict) else {"id": id_, "sentence": own}
            for id_, own in found.items()
        ]
    if not isinstance(found, list):
        raise ValueError("expected a JSON list, or an object of ids and sentences.")
    return found


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} no JSON ({error.msg} at character {error.pos + 1}).") from None


def _table(text: str, suffix: str) -> list[Any]:
    """Read a table by the mark that makes most of its header's names known ones."""
    header = text.split("\n", 1)[0]
    marks = ("\t",) if suffix == ".tsv" else ("\t", "|", ",", ";")
    mark = max(marks, key=lambda m: sum(_key(name) in _KNOWN for name in header.split(m)))
    quoted = mark != "|"  # the releases that use it never quote
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=mark,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=quoted,
    )
    rows = []
    try:
        names = next(reader, [])
        for row in filter(None, reader):
            if len(row) != len(names):
                raise ValueError(
                    f"line {reader.line_num} has {len(row)} cells, expected {len(names)}."
                )
            rows.append(dict(zip(names, row, strict=True)))
    except csv.Error as error:
        raise ValueError(
            f"line {reader.line_num}: {error}. Quote a cell that begins with a quote, and double"
            " the quotes inside it."
        ) from None
    return rows


def _key(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def _name(names: set[str], role: Role) -> str:
    for tier in (_COLUMNS[role], _TEXT):
        found = [name for name in tier if name in names]
        if len(found) > 1:
            raise ValueError(f"{' and '.join(found)} could each be the {role}. Keep one of them.")
        if found:
            return found[0]
    raise MissingError(
        f"it has no {role}: found {', '.join(sorted(names)) or 'nothing'}; expected one of"
        f" {', '.join((*_COLUMNS[role], *_TEXT))}."
    )


def _ids(rows: list[dict[str, Any]], names: set[str]) -> list[str] | None:
    name = next((name for name in _IDS if name in names), None)
    if name is None:
        return None
    for number, row in enumerate(rows, 1):
        if row.get(name) in (None, ""):
            raise ValueError(f"entry {number} has no {name}, but others have.")
    return [str(row[name]) for row in rows]


def _splits(rows: list[dict[str, Any]]) -> list[str] | None:
    found = [row.get("split") for row in rows]
    return [str(split) for split in found] if all(found) and found else None
