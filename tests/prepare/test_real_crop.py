"""Signers are found on real videos by a real ONNX detector: set C2RL_REALDATA to their folder."""

import csv
import os
from pathlib import Path

import pytest

from c2rl import config
from c2rl.corpora.clip import Choice
from c2rl.prepare import check, run
from c2rl.store.frames import FrameStore
from c2rl.video import pool

ROOT = Path(os.environ.get("C2RL_REALDATA", "absent"))
DETECTOR = next(ROOT.glob("checkpoints/dog-qiuqiu+FastestDet/**/*.onnx"), Path("absent"))
ONE = "laerciolima+libras/**/*.mp4"
TWO = "midusi+LSA-T/**/clip2.gif"
NOBODY = "GerrySant+multimodalhugs/**/sample_01.mp4"
KNOBS = {
    "size": "nano", "language": "de", "seed": 0, "vocabulary": 28, "signers": 8,
    "reordering": 1.0, "noise": 1.0,
}  # fmt: skip

pytestmark = pytest.mark.skipif(not DETECTOR.is_file(), reason="C2RL_REALDATA is not set")


@pytest.fixture
def project(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("C2RL_DATA", str(tmp_path / "raw"))
    monkeypatch.setenv("C2RL_WORKERS", "1")
    monkeypatch.delenv("C2RL_SCRATCH", raising=False)
    root = tmp_path / "raw/table"
    root.mkdir(parents=True)
    with (root / "table.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["id", "path", "start", "end", "sentence", "split"])
        for name, pattern in (("one", ONE), ("two", TWO), ("nobody", NOBODY)):
            video = min(ROOT.glob(f"videos/{pattern}"))
            (root / f"{name}{video.suffix}").write_bytes(video.read_bytes())
            out.writerow([name, f"{name}{video.suffix}", "", "", "a sentence", "train"])
    check.check("table", None, Choice(), target=tmp_path / "table.json")
    return tmp_path


def prepare(folder: Path, size: int) -> FrameStore:
    crop = {"method": "detector", "weights": str(DETECTOR), "box": "extent"}
    params = config.PrepareParams(
        dataset="table",
        synthsign=KNOBS,
        prepare={"labels": "release", "repair_text": False},
        crop=crop | {"frames": 3, "score": 0.5, "margin": 0.1},
        frames={"size": size, "codec": "jpeg", "quality": 95},
    )
    run.prepare(
        params, release=folder / "table.json", frames=folder / "frames", metrics=folder / "m.json"
    )
    return FrameStore(folder / "frames")


def test_one_two_and_no_people_are_recorded_and_never_looked_for_again(project, monkeypatch):
    rows = {row.clip.id: row for row in prepare(project, 64).rows}
    assert {i: (r.box_from, r.num_people) for i, r in rows.items()} == {
        "one": ("detector", 1),
        "two": ("detector", 2),
        "nobody": ("square", 0),
    }
    assert rows["one"].box_score > 0.7
    given = []

    def recorded(what, tasks, **options):
        given.extend(tasks)
        return real(what, tasks, **options)

    real = pool.run
    monkeypatch.setattr(pool, "run", recorded)
    again = {row.clip.id: row for row in prepare(project, 48).rows}
    assert [task.known is not None for task in given] == [True] * 3
    assert {i: r.clip.box for i, r in again.items()} == {i: r.clip.box for i, r in rows.items()}
