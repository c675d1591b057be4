"""Exports: what is in them, what their cards say, and that they are read back bit for bit."""

import json
import shutil

import pytest
import torch
from huggingface_hub import ModelCard
from typer import Typer
from typer.testing import CliRunner

from c2rl import provenance
from c2rl.app.export import export
from c2rl.app.load import load
from c2rl.cli import export as verb
from c2rl.store.frames import FrameStore

KINDS = {"encoder": "encoders", "translator": "translators", "retriever": "retrievers"}


@pytest.fixture(scope="module")
def exported(world, tmp_path_factory):
    """An export of each kind."""
    folder = tmp_path_factory.mktemp("exported")
    for kind, place in KINDS.items():
        export(world.path(place), folder / kind, metrics=world.folder / "metrics")
    return folder


def card_of(folder):
    return ModelCard.load(folder / "README.md", ignore_metadata_errors=False)


def listed(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in files}


def test_an_exported_encoder_gives_the_same_features(world, exported):
    ours, theirs = load(world.path("encoders")), load(exported / "encoder")
    frames = FrameStore(world.path("frames"))
    row = frames.rows[0]
    looks = [
        one.look(lambda chosen: frames.read(0, chosen), row.num_frames, row.fps)
        for one in (ours, theirs)
    ]
    assert torch.equal(looks[0], looks[1])
    torch.testing.assert_close(
        ours.encode_batch(looks[:1])[0], theirs.encode_batch(looks[1:])[0], rtol=0, atol=0
    )
    assert theirs.meta.fingerprint == ours.meta.fingerprint


def test_an_exported_translator_gives_the_same_sentences(world, exported):
    ours, theirs = load(world.path("translators")), load(exported / "translator")
    features = load(world.path("features"))["test"]
    for number in range(3):
        assert ours.translate(features[number]) == theirs.translate(features[number])


def test_an_exported_retriever_gives_the_same_hits(world, exported):
    ours, theirs = load(world.path("retrievers")), load(exported / "retriever")
    for sentence in load(world.path("features"))["test"].sentences[:3]:
        mine, his = ours.search(sentence, top=5), theirs.search(sentence, top=5)
        assert [(hit.id, hit.score) for hit in mine] == [(hit.id, hit.score) for hit in his]


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_is_the_artefacts_to_the_byte(world, exported, kind):
    source, folder = world.path(KINDS[kind]), exported / kind
    meta = provenance.read_meta(folder, kind, made_by="")
    assert provenance.is_intact(folder, kind)
    assert listed(folder) == {*meta.files, "meta.json", "README.md"}
    assert "checksum" in json.loads((folder / "meta.json").read_text())  # so damage to it shows
    for name in meta.files:
        assert (folder / name).read_bytes() == (source / name).read_bytes()


@pytest.mark.parametrize("kind", ["encoder", "translator"])
def test_no_sentence_of_the_corpus_leaves_with_a_model(world, exported, kind):
    sentences = [row.clip.sentence for row in FrameStore(world.path("frames")).rows]
    for file in (path for path in (exported / kind).rglob("*") if path.is_file()):
        content = file.read_bytes()
        assert not any(sentence.encode() in content for sentence in sentences), file
    assert (world.path("translators") / "predictions.test.jsonl").is_file()  # it would have had


def test_a_retriever_can_leave_its_clips_behind(world, tmp_path):
    export(world.path("retrievers"), tmp_path / "bare", metrics=world.folder / "metrics",
           index=False)  # fmt: skip
    kept = listed(tmp_path / "bare")
    assert kept == {
        *("config.json", "history.jsonl", "meta.json", "model.safetensors", "tokenizer.json"),
        "README.md",
    }
    text = (tmp_path / "bare/README.md").read_text()
    assert "c2rl index build" in text
    assert "holds the sentences" not in text
    assert "holds the sentences" in _text(world, tmp_path, "whole")


def _text(world, tmp_path, name):
    export(world.path("retrievers"), tmp_path / name, metrics=world.folder / "metrics")
    return (tmp_path / name / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_is_what_the_hub_reads(world, exported, kind):
    head = card_of(exported / kind).data
    assert (head.library_name, head.license) == ("c2rl", "other")
    assert head.license_name == "to-be-filled-in-by-the-owner"
    assert head.datasets == ["synthsign"]
    assert head.language == ["de"]
    stage = {"encoder": "pretrain", "translator": "translate", "retriever": "retrieve"}[kind]
    metrics = json.loads((world.folder / f"metrics/{stage}.json").read_text())
    found = {(own.dataset_split, own.metric_name): own.metric_value for own in head.eval_results}
    want = {
        "encoder": ("dev", "Dev loss, eq. (3)", lambda: metrics["dev"]["loss"]),
        "translator": ("test", "BLEU-4", lambda: metrics["test"]["bleu4"]),
        "retriever": (
            "test",
            "R@1, text to video, grouped, {} candidates".format(
                metrics.get("test", {}).get("grouped", {}).get("pool")
            ),
            lambda: metrics["test"]["grouped"]["t2v"]["r1"],
        ),
    }[kind]
    assert found[want[:2]] == pytest.approx(want[2](), abs=0.006)


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_says_what_a_reader_must_know(world, exported, kind):
    text = (exported / kind / "README.md").read_text(encoding="utf-8")
    meta = provenance.read_meta(world.path(KINDS[kind]), kind, made_by="")
    for part in ("Training data", "Scores", "Intended use", "Limits", "Privacy", "Licence"):
        assert f"\n## {part}\n" in text
    assert "| train | 24 |" in text
    assert "**To be filled in by the owner**" in text
    assert f"Fingerprint `{meta.fingerprint}`" in text
    assert f"torch: {meta.versions['torch']}" in text
    assert "frames.keep: 0.25" in text or kind != "encoder"
    assert "None" not in text
    assert "\n\n\n\n" not in text


def test_scores_stand_with_interval_and_signature(world, exported):
    own = json.loads((world.folder / "metrics/translate.json").read_text())["test"]
    text = (exported / "translator/README.md").read_text(encoding="utf-8")
    assert f"Signature: `{own['signature']}`" in text
    high = own["bleu4_mean"] + own["bleu4_ci"]
    assert f"| test | BLEU-4 | {own['bleu4']:.2f} |" in text
    assert f" to {high:.2f} |" in text


def test_metrics_of_another_run_are_refused(world, tmp_path):
    shutil.copytree(world.folder / "metrics", tmp_path / "metrics")
    changes = {
        "translate": lambda told: told["test"].update(bleu4=told["test"]["bleu4"] + 1),
        "retrieve": lambda told: told["dev"]["grouped"]["v2t"].update(r1=99.0),
        "pretrain": lambda told: told["dev"].update(loss=0.5),
    }
    for stage, change in changes.items():
        file = tmp_path / f"metrics/{stage}.json"
        told = json.loads(file.read_text())
        change(told)
        file.write_text(json.dumps(told))
    for kind, place in KINDS.items():
        with pytest.raises(ValueError, match=r"is not of .* there, it has .*Give --metrics") as e:
            export(world.path(place), tmp_path / kind, metrics=tmp_path / "metrics")
        assert "\n" not in str(e.value)
        assert not (tmp_path / kind).exists()


def test_frames_of_another_corpus_are_refused(world, tmp_path):
    shutil.copytree(world.path("frames"), tmp_path / "frames")
    file = tmp_path / "frames/meta.json"
    told = {k: v for k, v in json.loads(file.read_text()).items() if k != "checksum"}
    file.write_text(json.dumps(told | {"fingerprint": "0" * 16}))
    with pytest.raises(ValueError, match=r"was not made from .*--frames"):
        export(world.path("encoders"), tmp_path / "out", metrics=world.folder / "metrics",
               frames=tmp_path / "frames")  # fmt: skip
    manifest = tmp_path / "frames/manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"sentence": "', '"sentence": "xx'))
    told["files"]["manifest.jsonl"]["bytes"] = manifest.stat().st_size
    file.write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"was not made from .*--frames"):
        export(world.path("translators"), tmp_path / "out", metrics=world.folder / "metrics",
               frames=tmp_path / "frames")  # fmt: skip


def test_without_frames_the_data_set_is_left_to_its_owner(world, tmp_path):
    shutil.copytree(world.path("translators"), tmp_path / "alone/translators/mine")
    done = export(
        tmp_path / "alone/translators/mine", tmp_path / "out", metrics=world.folder / "metrics"
    )
    assert done.to_fill_in == ["the licence", "the data set"]
    assert "datasets" not in card_of(tmp_path / "out").data.to_dict()
    assert "the data set and its counts" in (tmp_path / "out/README.md").read_text()


def test_what_cannot_be_exported_is_told_in_one_line(world, tmp_path):
    metrics = world.folder / "metrics"
    with pytest.raises(ValueError, match="holds features; encoder, translator, retriever can be"):
        export(world.path("features"), tmp_path / "out", metrics=metrics)
    with pytest.raises(FileNotFoundError, match="does not exist: give the folder of an encoder"):
        export(tmp_path / "none", tmp_path / "out", metrics=metrics)
    with pytest.raises(FileNotFoundError, match=r"not a complete artefact \(no meta\.json\)"):
        export(tmp_path, tmp_path / "out", metrics=metrics)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/meta.json").write_text("[]")
    with pytest.raises(ValueError, match="holds None; encoder, translator, retriever can be"):
        export(tmp_path / "odd", tmp_path / "out", metrics=metrics)
    with pytest.raises(FileNotFoundError, match=r"translate\.json does not exist.*--metrics"):
        export(world.path("translators"), tmp_path / "out", metrics=tmp_path)
    shutil.copytree(world.path("translators"), tmp_path / "torn")
    weights = tmp_path / "torn/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(ValueError, match=r"is damaged: a file has changed.*dvc repro translate"):
        export(tmp_path / "torn", tmp_path / "out", metrics=metrics)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("x")
    with pytest.raises(FileExistsError, match="is not empty"):
        export(world.path("translators"), tmp_path / "full", metrics=metrics)
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_the_command_tells_what_is_left_to_fill_in(world, tmp_path):
    app = Typer()
    app.command()(verb.export)
    call = [world.path("translators"), "--metrics", world.folder / "metrics"]
    call = [*map(str, call), "--to"]
    done = CliRunner().invoke(app, [*call, str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{tmp_path / 'out'}: translator, 4 files, ")
    assert done.stderr == "To be filled in in README.md: the licence.\n"
    told = json.loads(CliRunner().invoke(app, [*call, str(tmp_path / "again"), "--json"]).stdout)
    assert (told["kind"], told["path"]) == ("translator", str(tmp_path / "again"))
    assert all(size > 0 for size in told["files"].values())
