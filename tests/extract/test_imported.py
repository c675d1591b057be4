"""Another project's features go where the encoder's own would: translate and retrieve take them."""

import json
from pathlib import Path

import numpy as np
import pytest

from c2rl import config, provenance
from c2rl.extract.exchange import export_features, import_features
from c2rl.extract.run import extract
from c2rl.store.features import FeatureStore

NAMED = "imports/synthsign-theirs.zarr"


@pytest.fixture
def theirs(world, tmp_path, monkeypatch) -> Path:
    """The corpus's features out to GFSLT-VLP's format and in again."""
    monkeypatch.setenv("C2RL_DATA", str(tmp_path))
    export_features(world.path("features"), "gfslt", tmp_path / "out")
    import_features(tmp_path / "out", "gfslt", tmp_path / NAMED)
    return tmp_path / NAMED


def take(world, tmp_path, named: str = NAMED) -> FeatureStore:
    section = config.load(config.ExtractParams, world.params).extract
    params = config.ExtractParams(extract=section.model_dump() | {"imported": named})
    extract(
        params,
        frames=world.path("frames"),
        encoder=tmp_path / "none",  # it is not looked at
        features=tmp_path / "f.zarr",
        metrics=tmp_path / "extract.json",
    )
    return FeatureStore(tmp_path / "f.zarr")


def test_the_stage_hands_on_what_was_imported(world, theirs, tmp_path) -> None:
    taken, own = take(world, tmp_path), FeatureStore(world.path("features"))
    assert taken.meta.made_from == FeatureStore(theirs).meta.made_from
    assert taken.meta.fingerprint == FeatureStore(theirs).meta.fingerprint
    for split in own:
        for id_ in own[split].ids:
            np.testing.assert_array_equal(taken[split][id_], own[split][id_])
    told = json.loads((tmp_path / "extract.json").read_text())
    assert told["train"]["clips"] == len(own["train"])
    provenance.require_encoder(tmp_path / "f.zarr", taken.meta.made_from, world.path("encoders"))


def test_what_was_imported_may_be_named_by_its_whole_path(world, theirs, tmp_path) -> None:
    assert len(take(world, tmp_path, str(theirs))["train"])


def test_an_import_that_lacks_clips_is_refused_by_name(world, theirs, tmp_path) -> None:
    (tmp_path / "out/features.dev").unlink()
    import_features(tmp_path / "out", "gfslt", theirs)
    with pytest.raises(ValueError, match=r"lacks (\d+) of \1 clips of dev \(.*dev-0000, "):
        take(world, tmp_path)
    assert not (tmp_path / "f.zarr").exists()


def test_an_encoders_features_are_no_import(world, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"features of a c2rl encoder, expected some made by"):
        take(world, tmp_path, str(world.path("features")))


def test_a_store_that_is_not_there_is_one_line(world, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("C2RL_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"synthsign-theirs\.zarr"):
        take(world, tmp_path)
