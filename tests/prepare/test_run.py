import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from films import film, unpack, write_video

from c2rl import config
from c2rl.corpora.clip import Choice, Clip
from c2rl.prepare import check, decoding, release, run
from c2rl.store import shards
from c2rl.store.frames import FrameStore
from c2rl.video import pool
from c2rl.video.crop import decode_clip

KNOBS = {
    "size": "tiny", "language": "de", "seed": 0, "vocabulary": 36, "signers": 8,
    "reordering": 1.0, "noise": 1.0,
}  # fmt: skip
STORED = {"size": 24, "codec": "jpeg", "quality": 95}
READING = {"labels": "release", "repair_text": False}
CROP = {
    "method": "corpus", "weights": "none", "box": "extent",
    "frames": 5, "score": 0.5, "margin": 0.1,
}  # fmt: skip
SECTIONS = {"synthsign": KNOBS, "prepare": READING, "crop": CROP, "frames": STORED}
PARAMS = config.PrepareParams(dataset="table", **SECTIONS)
ROOT = Path(__file__).parents[2]


class Project:
    """A folder with a corpus `table` of generated videos, and the paths that dvc.yaml gives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "data/raw/table"
        self.release = folder / "data/corpora/table.json"
        self.frames = folder / "data/frames/table"
        self.metrics = folder / "data/metrics/prepare.json"
        self.scratch = folder / ".c2rl/runs"
        self.root.mkdir(parents=True)
        self.release.parent.mkdir(parents=True)
        self.lines: list[dict[str, str]] = []

    def add(self, name: str, split: str, path: str | None = None, **values: str) -> None:
        line = {"id": name, "path": path or f"{name}.mp4", "start": "", "end": "", "box": ""}
        self.lines.append(line | {"sentence": "a sentence", "split": split} | values)
        if path is None:
            write_video(self.root / f"{name}.mp4", film(4 + len(self.lines)))

    def write(self) -> None:
        with (self.root / "table.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self.lines[0]))
            writer.writeheader()
            writer.writerows(self.lines)
        self.release.write_text(json.dumps(check.examine("table", self.root, Choice())[1]))

    def prepare(self) -> FrameStore:
        run.prepare(PARAMS, release=self.release, frames=self.frames, metrics=self.metrics)
        return FrameStore(self.frames)

    def prepare_afresh(self) -> FrameStore:
        shutil.rmtree(self.frames, ignore_errors=True)
        shutil.rmtree(self.scratch, ignore_errors=True)
        return self.prepare()

    def run_apart(self, before: str) -> subprocess.CompletedProcess[str]:
        code = f"""
            import os, resource, signal
            from pathlib import Path
            from c2rl import config
            from c2rl.prepare import run
            from c2rl.store import shards
            shards.SHARD = 2
            params = config.PrepareParams(dataset="table", **{SECTIONS})
            if __name__ == "__main__":
                {before}
                run.prepare(params, release=Path({str(self.release)!r}),
                            frames=Path({str(self.frames)!r}), metrics=Path({str(self.metrics)!r}))
            """
        script = self.folder / "script.py"
        script.write_text(textwrap.dedent(code))
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, script],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
        )


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("C2RL_WORKERS", "1")
    monkeypatch.delenv("C2RL_DATA", raising=False)
    monkeypatch.delenv("C2RL_SCRATCH", raising=False)
    made = Project(tmp_path)
    for number, split in enumerate(["train"] * 4 + ["dev", "test"]):
        made.add(f"clip{number}", split)
    made.write()
    return made


def test_the_store_holds_every_clip_as_the_direct_route_decodes_it(project):
    store = project.prepare()
    assert [row.clip.id for row in store.rows] == [f"clip{n}" for n in range(6)]
    assert [row.num_frames for row in store.rows] == [5, 6, 7, 8, 9, 10]
    assert [store.rows[i].clip.id for i in store.split("dev")] == ["clip4"]
    direct = decode_clip(project.root / "clip4.mp4", Clip("", "", "", "", ""), **STORED)
    stored = store.read(4, range(9))
    np.testing.assert_array_equal(unpack(stored), unpack(direct.frames))
    assert store.rows[4].decoder == direct.decoder == "pyav"
    (scratch,) = project.scratch.iterdir()
    assert [path.name for path in scratch.iterdir()] == ["frames"]


def test_metrics_are_flat_by_split_and_deterministic(project):
    project.prepare()
    first = project.metrics.read_bytes()
    project.prepare_afresh()
    assert project.metrics.read_bytes() == first
    train = json.loads(first)["train"]
    assert (train["clips"], train["frames"], train["failed"]) == (4, 26, {})
    assert train["hours"] == round(26 / 25 / 3600, 4)


def test_bad_clips_become_a_status_and_are_told(project, capsys):
    (project.root / "text.mp4").write_text("no video" * 99)
    (project.root / "empty.mp4").touch()
    project.add("text", "train", "text.mp4")
    project.add("empty", "train", "empty.mp4")
    project.add("absent", "train", "absent.mp4")
    project.add("outside", "train", "../../secret.mp4")
    project.add("late", "dev", "clip0.mp4", start="99", end="100")
    project.add("beside", "dev", "clip0.mp4", box="900 900 950 950")
    project.add("silent", "test", "clip5.mp4", sentence=" ")
    project.write()
    store = project.prepare()
    statuses = {row.clip.id: row.status for row in store.manifest if row.status != "ok"}
    assert statuses == {
        "text": "decode_error", "empty": "empty_video", "absent": "missing_file",
        "outside": "unsafe_path", "late": "bad_segment", "beside": "bad_box",
        "silent": "no_sentence",
    }  # fmt: skip
    assert all(
        row.reason and "\n" not in row.reason for row in store.manifest if row.status != "ok"
    )
    assert len(store) == 6
    assert json.loads(project.metrics.read_text())["dev"]["failed"] == {
        "bad_box": 1, "bad_segment": 1,
    }  # fmt: skip
    assert "1 clips left out, missing_file: absent" in capsys.readouterr().err


def test_the_store_is_the_same_with_any_number_of_workers(project, monkeypatch):
    monkeypatch.setattr(shards, "SHARD", 4)
    first = project.prepare().meta
    monkeypatch.setenv("C2RL_WORKERS", "2")
    monkeypatch.setattr(shards, "SHARD", 3)
    second = project.prepare_afresh().meta
    assert (first.fingerprint, first.files) == (second.fingerprint, second.files)


def test_a_killed_run_goes_on_where_it_was(project, monkeypatch):
    killed = project.run_apart(
        "save = shards.save; shards.save = "
        "lambda *a, **b: (save(*a, **b), os.kill(os.getpid(), signal.SIGKILL))"
    )
    assert killed.returncode == -signal.SIGKILL
    assert not project.frames.exists()
    monkeypatch.setattr(shards, "SHARD", 2)
    given = []
    monkeypatch.setattr(pool, "run", _recorded(pool.run, given))
    resumed = project.prepare().meta
    assert given == [f"clip{n}" for n in range(2, 6)]
    assert project.prepare_afresh().meta.files == resumed.files


KILL = "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize(
    "where",
    [
        f"kept.keep = lambda *a: {KILL}",  # the store is there, nothing else is done
        f"kept.provenance.put = lambda path, source: (path.mkdir(), {KILL})",
        f"unlink = Path.unlink; Path.unlink = lambda self, **options: "
        f"{KILL} if self.suffix == '.npz' else unlink(self, **options)",
        f"run.measure = lambda *a: {KILL}",  # as when DVC is killed while it hashes the store
    ],
)
def test_a_kill_after_the_decoding_costs_no_decoding(project, monkeypatch, where):
    for line in project.lines:
        line["box"] = "4 4 40 40"
    project.write()
    whole = project.prepare().meta.files
    assert "overlays/0.jpg" in whole
    shutil.rmtree(project.scratch)
    killed = project.run_apart(f"from c2rl.store import kept; {where}")
    assert killed.returncode == -signal.SIGKILL
    shutil.rmtree(project.frames, ignore_errors=True)  # as DVC does before it runs a stage again
    monkeypatch.setattr(shards, "SHARD", 2)
    given = []
    monkeypatch.setattr(pool, "run", _recorded(pool.run, given))
    assert project.prepare().meta.files == whole
    assert given == []


def test_a_kept_store_that_changed_is_not_put_back(project):
    whole = project.prepare().meta.files
    (kept,) = project.scratch.glob("*/frames")
    data = bytearray((kept / "manifest.jsonl").read_bytes())
    data[10] ^= 1
    (kept / "manifest.jsonl").unlink()
    (kept / "manifest.jsonl").write_bytes(data)
    shutil.rmtree(project.frames)
    assert project.prepare().meta.files == whole


def test_a_store_with_clips_that_another_try_may_read_is_not_kept(project, monkeypatch):
    monkeypatch.setattr(decoding, "with_decord", lambda _: None)
    monkeypatch.setattr(decoding, "timeout_s", lambda t: 1e-6 if t.clip.id == "clip5" else 60.0)
    assert len(project.prepare()) == 5
    assert not list(project.scratch.iterdir())


def test_a_kill_while_the_metrics_are_written_leaves_no_litter(project):
    killed = project.run_apart(
        "replace = Path.replace; Path.replace = lambda self, target: ("
        "os.kill(os.getpid(), signal.SIGKILL) if target.name == 'prepare.json'"
        " else replace(self, target))"
    )
    assert killed.returncode == -signal.SIGKILL
    project.prepare()
    assert [path.name for path in project.metrics.parent.iterdir()] == ["prepare.json"]


def _recorded(function, given):
    def recorded(what, tasks, **options):
        given.extend(task.clip.id for task in tasks)
        return function(what, tasks, **options)

    return recorded


def test_torn_and_failed_shards_are_decoded_again(project, monkeypatch, tmp_path):
    tasks = [
        decoding.Task(project.root, Clip(n, "train", "s", "en", f"{n}.mp4"), 24, "png", 1)
        for n in ("clip0", "clip1", "clip2", "later")
    ]
    folder = tmp_path / "scratch"
    folder.mkdir()
    with run.progress("prepare", 4) as bar:
        done = decoding.decode(tasks, folder, workers=1, progress=bar, shard=1)
    assert [shard.rows[0].status for shard in done] == ["ok", "ok", "ok", "missing_file"]
    torn = done[1].path.read_bytes()
    done[1].path.write_bytes(torn[: len(torn) // 2])
    shutil.copy(project.root / "clip3.mp4", project.root / "later.mp4")
    given = []
    monkeypatch.setattr(pool, "run", _recorded(pool.run, given))
    with run.progress("prepare", 4) as bar:
        done = decoding.decode(tasks, folder, workers=1, progress=bar, shard=1)
    assert given == ["clip1", "later"]
    assert {shard.rows[0].status for shard in done} == {"ok"}


@pytest.mark.parametrize("limit", [6_000, 40_000])  # of a shard; of the assembled store
def test_a_full_disk_is_told_in_one_line_and_leaves_no_artefact(project, limit):
    failed = project.run_apart(f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))")
    assert failed.returncode == 1
    last = failed.stderr.strip().splitlines()[-1]
    assert last.startswith("OSError: disk is full")
    assert not list(project.frames.parent.glob("*"))
    assert not list(project.frames.parent.glob(".*"))
    assert not project.metrics.exists()
    if limit == 40_000:
        assert list(project.scratch.rglob("*.npz"))


def test_no_clip_of_train_is_an_error_in_one_line(project, monkeypatch):
    monkeypatch.setattr(decoding, "with_decord", lambda _: None)
    monkeypatch.setenv("C2RL_DECODE_TIMEOUT", "0.000001")
    with pytest.raises(ValueError, match=r"none of the 4 train clips .* decode_timeout") as caught:
        project.prepare()
    assert "\n" not in str(caught.value)
    assert not project.frames.exists()


def test_another_release_is_refused_with_the_way_out(project):
    project.lines[0]["sentence"] = "another sentence"
    expected = project.release.read_text()
    project.write()
    project.release.write_text(expected)
    with pytest.raises(ValueError, match=r"annotations is .* `c2rl corpus check table --root"):
        project.prepare()
    project.release.unlink()
    with pytest.raises(FileNotFoundError, match=r"Run `c2rl corpus check table"):
        project.prepare()


def test_an_absent_corpus_tells_where_to_put_it(project, monkeypatch):
    monkeypatch.setenv("C2RL_DATA", str(project.folder / "elsewhere"))
    with pytest.raises(FileNotFoundError, match=r"elsewhere/table does not exist.*C2RL_DATA"):
        project.prepare()


def test_synthsign_of_another_generator_is_refused(project):
    project.release.write_text('{"dataset": "synthsign", "generator": 0}')
    params = config.PrepareParams(dataset="synthsign", **SECTIONS)
    with pytest.raises(ValueError, match=r"generator is .*, expected 0"):
        run.prepare(params, release=project.release, frames=project.frames, metrics=project.metrics)


def test_each_setting_of_synthsign_has_a_folder_of_its_own():
    roots = {release.find_root("synthsign", KNOBS | {"seed": seed}) for seed in (0, 1, 0)}
    assert len(roots) == 2
