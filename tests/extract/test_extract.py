"""Extraction: covered, equal by every route, and honest about what it cannot read."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import c2rl
from c2rl.extract.videos import extract_videos
from c2rl.store.features import FeatureStore
from c2rl.store.frames import FrameStore


def videos(world, split="test"):
    return sorted((world.folder / "raw" / "synthsign").glob(f"*/videos/{split}/*.mp4"))


def test_every_readable_clip_is_stored(world) -> None:
    store, frames = FeatureStore(world.path("features")), FrameStore(world.path("frames"))
    stored = {id_ for split in store for id_ in store[split].ids}
    assert stored == {row.clip.id for row in frames.rows}
    assert {split: len(store[split]) for split in store} == {"train": 24, "dev": 8, "test": 8}


def test_lengths_follow_the_sampling_rule(world) -> None:
    store, frames = FeatureStore(world.path("features")), FrameStore(world.path("frames"))
    expected = {r.clip.id: max(1, int(0.25 * r.num_frames + 0.5)) for r in frames.rows}
    found = {i: n for s in store for i, n in zip(store[s].ids, store[s].lengths, strict=True)}
    assert found == expected


def test_a_video_and_the_corpus_give_equal_features(world, tmp_path) -> None:
    video = videos(world)[0]
    stored = FeatureStore(world.path("features"))["test"][video.stem]
    encoded = c2rl.load(world.path("encoders")).encode(video)
    assert encoded.dtype == torch.float16
    np.testing.assert_array_equal(encoded.numpy(), stored)
    done = extract_videos([video], encoder=world.path("encoders"), out=tmp_path / "f.zarr")
    assert done == (1, [], True)
    np.testing.assert_array_equal(FeatureStore(tmp_path / "f.zarr")["clips"][video.stem], stored)


def test_stock_zarr_reads_the_store(world) -> None:
    import zarr

    store = FeatureStore(world.path("features"))
    group = zarr.open_group(world.path("features"), mode="r")
    offsets = group["dev/offsets"][:]
    first = group["dev/features"][offsets[0] : offsets[1]]
    np.testing.assert_array_equal(first, store["dev"][0])


def cli(world, *arguments):
    return subprocess.run(
        [sys.executable, "-c", "from c2rl.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=world.folder,
        timeout=120,
    )


def test_what_cannot_be_read_is_named_and_the_rest_is_kept(world, tmp_path) -> None:
    good = videos(world)[0]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "good.mp4").write_bytes(good.read_bytes())
    (tmp_path / "in" / "cut.mp4").write_bytes(good.read_bytes()[:2000])
    (tmp_path / "in" / "empty.mp4").write_bytes(b"")
    (tmp_path / "in" / "text.mp4").write_text("this is no video")
    done = cli(
        world,
        "extract",
        "--ckpt",
        world.path("encoders"),
        tmp_path / "in",
        "--out",
        tmp_path / "f.zarr",
    )
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if not line.startswith("extract: ")]
    assert len(lines) == 3
    assert all(any(name in line for line in lines) for name in ("cut", "empty", "text"))
    assert FeatureStore(tmp_path / "f.zarr")["clips"].ids == ["good"]


@pytest.mark.parametrize(
    ("ckpt", "message"),
    [("features", "holds features, but encoder is needed"), ("nowhere", "does not exist")],
)
def test_a_wrong_checkpoint_is_one_line(world, tmp_path, ckpt, message) -> None:
    done = cli(
        world, "extract", "--ckpt", world.path(ckpt), videos(world)[0], "--out", tmp_path / "f.zarr"
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "f.zarr").exists()


def test_a_missing_video_is_one_line(world, tmp_path) -> None:
    done = cli(
        world, "extract", "--ckpt", world.path("encoders"), "no.mp4", "--out", tmp_path / "f.zarr"
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "c2rl: no.mp4 does not exist; expected a video or a folder."


def test_predict_and_search_answer(world) -> None:
    done = cli(
        world, "predict", videos(world)[0], "--encoder", world.path("encoders"),
        "--translator", world.path("translators"), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["n_best"]) >= 1
    done = cli(
        world, "search", "der mann tanzt", "--retriever", world.path("retrievers"), "--top", 3
    )
    assert done.returncode == 0, done.stderr
    hits = done.stdout.rstrip().splitlines()[::2]  # below each, the moments of its words
    assert [hit.split()[0] for hit in hits] == ["1", "2", "3"]
