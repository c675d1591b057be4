"""Run an ablation suite through DVC's experiments, and show it beside the paper's numbers."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import typer
from ruamel.yaml import YAML

from c2rl import command

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
SUITES = Path(__file__).parent / "suites"


def read(name: str) -> dict[str, Any]:
    """Read a suite.

    Args:
        name: A file of `pipeline/suites`, without suffix.

    Returns:
        Title, base, columns and rows.

    Raises:
        ValueError: If there is no such suite.
    """
    known = sorted(path.stem for path in SUITES.glob("*.yaml"))
    if name not in known:
        raise ValueError(f"suite '{name}' is unknown. Known: {', '.join(known)}.")
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(SUITES / f"{name}.yaml")
    return content


def dvc(*arguments: str) -> str:
    """Run DVC and give what it printed.

    Raises:
        ValueError: If it failed.
    """
    call = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise ValueError(f"`dvc {' '.join(arguments)}` failed with code {done.returncode}")
    return done.stdout


def finished() -> dict[str, dict[str, Any]]:
    """Collect the metrics files of all finished experiments on the current commit, by name."""
    found = {}
    for commit in json.loads(dvc("exp", "show", "--json", "--no-pager")):
        for experiment in commit.get("experiments") or []:
            for revision in experiment["revs"]:
                metrics = (revision.get("data") or {}).get("metrics")
                if metrics:
                    found[experiment["name"]] = {k: v.get("data") for k, v in metrics.items()}
    return found


def value(metrics: dict[str, Any], column: str) -> float | None:
    """Look a column up: file, colon, dotted key."""
    path, _, dotted = column.partition(":")
    found: Any = metrics.get(path)
    for key in dotted.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, int | float) else None


@app.command()
def run(suite: str) -> None:
    """Run the rows of SUITE that are not finished; the workspace stays as it is."""
    content, done = read(suite), finished()
    for row, spec in content["rows"].items():
        name = f"{suite.replace('_', '-')}-{row}"
        if name in done:
            typer.echo(f"{name}: finished")
            continue
        changes = {**content["base"], **spec["set"]}
        options = [part for key, new in changes.items() for part in ("-S", f"{key}={new}")]
        typer.echo(dvc("exp", "run", "--temp", "-n", name, *options))


@app.command()
def show(suite: str) -> None:
    """Print SUITE as a table: ours (the paper's)."""
    content, done = read(suite), finished()
    typer.echo(f"{content['title']}: ours (the paper's)\n")
    typer.echo("| | " + " | ".join(content["columns"]) + " |")
    typer.echo("|---|" + "---|" * len(content["columns"]))
    for row, spec in content["rows"].items():
        metrics = done.get(f"{suite.replace('_', '-')}-{row}", {})
        ours = [value(metrics, column) for column in content["columns"].values()]
        cells = [
            f"{'–' if mine is None else f'{mine:.2f}'} ({paper})"
            for mine, paper in zip(ours, spec["paper"], strict=True)
        ]
        typer.echo(f"| {row} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    command.run(app)
