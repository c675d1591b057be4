"""Your own data: one table beside your videos, `table.csv`, `table.tsv` or `table.jsonl`.

Columns: `id, path, start, end, sentence, split`, and where wanted `language, signer, group, box,
fps`. `path` is a video or a folder of frames relative to the table; `start` and `end` are seconds,
empty for all of it; `box` is `x0 y0 x1 y1` in pixels; `fps` is that of a folder of frames.
"""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from c2rl.corpora.clip import NO_SPLIT, SPLITS, Annotations, Choice, Clip, Entry, Facts
from c2rl.corpora.files import read_text

FACTS = Facts(
    profile=None,
    counts={},
    paper={},
    obtain="Your own videos with table.csv, table.tsv or table.jsonl beside them.",
    licence="Yours",
    citation="",
    marks=("table.csv", "table.tsv", "table.jsonl"),
    crop=("box", "whole"),
)

REQUIRED = ("id", "path", "start", "end", "sentence", "split")
OPTIONAL = ("language", "signer", "group", "box", "fps")
_NAMES = ("table.csv", "table.tsv", "table.jsonl")
_MOST_TOLD = 50


class _Line(NamedTuple):
    number: int
    """Of the line in the file, from 1."""
    values: dict[str, Any]


def read(root: Path, choice: Choice) -> Annotations:
    """Read a table as stage prepare reads every corpus.

    Args:
        root: Folder that holds the table.
        choice: There is one way only.

    Returns:
        One entry a line.

    Raises:
        FileNotFoundError: If there is no table.
        ValueError: If anything in it is wrong; the message lists every wrong line at once.
    """
    del choice
    return Annotations([Entry(clip) for clip in clips(root)], annotations(root), [])


def annotations(root: Path) -> list[Path]:
    """Find the table.

    Args:
        root: Folder of the corpus.

    Returns:
        The one file that holds the annotations.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If there are several.
    """
    found = [root / name for name in _NAMES if (root / name).is_file()]
    if not found:
        raise FileNotFoundError(f"{root} holds no table: expected one of {', '.join(_NAMES)}.")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ValueError(f"{root} holds {names}; expected one of them. Remove the others.")
    return found


def clips(root: Path) -> list[Clip]:
    """Read a table.

    Args:
        root: Folder that holds the table.

    Returns:
        Its clips in the order of the lines.

    Raises:
        FileNotFoundError: If there is no table.
        ValueError: If anything in it is wrong; the message lists every wrong line at once.
    """
    (path,) = annotations(root)
    return read_table(path)


def read_table(path: Path, *, required: Sequence[str] = REQUIRED) -> list[Clip]:
    """Read a table of any name.

    Args:
        path: A .csv, .tsv or .jsonl file.
        required: Columns that it must have; clips without a split get `NO_SPLIT`.

    Returns:
        Its clips in the order of the lines.

    Raises:
        ValueError: If anything in it is wrong; the message lists every wrong line at once.
    """
    problems: list[str] = []
    found = []
    for line in _lines(path, read_text(path), required, problems):
        if "split" not in required:
            line.values["split"] = line.values.get("split") or NO_SPLIT
        clip = _clip(line, SPLITS if "split" in required else (*SPLITS, NO_SPLIT), problems)
        if clip is not None:
            found.append((line.number, clip))
    _check_unique(found, problems)
    if not found and not problems:
        problems.append("it has no clips; expected one a line")
    if problems:
        more = len(problems) - _MOST_TOLD
        told = problems[:_MOST_TOLD] + ([f"... and {more} more"] if more > 0 else [])
        raise ValueError(f"{path} is not valid:\n" + "\n".join(f"  {line}" for line in told))
    return [clip for _, clip in found]


def _lines(path: Path, text: str, required: Sequence[str], problems: list[str]) -> Iterator[_Line]:
    if path.suffix == ".jsonl":
        yield from _json_lines(text, required, problems)
        return
    delimiter = "\t" if path.suffix == ".tsv" else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = reader.fieldnames or []
        if not _header_is_good(list(header), required, problems):
            return
        for row in reader:
            number = reader.line_num
            if None in row or None in row.values():
                cells = sum(v is not None for k, v in row.items() if k) + len(row.get(None) or ())
                problems.append(f"line {number}: {cells} cells, expected {len(header)}")
                continue
            yield _Line(number, {name: value.strip() for name, value in row.items()})
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: {error}")


def _header_is_good(header: list[str], required: Sequence[str], problems: list[str]) -> bool:
    missing = [name for name in required if name not in header]
    unknown = [name for name in header if name not in REQUIRED + OPTIONAL]
    if missing:
        problems.append(
            f"columns missing: {', '.join(missing)} (found {', '.join(header) or 'nothing'};"
            f" expected {', '.join(required)} and where wanted {', '.join(OPTIONAL)})"
        )
    elif unknown:
        problems.append(f"columns unknown: {', '.join(unknown)} (known: {', '.join(OPTIONAL)})")
    return not missing


def _json_lines(text: str, required: Sequence[str], problems: list[str]) -> Iterator[_Line]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            problems.append(f"line {number}: no JSON ({error.msg} at character {error.pos + 1})")
            continue
        if not isinstance(values, dict):
            problems.append(f"line {number}: expected a JSON object")
            continue
        missing = [n for n in required if n not in ("start", "end") and n not in values]
        unknown = [name for name in values if name not in REQUIRED + OPTIONAL]
        if missing or unknown:
            told = [f"missing {', '.join(missing)}"] * bool(missing)
            told += [f"unknown {', '.join(unknown)}"] * bool(unknown)
            problems.append(f"line {number}: {'; '.join(told)}")
            continue
        yield _Line(number, values)


def _clip(line: _Line, splits: Sequence[str], problems: list[str]) -> Clip | None:
    values, before = line.values, len(problems)

    def wrong(name: str, expected: str) -> None:
        problems.append(f"line {line.number}: {name} is '{values.get(name)}', expected {expected}")

    for name in ("id", "path", "sentence", "split", "language", "signer", "group"):
        if not isinstance(values.get(name) or "", str):
            wrong(name, "text")
    for name in ("id", "path"):
        if not values.get(name):
            wrong(name, "some text")
    if values["split"] not in splits:
        wrong("split", f"one of {', '.join(splits)}")
    numbers = {}
    for name in ("start", "end", "fps"):
        try:
            numbers[name] = _number(values.get(name))
        except (ValueError, TypeError):
            wrong(name, "a number of 0 or more" if name != "fps" else "frames per second")
    start, end = numbers.get("start"), numbers.get("end")
    if end is not None and end <= (start or 0.0):
        wrong("end", f"seconds after start ({values.get('start') or 0})")
    try:
        box = _box(values.get("box"))
    except (ValueError, TypeError):
        wrong("box", "x0 y0 x1 y1 in whole pixels with x0 < x1 and y0 < y1")
    if len(problems) > before:
        return None
    return Clip(
        id=values["id"],
        split=values["split"],
        sentence=values.get("sentence") or "",
        language=values.get("language") or "en",
        source=values["path"],
        start_s=start,
        end_s=end,
        fps=numbers["fps"],
        signer=values.get("signer") or None,
        group=values.get("group") or None,
        box=box,
    )


def _number(value: str | float | None) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise TypeError(value)
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(value)
    return number


def _box(value: str | list[int] | None) -> tuple[int, int, int, int] | None:
    if value is None or value == "":
        return None
    parts = value.replace(",", " ").split() if isinstance(value, str) else value
    x0, y0, x1, y1 = (int(part) for part in parts)
    if x0 >= x1 or y0 >= y1:
        raise ValueError(value)
    return x0, y0, x1, y1


def _check_unique(found: list[tuple[int, Clip]], problems: list[str]) -> None:
    ids: dict[str, tuple[int, Clip]] = {}
    segments: dict[tuple[Any, ...], tuple[int, Clip]] = {}
    for number, clip in found:
        first, other = ids.setdefault(clip.id, (number, clip))
        if first != number:
            where = f", as {clip.split} and {other.split}" if clip.split != other.split else ""
            problems.append(f"line {number}: id '{clip.id}' is already on line {first}{where}")
            continue
        segment = (clip.source, clip.start_s or 0.0, clip.end_s, clip.box)
        first, other = segments.setdefault(segment, (number, clip))
        if other.split != clip.split:
            problems.append(
                f"line {number}: {clip.source} from {clip.start_s or 0.0:g} s is {clip.split}, but"
                f" on line {first} the same segment is {other.split}"
            )
