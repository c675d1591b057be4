"""Out to every format and in again: the same bits, the same clips, and what peers' readers need."""

import csv
import gzip
import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import peer_features as peer
import pytest
import torch

from c2rl.extract.exchange import export_features, import_features
from c2rl.extract.texts import of_table
from c2rl.store.features import FeatureStore

FORMATS = ("gfslt", "neccam", "ssvp", "npy", "cico")


@pytest.mark.parametrize("width", [8, 512, 832, 1024, 2048])
@pytest.mark.parametrize("form", FORMATS)
def test_export_and_import_again_give_the_same_bits(tmp_path, form, width):
    features = peer.write_store(tmp_path / "a.zarr", width)
    counts = export_features(tmp_path / "a.zarr", form, tmp_path / "out")
    done = import_features(tmp_path / "out", form, tmp_path / "b.zarr", language="de")
    assert counts == done.clips == {"train": 3, "dev": 1, "test": 1}
    assert (done.width, done.left_out, done.failed, done.notes) == (width, [], [], [])
    store = FeatureStore(tmp_path / "b.zarr")
    assert {store[split].width for split in store} == {width}
    found = peer.stored(store)
    assert found.keys() == features.keys()
    for id_, expected in peer.bits(features).items():
        np.testing.assert_array_equal(found[id_], expected)


@pytest.mark.parametrize("form", FORMATS)
def test_clips_keep_their_sentences_and_splits_and_what_the_format_has_of_the_rest(tmp_path, form):
    peer.write_store(tmp_path / "a.zarr")
    export_features(tmp_path / "a.zarr", form, tmp_path / "out")
    import_features(tmp_path / "out", form, tmp_path / "b.zarr", language="xx")
    store = FeatureStore(tmp_path / "b.zarr")
    found = {row.clip.id: row for split in store for row in store[split].rows}
    for row in peer.rows():
        clip = found[row.clip.id].clip
        assert (clip.sentence, clip.split) == (row.clip.sentence, row.clip.split)
        if form in ("gfslt", "neccam", "npy"):
            assert clip == row.clip._replace(fps=0.0)
        if form == "cico":
            assert clip.group == (row.clip.group or row.clip.id)


def test_every_format_says_where_it_comes_from_and_that_there_is_no_encoder(tmp_path):
    peer.write_store(tmp_path / "a.zarr")
    export_features(tmp_path / "a.zarr", "gfslt", tmp_path / "out")
    import_features(tmp_path / "out", "gfslt", tmp_path / "b.zarr")
    made_from = FeatureStore(tmp_path / "b.zarr").meta.made_from
    assert made_from["encoder"] is None
    assert made_from["imported"] == "gfslt"
    assert list(made_from["files"]) == ["features.train", "features.dev", "features.test"]
    data = (tmp_path / "out/features.dev").read_bytes()
    assert made_from["files"]["features.dev"] == hashlib.blake2b(data, digest_size=16).hexdigest()
    exported = json.loads((tmp_path / "out/meta.json").read_text())["made_from"]
    assert exported["features"] == FeatureStore(tmp_path / "a.zarr").meta.fingerprint


def test_gfslts_reader_finds_its_fields(tmp_path):
    features = peer.write_store(tmp_path / "a.zarr")
    export_features(tmp_path / "a.zarr", "gfslt", tmp_path / "out")
    with gzip.open(tmp_path / "out/features.train", "rb") as file:
        found = pickle.load(file)
    assert list(found) == ["train/11August_2010-2", "train/a.b", "train/x"]
    entry = found["train/a.b"]
    assert entry["name"] == "train/a.b"
    assert entry["text"] == "grüß gott"
    assert (entry["gloss"], entry["length"], entry["imgs_path"]) == ("", 9, [])
    assert entry["feature"].dtype == torch.float32
    assert torch.equal(entry["feature"], torch.from_numpy(features["a.b"]).float())
    assert found["train/x"]["length"] == 3, "features where the frames were not counted"


def test_neccams_reader_finds_its_fields_and_can_add_to_the_features(tmp_path):
    features = peer.write_store(tmp_path / "a.zarr")
    export_features(tmp_path / "a.zarr", "neccam", tmp_path / "out")
    with gzip.open(tmp_path / "out/features.test", "rb") as file:
        (entry,) = pickle.load(file)
    assert entry["name"] == "test/yid-00:00:01.000-00:00:02.500"
    assert (entry["signer"], entry["gloss"].strip()) == ("", "")
    assert entry["text"].strip() == "regen im norden ."
    expected = torch.from_numpy(features["yid-00:00:01.000-00:00:02.500"]).float() + 1e-8
    assert torch.equal(entry["sign"] + 1e-8, expected)


def test_ssvps_reader_finds_its_files(tmp_path):
    features = peer.write_store(tmp_path / "a.zarr")
    export_features(tmp_path / "a.zarr", "ssvp", tmp_path / "out")
    found = {}
    for mode in ("train", "val", "test"):
        for line in (tmp_path / f"out/manifests/{mode}_features.tsv").read_text().splitlines():
            name, length, label = line.strip().split("\t")
            path = tmp_path / "out/features/0" / name[:5] / f"{name.rpartition('.')[0]}.pt"
            tensor = torch.load(path, weights_only=True)
            assert (len(tensor), tensor.dtype) == (int(length), torch.float32)
            found[path.stem] = tensor, label
    assert found.keys() == features.keys()
    assert found["a.b"][1] == "grüß gott"
    assert torch.equal(found["a.b"][0], torch.from_numpy(features["a.b"]).float())


def test_spamos_and_multimodalhugs_readers_find_their_files(tmp_path):
    features = peer.write_store(tmp_path / "a.zarr")
    export_features(tmp_path / "a.zarr", "npy", tmp_path / "out")
    np.testing.assert_array_equal(np.load(tmp_path / "out/train/a.b.npy"), features["a.b"])
    with (tmp_path / "out/validation.tsv").open(newline="") as file:
        (row,) = csv.DictReader(file, delimiter="\t")
    assert Path(row["signal"]).is_absolute()
    assert np.load(row["signal"]).dtype == np.float32
    assert (row["output"], row["signal_start"], row["encoder_prompt"]) == ("Hi!", "0", "")


def test_cicos_reader_finds_its_files(tmp_path):
    features = peer.write_store(tmp_path / "a.zarr")
    export_features(tmp_path / "a.zarr", "cico", tmp_path / "out")
    captions = pickle.loads((tmp_path / "out/train.pkl").read_bytes())
    assert [video["video_name"] for video in captions["g1"]] == ["a.b", "x"]
    assert captions["g1"][0]["text"] == "grüß gott"
    clip = pickle.loads((tmp_path / "out/train/a.b.pkl").read_bytes())
    assert clip["name"] == "a.b"
    assert clip["feature"].dtype == np.float32
    np.testing.assert_array_equal(clip["feature"], features["a.b"])


@pytest.mark.parametrize("form", FORMATS)
def test_equal_stores_make_equal_files(tmp_path, form):
    peer.write_store(tmp_path / "a.zarr")
    for name in ("1", "2"):
        export_features(tmp_path / "a.zarr", form, tmp_path / name / "out")

    def files(name):
        root = tmp_path / name / "out"
        found = {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        return {p: d for p, d in found.items() if p.suffix != ".tsv" and p.name != "meta.json"}

    assert files("1") == files("2")


def test_a_moved_export_of_arrays_is_still_read(tmp_path):
    features = peer.write_store(tmp_path / "a.zarr")
    export_features(tmp_path / "a.zarr", "npy", tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "moved")
    import_features(tmp_path / "moved", "npy", tmp_path / "b.zarr")
    found = peer.stored(FeatureStore(tmp_path / "b.zarr"))
    np.testing.assert_array_equal(found["x"], features["x"].view(np.uint16))


def test_what_a_format_cannot_hold_is_told_and_nothing_is_left(tmp_path):
    row = peer.rows()[0]
    for clip, form in (
        (row.clip._replace(id="a/b"), "npy"),
        (row.clip._replace(sentence="a\tb"), "ssvp"),
        (row.clip._replace(sentence=""), "ssvp"),
    ):
        peer.write_feature_store(
            tmp_path / "a.zarr",
            [row._replace(clip=clip)],
            [np.ones((2, 3), np.float16)],
            lengths=[2],
            width=3,
            made_from={"encoder": None},
        )
        with pytest.raises(ValueError, match=r"cannot have|cannot hold"):
            export_features(tmp_path / "a.zarr", form, tmp_path / "out")
        assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_what_is_already_there_is_replaced_only_if_it_is_of_the_same_kind(tmp_path):
    peer.write_store(tmp_path / "a.zarr")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("")
    with pytest.raises(FileExistsError, match="something else, and would be replaced"):
        export_features(tmp_path / "a.zarr", "npy", tmp_path / "mine")
    with pytest.raises(FileExistsError, match="holds features"):
        export_features(tmp_path / "a.zarr", "npy", tmp_path / "a.zarr")
    for _ in range(2):
        export_features(tmp_path / "a.zarr", "npy", tmp_path / "out")
        import_features(tmp_path / "out", "npy", tmp_path / "b.zarr")
    with pytest.raises(FileExistsError, match="holds export"):
        import_features(tmp_path / "out", "npy", tmp_path / "out")


def plain(tmp_path, **features):
    """Arrays without a table."""
    for place, values in features.items():
        path = tmp_path / "plain" / f"{place.replace('__', '/')}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, values)
    return tmp_path / "plain"


ONES = np.ones((2, 4), np.float32)


def test_a_table_gives_sentences_and_every_clip_is_accounted_for(tmp_path):
    source = plain(tmp_path, a=ONES, b=2 * ONES, c=3 * ONES, stranger=ONES)
    table = tmp_path / "t.tsv"
    table.write_text(
        "id\tsentence\tsplit\tlanguage\tgroup\n"
        'a\tja "so"\ttrain\tde\tg\nb\tnein\tval\tde\tg\nc\t\ttrain\tde\t\nlost\tweg\tdev\tde\t\n'
        "other\tweg\ttest\tde\t\n".replace('"', '""').replace('ja ""so""', '"ja ""so"""')
    )
    done = import_features(source, "npy", tmp_path / "f.zarr", texts=of_table(table))
    assert done.clips == {"train": 1, "dev": 1}
    assert [id_ for id_, _ in done.left_out] == ["c", "stranger"]
    assert [id_ for id_, _ in done.failed] == ["lost"]
    assert done.notes == ["no features of test, which the corpus has"]
    store = FeatureStore(tmp_path / "f.zarr")
    assert store["train"].sentences == ['ja "so"']
    assert store["dev"].groups == ["g"]
    assert store.meta.made_from["left_out"] == ["c", "stranger"]
    assert store.meta.made_from["failed"] == ["lost"]


def test_folders_give_splits_and_options_the_rest(tmp_path):
    source = plain(tmp_path, train__a_s2=ONES, validation__b_s2=ONES)
    table = tmp_path / "t.csv"
    table.write_text('id,sentence\na,"ja, so"\nb,nein\n')
    done = import_features(
        source, "npy", tmp_path / "f.zarr", texts=of_table(table), language="de", postfix="_s2"
    )
    assert done.clips == {"train": 1, "dev": 1}
    assert not done.failed
    assert FeatureStore(tmp_path / "f.zarr")["train"].ids == ["a"]


def test_what_nothing_tells_must_be_given(tmp_path):
    source = plain(tmp_path, a=ONES)
    table = tmp_path / "t.csv"
    table.write_text("id,sentence\na,ja\n")
    with pytest.raises(ValueError, match=r"a has no split\. Give --split"):
        import_features(source, "npy", tmp_path / "f.zarr", texts=of_table(table), language="de")
    with pytest.raises(ValueError, match=r"language of a\. Give --language"):
        import_features(source, "npy", tmp_path / "f.zarr", texts=of_table(table), split="dev")
    with pytest.raises(ValueError, match=r"no clip can be imported; a: no sentence"):
        import_features(source, "npy", tmp_path / "f.zarr", split="dev", language="de")
    assert not (tmp_path / "f.zarr").exists()


def test_a_wrong_table_is_told(tmp_path):
    table = tmp_path / "t.csv"
    for text, told in (
        ("id,text\na,b\n", "columns missing: sentence"),
        ("id,sentence\na,b\na,c\n", "line 3: id 'a' is already in the table"),
        ("id,sentence\n,b\n", "line 2: id '' is empty"),
    ):
        table.write_text(text)
        with pytest.raises(ValueError, match=told):
            of_table(table)


def test_the_commands_tell_and_exit_as_they_should(tmp_path, capsys, monkeypatch):
    peer.write_store(tmp_path / "a.zarr")

    def cli(*arguments):
        return peer.cli(capsys, monkeypatch, *arguments)

    call = ("features", "export", tmp_path / "a.zarr", "--format", "npy", "--out", tmp_path / "o")
    code, told, wrong = cli(*call)
    assert (code, wrong) == (0, "")
    assert told.endswith("o: 3 clips of train, 1 clips of dev, 1 clips of test\n")
    call = ("features", "import", tmp_path / "o", "--format", "npy", "--out", tmp_path / "b.zarr")
    told = "3 clips of train, 1 clips of dev, 1 clips of test, 8 columns\n"
    assert cli(*call) == (0, told, "")
    (tmp_path / "o/train/x.npy").unlink()
    code, told, wrong = cli(*call)
    assert code == 1
    assert wrong.startswith("x: ")
    assert "is not there" in wrong
    assert told.splitlines()[1:] == ["1 clips failed"]
    code, told, _ = cli(*call, "--json")
    assert code == 1
    assert json.loads(told)["clips"] == {"train": 2, "dev": 1, "test": 1}
    assert cli(*call, "--table", "t", "--dataset", "table")[0] == 2
    assert cli(*call[:3], "--format", "hdf5", "--out", "c.zarr")[0] == 2
    code, _, wrong = cli(*call[:2], tmp_path / "no", *call[3:])
    assert (code, wrong.count("\n")) == (1, 1)
