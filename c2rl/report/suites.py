"""The tables of ablation suites that were kept: committed results, ours beside the paper's."""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from c2rl.report.tables import ABSENT

_TEXTS = ("title", "heading", "commit", "machine", "command")


class Cell(NamedTuple):
    """One number of a table."""

    ours: str
    """Mean and sample standard deviation."""
    runs: str
    """How many seeds it is the mean of; empty where there is none."""
    paper: str
    """The paper's number; empty where it has none."""


class Suite(NamedTuple):
    """One table."""

    name: str
    title: str
    heading: str
    columns: list[str]
    rows: list[tuple[str, list[Cell]]]
    notes: list[str]
    """Why something is missing."""
    commit: str
    machine: str
    command: str


def read(folder: Path) -> list[Suite]:
    """Read the kept tables.

    Args:
        folder: Holds `<suite>.json` files; it may be absent.

    Returns:
        Tables in the order of their names.

    Raises:
        ValueError: If a file is not what `suite.py show --keep` writes.
    """
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            found.append(_suite(file.stem, json.loads(file.read_text(encoding="utf-8"))))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            wrong = f"lacks {error}" if isinstance(error, KeyError) else f"is damaged: {error}"
            advice = f"`python pipeline/suite.py show {file.stem} --keep` writes it anew."
            raise ValueError(f"{file} {wrong}. {advice}") from None
    return found


def _suite(name: str, told: dict[str, Any]) -> Suite:
    columns, rows = list(map(str, told["columns"])), []
    for row in told["rows"]:
        cells = [_cell(cell) for cell in row["cells"]]
        if len(cells) != len(columns):
            raise ValueError(
                f"row '{row['name']}' has {len(cells)} cells, expected {len(columns)}, one a column"
            )
        rows.append((str(row["name"]), cells))
    texts = {key: str(told[key]) for key in _TEXTS}
    texts["heading"] = texts["heading"].removeprefix(f"{texts['title']}. ")  # it stands above
    notes = list(map(str, told.get("notes", [])))
    return Suite(name, columns=columns, rows=rows, notes=notes, **texts)


def _cell(told: dict[str, Any]) -> Cell:
    mean, sd, paper = (_number(told[key]) for key in ("mean", "sd", "paper"))
    ours = ABSENT if mean is None else f"{mean:.1f}"
    if mean is not None and sd is not None:
        ours += f" ± {sd:.1f}"
    runs = "" if mean is None else f"n = {int(told['n'])}"
    return Cell(ours, runs, "" if paper is None else f"{paper:g}")


def _number(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    return None if math.isnan(number) else number
