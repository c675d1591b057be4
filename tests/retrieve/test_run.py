"""Stage retrieve with every backbone: it learns, writes, is loaded again, and refuses in time."""

import json
import shutil

import hub_models
import numpy as np
import pytest
import torch
from small import small_params

from c2rl import config, provenance
from c2rl.corpora.clip import Clip
from c2rl.language import tokenizer as language
from c2rl.retrieve.embed import embed_signs
from c2rl.retrieve.model import RetrieverNetwork
from c2rl.retrieve.ranking import rank
from c2rl.retrieve.run import retrieve
from c2rl.store.features import FeatureStore, write_feature_store
from c2rl.store.manifest import Row
from c2rl.training import checkpoint

ENCODER = "0123456789abcdef"
WORDS = ["regen", "sonne", "wind", "norden", "morgen", "schnee"]
SENTENCES = {
    "train": [f"{a} und {b}" for a in WORDS for b in WORDS if a < b],
    "dev": ["regen und schnee", "morgen und wind", "norden und wind"],
    "test": ["regen und wind", "regen und wind", "morgen und sonne"],
}

GROUPS = {"test0": "rain and wind", "test1": "rain and wind"}


def features_of(sentence: str, length: int) -> np.ndarray:
    """Say the words, so that there is something to learn."""
    ways = [WORDS.index(word) for word in sentence.split() if word in WORDS] or [0]
    rows = np.eye(8)[[ways[i * len(ways) // max(1, length)] for i in range(length)]]
    return (rows + 0.1 * np.cos(np.arange(length * 8) * 0.3).reshape(-1, 8)).astype(np.float16)


def store_of(path, sentences, *, lengths=None, groups=None, code="de"):
    """Write a feature store of these sentences; lengths and groups by the clip's id."""
    clips = [
        Clip(f"{split}{i}", split, text, code, "a.mp4", group=(groups or {}).get(f"{split}{i}"))
        for split, own in sentences.items()
        for i, text in enumerate(own)
    ]
    sizes = [(lengths or {}).get(clip.id, 4 + i % 3) for i, clip in enumerate(clips)]
    write_feature_store(
        path,
        [Row(clip, "ok", "", 9, 25.0) for clip in clips],
        (features_of(c.sentence, n) for c, n in zip(clips, sizes, strict=True)),
        lengths=sizes,
        width=8,
        made_from={"encoder": ENCODER, "profile": None},
    )
    return path


class Run:
    """Runs the stage on a store, in a folder of its own."""

    def __init__(self, folder, monkeypatch) -> None:
        monkeypatch.setenv("C2RL_SCRATCH", str(folder / "scratch"))
        self.folder = folder
        self.features = store_of(folder / "features.zarr", SENTENCES, groups=GROUPS)

    def __call__(self, *, features=None, **changes):
        retriever, metrics = self.folder / "retriever", self.folder / "metrics.json"
        shutil.rmtree(retriever, ignore_errors=True)
        params = small_params(self.folder / "params.yaml", retrieve=changes)
        retrieve(
            config.load(config.RetrieveParams, params),
            features=features or self.features,
            encoder=self.folder / "no encoder",
            retriever=retriever,
            metrics=metrics,
        )
        return retriever, json.loads(metrics.read_text(encoding="utf-8"))


@pytest.fixture
def run(tmp_path, monkeypatch) -> Run:
    return Run(tmp_path, monkeypatch)


def loaded(retriever):
    told = json.loads((retriever / "config.json").read_text(encoding="utf-8"))
    model = RetrieverNetwork(**told["network"])
    checkpoint.fill(model, checkpoint.load_weights(retriever / "model.safetensors"))
    tokenizer = language.loads((retriever / "tokenizer.json").read_text(encoding="utf-8"))
    return model.eval(), tokenizer, {key: told[key] for key in ("sharpness", "mix")}


@pytest.mark.parametrize("backbone", ["transformer", "mbart", "mt5"])
def test_what_is_written_ranks_as_the_metrics_say(run: Run, backbone: str) -> None:
    retriever, metrics = run(backbone=backbone)
    model, tokenizer, scoring = loaded(retriever)
    store = FeatureStore(run.features)
    again = rank(model, store["test"], tokenizer, **scoring, resamples=1000)
    assert again.metrics == metrics["test"]
    lines = (retriever / "ranks.test.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == again.rows
    written = FeatureStore(retriever / "embeddings.zarr")["test"]
    for i, clip in enumerate(embed_signs(model, store["test"])):
        torch.testing.assert_close(torch.tensor(written[i]), clip.half(), atol=1e-2, rtol=1e-2)


def test_both_protocols_are_told_with_ties_pool_chance_and_intervals(run: Run) -> None:
    _, metrics = run()
    grouped, paired = metrics["test"]["grouped"], metrics["test"]["paired"]
    assert (grouped["pool"], grouped["chance"]) == (2, 50.0)
    assert (paired["pool"], paired["chance"]) == (3, 33.33)
    assert (grouped["t2v"]["n"], grouped["v2t"]["n"], paired["t2v"]["n"]) == (2, 3, 3)
    assert paired["v2t"]["ties"] == 2  # the clips of equal sentences
    for side in (grouped["t2v"], paired["v2t"]):
        for key in ("r1", "r5", "r10", "mrr", "mean_rank", "median_rank"):
            assert side[f"{key}_low"] <= side[key] <= side[f"{key}_high"]
    assert set(metrics) == {"dev", "test"}


@pytest.mark.parametrize("backbone", ["transformer", "mbart", "mt5"])
def test_it_learns(run: Run, backbone: str) -> None:
    longer = SENTENCES | {"train": SENTENCES["train"] * 8}
    features = store_of(run.folder / "f.zarr", longer, groups=GROUPS)
    changes = {"epochs": 8, "batch_size": 15, "lr": 0.01, "width": 32}
    _, metrics = run(features=features, backbone=backbone, **changes)
    for split in ("dev", "test"):
        assert [metrics[split]["grouped"][way]["r1"] for way in ("t2v", "v2t")] == [100, 100]


@pytest.mark.parametrize("backbone", ["transformer", "mbart", "mt5"])
def test_networks_in_bfloat16_are_compared_in_float32(run: Run, backbone: str) -> None:
    found = []
    for precision in ("float32", "bfloat16"):
        retriever, _ = run(backbone=backbone, precision=precision, dropout=0.0)
        first = (retriever / "history.jsonl").read_text(encoding="utf-8").splitlines()[0]
        found.append(json.loads(first)["loss"])
    assert found[0] != found[1]
    assert found[0] == pytest.approx(found[1], rel=0.05)


@pytest.mark.parametrize("backbone", ["mbart", "mt5"])
def test_pretrained_weights_are_taken_from_a_folder_of_the_hubs_format(
    run: Run, tmp_path, backbone: str
) -> None:
    words = [*SENTENCES["train"], "völlig andere wörter"]
    hub = hub_models.save(tmp_path / "hub", backbone, words)
    retriever, _ = run(backbone=backbone, weights=str(hub))
    first = provenance.read_meta(retriever, "retriever", made_by="retrieve").made_from
    told = json.loads((retriever / "config.json").read_text())["network"]
    whole = json.loads((hub / "config.json").read_text())["vocab_size"]
    assert loaded(retriever)[1].size == told["model"]["config"]["vocab_size"] < whole

    # Another file at the same path is another artefact.
    model = hub_models.model(backbone, whole)
    with torch.no_grad():
        next(iter(model.parameters())).add_(1)
    model.save_pretrained(hub)
    run(backbone=backbone, weights=str(hub))
    second = provenance.read_meta(retriever, "retriever", made_by="retrieve").made_from
    assert first["weights"] != second["weights"]


def test_graphs_that_do_not_fit_are_run_twice_and_the_weights_are_the_same(
    run: Run, monkeypatch
) -> None:
    """Dropout included; 15 clips, three micro-batches would need more rows than may be held."""
    monkeypatch.setattr("c2rl.training.features.FEATURE_CLIPS", 4)
    found = []
    for room in ("", "12"):
        monkeypatch.setenv("C2RL_FEATURES", room)
        monkeypatch.setenv("C2RL_SCRATCH", str(run.folder / f"scratch{room}"))
        retriever, _ = run(backbone="mbart", epochs=2, batch_size=15)
        found.append(checkpoint.load_weights(retriever / "model.safetensors"))
    for key, value in found[0].items():
        torch.testing.assert_close(found[1][key], value, msg=key)


def test_a_split_of_one_clip_is_ranked_and_says_that_it_means_nothing(run: Run) -> None:
    texts = SENTENCES | {"test": ["regen und wind"]}
    _, metrics = run(features=store_of(run.folder / "f.zarr", texts))
    found = metrics["test"]["grouped"]
    assert (found["pool"], found["chance"], found["t2v"]["r1"]) == (1, 100, 100)


def refused(run: Run, texts, match: str, *, changes=None, **options) -> None:
    features = store_of(run.folder / "f.zarr", texts, **options)
    with pytest.raises(ValueError, match=match):
        run(features=features, **changes or {})
    assert not (run.folder / "retriever").exists()


def test_one_clip_to_learn_from_is_refused(run: Run) -> None:
    refused(run, SENTENCES | {"train": ["regen"]}, "train of .* has 1 clip, expected 2 or more")


def test_a_store_without_dev_is_refused(run: Run) -> None:
    texts = {key: SENTENCES[key] for key in ("train", "test")}
    refused(run, texts, "has no split dev, only train, test: .* the best epoch is chosen by dev")


def test_a_clip_without_a_sentence_is_named(run: Run) -> None:
    refused(run, SENTENCES | {"dev": ["regen", " "]}, r"1 clip \(dev1\) of dev without a sentence")


def test_an_empty_group_name_is_refused(run: Run) -> None:
    groups = {"test0": " ", "test1": " "}
    match = r"2 clips \(test0, test1\) of test with an empty group name"
    refused(run, SENTENCES, match, groups=groups)


@pytest.mark.parametrize("backbone", ["transformer", "mbart"])
def test_a_clip_longer_than_the_positions_is_named(run: Run, backbone: str) -> None:
    match = r"\(dev0\) of dev with more features than the 1024.*retrieve.backbone: mt5"
    refused(run, SENTENCES, match, lengths={"dev0": 1025}, changes={"backbone": backbone})


def test_a_sentence_longer_than_the_positions_is_refused(run: Run) -> None:
    texts = SENTENCES | {"test": ["x" * 1022]}  # a space, unknown pieces, `</s>`
    changes = {"backbone": "mbart"}
    refused(run, texts, "of test has 1024 tokens, the text encoder takes 1023", changes=changes)


def test_weights_that_are_not_at_hand_are_asked_for(run: Run, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match=r"facebook/mbart-large-cc25"):
        run(backbone="mbart", weights="facebook/mbart-large-cc25")


def test_a_corpus_in_a_language_that_mbart_does_not_know_is_refused(run: Run, tmp_path) -> None:
    hub = hub_models.save(tmp_path / "hub", "mbart", SENTENCES["train"])
    changes = {"backbone": "mbart", "weights": str(hub)}
    refused(run, SENTENCES, r"no code for language 'is'", code="is", changes=changes)
