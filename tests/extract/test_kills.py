"""Extractions that are killed, find no room, meet damaged shards, or are not alone.

At random moments, again and again: `tests/benchmarks/killed_extract.py`.
"""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import dying
import numpy as np
import peer_features as peer
import pytest
from full_disk import room
from untrained import USUAL

from c2rl import config, lock
from c2rl.corpora.clip import Clip
from c2rl.extract import encoding, run, worker
from c2rl.extract.run import extract
from c2rl.extract.videos import extract_videos
from c2rl.store import shards
from c2rl.store.features import FeatureStore
from c2rl.store.manifest import Row

ROOT = Path(__file__).parents[2]
CALL = "from c2rl.store import shards; shards.SHARD = 2; from c2rl.cli import main; main()"
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux offers it")


class Place(NamedTuple):
    """Where an extraction reads and writes."""

    folder: Path
    world: object
    table: Path | None = None

    @property
    def out(self) -> Path:
        return self.folder / "out/f.zarr"

    @property
    def scratch(self) -> Path:
        return self.folder / "runs"

    @property
    def encoder(self) -> Path:
        return self.world.path("encoders")

    def files(self):
        """Read all files of the store."""
        return {
            path.relative_to(self.out).as_posix(): path.read_bytes()
            for path in self.out.rglob("*")
            if path.is_file()
        }

    def shards(self):
        return sorted(int(path.stem) for path in self.scratch.glob("*/*.npz"))

    def beside(self):
        """List what lies beside the store, and is in or beside scratch folders."""
        found = [*self.out.parent.iterdir(), *self.scratch.glob("*"), *self.scratch.glob("*/*")]
        return sorted(path.name for path in found if path != self.out)

    def empty(self):
        for path in (self.out.parent, self.scratch):
            shutil.rmtree(path, ignore_errors=True)

    def is_whole_or_absent(self, *, allowed):
        """Tell whether the store's place holds nothing, or one of some stores, bit for bit."""
        try:
            FeatureStore(self.out)
        except FileNotFoundError:
            return True
        return self.files() in allowed


@pytest.fixture(scope="module")
def films(world, tmp_path_factory):
    """Four videos, with sentences in a table: so no process looks how long they are."""
    folder = tmp_path_factory.mktemp("films")
    found = sorted((world.folder / "raw/synthsign").glob("*/videos/test/*.mp4"))[:4]
    for number, film in enumerate(found):
        shutil.copy(film, folder / f"clip{number}.mp4")
    write_table(folder / "mine.csv", [f"clip{number}" for number in range(4)])
    return folder


@pytest.fixture
def place(world, films, tmp_path, monkeypatch):
    monkeypatch.setenv("C2RL_SCRATCH", str(tmp_path / "runs"))
    monkeypatch.setenv("C2RL_WORKERS", "1")
    monkeypatch.setenv(dying.MARKS, str(tmp_path))
    monkeypatch.setattr(shards, "SHARD", 2)
    return Place(tmp_path, world, films / "mine.csv")


def write_table(path, names):
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = [[name, f"{name}.mp4", "es regnet", "test"] for name in names]
        csv.writer(file).writerows([["id", "path", "sentence", "split"], *lines])


def by_command(place):
    return extract_videos([place.table], encoder=place.encoder, out=place.out)


def by_stage(place):
    extract(
        config.ExtractParams(extract=USUAL),
        frames=place.world.path("frames"),
        encoder=place.encoder,
        features=place.out,
        metrics=place.folder / "extract.json",
    )


@pytest.fixture(scope="module")
def encoded():
    """What is known of shards, by what they are."""
    return {}


@pytest.fixture
def known(monkeypatch, encoded):
    """Encode each shard once, in this process; then know it. Lists what is asked for."""
    asked = []

    def know(begin, setup, todo, **_):
        new = [shard for shard in todo if repr(shard.task) not in encoded]
        encode = begin(setup) if new else None
        encoded.update((repr(shard.task), encode(shard.task)) for shard in new)
        for shard in todo:
            asked.append(shard.number)
            yield shard.number, encoded[repr(shard.task)]

    monkeypatch.setattr(encoding.executors, "run", know)
    return asked


def die_at_each_step(place, known, make, *, every, scratch=()):
    """Die at the first change of a file, at the second, ...; each time the next run mends it."""
    make(place)
    whole, num_shards = place.files(), len(known)
    old = {**whole, "more": b"of another extraction"}
    deaths = 0
    for step in range(0, 1000, every):
        place.empty()
        if step % 2:  # in every other round something else lies there
            place.out.mkdir(parents=True)
            for name, data in old.items():
                (place.out / name).parent.mkdir(parents=True, exist_ok=True)
                (place.out / name).write_bytes(data)
        code = dying.apart(lambda step=step: (dying.die_at(step, place.folder), make(place)))
        assert code in (0, -signal.SIGKILL)
        deaths += code != 0
        assert place.is_whole_or_absent(allowed=(whole, old)), f"step {step}"
        is_committed = place.out.exists() and place.files() == whole
        left = len(place.shards())
        known.clear()
        if code:
            make(place)
        assert place.files() == whole, f"step {step}"
        if not is_committed:
            assert len(known) == num_shards - left, f"step {step}"
        assert place.beside() == [*scratch], f"step {step}"
        if not code:
            return deaths
    raise AssertionError("it dies whatever the step")


EVERY = [pytest.param(1, marks=pytest.mark.processes), 7]


@ON_LINUX
@pytest.mark.parametrize("every", EVERY)
def test_a_kill_at_any_step_of_a_command_is_mended_by_the_next_run(place, known, every) -> None:
    assert die_at_each_step(place, known, by_command, every=every) > 40 // every


@ON_LINUX
@pytest.mark.parametrize("every", [EVERY[0], 29])
def test_a_kill_at_any_step_of_the_stage_is_mended_by_the_next_run(
    place, known, monkeypatch, every
) -> None:
    monkeypatch.setattr(shards, "SHARD", 16)
    by_stage(place)
    (folder,) = place.scratch.iterdir()
    scratch = sorted([folder.name, "features"])
    place.empty()
    known.clear()
    assert die_at_each_step(place, known, by_stage, every=every, scratch=scratch) > 100 // every


def test_a_kill_while_shards_are_cleared_away_leaves_none_of_them(
    place, known, monkeypatch
) -> None:
    def killed(self, **_):
        if self.suffix == ".npz":
            raise KeyboardInterrupt
        unlink(self, **_)

    unlink = Path.unlink
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            by_stage(place)
    by_stage(place)
    assert place.shards() == []


def by_cli(place, capsys, monkeypatch, *, out=None, sources=None):
    given = sources or [place.world.path("frames")]
    call = ["extract", *given, "--ckpt", place.encoder, "--out", out or place.out]
    return peer.cli(capsys, monkeypatch, *call)


@pytest.mark.parametrize(("size", "are_shards_kept"), [(1_000, False), (10_000, True)])
def test_a_full_disk_is_told_in_one_line_and_what_is_finished_is_kept(
    place, known, capsys, monkeypatch, size, are_shards_kept
) -> None:
    assert by_cli(place, capsys, monkeypatch)[0] == 0
    whole, num_shards = place.files(), len(known)
    place.empty()
    known.clear()
    with room(size):
        code, _, told = by_cli(place, capsys, monkeypatch)
    last = told.splitlines()[-1]
    assert code == 1
    assert last.startswith("c2rl: disk is full")
    assert last.endswith("make room and run the same command again.")
    assert "Traceback" not in told
    assert list(place.out.parent.iterdir()) == []
    assert len(place.shards()) == (num_shards if are_shards_kept else 0)
    known.clear()
    assert by_cli(place, capsys, monkeypatch)[0] == 0
    assert len(known) == (0 if are_shards_kept else num_shards)
    assert place.files() == whole
    assert place.beside() == []


@pytest.mark.parametrize("where", ["proc", "file"])
def test_a_place_that_cannot_be_written_to_is_told_in_one_line_before_anything_is_encoded(
    place, known, capsys, monkeypatch, where
) -> None:
    (place.folder / "file").write_text("mine")
    out = {"proc": Path("/proc/here/f.zarr"), "file": place.folder / "file/f.zarr"}[where]
    code, _, told = by_cli(place, capsys, monkeypatch, out=out)
    assert code == 1
    assert told.startswith("c2rl: [Errno ")
    assert str(out.parent) in told
    assert told.count("\n") == 1
    assert known == []
    assert (place.folder / "file").read_text() == "mine"


def test_a_file_in_the_stores_place_is_told_and_kept(place, known, capsys, monkeypatch) -> None:
    place.out.parent.mkdir()
    place.out.write_text("mine")
    code, _, told = by_cli(place, capsys, monkeypatch, sources=[place.table])
    assert code == 1
    assert told.splitlines()[-1].startswith(f"c2rl: {place.out} is no feature store")
    assert place.out.read_text() == "mine"


@ON_LINUX
def test_work_that_is_done_is_removed_before_another_process_may_go_on_with_it(
    place, known, monkeypatch
) -> None:
    remove, free = shutil.rmtree, []

    def take(folder):
        lock._held.clear()  # of the process that this is a fork of
        with lock.only_writer(folder):
            pass

    def watched(folder, **options):
        if folder.parent == place.scratch:
            free.append(dying.apart(lambda: take(folder)) == 0)
        remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", watched)
    by_command(place)
    assert free == [False]


def encoded_but_not_written(place, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "write_feature_store", killed)
        with pytest.raises(KeyboardInterrupt):
            by_command(place)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_shard_that_was_cut_is_encoded_again(place, known, monkeypatch, keep) -> None:
    by_command(place)
    whole = place.files()
    place.empty()
    encoded_but_not_written(place, monkeypatch)
    (second,) = place.scratch.glob("*/000001.npz")
    os.truncate(second, int(keep * second.stat().st_size))
    known.clear()
    by_command(place)
    assert known == [1]
    assert place.files() == whole


def test_a_shard_with_any_byte_changed_is_not_believed(place, known, monkeypatch) -> None:
    by_command(place)
    whole = place.files()
    place.empty()
    encoded_but_not_written(place, monkeypatch)
    (second,) = place.scratch.glob("*/000001.npz")
    kept = shutil.copytree(place.scratch, place.folder / "kept")
    data = second.read_bytes()
    again = 0
    positions = range(0, len(data), max(1, len(data) // 50))
    for position in positions:
        place.empty()
        shutil.copytree(kept, place.scratch)
        changed = bytearray(data)
        changed[position] ^= 0x10
        second.write_bytes(changed)
        known.clear()
        by_command(place)
        assert place.files() == whole, f"byte {position}"
        assert known in ([], [1])
        again += known == [1]
    assert again > 0.8 * len(positions)  # the others say when it was written, by what program


def test_no_flipped_bit_of_a_shards_directory_hides_an_array(tmp_path) -> None:
    path, clips = tmp_path / "000000.npz", [Clip(name, "test", "", "", "a.mp4") for name in "ab"]
    made = [Row(clip, "ok", "", 9, 25.0) for clip in clips]
    arrays = {"lengths": np.array([3, 4]), "view_0": np.arange(28.0).reshape(7, 4)}
    shards.save(path, made, **arrays)
    data = path.read_bytes()
    refused = 0
    first = 8 * data.index(b"PK\x01\x02")  # the directory follows the arrays
    for bit in range(first, 8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        found = shards.rows(path, clips)
        refused += found is None
        if found is not None:
            assert found == made
            for name, values in arrays.items():
                np.testing.assert_array_equal(shards.load(path, name), values)
    assert refused > 500


@pytest.fixture
def here(monkeypatch):
    """Encode in this process; lists the shards that are."""
    asked = []

    def in_process(begin, setup, todo, **_):
        encode = begin(setup)
        for shard in todo:
            asked.append(shard.number)
            yield shard.number, encode(shard.task)

    monkeypatch.setattr(encoding.executors, "run", in_process)
    return asked


@pytest.mark.parametrize(
    "failure", ["decode_crash", pytest.param("decode_timeout", marks=pytest.mark.processes)]
)
def test_what_may_go_better_another_time_is_tried_again_and_nothing_else(
    place, films, here, monkeypatch, failure
) -> None:
    place = place._replace(table=place.folder / "films/mine.csv")
    shutil.copytree(films, place.table.parent)
    (place.table.parent / "text.mp4").write_text("no video" * 99)
    write_table(place.table, ["clip0", "text", "clip1", "clip2", "clip3"])

    def limit(task):
        return 1e-6 if failure == "decode_timeout" and task.clip.id == "clip2" else 60.0

    with monkeypatch.context() as patch:
        patch.setattr(worker, "timeout_s", limit)
        if failure == "decode_crash":
            patch.setattr(worker, "decoder", dying.decoder_of_all_but_clip2)
        done = by_command(place)
    assert {row.clip.id: row.status for row in done.failed} == {
        "text": "decode_error", "clip2": failure,
    }  # fmt: skip
    assert FeatureStore(place.out)["test"].ids == ["clip0", "clip1", "clip3"]
    assert here == [0, 1, 2]
    done = by_command(place)
    assert here == [0, 1, 2, 1]
    assert [row.clip.id for row in done.failed] == ["text"]
    assert FeatureStore(place.out)["test"].ids == ["clip0", "clip1", "clip2", "clip3"]
    assert place.beside() == []


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):
    """Each source's store, of an extraction in this process in shards of 2; all its files."""
    folder = tmp_path_factory.mktemp("whole")

    def in_process(begin, setup, todo, **_):
        encode = begin(setup)
        return ((shard.number, encode(shard.task)) for shard in todo)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C2RL_SCRATCH", str(folder / "runs"))
        patch.setenv("C2RL_WORKERS", "1")
        patch.setattr(shards, "SHARD", 2)
        patch.setattr(encoding.executors, "run", in_process)
        made = {source: Place(folder / source, world) for source in ("frames", "videos")}
        for source, place in made.items():
            given = sources_of(place, source)
            extract_videos(given, encoder=place.encoder, out=place.out)
    return {source: place.files() for source, place in made.items()}


def sources_of(place, source):
    """Frame store, or folder of the videos of dev and test: 16 clips, or 8 shards."""
    if source == "frames":
        return [place.world.path("frames")]
    (videos,) = (place.world.folder / "raw/synthsign").glob("*/videos")
    return [videos / "dev", videos / "test"]


def start(place, sources, *options, out=None, call=CALL, **variables):
    """Start the command, in small shards, as a process of its own."""
    given = [*map(str, sources), "--ckpt", str(place.encoder), "--out", str(out or place.out)]
    return subprocess.Popen(
        [sys.executable, "-c", call, "extract", *given, *options],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/tests", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@ON_LINUX
@pytest.mark.processes
def test_of_two_writers_one_commits_and_the_other_is_told_who_it_is(place, whole) -> None:
    first = start(place, sources_of(place, "videos"))
    taken = place.out.parent / f".{place.out.name}.lock"
    wait_for(lambda: taken.exists() and taken.read_text() and [*place.scratch.glob(".*.lock")])
    os.kill(first.pid, signal.SIGSTOP)
    try:
        elsewhere = place.folder / "elsewhere/f.zarr"
        for sources, out, what in [
            ([place.table], place.out, str(place.out)),
            (sources_of(place, "videos"), place.out, str(place.out)),
            (sources_of(place, "videos"), elsewhere, str(place.scratch)),  # the same work
        ]:
            second = start(place, sources, out=out)
            told = second.communicate(timeout=120)
            assert (second.returncode, told[0]) == (1, "")
            assert told[1].startswith(f"c2rl: {what}")
            assert f"is being written by process {first.pid} on " in told[1]
            assert told[1].count("\n") == 1
            assert not out.exists()
    finally:
        os.kill(first.pid, signal.SIGCONT)
        told = first.communicate(timeout=120)
    assert first.returncode == 0, told
    assert place.files() == whole["videos"]
    assert not elsewhere.exists()
    assert list(place.out.parent.iterdir()) == [place.out]


@pytest.mark.processes
@pytest.mark.parametrize("source", ["frames", "videos"])
@pytest.mark.parametrize(
    ("executor", "processes"),
    [("local", 1), ("local", 2), ("rank", 1), ("rank", 2), ("ray", 2)],
)
def test_the_stores_bytes_are_the_same_whoever_does_the_work(
    place, whole, source, executor, processes
) -> None:
    if executor == "ray":
        pytest.importorskip("ray")
    count = processes if executor == "rank" else 1
    runs = [
        start(
            place,
            sources_of(place, source),
            *("--executor", executor),
            C2RL_DEVICES=str(processes // count),
            C2RL_RANK=str(rank),
            C2RL_RANKS=str(count),
        )
        for rank in range(count)
    ]
    told = [run.communicate(timeout=240) for run in runs]
    assert [run.returncode for run in runs] == [0] * count, told
    assert any("clips\n" in out for out, _ in told)
    assert place.files() == whole[source]
    assert list(place.out.parent.iterdir()) == [place.out]


@pytest.mark.processes
def test_a_worker_that_is_killed_is_replaced_and_the_store_is_the_same(place, whole) -> None:
    call = f"from c2rl.extract import encoding; import dying; encoding.begin = dying.begin; {CALL}"
    done = start(place, sources_of(place, "videos"), call=call)
    told = done.communicate(timeout=120)
    assert done.returncode == 0, told
    assert (place.folder / "worker").exists()
    assert place.files() == whole["videos"]
    assert place.beside() == []


@pytest.mark.processes
def test_a_decoder_that_is_killed_is_replaced_and_the_features_are_the_same(place, whole) -> None:
    patch = "from c2rl.extract import trained; import dying; trained.at_inference = dying.choose"
    call = f"{patch}; {CALL}"
    done = start(place, sources_of(place, "videos"), call=call)
    told = done.communicate(timeout=120)
    assert done.returncode == 0, told
    assert (place.folder / "decoder").exists()
    found, expected = place.files(), whole["videos"]
    assert found.keys() == expected.keys()
    different = {name for name in found if found[name] != expected[name]}
    assert different <= {"clips.jsonl", "meta.json"}  # which name the reader of the second try
    first = found["clips.jsonl"].replace(b'"decoder": "decord"', b'"decoder": "pyav"')
    assert first == expected["clips.jsonl"].replace(b'"decoder": "decord"', b'"decoder": "pyav"')
    assert place.beside() == []


def test_the_stage_refuses_to_be_one_of_several_ranks_and_keeps_what_is_finished(
    place, known, monkeypatch
) -> None:
    save, saved = shards.save, []

    def killed(path, rows, **arrays):
        if len(saved) == 2:
            raise KeyboardInterrupt
        saved.append(path)
        save(path, rows, **arrays)

    monkeypatch.setattr(shards, "SHARD", 16)
    with monkeypatch.context() as patch:
        patch.setattr(shards, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            by_stage(place)
    monkeypatch.setenv("C2RL_EXECUTOR", "rank")
    with pytest.raises(ValueError, match=r"one writer.*c2rl extract .* --executor rank"):
        by_stage(place)
    assert place.shards() == [0, 1]


@ON_LINUX
@pytest.mark.processes
def test_a_rank_that_was_killed_goes_on_at_once_where_it_is_started_again(place, whole) -> None:
    ranked = {"C2RL_RANK": "0", "C2RL_RANKS": "1"}
    call = f"from c2rl.store import shards; import dying; shards.save = dying.save_one; {CALL}"
    first = start(place, [place.table], "--executor", "rank", call=call, **ranked)
    assert first.communicate(timeout=120)[0] == ""
    assert first.returncode == -signal.SIGKILL
    assert place.shards() == [0]
    assert [*place.scratch.glob("*/000001.*.lease")]
    second = start(place, [place.table], "--executor", "rank", **ranked)
    told, _ = second.communicate(timeout=120)
    assert (second.returncode, told) == (0, f"{place.out}: 4 of 4 clips\n")
    assert not [*place.scratch.glob("*/*.lease")]
