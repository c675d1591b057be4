"""What an extraction stores: every view, either feature point, any source; and what it refuses."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from films import write_video
from small import ROOT

from c2rl import config
from c2rl.corpora.clip import Clip
from c2rl.extract import encoding, run, sources, trained
from c2rl.extract import windows as cutting
from c2rl.extract.encoder import SignEncoder
from c2rl.extract.run import extract
from c2rl.extract.trained import Form
from c2rl.extract.videos import extract_videos
from c2rl.extract.windows import Windows
from c2rl.store.features import FeatureStore
from c2rl.store.frames import FrameStore
from c2rl.training import checkpoint
from c2rl.training.features import feature_batches
from c2rl.video import transform
from c2rl.video.pool import Outcome
from c2rl.video.source import Span


@pytest.fixture(autouse=True)
def _apart(tmp_path, monkeypatch):
    monkeypatch.setenv("C2RL_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("C2RL_WORKERS", "1")


@pytest.fixture
def here(monkeypatch):
    """Encode in this process: what is tested is not the executors."""

    def in_process(begin, setup, todo, **_):
        work = begin(setup)
        for shard in todo:
            yield shard.number, work(shard.task)

    monkeypatch.setattr(encoding.executors, "run", in_process)


def videos(world, split="test"):
    return sorted((world.folder / "raw" / "synthsign").glob(f"*/videos/{split}/*.mp4"))


def extracted(world, tmp_path, name="f.zarr", **options):
    section = {
        "which": "best",
        "point": "after_transformer",
        "precision": "float32",
        "views": 1,
        "imported": None,
    }
    params = config.ExtractParams(extract=section | options)
    extract(
        params,
        frames=world.path("frames"),
        encoder=world.path("encoders"),
        features=tmp_path / name,
        metrics=tmp_path / "extract.json",
    )
    return FeatureStore(tmp_path / name)


def files_of(store):
    return {name: entry["blake2b"] for name, entry in store.meta.files.items()}


def test_views_see_the_frames_that_the_sampling_leaves_out(world, tmp_path, here) -> None:
    store = extracted(world, tmp_path, views=4)
    frames, signer = FrameStore(world.path("frames")), SignEncoder(world.path("encoders"))
    train = store["train"]
    assert [store[s].num_views for s in ("train", "dev", "test")] == [4, 1, 1]
    for place in (0, 5, len(train) - 1):
        number = frames.split("train")[place]
        total = frames.rows[number].num_frames
        count = max(1, int(0.25 * total + 0.5))
        for phase in range(4):  # by the rule of register row 12, written out
            chosen = []
            for i in range(count):
                first = total * i // count
                end = max(first + 1, total * (i + 1) // count)
                chosen.append(min(first + phase, end - 1))
            seen = transform.crop(transform.decode(frames.read(number, chosen)), 28)
            (expected,) = signer.encode_batch([seen])
            np.testing.assert_array_equal(train.view(place, phase), expected.numpy())
    np.testing.assert_array_equal(train[0], train.view(0, 0))
    plain = FeatureStore(world.path("features"))
    assert all(np.array_equal(train[id_], plain["train"][id_]) for id_ in train)
    assert torch.equal(
        store["train"].load(view=2).features[: len(train[0])],
        torch.from_numpy(train.view(0, 2).copy()),
    )


def test_features_before_the_transformer_become_those_after_it(world, tmp_path, here) -> None:
    before = extracted(world, tmp_path, point="before_transformer")["dev"]
    after = FeatureStore(world.path("features"))["dev"]
    network = SignEncoder(world.path("encoders")).network
    for id_ in before:
        given = torch.from_numpy(before[id_].astype(np.float32))[None]
        with torch.no_grad():
            found = network.transformer(given, torch.ones(1, given.shape[1], dtype=torch.bool))[0]
        np.testing.assert_allclose(found.numpy(), after[id_].astype(np.float32), atol=4e-3)
        assert not np.array_equal(before[id_], after[id_])


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_other_precisions_come_near(world, tmp_path, here, precision) -> None:
    quick = extracted(world, tmp_path, precision=precision)
    plain = FeatureStore(world.path("features"))
    for id_ in plain["test"]:
        a, b = (s["test"][id_].astype(np.float64) for s in (quick, plain))
        cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        assert cosines.min() > 0.99
    assert quick.meta.made_from["extract"]["precision"] == precision


def test_what_is_finished_is_not_encoded_again(world, tmp_path, here, monkeypatch) -> None:
    monkeypatch.setattr(run.shards, "SHARD", 8)
    whole = files_of(extracted(world, tmp_path, "whole.zarr"))
    shutil.rmtree(tmp_path / "scratch")
    save, saved = run.shards.save, []

    def killed(path, rows, **arrays):
        if len(saved) == 2:
            raise KeyboardInterrupt
        saved.append(path.name)
        save(path, rows, **arrays)

    monkeypatch.setattr(run.shards, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        extracted(world, tmp_path)
    assert not (tmp_path / "f.zarr").exists()
    again = []

    def noted(path, rows, **arrays):
        again.append(path.name)
        save(path, rows, **arrays)

    monkeypatch.setattr(run.shards, "save", noted)
    assert files_of(extracted(world, tmp_path)) == whole
    assert saved == ["000000.npz", "000001.npz"]
    assert again == ["000002.npz", "000003.npz", "000004.npz"]


def test_a_kill_after_the_encoding_costs_no_encoding(world, tmp_path, here, monkeypatch) -> None:
    whole = files_of(extracted(world, tmp_path))
    shutil.rmtree(tmp_path / "f.zarr")  # as DVC does before it runs a stage again
    monkeypatch.setattr(encoding.executors, "run", None)
    assert files_of(extracted(world, tmp_path)) == whole


@pytest.fixture
def diverged(world, tmp_path):
    """An encoder whose last layer gives numbers that only float32 holds."""
    encoder = tmp_path / "diverged"
    shutil.copytree(world.path("encoders"), encoder)
    weights = checkpoint.load_weights(encoder / "model.safetensors")
    weights["sign_encoder.fc.weight"] *= 1e7
    (encoder / "model.safetensors").unlink()
    checkpoint.save_weights(encoder / "model.safetensors", weights)
    meta = json.loads((encoder / "meta.json").read_text())
    meta.pop("checksum")
    meta["files"]["model.safetensors"]["bytes"] = (encoder / "model.safetensors").stat().st_size
    (encoder / "meta.json").write_text(json.dumps(meta))
    return encoder


def test_what_float16_cannot_hold_fails_with_the_clips_id(world, tmp_path, here, diverged) -> None:
    form = Form(point="before_transformer")
    with pytest.raises(ValueError, match=r"1 of 1 clips have no features: .* \(the encoder gives"):
        extract_videos(videos(world)[:1], encoder=diverged, out=tmp_path / "f.zarr", form=form)
    params = {
        "which": "best",
        "point": "before_transformer",
        "precision": "float32",
        "views": 1,
        "imported": None,
    }
    first = FrameStore(world.path("frames")).rows[0].clip.id
    with pytest.raises(ValueError, match=rf"40 of 40 clips have no features: {first} \("):
        extract(
            config.ExtractParams(extract=params),
            frames=world.path("frames"),
            encoder=diverged,
            features=tmp_path / "f.zarr",
            metrics=tmp_path / "extract.json",
        )
    assert not (tmp_path / "f.zarr").exists()


def write_table(path, lines):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def test_a_table_gives_segments_sentences_and_splits(world, tmp_path, here) -> None:
    for number, video in enumerate(videos(world)[:2]):
        shutil.copy(video, tmp_path / f"{number}.mp4")
    write_table(
        tmp_path / "mine.csv",
        [
            {"id": "b", "path": "1.mp4", "start": "", "end": "", "sentence": "es regnet",
             "split": "train", "language": "de"},
            {"id": "a", "path": "0.mp4", "start": "0.4", "end": "1.2", "sentence": "die sonne",
             "split": "train", "language": "de"},
            {"id": "c", "path": "0.mp4", "start": "", "end": "", "sentence": "", "split": "",
             "language": ""},
        ],
    )  # fmt: skip
    done = extract_videos(
        [tmp_path / "mine.csv"], encoder=world.path("encoders"), out=tmp_path / "f.zarr", views=2
    )
    assert done == (3, [], True)
    store = FeatureStore(tmp_path / "f.zarr")
    assert {s: store[s].ids for s in store} == {"train": ["b", "a"], "clips": ["c"]}
    assert store["train"].sentences == ["es regnet", "die sonne"]
    assert (store["train"].num_views, store["clips"].num_views) == (2, 1)
    signer = SignEncoder(world.path("encoders"))
    expected = signer.encode(tmp_path / "0.mp4", start_s=0.4, end_s=1.2)
    np.testing.assert_array_equal(store["train"]["a"], expected.numpy())


def test_a_table_with_mistakes_lists_them_all(world, tmp_path, here) -> None:
    write_table(
        tmp_path / "mine.csv",
        [
            {"id": "a", "path": "0.mp4", "start": "3", "end": "1"},
            {"id": "", "path": "", "start": "x", "end": ""},
        ],
    )
    with pytest.raises(ValueError, match=r"mine\.csv is not valid") as told:
        extract_videos(
            [tmp_path / "mine.csv"], encoder=world.path("encoders"), out=tmp_path / "f.zarr"
        )
    assert [line.split(":")[0] for line in str(told.value).splitlines()[1:]] == [
        "  line 2", "  line 3", "  line 3", "  line 3",
    ]  # fmt: skip


def test_two_clips_of_one_id_are_refused(world, tmp_path, here) -> None:
    shutil.copy(videos(world)[0], tmp_path / "x.mp4")
    write_table(tmp_path / "mine.csv", [{"id": "x", "path": "x.mp4"}])
    with pytest.raises(ValueError, match="two clips have the id 'x'"):
        extract_videos(
            [tmp_path / "mine.csv", tmp_path / "x.mp4"],
            encoder=world.path("encoders"),
            out=tmp_path / "f.zarr",
        )


def test_a_frame_store_is_a_source(world, tmp_path, here) -> None:
    done = extract_videos(
        [world.path("frames")], encoder=world.path("encoders"), out=tmp_path / "f.zarr"
    )
    assert done == (40, [], True)
    stored, plain = FeatureStore(tmp_path / "f.zarr"), FeatureStore(world.path("features"))
    assert files_of(stored)["train/features/c/0/0"] == files_of(plain)["train/features/c/0/0"]
    assert stored["train"].sentences == plain["train"].sentences


def long_film(path, seconds, fps=4):
    """Grey frames whose brightness tells their number."""
    frames = [np.full((48, 64, 3), 40 + n % 160, np.uint8) for n in range(seconds * fps)]
    write_video(path, np.stack(frames), fps=fps)


def test_long_videos_are_cut_into_windows_that_know_their_time(world, tmp_path, here) -> None:
    long_film(tmp_path / "long.mp4", 100)
    long_film(tmp_path / "short.mp4", 59)
    done = extract_videos(
        [tmp_path / "long.mp4", tmp_path / "short.mp4"],
        encoder=world.path("encoders"),
        out=tmp_path / "f.zarr",
        windows=Windows(40.0, 10.0),
    )
    assert done.failed == []
    clips = FeatureStore(tmp_path / "f.zarr")["clips"]
    assert clips.ids == [
        "long@0.00-40.00", "long@30.00-70.00", "long@60.00-100.00", "short",
    ]  # fmt: skip
    assert [(r.clip.start_s, r.clip.end_s) for r in clips.rows[:3]] == [
        (0, 40),
        (30, 70),
        (60, 100),
    ]
    signer = SignEncoder(world.path("encoders"))
    expected = signer.encode(tmp_path / "long.mp4", start_s=30.0, end_s=70.0)
    np.testing.assert_array_equal(clips["long@30.00-70.00"], expected.numpy())


@pytest.mark.parametrize(
    ("duration", "windows", "expected"),
    [
        (61.0, (15.0, 5.0), [(0, 15), (10, 25), (20, 35), (30, 45), (40, 55), (50, 61)]),
        (60.5, (30.0, 0.0), [(0, 30), (30, 60), (60, 60.5)]),
        (65.0, (70.0, 5.0), [(0, 65)]),
    ],
)
def test_windows_cover_a_video(world, tmp_path, monkeypatch, duration, windows, expected) -> None:
    span = Span(round(duration * 100), 100.0, 64, 48, is_counted=True)
    monkeypatch.setattr(cutting, "run", lambda *_, **__: [Outcome(0, "", span)])
    task = trained.read(world.path("encoders")).task(tmp_path, Clip("v", "clips", "", "", "v.mp4"))
    found = cutting.cut([task], Windows(*windows))
    assert [(t.clip.start_s, t.clip.end_s) for t in found] == expected


def test_windows_that_do_not_move_on_are_refused(world, tmp_path) -> None:
    with pytest.raises(ValueError, match="windows of 5 s overlap by 5 s"):
        sources.plan([], trained.read(world.path("encoders")), views=1, windows=Windows(5.0, 5.0))


def test_a_clip_that_is_too_long_for_the_transformer_is_named(world, tmp_path, here) -> None:
    write_video(tmp_path / "long.mp4", np.full((4200, 48, 64, 3), 90, np.uint8), fps=100)
    with pytest.raises(ValueError, match=r"long .*1050 of its frames are to be encoded"):
        extract_videos(
            [tmp_path / "long.mp4"], encoder=world.path("encoders"), out=tmp_path / "f.zarr"
        )
    done = extract_videos(
        [tmp_path / "long.mp4"],
        encoder=world.path("encoders"),
        out=tmp_path / "f.zarr",
        form=Form(point="before_transformer"),
    )
    assert done.written == 1


def test_a_damaged_stored_frame_fails_its_clip_alone(world, tmp_path, here, monkeypatch) -> None:
    view = transform.view
    calls = []

    def broken(read, *arguments, **options):
        calls.append(1)
        if len(calls) == 3:
            raise ValueError("stored frame 1 of 9 is no image")
        return view(read, *arguments, **options)

    monkeypatch.setattr(transform, "view", broken)
    with pytest.raises(ValueError, match=r"1 of 40 clips have no features: .*is no image"):
        extracted(world, tmp_path)


def test_an_unknown_executor_is_one_line(world, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("C2RL_EXECUTOR", "spark")
    with pytest.raises(ValueError, match="expected local, rank or ray"):
        extracted(world, tmp_path)


def test_a_directory_that_cannot_be_written_is_told(world, tmp_path, here) -> None:
    with pytest.raises(OSError, match="/proc"):
        extract_videos(
            [world.path("frames")], encoder=world.path("encoders"), out=Path("/proc/here/f.zarr")
        )


@pytest.mark.parametrize("stage", ["translate", "retrieve"])
def test_features_of_another_encoder_are_refused(world, tmp_path, stage) -> None:
    """The script is run as DVC runs it: what it says is what a user reads."""
    other = tmp_path / "other"
    shutil.copytree(world.path("encoders"), other)
    meta = json.loads((other / "meta.json").read_text())
    meta["fingerprint"] = "0123456789abcdef"
    del meta["checksum"]
    (other / "meta.json").write_text(json.dumps(meta))
    shutil.copy(world.params, tmp_path / "params.yaml")
    done = subprocess.run(
        [sys.executable, ROOT / f"pipeline/{stage}.py", world.path("features"), other, "x", "y"],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    ours = FeatureStore(world.path("features")).meta.made_from["encoder"]
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"c2rl: {world.path('features')} was made by encoder {ours}, but {other} is"
        f" 0123456789abcdef. Run `dvc repro extract` to make it anew, or put the encoder that made"
        f" it in {other}."
    )


def test_training_draws_a_view_by_clip_and_epoch(world, tmp_path, here) -> None:
    train = extracted(world, tmp_path, views=4)["train"]
    tokens = [[1, 2] for _ in train.ids]

    def drawn(batch_size, epoch):
        batches = feature_batches(train, tokens, batch_size=batch_size, seed=3)(epoch, 0)
        found = {}
        for step in batches:
            for micro in step.micro_batches:
                for id_, rows, mask in zip(micro.ids, micro.features, micro.mask, strict=True):
                    views = [
                        n for n in range(4)
                        if np.array_equal(rows[mask].numpy(), train.view(id_, n).astype(np.float32))
                    ]  # fmt: skip
                    found[id_] = views[0]
        return found

    assert drawn(8, 0) == drawn(5, 0)
    assert drawn(8, 0) != drawn(8, 1)
    assert set(drawn(8, 0).values()) | set(drawn(8, 1).values()) == {0, 1, 2, 3}
