"""Every code block of README.md and the guides runs as a reader would run it.

What a block names and a test cannot have (a licensed corpus, a hub, a cluster, a preset of the
paper's size) is there under the same name, smaller: `stand_ins` lists all of it. Blocks that run
stages are marked `pipeline`, the others `processes`.
"""

import csv
import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import hub_models
import numpy as np
import pytest
from films import film, write_video
from guide_blocks import Block, blocks
from small import ROOT, small_params

PAGES = ("README.md", "CONTRIBUTING.md", "data/README.md", "pipeline/README.md")
BLOCKS = [block for page in PAGES for block in blocks(ROOT, page)]
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.org")
NEEDS_DVC = re.compile(r"dvc (?!metrics show)|suite\.py")

PRELUDE = """\
set -euo pipefail
python3() {  # a reader's own environment; here it is there already
    test "$1 $2" = "-m venv" && mkdir -p "$3/bin" && : > "$3/bin/activate"
}
pip() { "$PYTHON" "$TESTS/told_to_pip.py" "$@"; }
c2rl() {
    if [ "$1" = demo ]; then "$PYTHON" "$TESTS/demo_answers.py"; else command c2rl "$@"; fi
}
dvc() {  # a reader goes on when the queue is done
    command dvc "$@"
    if [ "$*" = "queue start" ]; then
        while command dvc queue status | grep -E "Queued|Running" > /dev/null; do sleep 2; done
        ! command dvc queue status | grep Failed
    fi
}
ruff() { grep -qx "ruff $*" "$ROOT/.ci/run"; }  # done there, on all of it
mypy() { grep -qx mypy "$ROOT/.ci/run"; }
pytest() { grep -q ^pytest "$ROOT/.ci/run"; }
"""


def needs_dvc(block: Block) -> bool:
    return NEEDS_DVC.search(block.code) is not None


def params(*, dvc: bool) -> list[object]:
    mark = pytest.mark.pipeline if dvc else pytest.mark.processes
    return [
        pytest.param(block, id=block.name, marks=mark)
        for block in BLOCKS
        if needs_dvc(block) == dvc
    ]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is outside the project: corpora, a shared disk, a folder of models."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, world, elsewhere: Path) -> Path:
    """A project in which the pipeline has run, and a reader's own files."""
    folder = tmp_path_factory.mktemp("project") / "c2rl"
    for name in ("c2rl", "pipeline", "data/corpora", "data/suites", "tests/benchmarks"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for name in ("dvc.yaml", "pyproject.toml", "constraints.txt", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    for name in (".dvc/config", *(f"tests/{p.name}" for p in (ROOT / "tests").glob("*.py"))):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    small_params(folder / "params.yaml")
    shutil.copy(folder / "params.yaml", folder / "pipeline/presets/paper.yaml")
    for suite in (folder / "pipeline/suites").glob("*.yaml"):
        suite.write_text(re.sub(r"(?m)^seeds: .*", "seeds: [0]", suite.read_text()))
    for kind in ("frames", "encoders", "features", "translators", "retrievers"):
        made = world.path(kind)
        shutil.copytree(made, folder / "data" / kind / made.name)
    shutil.copytree(world.folder / "raw", folder / "data/raw")
    shutil.copytree(world.folder / "metrics", folder / "data/metrics")
    readers_files(folder)
    shared = elsewhere / "shared"
    shutil.copytree(folder / "data/encoders/synthsign", shared / "encoder")
    table(shared / "asl.csv", [folder / "clip.mp4", folder / "more.mp4"])
    run(folder, ["git", "init", "-q"])
    commit(folder, "a project")
    return folder


def commit(folder: Path, message: str) -> None:
    run(folder, ["git", "add", "-A"])
    run(folder, ["git", *IDENTITY, "commit", "-qm", message])


def readers_files(folder: Path) -> None:
    """Videos, tables and outputs of the reader's own, under the names that the pages use."""
    drawn = sorted((folder / "data/raw").glob("synthsign/*/videos/*/*.mp4"))
    (folder / "clips").mkdir()
    for name, film_ in zip(("clip", "my", "more", "clips/a", "clips/b"), drawn, strict=False):
        shutil.copy(film_, folder / f"{name}.mp4")
    still = film(num_frames=8, height=64)
    write_video(folder / "lecture.mp4", np.concatenate([still] * 16), fps=2)  # 64 s
    table(folder / "mine.csv", [folder / "my.mp4"])
    table(folder / "data/raw/table/table.csv", drawn, ("train", "train", "dev", "test"))
    for name in ("hypotheses", "references", "others"):
        verb = "tanzt" if name != "others" else "steht"
        (folder / f"{name}.txt").write_text(f"der mann {verb} heute\ndie frau sucht ein buch\n")


def table(path: Path, films: list[Path], splits: tuple[str, ...] = ("test",)) -> None:
    """Write a table of films, and copies of them beside it, where they are not there already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "path", "start", "end", "sentence", "split", "language"])
        for number, (one, split) in enumerate(zip(films, itertools.cycle(splits), strict=False)):
            if not (path.parent / one.name).exists():
                shutil.copy(one, path.parent)
            sentence = f"der mann tanzt {number} mal"
            rows.writerow([f"c{number}", one.name, "", "", sentence, split, "de"])


@pytest.fixture(scope="module")
def stand_ins(elsewhere: Path, miniature) -> dict[str, str]:
    """What the pages name, and what is there instead."""
    sentences = [f"der mann tanzt {number} mal" for number in range(40)]
    for backbone in ("mbart", "mt5"):
        hub_models.save(elsewhere / backbone, backbone, sentences)
    return {
        "/data/PHOENIX-2014-T-release-v3": str(miniature("phoenix14t").root),
        "/data/How2Sign": str(miniature("how2sign").root),
        "/shared": str(elsewhere / "shared"),
        "facebook/mbart-large-cc25": str(elsewhere / "mbart"),
        "/models/mt5-base": str(elsewhere / "mt5"),
        "RAY_ADDRESS=auto": "RAY_ADDRESS=local",  # a cluster of this machine alone
        "C2RL_DEVICES=16 C2RL_WORKERS=256": "C2RL_DEVICES=1 C2RL_WORKERS=2",
        "C2RL_DEVICES=8": "C2RL_DEVICES=1",
        "c2rl bench predict": "c2rl bench predict --clips 2 --rounds 3",
    }


def run(folder: Path, command: list[str], **variables: str) -> str:
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "PYTHON": sys.executable,
        "ROOT": str(ROOT),
        "TESTS": str(ROOT / "tests"),
        "DVC_NO_ANALYTICS": "1",
        "BROWSER": "true",
        **variables,
    }
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told[-3000:]
    assert "Traceback" not in told, told[-3000:]
    return told


def run_block(block: Block, folder: Path, stand_ins: dict[str, str]) -> str:
    code = block.code
    for named, there in stand_ins.items():
        code = code.replace(named, there)
    if block.language == "python":
        return run(folder, [sys.executable, "-c", code])
    assert block.language == "sh"
    # As the first task of an array of one, where a block is a SLURM script.
    task = {"ID": "0", "MIN": "0", "COUNT": "1"}
    array = {f"SLURM_ARRAY_TASK_{part}": value for part, value in task.items()}
    return run(folder, ["bash", "-c", PRELUDE + code], **array)


@pytest.mark.parametrize("block", params(dvc=False))
def test_a_block_runs(block: Block, project: Path, stand_ins: dict[str, str]) -> None:
    run_block(block, project, stand_ins)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Path:
    """The same project after `dvc repro` under two seeds, each committed."""
    folder = tmp_path_factory.mktemp("tracked") / "c2rl"
    shutil.copytree(project, folder)
    params = folder / "params.yaml"
    for seed in (1, 0):
        params.write_text(re.sub(r"(?m)^seed: \d", f"seed: {seed}", params.read_text()))
        run(folder, ["dvc", "repro"])
        commit(folder, f"seed {seed}")
    return folder


@pytest.mark.parametrize("block", params(dvc=True))
def test_a_block_runs_under_dvc(block: Block, tracked: Path, stand_ins: dict[str, str]) -> None:
    try:
        run_block(block, tracked, stand_ins)
    finally:
        run(tracked, ["git", "checkout", "-q", "-f", "."])
