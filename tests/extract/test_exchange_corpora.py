"""Features that came without sentences get them from a corpus, and go through the stages."""

import gzip
import json
import os
import pickle
from pathlib import Path

import numpy as np
import peer_features as peer
import pytest

from c2rl import config
from c2rl.corpora.clip import Choice
from c2rl.corpora.find import corpus
from c2rl.extract.exchange import export_features, import_features
from c2rl.extract.peers import foreign, per_split
from c2rl.extract.texts import of_corpus
from c2rl.store.features import FeatureStore

REAL = Path(os.environ.get("C2RL_REALDATA", "/nowhere"))


def features(clip, width=16):
    """(T, C) float32, told by the clip's place in time."""
    first = len(clip.id) + (clip.start_s or 0.0)
    return (np.arange(3 * width).reshape(3, width) / 8 + int(first)).astype(np.float32)


def clips(release, name):
    read = corpus(name).read(release.root, Choice())
    return [e.clip for e in read.entries if not e.status and e.clip.sentence]


def test_spamos_arrays_get_the_sentences_of_phoenix(tmp_path, miniature):
    release = miniature("phoenix14t")
    found = clips(release, "phoenix14t")
    for clip in found[1:]:
        path = tmp_path / "src" / clip.split / f"{clip.id}_s2wrapping.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, features(clip))
    texts = of_corpus("phoenix14t", release.root)
    done = import_features(
        tmp_path / "src", "npy", tmp_path / "f.zarr", texts=texts, postfix="_s2wrapping"
    )
    assert [id_ for id_, _ in done.failed] == [found[0].id]
    store = FeatureStore(tmp_path / "f.zarr")
    stored = {row.clip.id: row.clip for split in store for row in store[split].rows}
    assert stored == {clip.id: clip._replace(fps=clip.fps or 0.0) for clip in found[1:]}
    assert store.meta.made_from["profile"] == "phoenix.gfslt"
    assert store.meta.made_from["texts"]["dataset"] == "phoenix14t"
    for clip in found[1:]:
        np.testing.assert_array_equal(store[clip.split][clip.id], features(clip))


def test_cicos_and_spamos_names_of_how2sign_are_understood(tmp_path, miniature):
    release = miniature("how2sign")
    found = clips(release, "how2sign")
    everything = corpus("how2sign").read(release.root, Choice()).entries
    for clip in found:
        same = [e.clip for e in everything if e.clip.source == clip.source]
        place = sorted(same, key=lambda c: c.start_s).index(clip)
        for form, name in (
            ("cico", f"{Path(clip.source).stem}_clip{place}.pkl"),
            ("npy", f"{clip.id}_{clip.start_s}_large.npy"),
        ):
            path = tmp_path / form / clip.split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if form == "npy":
                np.save(path, features(clip))
            else:
                path.write_bytes(pickle.dumps({"name": path.stem, "feature": features(clip)}))
    texts = of_corpus("how2sign", release.root)
    for form in ("cico", "npy"):
        done = import_features(
            tmp_path / form, form, tmp_path / "f.zarr", texts=texts, postfix="_large"
        )
        assert done.failed == []
        store = FeatureStore(tmp_path / "f.zarr")
        assert {i for s in store for i in store[s].ids} == {clip.id for clip in found}
        for clip in found:
            np.testing.assert_array_equal(store[clip.split][clip.id], features(clip))
        assert store["test"].groups == [row.clip.group for row in store["test"].rows]


def test_a_corpus_that_is_not_there_or_other_labels_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"does not exist\. RWTH"):
        of_corpus("phoenix14t", tmp_path / "no")
    with pytest.raises(ValueError, match="can be read from release, gfslt"):
        of_corpus("phoenix14t", tmp_path, labels="mine")
    with pytest.raises(ValueError, match="corpus 'mine' is unknown"):
        of_corpus("mine", tmp_path)


@pytest.mark.parametrize("form", ["gfslt", "cico"])
def test_translation_and_retrieval_learn_from_imported_features(world, tmp_path, form):
    from c2rl.retrieve.run import retrieve
    from c2rl.translate.run import translate

    own = world.path("features")
    export_features(own, form, tmp_path / "out")
    import_features(tmp_path / "out", form, tmp_path / "f.zarr", language="en")
    expected, found = (peer.stored(FeatureStore(path)) for path in (own, tmp_path / "f.zarr"))
    assert expected.keys() == found.keys()
    for id_, bits in expected.items():
        np.testing.assert_array_equal(found[id_], bits)
    for name, stage in (("translate", translate), ("retrieve", retrieve)):
        params = config.load(getattr(config, f"{name.capitalize()}Params"), world.params)
        target = {"translate": "translator", "retrieve": "retriever"}[name]
        stage(
            params,
            features=tmp_path / "f.zarr",
            encoder=world.path("encoders"),  # there, but not theirs
            metrics=tmp_path / f"{name}.json",
            **{target: tmp_path / target},
        )
        assert json.loads((tmp_path / f"{name}.json").read_text()).keys() == {"dev", "test"}
        made = json.loads((tmp_path / target / "config.json").read_text())
        assert made["encoder"] is None


def test_the_command_finds_the_corpus(tmp_path, miniature, capsys, monkeypatch):
    release = miniature("phoenix14t")
    clip = clips(release, "phoenix14t")[0]
    peer.dump(tmp_path / f"x.{clip.split}", [{"name": clip.id, "sign": features(clip)}])
    call = ["features", "import", tmp_path, "--format", "neccam", "--out", tmp_path / "f.zarr"]
    call += ["--dataset", "phoenix14t", "--root", release.root]
    code, _, told = peer.cli(capsys, monkeypatch, *call)
    assert code == 1, "the split's other clips are expected"
    assert "has no features in" in told
    assert FeatureStore(tmp_path / "f.zarr")[clip.split].sentences == [clip.sentence]


@pytest.mark.skipif(not REAL.is_dir(), reason="C2RL_REALDATA is not set")
def test_real_lists_without_features_are_read_and_every_clip_named(tmp_path):
    path = next(REAL.glob("annotations/*SLRT*/TwoStreamNetwork/data/*/phoenix-2014t.dev"))
    with foreign.Scratch(tmp_path) as scratch:
        found = per_split.read_neccam(path, scratch)
        assert len(found.clips) == 519
        assert {clip.told.split for clip in found.clips} == {"dev"}
        assert all(clip.told.sentence and clip.told.signer for clip in found.clips)
        assert {clip.read().shape for clip in found.clips} == {(0,)}
    with pytest.raises(ValueError, match=r"no clip can be imported; .* has the shape \(0,\)"):
        import_features(path, "neccam", tmp_path / "f.zarr", language="de")


@pytest.mark.skipif(not REAL.is_dir(), reason="C2RL_REALDATA is not set")
def test_gfslts_real_labels_with_features_added_are_read(tmp_path):
    path = next(REAL.glob("annotations/*GFSLT*/data/*/labels.dev"))
    with gzip.open(path) as file:
        labels = pickle.load(file)
    import torch

    for number, fields in enumerate(labels.values()):
        fields["feature"] = torch.full((2, 512), number / 4)
    peer.dump(tmp_path / "features.dev", labels)
    done = import_features(tmp_path / "features.dev", "gfslt", tmp_path / "f.zarr", language="de")
    assert (done.clips, done.left_out, done.failed) == ({"dev": 519}, [], [])
    store = FeatureStore(tmp_path / "f.zarr")["dev"]
    assert store.sentences == [fields["text"] for fields in labels.values()]
    assert [float(store[n][0, 0]) for n in range(519)] == [n / 4 for n in range(519)]
    assert [row.num_frames for row in store.rows] == [f["length"] for f in labels.values()]
