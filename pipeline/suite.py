"""Run an ablation suite through DVC's experiments, and show it beside the paper's numbers.

A suite is a file of `pipeline/suites`; `c2rl/suites/plan.py` tells what it may hold.
"""

import json
import os
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from c2rl import command, provenance
from c2rl.suites import chart, compare, experiments, plan, table
from c2rl.suites.plan import Run, Suite

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
SUITES = Path(__file__).parent / "suites"
KEPT = Path("data/suites")
"""Finished tables that the report shows."""

Seeds = Annotated[str | None, typer.Option(help="As 0,1,2; instead of the suite's own.")]


@app.command()
def run(
    suite: str,
    seeds: Seeds = None,
    jobs: Annotated[int, typer.Option(min=1, help="Experiments at a time, by DVC's queue.")] = 1,
) -> None:
    """Run what is not finished of SUITE; the workspace stays as it is."""
    content = plan.read(SUITES, suite)
    known = experiments.known()
    runs = plan.plan(content, known.params, seeds)
    failed, todo = [], []
    for one in runs:
        done = known.finished.get(one.name)
        if done is not None and done.params == plan.changed(known.params, one.changes):
            typer.echo(f"{one.name}: finished")
        elif done is not None:
            typer.echo(
                f"{one.name}: it ran with another params.yaml; commit yours, or `dvc exp remove"
                f" {one.name}`",
                err=True,
            )
            failed.append(one.name)
        elif (absent := _absent(content, one)) is not None:
            typer.echo(f"{one.name}: left out; {absent}", err=True)
        else:
            todo.append(one)
    failed += _run(todo, jobs)
    if failed:
        raise ValueError(
            f"{len(failed)} of {len(runs)} runs failed: {', '.join(failed)}."
            " The others are finished; the same command runs what is missing."
        )


def _run(todo: list[Run], jobs: int) -> list[str]:
    """Run rows; gives the names of those that failed."""
    if jobs > 1 and todo:
        return experiments.run_together(todo, jobs, tell=typer.echo)
    failed = []
    for one in todo:
        try:
            experiments.run(one)
        except ValueError as error:
            typer.echo(f"{one.name}: {error}", err=True)
            failed.append(one.name)
    return failed


def _absent(suite: Suite, one: Run) -> str | None:
    """Tell how to make features that a row learns from and that are not there."""
    (row,) = (row for row in suite.rows if row.name == one.row)
    if row.imported is None:
        return None
    store = experiments.data_folder() / one.changes["extract.imported"]
    if store.is_dir():
        return None
    how = suite.imports[row.imported].format(store=store)
    return f"{store} does not exist; `{how}` makes it"


@app.command()
def show(
    suite: str,
    seeds: Seeds = None,
    form: Annotated[
        Literal["markdown", "csv", "json"], typer.Option("--format", help="Of what is printed.")
    ] = "markdown",
    against: Annotated[
        str | None, typer.Option("--compare", help="Row that all others are compared with.")
    ] = None,
    drawing: Annotated[Path | None, typer.Option("--chart", help="SVG file to write.")] = None,
    keep: Annotated[bool, typer.Option(help="Put the table into data/suites too.")] = False,
) -> None:
    """Print SUITE as a table: ours, and the paper's where it has a number."""
    content = plan.read(SUITES, suite)
    known = experiments.known()
    runs = plan.plan(content, known.params, seeds)
    found = table.build(content, runs, known)
    told = {"markdown": table.markdown, "csv": table.as_csv}
    typer.echo(told[form](found) if form in told else json.dumps(_kept(suite, found), indent=2))
    if form == "markdown":
        for row in content.rows:
            reasons = {_absent(content, one) for one in runs if one.row == row.name} - {None}
            for reason in reasons:
                typer.echo(f"\n{row.name}: {reason}.")
    if drawing is not None:
        provenance.write_atomic(drawing, chart.svg(found))
    if keep:
        provenance.write_json(KEPT / f"{suite}.json", _kept(suite, found))
    if against is not None:
        _compare(content, runs, known, against)


def _compare(suite: Suite, runs: list[Run], known: experiments.Known, against: str) -> None:
    """Print each row's difference from one of them, over the seeds that both have finished."""
    if against not in {row.name for row in suite.rows}:
        rows = ", ".join(row.name for row in suite.rows)
        raise ValueError(f"--compare is '{against}', which is no row of {suite.name}: {rows}")
    done = {
        (one.row, one.changes.get("seed")): one.name
        for one in runs
        if one.name in known.finished
        and known.finished[one.name].params == plan.changed(known.params, one.changes)
    }
    with tempfile.TemporaryDirectory() as folder:
        for row in suite.rows:
            common = [s for name, s in done if name == row.name and (against, s) in done]
            if row.name == against or not common:
                continue
            pairs = [[done[name, seed] for seed in common] for name in (row.name, against)]
            datasets = {known.finished[name].params["dataset"] for pair in pairs for name in pair}
            if len(datasets) > 1:
                continue  # other clips: nothing is paired
            typer.echo(f"\n{row.name} less {against}")
            for title, column in suite.columns.items():
                if compare.can(column):
                    difference = compare.compare(
                        title, column, *pairs, dataset=datasets.copy().pop(),
                        fetch=lambda name, path: experiments.fetch(name, path, Path(folder)),
                    )  # fmt: skip
                    typer.echo(f"    {difference.text}")


def _kept(suite: str, found: table.Table) -> dict[str, Any]:
    """Add where the numbers come from."""
    commit = subprocess.run(
        ("git", "rev-parse", "--short", "HEAD"), capture_output=True, text=True, check=False
    ).stdout.strip()
    return table.as_json(found) | {
        "commit": commit,
        "machine": _machine(),
        "command": f"python pipeline/suite.py run {suite}",
    }


def _machine() -> str:
    import torch  # a second to import

    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores of {names[0] if names else platform.machine()}, no GPU"


if __name__ == "__main__":
    command.run(app)
