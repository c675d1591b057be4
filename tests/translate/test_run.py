"""Stage translate with every backbone: it learns, writes, is loaded again, and refuses in time."""

import json
import shutil

import hub_models
import numpy as np
import pytest
from small import small_params

import c2rl
from c2rl import config, provenance
from c2rl.corpora.clip import Clip
from c2rl.store.features import FeatureStore, write_feature_store
from c2rl.store.manifest import Row
from c2rl.translate.run import translate


class Run:
    """Runs the stage on the small corpus's features, in a folder of its own."""

    def __init__(self, world, folder, monkeypatch) -> None:
        monkeypatch.setenv("C2RL_SCRATCH", str(folder / "scratch"))
        self.features, self.encoder = world.path("features"), world.path("encoders")
        self.folder = folder

    def __call__(self, *, features=None, **changes):
        translator, metrics = self.folder / "translator", self.folder / "metrics.json"
        shutil.rmtree(translator, ignore_errors=True)
        params = small_params(self.folder / "params.yaml", translate=changes)
        translate(
            config.load(config.TranslateParams, params),
            features=features or self.features,
            encoder=self.encoder,
            translator=translator,
            metrics=metrics,
        )
        return translator, json.loads(metrics.read_text(encoding="utf-8"))


@pytest.fixture
def run(world, tmp_path, monkeypatch) -> Run:
    return Run(world, tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def sentences(world) -> list[str]:
    return FeatureStore(world.path("features"))["train"].sentences


@pytest.mark.parametrize("backbone", ["mbart", "mt5"])
def test_fresh_models_of_the_real_classes_translate(run: Run, backbone: str) -> None:
    translator, metrics = run(backbone=backbone)
    assert set(metrics) == {"dev", "test"}
    loaded = c2rl.load(translator)
    store = FeatureStore(run.features)
    written = (translator / "predictions.test.jsonl").read_text(encoding="utf-8").split("\n")
    for row in map(json.loads, written[:3]):
        found = loaded.translate(store["test"][row["id"]])
        assert found[0].sentence == row["hypothesis"]
        assert found[0].score == pytest.approx(row["score"], abs=1e-3)
        assert len(found) == 2


@pytest.mark.parametrize("backbone", ["mbart", "mt5"])
def test_pretrained_weights_are_taken_from_a_folder_of_the_hubs_format(
    run: Run, sentences: list[str], tmp_path, backbone: str
) -> None:
    hub = hub_models.save(tmp_path / "hub", backbone, [*sentences, "völlig andere wörter"])
    translator, _ = run(backbone=backbone, weights=str(hub))
    told = json.loads((translator / "config.json").read_text())
    assert told["backbone"]["name"] == backbone
    first = provenance.read_meta(translator, "translator", made_by="translate").made_from
    vocabulary = c2rl.load(translator).tokenizer.size
    assert vocabulary == told["backbone"]["model"]["config"]["vocab_size"]
    assert vocabulary < json.loads((hub / "config.json").read_text())["vocab_size"]

    # Another file at the same path is another artefact.
    model = hub_models.model(backbone, json.loads((hub / "config.json").read_text())["vocab_size"])
    hub_models.scramble(model)
    model.save_pretrained(hub)
    run(backbone=backbone, weights=str(hub))
    second = provenance.read_meta(translator, "translator", made_by="translate").made_from
    assert first["weights"] != second["weights"]


def test_metrics_tell_what_a_reader_needs_to_trust_them(run: Run) -> None:
    _, metrics = run()
    own = metrics["test"]
    for key in ("bleu4", "bleu4_ci", "bleu4_shuffled", "bleu4_constant", "rouge_l", "chrf"):
        assert 0 <= own[key] <= 100
    for key in ("distinct", "length_ratio", "copied", "commonest", "covered"):
        assert own[key] >= 0
    assert own["signature"].startswith("phoenix.gfslt|")
    assert set(own["profiles"]) > {"phoenix.slrt", "phoenix.mmtlb"}


def store_of(path, sentences, lengths, made_from, *, language="de"):
    rows = [
        Row(Clip(f"{split}{i}", split, sentence, language, "a.mp4", fps=25.0), "ok", "", 9, 25.0)
        for split, own in sentences.items()
        for i, sentence in enumerate(own)
    ]
    flat = [length for own in lengths.values() for length in own]
    write_feature_store(
        path,
        rows,
        (np.ones((length, 4), np.float32) for length in flat),
        lengths=flat,
        width=4,
        made_from=made_from,
    )
    return path


@pytest.fixture
def made_from(run: Run):
    return FeatureStore(run.features).meta.made_from


def test_a_clip_without_a_sentence_is_named(run: Run, tmp_path, made_from) -> None:
    texts = {"train": ["ein satz", " "], "dev": ["ein satz"]}
    features = store_of(tmp_path / "f.zarr", texts, {"train": [3, 3], "dev": [3]}, made_from)
    with pytest.raises(ValueError, match=r"1 clip \(train1\) of train without a sentence"):
        run(features=features)


def test_a_clip_longer_than_the_positions_is_named(run: Run, tmp_path, made_from) -> None:
    texts = {"train": ["ein satz", "noch ein satz"], "dev": ["ein satz"]}
    lengths = {"train": [3, 3], "dev": [1025]}
    features = store_of(tmp_path / "f.zarr", texts, lengths, made_from)
    for backbone in ("transformer", "mbart"):
        with pytest.raises(ValueError, match=r"\(dev0\) of dev with more features than the 1024"):
            run(features=features, backbone=backbone)
    run(features=features, backbone="mt5", epochs=1)


def test_a_hypothesis_longer_than_the_positions_is_refused(run: Run) -> None:
    with pytest.raises(ValueError, match=r"translate\.max_length is 2000"):
        run(max_length=2000)


def test_without_a_longest_hypothesis_half_as_much_again_as_the_longest_sentence_is_tried(
    run: Run, sentences: list[str]
) -> None:
    translator, _ = run(max_length=None)
    loaded = c2rl.load(translator)
    longest = max(len(loaded.tokenizer.encode(sentence)) for sentence in sentences)
    assert loaded.search["max_length"] == longest + longest // 2


def test_weights_that_are_not_at_hand_are_asked_for(run: Run, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match=r"facebook/mbart-large-cc25"):
        run(backbone="mbart", weights="facebook/mbart-large-cc25")


def test_a_corpus_in_a_language_that_mbart_does_not_know_is_refused(
    run: Run, sentences: list[str], tmp_path, made_from
) -> None:
    hub = hub_models.save(tmp_path / "hub", "mbart", sentences)
    lengths = {"train": [3, 3], "dev": [3]}
    texts = {"train": ["ett hus", "en dörr"], "dev": ["ett hus"]}
    path = store_of(tmp_path / "f.zarr", texts, lengths, made_from, language="is")
    with pytest.raises(ValueError, match=r"no code for language 'is'"):
        run(features=path, backbone="mbart", weights=str(hub))


def test_float16_is_refused_with_the_reason(run: Run) -> None:
    with pytest.raises(ValueError, match=r"translate\.precision.*bfloat16"):
        run(backbone="mt5", precision="float16")
