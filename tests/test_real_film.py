"""Real people on real film go in; features, sentences and ranks come out, all of them."""

import csv
import json
import os
from pathlib import Path

import pytest
from small import small_params

from c2rl import config
from c2rl.corpora.clip import Choice
from c2rl.store.features import FeatureStore
from c2rl.store.manifest import OK, read_manifest

VIDEOS = Path(os.environ.get("C2RL_REALDATA", "/nowhere")) / "videos"
pytestmark = pytest.mark.skipif(not VIDEOS.is_dir(), reason="C2RL_REALDATA is not set")


def clips_with_text() -> list[Path]:
    """Dictionary clips whose file name is their text: Libras and DGS."""
    return sorted(VIDEOS.glob("laerciolima*/**/*.mp4")) + sorted(VIDEOS.glob("DFKI*/**/*.mp4"))


def test_a_table_of_real_clips_runs_through_five_stages(tmp_path, monkeypatch) -> None:
    from c2rl.extract.run import extract
    from c2rl.prepare.check import check
    from c2rl.prepare.run import prepare
    from c2rl.pretrain.run import pretrain
    from c2rl.retrieve.run import retrieve
    from c2rl.translate.run import translate

    root = tmp_path / "raw" / "table"
    root.mkdir(parents=True)
    clips = clips_with_text()
    assert len(clips) >= 30
    with (root / "table.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["id", "path", "start", "end", "sentence", "split", "language"])
        for i, clip in enumerate(clips):
            (root / f"{i:02d}.mp4").write_bytes(clip.read_bytes())
            split = ("train", "train", "train", "dev", "test")[i % 5]
            out.writerow([f"clip{i:02d}", f"{i:02d}.mp4", "", "", clip.stem, split, "pt"])
    monkeypatch.setenv("C2RL_DATA", str(tmp_path / "raw"))
    monkeypatch.setenv("C2RL_SCRATCH", str(tmp_path / "scratch"))
    check("table", root, Choice(), target=tmp_path / "table.json")
    path = small_params(tmp_path / "params.yaml")
    path.write_text(path.read_text().replace("dataset: synthsign", "dataset: table"))
    frames, encoder, features = (tmp_path / n for n in ("frames", "encoder", "features.zarr"))
    metrics = tmp_path / "metrics.json"

    prepared = config.load(config.PrepareParams, path)
    prepare(prepared, release=tmp_path / "table.json", frames=frames, metrics=metrics)
    rows = read_manifest(frames / "manifest.jsonl")
    assert {row.status for row in rows} == {OK}
    pretrain(
        config.load(config.PretrainParams, path), frames=frames, encoder=encoder, metrics=metrics
    )
    extracted = config.load(config.ExtractParams, path)
    extract(extracted, frames=frames, encoder=encoder, features=features, metrics=metrics)
    store = FeatureStore(features)
    assert {i for s in store for i in store[s].ids} == {row.clip.id for row in rows}

    said = config.load(config.TranslateParams, path)
    made_of = {"features": features, "encoder": encoder}
    translate(said, **made_of, translator=tmp_path / "translator", metrics=metrics)
    lines = (tmp_path / "translator/predictions.test.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == store["test"].ids
    assert json.loads(metrics.read_text())["test"]["signature"].startswith("en.sacre13a")
    found = config.load(config.RetrieveParams, path)
    retrieve(found, **made_of, retriever=tmp_path / "retriever", metrics=metrics)
    assert json.loads(metrics.read_text())["test"]["grouped"]["pool"] == len(store["test"])
