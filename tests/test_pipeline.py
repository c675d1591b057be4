"""The pipeline under DVC in a clone: what re-runs, what does not, what a seed fixes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small import small_params

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.pipeline


def run(folder: Path, *command: str, **variables: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(folder), "DVC_NO_ANALYTICS": "1", **variables}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


def dvc(folder: Path, *arguments: str, **variables: str) -> str:
    return run(folder, sys.executable, "-m", "dvc", *arguments, **variables)


def ran(output: str) -> set[str]:
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}


def metrics(folder: Path) -> dict[str, object]:
    return {p.stem: json.loads(p.read_text()) for p in (folder / "data/metrics").glob("*.json")}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone") / "c2rl"
    names = (
        "c2rl",
        "pipeline",
        "data/corpora",
        ".dvc/config",
        ".dvcignore",
        ".gitignore",
        "dvc.yaml",
    )
    for name in names:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    small_params(folder / "params.yaml")
    run(folder, "git", "init", "-q")
    run(folder, "git", "add", "-A")
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    run(folder, "git", *identity, "commit", "-qm", "clone")
    assert ran(dvc(folder, "repro")) == {
        *("prepare", "pretrain", "extract", "translate", "retrieve", "report"),
    }
    return folder


def test_a_second_run_runs_nothing(clone: Path) -> None:
    assert ran(dvc(clone, "repro")) == set()


def test_a_loss_weight_re_runs_from_pretrain(clone: Path) -> None:
    output = dvc(clone, "exp", "run", "-S", "loss.alpha=2")
    assert ran(output) == {"pretrain", "extract", "translate", "retrieve", "report"}
    assert "loss" in dvc(clone, "params", "diff")
    dvc(clone, "metrics", "diff")


def test_beams_re_run_translate_and_report_only(clone: Path) -> None:
    assert ran(dvc(clone, "exp", "run", "-S", "translate.beams=1")) <= {"translate", "report"}


def test_an_exponent_stays_a_number(clone: Path) -> None:
    output = dvc(clone, "exp", "run", "-S", "pretrain.lr=2e-5")
    assert "pretrain" in ran(output)


def test_the_same_seed_gives_the_same_metrics(clone: Path, tmp_path: Path) -> None:
    before = metrics(clone)
    # Elsewhere: a finished training's last state would be its result.
    scratch = {"C2RL_SCRATCH": str(tmp_path)}
    dvc(clone, "repro", "-f", "-s", "pretrain", "extract", "translate", "retrieve", **scratch)
    assert metrics(clone) == before


@pytest.mark.parametrize("name", ["phoenix14t", "csl_daily", "how2sign", "openasl"])
def test_a_native_release_reaches_the_metrics(clone: Path, miniature, name: str) -> None:
    made = miniature(name)
    root = str(made.root)
    check = "from c2rl.cli import main; main()"
    call = [sys.executable, "-c", check, "corpus", "check", name, "--root", root]
    subprocess.run(call, cwd=clone, env={**os.environ, "PYTHONPATH": str(clone)}, check=False)
    output = dvc(clone, "exp", "run", "-S", f"dataset={name}", C2RL_DATA=root)
    assert ran(output) == {"prepare", "pretrain", "extract", "translate", "retrieve", "report"}
    found = metrics(clone)
    usable = [clip for clip in made.clips if clip.split == "test" and clip.status == "ok"]
    assert found["prepare"]["test"]["clips"] == found["translate"]["test"]["n"] == len(usable)
    profile = {"phoenix14t": "phoenix.gfslt", "csl_daily": "csl.char"}.get(name, "en.sacre13a")
    assert found["translate"]["test"]["signature"].startswith(profile)
    groups = {clip.sentence if name == "openasl" else clip.group or clip.id for clip in usable}
    assert found["retrieve"]["test"]["grouped"]["pool"] == len(groups)
    assert found["retrieve"]["test"]["paired"]["pool"] == len(usable)
