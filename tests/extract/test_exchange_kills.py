"""An import that is killed, that finds no room, or that may not write."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import peer_features as peer
import pytest
from full_disk import room

from c2rl.extract.exchange import export_features
from c2rl.store.features import FeatureStore

ROOT = Path(__file__).parent.parent.parent
FORMATS = ("gfslt", "neccam", "ssvp", "npy", "cico")


@pytest.mark.processes
def test_kills_at_each_step_and_at_random_leave_whole_stores_and_no_litter():
    script = ROOT / "tests/benchmarks/killed_import.py"
    done = subprocess.run(
        [sys.executable, script, "--kills", "4", "--every", "8", "--clips", "20"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every store is whole, or the same" in done.stdout


@pytest.mark.parametrize(
    ("form", "size"),
    [("gfslt", 100_000), ("npy", 200), ("npy", 100_000)],  # the scratch file; zarr.json; a chunk
)
def test_a_full_disk_is_told_in_one_line_and_the_next_import_succeeds(
    tmp_path, capsys, monkeypatch, form, size
):
    features = peer.write_store(tmp_path / "a.zarr", 2048)
    export_features(tmp_path / "a.zarr", form, tmp_path / "src")
    call = ["features", "import", tmp_path / "src", "--format", form, "--language", "de"]
    call += ["--out", tmp_path / "out/f.zarr"]
    with room(size):
        code, _, told = peer.cli(capsys, monkeypatch, *call)
    assert code == 1
    assert told == f"c2rl: [Errno {errno.EFBIG}] File too large: '{tmp_path}/out/f.zarr'\n"
    assert list((tmp_path / "out").iterdir()) == []
    assert peer.cli(capsys, monkeypatch, *call)[0] == 0
    assert peer.stored(FeatureStore(tmp_path / "out/f.zarr")).keys() == features.keys()


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_that_finds_no_room_leaves_nothing(tmp_path, capsys, monkeypatch, form):
    peer.write_store(tmp_path / "a.zarr", 2048)
    call = ["features", "export", tmp_path / "a.zarr", "--format", form, "--out", tmp_path / "o/x"]
    for size in (200, 9000):
        with room(size):
            code, _, told = peer.cli(capsys, monkeypatch, *call)
        assert code == 1
        assert told == f"c2rl: [Errno {errno.EFBIG}] File too large: '{tmp_path}/o/x'\n"
        assert list((tmp_path / "o").iterdir()) == []
    assert peer.cli(capsys, monkeypatch, *call)[0] == 0


def denied(function, folder):
    """Be a function of `os` in a folder that may not be written to; root may, so chmod tells it."""

    def call(path, *arguments, **options):
        if str(path).startswith(str(folder)):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return function(path, *arguments, **options)

    return call


@pytest.mark.parametrize("form", FORMATS)
def test_a_folder_that_may_not_be_written_to_is_told_in_one_line(
    tmp_path, capsys, monkeypatch, form
):
    peer.write_store(tmp_path / "a.zarr")
    export_features(tmp_path / "a.zarr", form, tmp_path / "src")
    (tmp_path / "out").mkdir()
    call = ["features", "import", tmp_path / "src", "--format", form, "--language", "de"]
    call += ["--out", tmp_path / "out/f.zarr"]
    with monkeypatch.context() as patch:
        for name in ("open", "mkdir", "rename"):
            patch.setattr(os, name, denied(getattr(os, name), tmp_path / "out"))
        code, _, told = peer.cli(capsys, patch, *call)
    assert code == 1
    assert told.startswith(f"c2rl: [Errno {errno.EACCES}] Permission denied: '{tmp_path}/out")
    assert told.count("\n") == 1
    assert list((tmp_path / "out").iterdir()) == []
    assert peer.cli(capsys, monkeypatch, *call)[0] == 0
