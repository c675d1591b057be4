import json
import os

import pytest

from c2rl import provenance, resumable


def make(path, text="content", *, fail=False):
    with provenance.artefact(path, "report", made_from={"a": 1}, counts={"n": 1}) as folder:
        (folder / "sub").mkdir()
        (folder / "sub/file.txt").write_text(text)
        if fail:
            raise IsADirectoryError


def test_an_artefact_is_complete_once_the_block_ends(tmp_path):
    make(tmp_path / "out")
    meta = provenance.read_meta(tmp_path / "out", "report", made_by="report")
    assert (meta.kind, meta.made_from, meta.counts) == ("report", {"a": 1}, {"n": 1})
    assert meta.files["sub/file.txt"]["bytes"] == 7
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_failure_leaves_nothing_and_keeps_what_was_there(tmp_path):
    make(tmp_path / "out", "old")
    with pytest.raises(IsADirectoryError):
        make(tmp_path / "out", fail=True)
    assert (tmp_path / "out/sub/file.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_run_left_is_replaced(tmp_path):
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial/stale").write_text("s")
    make(tmp_path / "out")
    assert not (tmp_path / "out/stale").exists()


def test_the_fingerprint_depends_on_the_content_alone(tmp_path):
    make(tmp_path / "a")
    make(tmp_path / "b")
    make(tmp_path / "c", "other")
    a, b, c = (provenance.read_meta(tmp_path / n, "report", made_by="x").fingerprint for n in "abc")
    assert a == b != c
    assert provenance.fingerprint({"x": 1, "y": 2}) == provenance.fingerprint({"y": 2, "x": 1})


def test_what_is_no_complete_artefact_is_refused(tmp_path):
    path = tmp_path / "out"
    with pytest.raises(FileNotFoundError, match=r"does not exist. `dvc repro report`"):
        provenance.read_meta(path, "report", made_by="report")
    make(path)
    with pytest.raises(ValueError, match=r"holds report, but frames is needed"):
        provenance.read_meta(path, "frames", made_by="prepare")
    told = json.loads((path / "meta.json").read_text())
    (path / "meta.json").write_text(json.dumps(told | {"format": 99}))
    with pytest.raises(ValueError, match=r"format 99, this version reads"):
        provenance.read_meta(path, "report", made_by="report")
    (path / "meta.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no meta.json"):
        provenance.read_meta(path, "report", made_by="report")


def test_an_atomic_write_shows_the_old_content_or_the_new(tmp_path, monkeypatch):
    path = tmp_path / "new/file.json"
    provenance.write_atomic(path, "old")

    def fail(_: int) -> None:
        raise OSError("disk is gone")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"gone"):
        provenance.write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]


def test_scratch_is_keyed_by_what_makes_the_result(tmp_path, monkeypatch):
    monkeypatch.setenv("C2RL_SCRATCH", str(tmp_path))
    assert resumable.folder({"a": 1}) == resumable.folder({"a": 1})
    assert resumable.folder({"a": 1}) != resumable.folder({"a": 2})
