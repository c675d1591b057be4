"""A suite's table: ours, mean and deviation over seeds, beside the paper's."""

import csv
import io
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from c2rl.suites.experiments import Known, value
from c2rl.suites.plan import Contents, Run, Suite, changed


class Cell(NamedTuple):
    """One column of one row."""

    values: list[float]
    """Of the finished seeds."""
    planned: int
    """Seeds that shall run."""
    paper: float | None
    """The paper's number, if it has one."""

    @property
    def mean(self) -> float | None:
        """Mean of the seeds; None where none is finished."""
        return statistics.mean(self.values) if self.values else None

    @property
    def sd(self) -> float | None:
        """Sample standard deviation; None below two seeds."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def text(self) -> str:
        """Write it for a table.

        Example:
            >>> Cell([37.8, 47.4], 3, 26.75).text
            '42.6 ± 6.8 (2 of 3) [26.75]'
        """
        text = "–" if self.mean is None else f"{self.mean:.1f}"
        if self.sd is not None:
            text += f" ± {self.sd:.1f}"
        if self.values and len(self.values) < self.planned:
            text += f" ({len(self.values)} of {self.planned})"
        return text if self.paper is None else f"{text} [{self.paper}]"


class Table(NamedTuple):
    """All of it."""

    title: str
    heading: str
    """Whose numbers, of which dataset, over which seeds."""
    columns: list[str]
    rows: list[tuple[str, list[Cell]]]
    notes: list[str]
    """Why something is missing."""


def build(suite: Suite, runs: Sequence[Run], known: Known) -> Table:
    """Collect what is finished.

    Args:
        suite: Of `plan.read`.
        runs: Of `plan.plan`.
        known: What DVC knows.

    Returns:
        The table; a row that never ran has empty cells.
    """
    params = {run.name: changed(known.params, run.changes) for run in runs}
    done = known.finished
    rows = []
    for row in suite.rows:
        names = [run.name for run in runs if run.row == row.name]
        kept = [done[n].metrics for n in names if n in done and done[n].params == params[n]]
        cells = []
        for title, column in suite.columns.items():
            found = [v for metrics in kept if (v := value(metrics, column)) is not None]
            cells.append(Cell(found, len(names), row.paper.get(title)))
        rows.append((row.name, cells))
    heading = _heading(suite, list(params.values()), known.params)
    notes = []
    if others := [n for n in params if n in done and done[n].params != params[n]]:
        notes.append(f"Left out, for they ran with another params.yaml: {', '.join(others)}.")
    if absent := [row.name for row in suite.rows if row.name not in {run.row for run in runs}]:
        notes.append(
            f"Not on this corpus, for they need weights that are downloaded: {', '.join(absent)}."
        )
    return Table(suite.title, heading, list(suite.columns), rows, notes)


def _heading(suite: Suite, params: list[Contents], now: Contents) -> str:
    datasets = list(dict.fromkeys(p["dataset"] for p in params)) or [now["dataset"]]
    seeds = list(dict.fromkeys(str(p["seed"]) for p in params)) or [str(now["seed"])]
    ours = f"mean ± sample sd over seeds {', '.join(seeds)}" if seeds[1:] else f"seed {seeds[0]}"
    line = f"**{suite.title}.** Ours: dataset {', '.join(datasets)}, {ours}."
    if any(row.paper for row in suite.rows):
        line += f" In [brackets] the paper's: {suite.table}"
        if suite.dataset:
            other = "" if datasets == [suite.dataset] else ", another dataset"
            line += f", dataset {suite.dataset}{other}"
        line += "."
    return line


def markdown(table: Table) -> str:
    """Lay a table out for a README."""
    lines = [table.heading, "", "| | " + " | ".join(table.columns) + " |"]
    lines.append("|---|" + "---|" * len(table.columns))
    lines += [
        f"| {name} | " + " | ".join(c.text for c in cells) + " |" for name, cells in table.rows
    ]
    return "\n".join([*lines, *(f"\n{note}" for note in table.notes)])


def as_csv(table: Table) -> str:
    """Lay a table out for a program: a line a cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("row", "column", "mean", "sd", "seeds", "planned", "paper"))
    for name, cells in table.rows:
        for column, cell in zip(table.columns, cells, strict=True):
            told = (cell.mean, cell.sd, len(cell.values), cell.planned, cell.paper)
            writer.writerow((name, column, *("" if v is None else v for v in told)))
    return out.getvalue().rstrip("\n")


def as_json(table: Table) -> dict[str, Any]:
    """Make a table an object, as `data/suites` keeps it for the report."""
    rows = [
        {
            "name": name,
            "cells": [
                {"mean": c.mean, "sd": c.sd, "n": len(c.values), "paper": c.paper} for c in cells
            ],
        }
        for name, cells in table.rows
    ]
    return {
        "title": table.title,
        "heading": table.heading.replace("**", ""),
        "columns": table.columns,
        "rows": rows,
        "notes": table.notes,
    }
