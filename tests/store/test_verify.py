import json
import random
import shutil

import numpy as np
import pytest
import small_store
from small_store import flip
from typer.testing import CliRunner

from c2rl import provenance
from c2rl.cli import app
from c2rl.corpora.clip import Clip
from c2rl.store import ragged
from c2rl.store.features import FeatureStore
from c2rl.store.frames import EncodedClip, FrameStore, write_frame_store
from c2rl.store.manifest import Row
from c2rl.store.verify import as_json, told, verify

TRAIN = [("train", f"train{i}") for i in range(5)]
DEV = [("dev", "dev0"), ("dev", "dev1")]


@pytest.fixture
def store(tmp_path, monkeypatch):
    return small_store.write(tmp_path / "f.zarr", monkeypatch)


def findings(path, *, deep=True):
    return {f.file: [tuple(c) for c in f.clips] for f in verify(path, deep=deep).findings}


def test_a_whole_store_is_sound(store):
    for deep in (False, True):
        verdict = verify(store, deep=deep)
        assert verdict.is_sound
        assert verdict.num_files == len(small_store.files(store))
        assert verdict.num_bytes == sum(f.stat().st_size for f in small_store.files(store))


@pytest.mark.parametrize(
    ("chunk", "clips"),
    [  # clips of train begin at rows 0, 3, 4, 10, 12; chunks at 0, 4, 8, 12
        ("train/features/c/0/0", TRAIN[:2]),
        ("train/features/c/1/0", TRAIN[2:3]),
        ("train/features/c/2/0", TRAIN[2:4]),
        ("train/features/c/3/0", TRAIN[4:]),
        ("dev/features/c/1/0", DEV[1:]),
    ],
)
def test_a_damaged_chunk_names_exactly_the_clips_that_lie_in_it(store, chunk, clips):
    flip(store / chunk, 9)
    assert findings(store) == {chunk: clips}
    assert findings(store, deep=False) == {}
    (store / chunk).unlink()
    assert findings(store, deep=False) == {chunk: clips}


@pytest.mark.parametrize(
    ("file", "clips"),
    [
        ("train/offsets/c/0", TRAIN),
        ("train/offsets/zarr.json", TRAIN),
        ("dev/features/zarr.json", DEV),
        ("dev/zarr.json", DEV),
        ("zarr.json", TRAIN + DEV),
        ("meta.json", TRAIN + DEV),
    ],
)
def test_damage_to_what_all_clips_need_names_them_all(store, file, clips):
    flip(store / file, 8 * 12 + 1)
    assert findings(store)[file] == clips
    (store / file).unlink()
    assert findings(store, deep=False)[file] == clips


def test_where_the_ids_are_lost_clips_are_numbered(store):
    (store / "clips.jsonl").write_text("{")
    flip(store / "train/features/c/2/0", 9)
    found = findings(store)
    numbered = [*(("train", f"#{i}") for i in range(5)), ("dev", "#0"), ("dev", "#1")]
    assert sorted(found.pop("clips.jsonl")) == sorted(numbered)
    assert found == {"train/features/c/2/0": [("train", "#2"), ("train", "#3")]}


def test_everything_that_is_wrong_is_found_at_once(store):
    flip(store / "train/features/c/0/0", 0)
    flip(store / "train/offsets/c/0", 0)
    flip(store / "dev/zarr.json", 0)
    flip(store / "clips.jsonl", 0)
    flip(store / "meta.json", 0)  # so that of the other files only chunks vouch for themselves
    assert findings(store).keys() == {
        "meta.json",
        "train/features/c/0/0",
        "train/offsets/c/0",
    }


def test_a_chunk_in_the_place_of_another_is_found(store):
    first, second = (store / f"train/features/c/{n}/0" for n in (0, 1))
    first.write_bytes(second.read_bytes())  # its crc32c holds
    assert findings(store) == {"train/features/c/0/0": TRAIN[:2]}


def test_a_file_that_was_put_there_is_found(store):
    (store / "train/features/c/9/0").parent.mkdir()
    shutil.copy(store / "train/features/c/0/0", store / "train/features/c/9/0")
    assert findings(store, deep=False) == {"train/features/c/9/0": []}


def test_a_store_that_was_never_completed_is_found(store):
    (store / "meta.json").unlink()
    (finding,) = verify(store).findings
    assert finding.problem == "is missing: the store was never completed"


@pytest.mark.parametrize("key", ["versions", "made_from", "counts", "kind", "fingerprint"])
def test_a_changed_meta_is_found(store, key):
    content = json.loads((store / "meta.json").read_text())
    content[key] = {"x": 1} if isinstance(content[key], dict) else "y"
    (store / "meta.json").write_text(json.dumps(content, indent=2) + "\n")
    assert "meta.json" in findings(store)


def test_a_store_from_before_the_checksum_of_meta_is_read_and_verified(store):
    content = json.loads((store / "meta.json").read_text())
    del content["checksum"]
    (store / "meta.json").write_text(json.dumps(content, indent=2) + "\n")
    assert len(FeatureStore(store)["train"]) == 5
    assert findings(store) == {}
    content["made_from"]["encoder"] = "another"
    (store / "meta.json").write_text(json.dumps(content, indent=2) + "\n")
    assert [*findings(store)] == ["meta.json"]


@pytest.mark.parametrize("profile", ["none", "zstd"])
def test_every_flipped_bit_is_named_and_none_is_read(tmp_path, monkeypatch, profile):
    store = small_store.write(tmp_path / "f.zarr", monkeypatch, profile=profile)
    rng = random.Random(60)
    for _ in range(60):
        file = rng.choice(small_store.files(store))
        bit = rng.randrange(8 * file.stat().st_size)
        flip(file, bit)
        name = file.relative_to(store).as_posix()
        assert name in findings(store), (name, bit)
        with pytest.raises((ValueError, KeyError)):
            read_all(store)
        flip(file, bit)
    assert findings(store) == {}
    read_all(store)


def read_all(path):
    opened = FeatureStore(path)
    for split in opened:
        _ = opened[split].sentences
        opened[split].load()


@pytest.fixture
def frames(tmp_path, monkeypatch):
    """Clips of 3 + 5, 4 + 1 + 7 and 2 bytes in chunks of 8; one that failed lies between them."""
    monkeypatch.setattr(ragged, "CHUNK_BYTES", 8)
    rows, clips = [], []
    for number, sizes in enumerate([[3, 5], [], [4, 1, 7], [2]]):
        clip = Clip(f"clip{number}", "train" if number else "dev", "s", "en", "a.mp4", fps=25.0)
        rows.append(Row(clip, "ok" if sizes else "decode_error", "", len(sizes), 25.0))
        if sizes:
            clips.append(EncodedClip(np.arange(sum(sizes), dtype=np.uint8), np.array(sizes)))
    write_frame_store(
        tmp_path / "frames",
        rows,
        clips,
        sizes=[clip.sizes for clip in clips],
        made_from={"frames": {"codec": "jpeg"}},
        counts={},
        overlays={"clip0": b"a picture"},
    )
    return tmp_path / "frames"


def test_a_frame_store_is_verified_too(frames):
    assert findings(frames) == {}
    flip(frames / "frames.zarr/jpeg/c/2", 1)
    assert findings(frames) == {"frames.zarr/jpeg/c/2": [("train", "clip2"), ("train", "clip3")]}
    flip(frames / "frames.zarr/clip_offsets/c/0", 1)
    every = [("dev", "clip0"), ("train", "clip2"), ("train", "clip3")]
    assert findings(frames)["frames.zarr/jpeg/c/2"] == every
    flip(frames / "overlays/0.jpg", 1)
    assert findings(frames)["overlays/0.jpg"] == []


def test_a_frame_with_a_flipped_bit_is_not_read(frames):
    flip(frames / "frames.zarr/jpeg/c/1", 1)
    store = FrameStore(frames)
    assert store.read(0, [0, 1])[0].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"jpeg/c/1 is damaged"):
        store.read(1, [0])


def test_a_manifest_with_a_flipped_bit_is_not_read(frames):
    flip(frames / "manifest.jsonl", 8 * 9)
    with pytest.raises(ValueError, match=r"manifest.jsonl is not what was written"):
        _ = FrameStore(frames).rows


def test_one_line_a_finding(store):
    flip(store / "train/features/c/2/0", 9)
    flip(store / "dev/offsets/c/0", 9)
    lines = [*told(verify(store, deep=True))]
    assert lines[:2] == [
        "dev/offsets/c/0: its bytes do not agree with their crc32c; touches all 2 clips of dev",
        "train/features/c/2/0: its bytes do not agree with their crc32c;"
        " touches train train2, train train3",
    ]
    assert lines[2].startswith(f"{store}: 2 findings (")
    assert len(lines) == 3


def test_of_many_clips_in_a_chunk_first_and_last_are_told(tmp_path, monkeypatch):
    monkeypatch.setitem(small_store.LENGTHS, "train", [1] * 12)
    store = small_store.write(tmp_path / "f.zarr", monkeypatch, chunk_rows=9)
    flip(store / "train/features/c/0/0", 9)
    line, summary = told(verify(store, deep=True))
    assert line.endswith("; touches 9 clips, train train0 to train train8; --json names each")
    assert summary.startswith(f"{store}: 1 finding (")
    (finding,) = as_json(verify(store, deep=True))["findings"]
    assert [clip["id"] for clip in finding["clips"]] == [f"train{n}" for n in range(9)]


def test_the_command_exits_with_1_where_anything_is_wrong(store):
    run = CliRunner().invoke
    assert run(app, ["features", "verify", str(store), "--deep"]).exit_code == 0
    flip(store / "train/features/c/1/0", 9)
    assert run(app, ["features", "verify", str(store)]).exit_code == 0
    done = run(app, ["features", "verify", str(store), "--deep", "--json"])
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["sound"] is False
    assert found["findings"] == [
        {
            "file": "train/features/c/1/0",
            "problem": "its bytes do not agree with their crc32c",
            "clips": [{"split": "train", "id": "train2"}],
        }
    ]


def test_what_is_no_store_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"does not exist: give the folder of a store"):
        verify(tmp_path / "nothing")
    with provenance.artefact(tmp_path / "e", "encoder", made_from={}, counts={}) as folder:
        (folder / "x").write_text("x")
    with pytest.raises(ValueError, match=r"holds encoder; stores of features or frames"):
        verify(tmp_path / "e")
