"""Run an ablation suite through DVC's experiments, and show it beside the paper's numbers.

A suite is a file of `pipeline/suites`:
    title: What the rows differ in
    paper: {table: where the paper has it, dataset: what it was measured on}
    base: {parameter: value}, the same in every row
    seeds: [0, 1, 2]; each row runs once a seed, without this key once, under params.yaml's seed
    columns: {heading: "data/metrics/<stage>.json:dotted.key"}
    rows: {row: {set: {parameter: value}, paper: {heading: the paper's number}}}
"""

import copy
import functools
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from ruamel.yaml import YAML

from c2rl import command

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
SUITES = Path(__file__).parent / "suites"
PLACES = {"C2RL_DATA": "data/raw", "C2RL_SCRATCH": ".c2rl/runs"}
"""Folders that git ignores, so that they are missing where DVC runs an experiment."""

Seeds = Annotated[str | None, typer.Option(help="As 0,1,2; instead of the suite's own.")]
Contents = dict[str, Any]


class Run(NamedTuple):
    """A row under a seed."""

    name: str
    """Of its experiment."""
    row: str
    changes: Contents
    """Dotted parameter to value."""


class Experiment(NamedTuple):
    """A finished experiment."""

    params: Contents
    """Of params.yaml."""
    metrics: Contents
    """Path of a metrics file to what it holds."""


def read(name: str) -> Contents:
    """Read a suite.

    Args:
        name: A file of `pipeline/suites`, without suffix.

    Returns:
        Title, paper, base, seeds, columns and rows.

    Raises:
        ValueError: If there is no such suite.
    """
    known = sorted(path.stem for path in SUITES.glob("*.yaml"))
    if name not in known:
        raise ValueError(f"suite '{name}' is unknown. Known: {', '.join(known)}.")
    content: Contents = YAML(typ="safe", pure=True).load(SUITES / f"{name}.yaml")
    return content


def plan(suite: str, content: Contents, asked: str | None = None) -> list[Run]:
    """List what a suite runs, seed by seed, so that all rows can be compared after one seed.

    Args:
        suite: Its name.
        content: What `read` gave.
        asked: Seeds as on the command line; None for the suite's own.

    Returns:
        Every row under every seed.

    Raises:
        ValueError: If the seeds are no list of different numbers.
    """
    seeds: list[Any] = content.get("seeds") or [None]
    if asked is not None:
        seeds = [int(seed) if seed.isdecimal() else seed for seed in asked.split(",")]
        if len(set(seeds)) < len(seeds) or not all(isinstance(seed, int) for seed in seeds):
            raise ValueError(f"--seeds is '{asked}', expected different numbers, such as 0,1,2.")
    runs = []
    for seed in seeds:
        for row, spec in content["rows"].items():
            name, changes = f"{suite}-{row}".replace("_", "-"), content["base"] | spec["set"]
            if seed is not None:
                name, changes = f"{name}-s{seed}", changes | {"seed": seed}
            runs.append(Run(name, row, changes))
    return runs


def dvc(*arguments: str, stdout: int | None = None) -> str:
    """Run DVC.

    Args:
        arguments: Of its command line.
        stdout: `subprocess.PIPE`, or None to let it print.

    Returns:
        What went into the pipe.

    Raises:
        ValueError: If it failed.
    """
    # An experiment runs in a folder of its own. What git ignores stays here, so that a release is
    # found and a row that was killed goes on where it was.
    here = {
        name: str(Path(os.environ.get(name) or place).resolve()) for name, place in PLACES.items()
    }
    call = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(call, stdout=stdout, text=True, check=False, env=os.environ | here)
    if done.returncode:
        raise ValueError(f"`dvc {' '.join(arguments)}` failed with code {done.returncode}")
    return done.stdout or ""


def experiments() -> tuple[Contents, dict[str, Experiment]]:
    """Collect what DVC knows of the current commit.

    Returns:
        params.yaml as it is now, and the finished experiments by name.
    """
    told = json.loads(dvc("exp", "show", "--json", "--no-pager", stdout=subprocess.PIPE))
    now, found = {}, {}
    for commit in told:
        if commit["rev"] == "workspace":
            now = _files(commit["data"]["params"])["params.yaml"]
        for experiment in commit.get("experiments") or []:
            # One that still runs shows the commit's metrics for stages that it has not reached.
            state = (experiment.get("executor") or {}).get("state", "success")
            data = experiment["revs"][0].get("data")
            if state == "success" and data:
                params = _files(data["params"]).get("params.yaml", {})
                found[experiment["name"]] = Experiment(params, _files(data["metrics"]))
    return now, found


def _files(told: Contents) -> Contents:
    return {path: file["data"] for path, file in told.items() if "data" in file}


def changed(params: Contents, changes: Contents) -> Contents:
    """Change parameters as `dvc exp run -S` does.

    Args:
        params: Of params.yaml; left as they are.
        changes: Dotted parameter to value.

    Returns:
        The new ones.
    """
    new = copy.deepcopy(params)
    for dotted, value in changes.items():
        *sections, key = dotted.split(".")
        functools.reduce(dict.__getitem__, sections, new)[key] = value
    return new


def value(metrics: Contents, column: str) -> float | None:
    """Look a column up.

    Args:
        metrics: Of an experiment.
        column: File, colon, dotted key.

    Returns:
        The number; None where there is none.
    """
    path, _, dotted = column.partition(":")
    found: Any = metrics.get(path)
    for key in dotted.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, int | float) else None


def cell(values: list[float], planned: int, paper: float | None) -> str:
    """Write one cell of the table.

    Args:
        values: Of the finished seeds.
        planned: Seeds that shall run.
        paper: The paper's number, if it has one.

    Returns:
        Mean, sample standard deviation from two seeds on, how many are done if not all, and the
        paper's number in brackets.

    Example:
        >>> cell([37.8, 47.4], 3, 26.75)
        '42.6 ± 6.8 (2 of 3) [26.75]'
    """
    text = f"{statistics.mean(values):.1f}" if values else "–"
    if len(values) > 1:
        text += f" ± {statistics.stdev(values):.1f}"
    if values and len(values) < planned:
        text += f" ({len(values)} of {planned})"
    return text if paper is None else f"{text} [{paper}]"


def heading(content: Contents, params: list[Contents]) -> str:
    """Say what the table holds.

    Args:
        content: Of the suite.
        params: Of its runs.

    Returns:
        One line: whose numbers, of which dataset, over which seeds.
    """
    (dataset,) = {p["dataset"] for p in params}
    seeds = list(dict.fromkeys(str(p["seed"]) for p in params))
    ours = f"mean ± sample sd over seeds {', '.join(seeds)}" if seeds[1:] else f"seed {seeds[0]}"
    line = f"**{content['title']}.** Ours: dataset {dataset}, {ours}."
    if any(spec.get("paper") for spec in content["rows"].values()):
        source = content["paper"]
        other = "" if source["dataset"] == dataset else ", another dataset"
        line += (
            f" In [brackets] the paper's: {source['table']}, dataset {source['dataset']}{other}."
        )
    return line


@app.command()
def run(suite: str, seeds: Seeds = None) -> None:
    """Run what is not finished of SUITE; the workspace stays as it is."""
    runs = plan(suite, read(suite), seeds)
    now, done = experiments()
    failed = []
    for name, _, changes in runs:
        if name in done and done[name].params == changed(now, changes):
            typer.echo(f"{name}: finished")
            continue
        options = [
            part for key, new in changes.items() for part in ("-S", f"{key}={json.dumps(new)}")
        ]
        try:
            if name in done:
                raise ValueError(
                    f"it ran with another params.yaml; commit yours, or `dvc exp remove {name}`"
                )
            dvc("exp", "run", "--temp", "-n", name, *options)
        except ValueError as error:
            typer.echo(f"{name}: {error}", err=True)
            failed.append(name)
    if failed:
        raise ValueError(
            f"{len(failed)} of {len(runs)} runs failed: {', '.join(failed)}."
            " The others are finished; the same command runs what is missing."
        )


@app.command()
def show(suite: str, seeds: Seeds = None) -> None:
    """Print SUITE as a Markdown table: ours, and the paper's where it has a number."""
    content = read(suite)
    runs = plan(suite, content, seeds)
    now, done = experiments()
    params = {r.name: changed(now, r.changes) for r in runs}
    typer.echo(heading(content, list(params.values())) + "\n")
    typer.echo("| | " + " | ".join(content["columns"]) + " |")
    typer.echo("|---|" + "---|" * len(content["columns"]))
    for row, spec in content["rows"].items():
        names = [r.name for r in runs if r.row == row]
        kept = [done[n].metrics for n in names if n in done and done[n].params == params[n]]
        cells = []
        for title, column in content["columns"].items():
            found = [v for metrics in kept if (v := value(metrics, column)) is not None]
            cells.append(cell(found, len(names), spec.get("paper", {}).get(title)))
        typer.echo(f"| {row} | " + " | ".join(cells) + " |")
    others = [n for n in params if n in done and done[n].params != params[n]]
    if others:
        typer.echo(f"\nLeft out, for they ran with another params.yaml: {', '.join(others)}.")


if __name__ == "__main__":
    command.run(app)
