"""DVC's experiments: what is finished, and how the rest is run; the only place that calls `dvc`."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from c2rl.suites.plan import Contents, Run

_PLACES = {"C2RL_DATA": "data/raw", "C2RL_SCRATCH": ".c2rl/runs"}
"""Folders that git ignores, so that they are missing where DVC runs an experiment."""
_POLL_S = 30.0
_WAITING = {"queued", "running"}
_PATIENCE = 10
"""Looks at a queue of which nothing runs, before what is left in it is given up."""


class Experiment(NamedTuple):
    """An experiment that DVC knows of."""

    params: Contents
    """Of params.yaml."""
    metrics: Contents
    """Path of a metrics file to what it holds."""
    state: str
    """success, queued, running or failed."""


class Known(NamedTuple):
    """What DVC knows of the current commit."""

    params: Contents
    """Of params.yaml as it is now."""
    experiments: dict[str, Experiment]
    """By name."""

    @property
    def finished(self) -> dict[str, Experiment]:
        """Those that succeeded."""
        return {name: own for name, own in self.experiments.items() if own.state == "success"}


def dvc(*arguments: str, stdout: int | None = None, threads: int | None = None) -> str:
    """Run DVC.

    Args:
        arguments: Of its command line.
        stdout: `subprocess.PIPE`, or None to let it print.
        threads: Of each process that computes, unless `OMP_NUM_THREADS` says; None: all cores'.

    Returns:
        What went into the pipe.

    Raises:
        ValueError: If it failed.
    """
    # An experiment runs in a folder of its own. What git ignores stays here, so that a release is
    # found and a row that was killed goes on where it was.
    here = {
        name: str(Path(os.environ.get(name) or place).resolve()) for name, place in _PLACES.items()
    }
    if threads is not None and "OMP_NUM_THREADS" not in os.environ:
        here["OMP_NUM_THREADS"] = str(threads)
    call = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(call, stdout=stdout, text=True, check=False, env=os.environ | here)
    if done.returncode:
        raise ValueError(f"`dvc {' '.join(arguments)}` failed with code {done.returncode}")
    return done.stdout or ""


def data_folder() -> Path:
    """Tell where corpora and imported features lie."""
    return Path(os.environ.get("C2RL_DATA") or _PLACES["C2RL_DATA"])


def known() -> Known:
    """Ask DVC what it knows of the current commit."""
    told = json.loads(dvc("exp", "show", "--json", "--no-pager", stdout=subprocess.PIPE))
    now, found = {}, {}
    for commit in told:
        if commit["rev"] == "workspace":
            now = _files(commit["data"]["params"])["params.yaml"]
        for experiment in commit.get("experiments") or []:
            # One that still runs shows the commit's metrics for stages that it has not reached.
            state = (experiment.get("executor") or {}).get("state", "success")
            data = experiment["revs"][0].get("data")
            if data or state != "success":
                params = _files(data["params"]).get("params.yaml", {}) if data else {}
                metrics = _files(data["metrics"]) if data else {}
                found[experiment["name"]] = Experiment(params, metrics, state)
    return Known(now, found)


def _files(told: Contents) -> Contents:
    return {path: file["data"] for path, file in told.items() if "data" in file}


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


def run(one: Run) -> None:
    """Run a row in a folder of its own; the workspace stays as it is.

    Args:
        one: Row and seed.

    Raises:
        ValueError: If it failed.
    """
    dvc("exp", "run", "--temp", "-n", one.name, *_settings(one))


def run_together(runs: Sequence[Run], jobs: int, *, tell: Callable[[str], Any]) -> list[str]:
    """Run rows side by side by DVC's own queue, and wait for them.

    Args:
        runs: Rows and seeds, none of them finished.
        jobs: How many at a time.
        tell: Given a line when one of them ends.

    Returns:
        Names of those that failed.
    """
    waiting = {name for name, own in known().experiments.items() if own.state in _WAITING}
    for one in runs:
        if one.name not in waiting:  # of a call that was killed: its workers went on
            dvc("exp", "run", "--queue", "-n", one.name, *_settings(one))
    # All together as many threads as there are cores: trainings that fight for a core all wait.
    threads = max(1, (os.cpu_count() or 1) // jobs)
    states = dict.fromkeys((one.name for one in runs), "queued")
    idle = 0
    while idle < _PATIENCE:
        # Each time: a worker dies where it reads a message of DVC's queue that is half written.
        dvc("queue", "start", "--jobs", str(jobs), threads=threads, stdout=subprocess.PIPE)
        found = known().experiments
        for name in states:
            state = found[name].state if name in found else "failed"
            if state not in _WAITING and states[name] in _WAITING:
                tell(f"{name}: {state}")
            states[name] = state
        if not _WAITING & {*states.values()}:
            break
        idle = 0 if "running" in states.values() else idle + 1
        time.sleep(_POLL_S)
    if lost := [name for name, state in states.items() if state == "queued"]:
        dvc("queue", "remove", *lost)
    return [name for name, state in states.items() if state != "success"]


def _settings(one: Run) -> list[str]:
    return [part for key, new in one.changes.items() for part in ("-S", f"{key}={json.dumps(new)}")]


def fetch(experiment: str, path: str, to: Path) -> Path:
    """Take a file out of an experiment's outputs.

    Args:
        experiment: Its name.
        path: Of the file in the project.
        to: Folder to put it in.

    Returns:
        The file.

    Raises:
        ValueError: If DVC does not have it.
    """
    out = to / f"{experiment}-{Path(path).name}"
    dvc("get", ".", path, "--rev", experiment, "-o", str(out), "-f", "-q")
    return out
