"""Suites: sound files, every row under every seed, and a table that says what is finished."""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from c2rl.suites import columns, experiments, plan
from pipeline import suite

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "pipeline/suites").glob("*.yaml"))
PARAMS = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
PAPER = YAML(typ="safe", pure=True).load(ROOT / "pipeline/presets/paper.yaml")
ICL = {"loss.beta": 0}

TRIAL = """\
title: Effect of a trial
paper: {table: Table VII, dataset: phoenix14t}
seeds: [0, 1, 2]
columns:
  "test B@4": data/metrics/translate.json:test.bleu4
  "chance": data/metrics/pretrain.json:dev.alignment_chance
rows:
  icl: {set: {loss.beta: 0}, paper: {"test B@4": 24.83}}
  both_of_them: {set: {}}
"""


@pytest.mark.parametrize("params", [PARAMS, PAPER | {"dataset": "phoenix14t"}])
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_suite_is_sound_on_the_default_and_on_the_papers_preset(
    path: Path, params: dict[str, Any]
) -> None:
    content = plan.read(path.parent, path.stem)
    assert plan.plan(content, params)
    # The paper's ablations are on the test split.
    assert all(title.startswith("test ") for row in content.rows for title in row.paper)
    others = {name for name, command in content.imports.items() if "{store}" not in command}
    assert not others


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_column_is_a_number_that_a_stage_writes(path: Path, world) -> None:
    written = metrics_of(world)
    for column in plan.read(path.parent, path.stem).columns.values():
        assert experiments.value(written, column) is not None, column


def metrics_of(world) -> dict[str, Any]:
    return {
        f"data/metrics/{file.name}": json.loads(file.read_text())
        for file in (world.folder / "metrics").glob("*.json")
    }


def test_the_known_columns_are_what_the_stages_write(world) -> None:
    def numbers(content: dict[str, Any], before: str = "") -> set[str]:
        found = set()
        for key, own in content.items():
            if isinstance(own, dict):
                found |= numbers(own, f"{before}{key}.")
            elif isinstance(own, int | float):
                found.add(before + key)
        return found

    for path, content in metrics_of(world).items():
        stage = Path(path).stem
        written = set().union(*(numbers(own) for own in content.values()))
        told = {key for key in written if not key.startswith(("profiles.", "cropped."))}
        assert told == columns.KEYS[stage], stage


def test_rows_that_need_a_download_are_not_for_the_embedded_corpus() -> None:
    content = plan.read(ROOT / "pipeline/suites", "representations")
    here = {run.row for run in plan.plan(content, PARAMS, "0")}
    there = {run.row for run in plan.plan(content, PAPER | {"dataset": "phoenix14t"}, "0")}
    assert (len(here), len(there)) == (8, 12)
    assert all(row.endswith("-mbart_pretrained") for row in there - here)
    models = plan.read(ROOT / "pipeline/suites", "language_models")
    weights = {run.changes["translate.weights"] for run in plan.plan(models, PARAMS, "0")}
    assert weights == {"none"}


def test_the_papers_best_row_is_the_same_in_both_tables() -> None:
    tables = {p.stem: YAML(typ="safe", pure=True).load(p)["rows"] for p in FILES}
    assert tables["language_models"]["mbart"]["paper"] == tables["objectives"]["both"]["paper"]
    best = {"test B@4": 26.75, "test T2V R@1": 78.7, "test V2T R@1": 77.6}
    assert tables["objectives"]["both"] == tables["loss_weights"]["icl1-ecl1"]
    assert tables["objectives"]["both"] == {"set": {}, "paper": best}


def state(params: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    """What `dvc exp show --json` says of a revision (DVC 3.67), less what nobody reads here."""
    return {
        "rev": "3a390938f85bda26bba826564d97963af6b79cf8",
        "data": {
            "params": {"params.yaml": {"data": params}},
            "metrics": {path: {"data": content} for path, content in metrics.items()},
        },
        "error": None,
        "experiments": None,
    }


class FakeDvc:
    """Stands where `subprocess.run` stands."""

    def __init__(self) -> None:
        self.experiments: list[dict[str, Any]] = []
        self.params: dict[str, Any] = copy.deepcopy(PARAMS)
        self.broken: set[str] = set()
        self.deaths = 0
        """Times that the queue's workers die before they do anything."""
        self.outputs = Path()
        self.calls: list[list[str]] = []
        self.env: dict[str, str] = {}

    def finish(
        self,
        name: str,
        changes: dict[str, Any] | None = None,
        *,
        bleu4: float | None = None,
        executor: Any = None,
    ) -> None:
        files = {} if bleu4 is None else {"data/metrics/translate.json": {"test": {"bleu4": bleu4}}}
        revision = {**state(plan.changed(PARAMS, changes or {}), files), "name": name}
        self.experiments.append({"revs": [revision], "executor": executor, "name": name})

    def told(self, call: list[str]) -> dict[str, Any]:
        """Read the changes of a call."""
        pairs = [part.partition("=") for part in call[call.index("-S") :] if part != "-S"]
        return {key: json.loads(new) for key, _, new in pairs}

    def __call__(self, call: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if call[0] == "git":
            return subprocess.CompletedProcess(call, 0, "3a39093\n")
        assert call[:3] == [sys.executable, "-m", "dvc"]
        self.env = options["env"]
        if call[3:5] == ["exp", "show"]:
            metrics = {"data/metrics/translate.json": {"test": {"bleu4": 99.0}}}
            now = {**state(self.params, metrics), "rev": "workspace", "name": None}
            head = {**state(PARAMS, metrics), "name": "main", "experiments": self.experiments}
            return subprocess.CompletedProcess(call, 0, json.dumps([now, head]))
        self.calls.append(call[3:])
        if call[3:6] == ["exp", "run", "--queue"]:
            self.finish(call[7], self.told(call), bleu4=1.0, executor={"state": "queued"})
        if call[3:5] == ["queue", "start"] and self.deaths:
            self.deaths -= 1
        elif call[3] == "queue":
            for own in self.experiments:
                own["executor"] = None if own["name"] not in self.broken else {"state": "failed"}
        if call[3] == "get":
            name, path, out = call[7], Path(call[5]), Path(call[9])
            shutil.copy(self.outputs / name / path.name, out)
        if call[3] in {"queue", "get"} or "--queue" in call:
            return subprocess.CompletedProcess(call, 0, None)
        return subprocess.CompletedProcess(call, 255 if call[7] in self.broken else 0, None)


@pytest.fixture
def dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDvc:
    (tmp_path / "trial.yaml").write_text(TRIAL)
    (tmp_path / "plain.yaml").write_text(TRIAL.replace("seeds: [0, 1, 2]\n", ""))
    fake = FakeDvc()
    monkeypatch.setattr(suite, "SUITES", tmp_path)
    monkeypatch.setattr(subprocess, "run", fake)
    return fake


def call(*arguments: str) -> tuple[str, BaseException | None]:
    done = CliRunner().invoke(suite.app, arguments)
    return done.stdout, done.exception


def table(*arguments: str) -> list[str]:
    text, error = call("show", *arguments)
    assert error is None
    return text.splitlines()


def test_every_row_runs_once_a_seed(dvc: FakeDvc) -> None:
    assert call("run", "trial")[1] is None
    assert [c[4] for c in dvc.calls] == [
        *("trial-icl-s0", "trial-both-of-them-s0"),  # all rows of a seed before the next seed
        *("trial-icl-s1", "trial-both-of-them-s1", "trial-icl-s2", "trial-both-of-them-s2"),
    ]
    expected = ["exp", "run", "--temp", "-n", "trial-icl-s1", "-S", "loss.beta=0", "-S", "seed=1"]
    assert dvc.calls[2] == expected


def test_the_command_line_overrides_the_seeds(dvc: FakeDvc) -> None:
    assert call("run", "trial", "--seeds", "7")[1] is None
    assert [c[4] for c in dvc.calls] == ["trial-icl-s7", "trial-both-of-them-s7"]
    assert call("run", "plain", "--seeds", "3")[1] is None
    assert dvc.calls[-1] == ["exp", "run", "--temp", "-n", "plain-both-of-them-s3", "-S", "seed=3"]


def test_a_suite_without_seeds_runs_under_the_seed_of_the_parameters(dvc: FakeDvc) -> None:
    assert call("run", "plain")[1] is None
    assert dvc.calls == [
        ["exp", "run", "--temp", "-n", "plain-icl", "-S", "loss.beta=0"],
        ["exp", "run", "--temp", "-n", "plain-both-of-them"],
    ]
    assert "dataset synthsign, seed 0." in table("plain")[0]


@pytest.mark.parametrize("seeds", ["0,0", "a", "", "1,", "-1"])
def test_wrong_seeds_are_refused(dvc: FakeDvc, seeds: str) -> None:
    _, error = call("run", "trial", "--seeds", seeds)
    assert str(error) == f"--seeds is '{seeds}', expected different numbers, such as 0,1,2."
    assert dvc.calls == []


def test_an_unknown_suite_is_named_with_the_known(dvc: FakeDvc) -> None:
    assert str(call("show", "trail")[1]) == "suite 'trail' is unknown. Known: plain, trial."


def test_values_that_are_no_numbers_reach_dvc_as_yaml_has_them(dvc: FakeDvc) -> None:
    file = suite.SUITES / "trial.yaml"
    file.write_text(
        TRIAL.replace("loss.beta: 0", "frames.cap: null, pretrain.objective: gfslt_vlp")
    )
    assert call("run", "trial", "--seeds", "0")[1] is None
    assert dvc.calls[0][5:] == [
        *("-S", "frames.cap=null", "-S", 'pretrain.objective="gfslt_vlp"', "-S", "seed=0"),
    ]


def test_what_is_finished_does_not_run_again(dvc: FakeDvc) -> None:
    dvc.finish("trial-icl-s0", ICL, bleu4=1.0)
    text, _ = call("run", "trial", "--seeds", "0")
    assert text == "trial-icl-s0: finished\n"
    assert [c[4] for c in dvc.calls] == ["trial-both-of-them-s0"]


def test_a_row_that_fails_does_not_stop_the_others(dvc: FakeDvc) -> None:
    dvc.broken = {"trial-icl-s0", "trial-icl-s2"}
    _, error = call("run", "trial")
    assert len(dvc.calls) == 6
    assert isinstance(error, ValueError)  # `command.run` makes one line and exit code 1 of it
    assert str(error).startswith("2 of 6 runs failed: trial-icl-s0, trial-icl-s2. ")


def test_a_run_with_another_params_file_is_neither_taken_nor_overwritten(dvc: FakeDvc) -> None:
    dvc.finish("trial-both-of-them-s0", bleu4=30.0)
    dvc.params = copy.deepcopy(PARAMS) | {"dataset": "phoenix14t"}
    _, error = call("run", "trial", "--seeds", "0")
    assert [c[4] for c in dvc.calls] == ["trial-icl-s0"]
    assert str(error).startswith("1 of 2 runs failed: trial-both-of-them-s0.")
    lines = table("trial")
    assert "30.0" not in "".join(lines)
    assert lines[-1] == "Left out, for they ran with another params.yaml: trial-both-of-them-s0."


def test_a_run_without_its_seed_is_not_taken(dvc: FakeDvc) -> None:
    dvc.finish("trial-both-of-them-s1", {"seed": 0}, bleu4=30.0)
    assert "| both_of_them | – | – |" in table("trial")


def test_git_ignored_folders_are_those_of_the_checkout(
    dvc: FakeDvc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("C2RL_SCRATCH", raising=False)
    monkeypatch.setenv("C2RL_DATA", "corpora")
    table("trial")
    assert dvc.env["C2RL_SCRATCH"] == str(tmp_path / ".c2rl/runs")
    assert dvc.env["C2RL_DATA"] == str(tmp_path / "corpora")
    assert dvc.env["PATH"] == os.environ["PATH"]


def test_the_table_has_mean_and_sample_deviation_over_the_finished_seeds(dvc: FakeDvc) -> None:
    # (37.8 + 47.4) / 2 = 42.6; the sample's deviation is 9.6 / sqrt(2) = 6.788
    dvc.finish("trial-icl-s0", ICL, bleu4=37.8)
    dvc.finish("trial-icl-s2", ICL | {"seed": 2}, bleu4=47.4)
    for seed, bleu4 in enumerate((10.0, 11.0, 12.0)):
        dvc.finish(f"trial-both-of-them-s{seed}", {"seed": seed}, bleu4=bleu4)
    assert table("trial") == [
        "**Effect of a trial.** Ours: dataset synthsign, mean ± sample sd over seeds 0, 1, 2."
        " In [brackets] the paper's: Table VII, dataset phoenix14t, another dataset.",
        "",
        "| | test B@4 | chance |",
        "|---|---|---|",
        "| icl | 42.6 ± 6.8 (2 of 3) [24.83] | – |",
        "| both_of_them | 11.0 ± 1.0 | – |",
    ]


def test_one_seed_of_one_has_no_deviation(dvc: FakeDvc) -> None:
    dvc.finish("trial-both-of-them-s1", {"seed": 1}, bleu4=12.34)
    lines = table("trial", "--seeds", "1")
    assert lines[0].startswith("**Effect of a trial.** Ours: dataset synthsign, seed 1. In")
    assert lines[-2:] == ["| icl | – [24.83] | – |", "| both_of_them | 12.3 | – |"]


def test_on_the_papers_own_dataset_the_table_does_not_warn(dvc: FakeDvc) -> None:
    dvc.params = copy.deepcopy(PARAMS) | {"dataset": "phoenix14t"}
    assert table("trial")[0].endswith("the paper's: Table VII, dataset phoenix14t.")


def test_a_suite_without_a_paper_does_not_speak_of_it(dvc: FakeDvc) -> None:
    rows = TRIAL.replace(', paper: {"test B@4": 24.83}', "")
    (suite.SUITES / "trial.yaml").write_text(rows)
    lines = table("trial")
    assert lines[0].endswith("over seeds 0, 1, 2.")
    assert lines[-2:] == ["| icl | – | – |", "| both_of_them | – | – |"]


@pytest.mark.parametrize("where", ["running", "queued", "failed"])
def test_a_run_that_is_not_finished_is_not_shown(dvc: FakeDvc, where: str) -> None:
    # A running one carries the metrics that the commit has for stages still to come.
    dvc.finish("trial-both-of-them-s0", bleu4=99.0, executor={"state": where, "name": "tempdir"})
    assert "| both_of_them | – | – |" in table("trial")


def test_a_revision_that_dvc_cannot_read_is_not_shown(dvc: FakeDvc) -> None:
    dvc.finish("trial-both-of-them-s0")
    dvc.experiments[0]["revs"][0] |= {"data": None, "error": {"msg": "broken", "type": ""}}
    assert "| both_of_them | – | – |" in table("trial")


def test_an_unreadable_metrics_file_is_a_missing_number(dvc: FakeDvc) -> None:
    dvc.finish("trial-both-of-them-s0", bleu4=1.0)
    metrics = dvc.experiments[0]["revs"][0]["data"]["metrics"]
    metrics["data/metrics/translate.json"] = {"error": {"type": "FileNotFoundError", "msg": ""}}
    assert "| both_of_them | – | – |" in table("trial")


def test_several_run_at_a_time_by_dvcs_own_queue(dvc: FakeDvc) -> None:
    dvc.broken = {"trial-icl-s1"}
    _, error = call("run", "trial", "--seeds", "0,1", "--jobs", "2")
    names = ["trial-icl-s0", "trial-both-of-them-s0", "trial-icl-s1", "trial-both-of-them-s1"]
    assert [c[4] for c in dvc.calls[:4]] == names
    assert dvc.calls[4:] == [["queue", "start", "--jobs", "2"]]
    assert str(error).startswith("1 of 4 runs failed: trial-icl-s1. ")


def test_a_worker_that_died_is_started_again(dvc: FakeDvc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "_POLL_S", 0)
    dvc.deaths = 3
    text, error = call("run", "trial", "--seeds", "0", "--jobs", "2")
    assert error is None
    assert text.splitlines() == ["trial-icl-s0: success", "trial-both-of-them-s0: success"]
    assert dvc.calls[2:] == 4 * [["queue", "start", "--jobs", "2"]]


def test_what_the_queue_lost_is_given_up_and_taken_out_of_it(
    dvc: FakeDvc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments, "_POLL_S", 0)
    dvc.deaths = 1000
    _, error = call("run", "trial", "--seeds", "0", "--jobs", "2")
    assert str(error).startswith("2 of 2 runs failed: trial-icl-s0, trial-both-of-them-s0. ")
    assert dvc.calls[-1] == ["queue", "remove", "trial-icl-s0", "trial-both-of-them-s0"]


@pytest.mark.parametrize(
    ("jobs", "told", "expected"), [(2, None, "1"), (2, "5", "5"), (9, None, "1")]
)
def test_trainings_side_by_side_share_the_cores(
    dvc: FakeDvc, monkeypatch: pytest.MonkeyPatch, jobs: int, told: str | None, expected: str
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    starting = []
    usual = FakeDvc.__call__

    def spy(self: FakeDvc, call: list[str], **options: Any) -> Any:
        if call[3:5] == ["queue", "start"]:
            starting.append(options["env"]["OMP_NUM_THREADS"])
        return usual(self, call, **options)

    monkeypatch.setattr(FakeDvc, "__call__", spy)
    call("run", "trial", "--seeds", "0", "--jobs", str(jobs))
    assert starting == [expected]


def test_what_is_queued_already_is_not_queued_twice(dvc: FakeDvc) -> None:
    waiting = {"state": "running", "name": "dvc-task"}
    dvc.finish("trial-icl-s0", ICL | {"seed": 0}, executor=waiting)
    assert call("run", "trial", "--seeds", "0", "--jobs", "2")[1] is None
    queued, started = dvc.calls
    assert queued[:5] == ["exp", "run", "--queue", "-n", "trial-both-of-them-s0"]
    assert started == ["queue", "start", "--jobs", "2"]


IMPORTED = TRIAL.replace("rows:", 'imports: {slrt: "import it to {store}"}\nrows:').replace(
    "icl: {set: {loss.beta: 0}", "icl: {import: slrt"
)


def test_a_row_of_features_that_are_not_there_is_left_out_with_the_command(
    dvc: FakeDvc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (suite.SUITES / "trial.yaml").write_text(IMPORTED)
    monkeypatch.setenv("C2RL_DATA", str(tmp_path))
    store = tmp_path / "imports/synthsign-slrt.zarr"
    assert call("run", "trial", "--seeds", "0")[1] is None
    assert [c[4] for c in dvc.calls] == ["trial-both-of-them-s0"]
    told = f"icl: {store} does not exist; `import it to {store}` makes it."
    assert table("trial", "--seeds", "0")[-1] == told
    store.mkdir(parents=True)
    assert call("run", "trial", "--seeds", "0")[1] is None
    assert dvc.calls[1][5:7] == ["-S", 'extract.imported="imports/synthsign-slrt.zarr"']
    assert "does not exist" not in table("trial", "--seeds", "0")[-1]


def test_a_table_is_written_for_programs_the_eye_and_the_report(
    dvc: FakeDvc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dvc.finish("trial-icl-s0", ICL | {"seed": 0}, bleu4=37.5)
    lines = table("trial", "--format", "csv", "--chart", "t.svg")
    assert lines[1] == "icl,test B@4,37.5,,1,3,24.83"
    assert "icl" in Path("t.svg").read_text()
    table("trial", "--keep")
    kept = json.loads(Path("data/suites/trial.json").read_text())
    cell = kept["rows"][0]["cells"][0]
    assert cell == {"mean": 37.5, "sd": None, "n": 1, "paper": 24.83}
    assert kept["commit"] == "3a39093"
    assert kept["command"] == "python pipeline/suite.py run trial"
    assert "core" in kept["machine"] or " x " in kept["machine"]
    assert table("trial", "--format", "json") == json.dumps(kept, indent=2).splitlines()


def test_rows_are_compared_over_the_seeds_that_both_have(dvc: FakeDvc, tmp_path: Path) -> None:
    dvc.outputs = tmp_path / "outputs"
    for name, changes, said in (
        ("trial-icl-s0", ICL | {"seed": 0}, "es regnet heute im ganzen norden"),
        ("trial-icl-s2", ICL | {"seed": 2}, "es regnet"),
        ("trial-both-of-them-s0", {"seed": 0}, "es regnet morgen im ganzen norden"),
    ):
        dvc.finish(name, changes, bleu4=1.0)
        home = dvc.outputs / name
        home.mkdir(parents=True)
        (home / "config.json").write_text('{"profile": "phoenix.gfslt"}')
        row = {"id": "a", "hypothesis": said, "reference": "es regnet heute im ganzen norden"}
        (home / "predictions.test.jsonl").write_text(json.dumps(row) + "\n")
    lines = table("trial", "--compare", "both_of_them")
    assert lines[-2] == "icl less both_of_them"
    assert lines[-1].startswith("    test B@4: 100.0 - ")
    assert lines[-1].endswith("(1 seed, 1 queries)")


def test_a_row_to_compare_with_that_is_none_is_one_line(dvc: FakeDvc) -> None:
    _, error = call("show", "trial", "--compare", "all")
    assert str(error) == "--compare is 'all', which is no row of trial: icl, both_of_them"


SCRIPT = """\
import json
from ruamel.yaml import YAML
params = YAML(typ="safe").load(open("params.yaml"))
assert (params["loss"]["beta"], params["seed"]) != (0, 1), "this one fails"
bleu4 = 20 + params["seed"] + params["loss"]["beta"]
json.dump({"test": {"bleu4": bleu4}}, open("data/metrics/translate.json", "w"))
"""
STAGE = """\
stages:
  translate:
    cmd: python translate.py
    deps: [translate.py]
    params: [dataset, seed, loss]
    metrics: [{data/metrics/translate.json: {cache: false}}]
"""


@pytest.mark.pipeline
def test_dvc_understands_and_is_understood(tmp_path: Path) -> None:
    (tmp_path / "data/metrics").mkdir(parents=True)
    (tmp_path / "pipeline/suites").mkdir(parents=True)
    shutil.copy(ROOT / "pipeline/suite.py", tmp_path / "pipeline")
    (tmp_path / "pipeline/suites/trial.yaml").write_text(TRIAL)
    (tmp_path / "translate.py").write_text(SCRIPT)
    (tmp_path / "dvc.yaml").write_text(STAGE)
    (tmp_path / "params.yaml").write_text(json.dumps(PARAMS))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    run("git", "init", "-q")
    run(sys.executable, "-m", "dvc", "init", "-q")
    run(sys.executable, "-m", "dvc", "repro")
    run("git", "add", "-A")
    run("git", *identity, "commit", "-qm", "trial")
    script = (sys.executable, "pipeline/suite.py")
    done = run(*script, "run", "trial", "--seeds", "0,1")
    assert done.returncode == 1
    assert "c2rl: 1 of 4 runs failed: trial-icl-s1." in done.stderr
    assert run("git", "status", "--porcelain").stdout == ""
    assert run(*script, "show", "trial").stdout.splitlines()[-2:] == [
        "| icl | 20.0 (1 of 3) [24.83] | – |",
        "| both_of_them | 21.5 ± 0.7 (2 of 3) | – |",
    ]
    again = run(*script, "run", "trial", "--seeds", "0")
    assert again.returncode == 0
    assert again.stdout.splitlines() == [
        *("trial-icl-s0: finished", "trial-both-of-them-s0: finished"),
    ]
