"""What clips may be called, of what types their numbers may be, and who is told of whom."""

import pickle
import unicodedata

import numpy as np
import peer_features as peer
import pytest
import torch

from c2rl.extract.exchange import export_features, import_features
from c2rl.extract.texts import of_table
from c2rl.store.features import FeatureStore

FORMATS = ("gfslt", "neccam", "ssvp", "npy", "cico")
PER_SPLIT = ("gfslt", "neccam")
X = np.arange(8, dtype=np.float32).reshape(2, 4) / 4


def write(root, form, clips):
    """Write clips of dev as a project has them, without sentences but in the formats that need
    no table."""
    if form in PER_SPLIT:
        field = {"gfslt": "feature", "neccam": "sign"}[form]
        entries = {f"dev/{id_}": {"name": f"dev/{id_}", field: x} for id_, x in clips.items()}
        peer.dump(root / "features.dev", entries if form == "gfslt" else [*entries.values()])
        return root
    for id_, values in clips.items():
        path = root / "dev" / f"{id_}.{ {'ssvp': 'pt', 'npy': 'npy', 'cico': 'pkl'}[form] }"
        path.parent.mkdir(parents=True, exist_ok=True)
        if form == "ssvp":
            torch.save(torch.as_tensor(values), path)
        elif form == "npy":
            np.save(path, values)
        else:
            path.write_bytes(pickle.dumps({"name": id_, "feature": values}))
    return root


def table(folder, *ids):
    path = folder / "t.tsv"
    path.write_text("id\tsentence\n" + "".join(f"{id_}\tja\n" for id_ in ids))
    return of_table(path)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_numbers_of_every_width_are_read(tmp_path, form, dtype):
    write(tmp_path / "src", form, {"a": X.astype(dtype), "b": X[:1].astype(dtype)})
    texts = table(tmp_path, "a", "b")
    import_features(tmp_path / "src", form, tmp_path / "f.zarr", texts=texts, language="de")
    dev = FeatureStore(tmp_path / "f.zarr")["dev"]
    assert dev["a"].tolist() == X.tolist()
    assert dev["b"].tolist() == X[:1].tolist()


@pytest.mark.parametrize("form", ["gfslt", "neccam", "ssvp", "cico"])
def test_bfloat16_is_read_where_torch_wrote_it(tmp_path, form):
    write(tmp_path / "src", form, {"a": torch.from_numpy(X).bfloat16()})
    texts = table(tmp_path, "a")
    import_features(tmp_path / "src", form, tmp_path / "f.zarr", texts=texts, language="de")
    assert FeatureStore(tmp_path / "f.zarr")["dev"]["a"].tolist() == X.tolist()


WRONG = {
    "nan": (np.where(X == 0, np.nan, X), "a value that float16 cannot"),
    "infinite": (np.where(X == 0, -np.inf, X), "a value that float16 cannot"),
    "large": (np.where(X == 0, 65520, X), "a value that float16 cannot"),
    "empty": (X[:0], "shape (0, 4)"),
    "narrow": (X[:, :3], "3 columns; the others have 4"),
    "flat": (X[0], "shape (4,)"),
}


@pytest.mark.parametrize("form", FORMATS)
def test_a_wrong_clip_is_named_in_every_format_and_the_rest_is_imported(
    tmp_path, capsys, monkeypatch, form
):
    clips = {"a": X, **{id_: values for id_, (values, _) in WRONG.items()}, "z": X}
    write(tmp_path / "src", form, {id_: v.astype(np.float32) for id_, v in clips.items()})
    table(tmp_path, *clips)
    call = ["features", "import", tmp_path / "src", "--format", form, "--language", "de"]
    call += ["--table", tmp_path / "t.tsv", "--out", tmp_path / "f.zarr"]
    code, told, wrong = peer.cli(capsys, monkeypatch, *call)
    assert code == 1
    assert told.splitlines() == ["2 clips of dev, 4 columns", "6 clips failed"]
    lines = dict(line.split(": ", 1) for line in wrong.splitlines())
    assert lines.keys() == WRONG.keys()
    for id_, (_, reason) in WRONG.items():
        assert reason in lines[id_]
    assert FeatureStore(tmp_path / "f.zarr")["dev"].ids == ["a", "z"]


@pytest.mark.parametrize("form", FORMATS)
def test_strangers_are_left_out_and_the_missing_fail_the_command(
    tmp_path, capsys, monkeypatch, form
):
    write(tmp_path / "src", form, {"a": X, "stranger": X})
    call = ["features", "import", tmp_path / "src", "--format", form, "--language", "de"]
    call += ["--table", tmp_path / "t.tsv", "--out", tmp_path / "f.zarr"]
    left = "stranger: no sentence: give --dataset or --table if there is one\n"
    table(tmp_path, "a")
    told = "1 clips of dev, 4 columns\n1 clips left out\n"
    assert peer.cli(capsys, monkeypatch, *call) == (0, told, left)
    table(tmp_path, "a", "lost")
    lost = f"lost: has no features in {tmp_path / 'src'}\n"
    told += "1 clips failed\n"
    assert peer.cli(capsys, monkeypatch, *call) == (1, told, left + lost)


NAMES = ["grüße 日本", unicodedata.normalize("NFD", "grüße"), "-x", "a.b.npy", "x" * 190, "#1", "'"]


@pytest.mark.parametrize("form", FORMATS)
def test_names_of_all_kinds_go_out_and_come_in_again(tmp_path, form):
    clips = dict.fromkeys(NAMES, X)
    write(tmp_path / "src", "gfslt", clips)
    texts = table(tmp_path, *clips)
    import_features(tmp_path / "src", "gfslt", tmp_path / "f.zarr", texts=texts, language="de")
    export_features(tmp_path / "f.zarr", form, tmp_path / "out")
    import_features(tmp_path / "out", form, tmp_path / "g.zarr", language="de")
    assert FeatureStore(tmp_path / "g.zarr")["dev"].ids == NAMES


@pytest.mark.parametrize("id_", ["a/b", "../../a", "/a", "..", "a\\b"])
def test_a_name_with_a_slash_never_becomes_a_path(tmp_path, id_):
    write(tmp_path / "src", "neccam", {id_: X})
    texts = table(tmp_path, id_)
    import_features(tmp_path / "src", "neccam", tmp_path / "f.zarr", texts=texts, language="de")
    assert FeatureStore(tmp_path / "f.zarr")["dev"].ids == [id_]
    for form in FORMATS:
        if form in PER_SPLIT:
            export_features(tmp_path / "f.zarr", form, tmp_path / form)
            import_features(tmp_path / form, form, tmp_path / "g.zarr")
            assert FeatureStore(tmp_path / "g.zarr")["dev"].ids == [id_]
        else:
            with pytest.raises(ValueError, match="cannot have a file of its name"):
                export_features(tmp_path / "f.zarr", form, tmp_path / form)
    made = {"src", "t.tsv", "f.zarr", "g.zarr", *PER_SPLIT}
    assert {path.name for path in tmp_path.iterdir()} == made


@pytest.mark.parametrize("id_", ["a\nb", "a\0b", "a\x1b[2Jb", "\ud800"])
def test_a_name_that_cannot_be_printed_is_refused(tmp_path, id_):
    write(tmp_path / "src", "gfslt", {id_: X})
    with pytest.raises(ValueError, match=r"cannot be printed|half a character|makes no sense") as e:
        import_features(tmp_path / "src", "gfslt", tmp_path / "f.zarr", language="de")
    assert str(e.value).isprintable()


@pytest.mark.parametrize("split", ["../../train", "a/b", "/tmp/x", "..", "", "meta.json", "a b"])
def test_a_split_that_is_no_word_never_becomes_a_folder(tmp_path, split):
    entry = {"name": "a", "text": "ja", "sign": X, "split": split}
    peer.dump(tmp_path / "src/one.pkl", [entry])
    with pytest.raises(ValueError, match=r"expected a word|has no split|holds no features"):
        import_features(tmp_path / "src/one.pkl", "neccam", tmp_path / "f.zarr", language="de")
    (tmp_path / "npy").mkdir()
    np.save(tmp_path / "npy/a.npy", X)
    (tmp_path / "npy/x.tsv").write_text(f"signal\toutput\tid\tsplit\na.npy\tja\ta\t{split}\n")
    if split:
        with pytest.raises(ValueError, match="expected a word"):
            import_features(tmp_path / "npy", "npy", tmp_path / "f.zarr", language="de")
    assert {path.name for path in tmp_path.iterdir()} == {"src", "npy"}


@pytest.mark.parametrize("name", ["../../secret", "/secret", "..", "a/../../../secret"])
def test_names_in_cicos_tables_lead_nowhere_else(tmp_path, name):
    (tmp_path / "secret.pkl").write_bytes(pickle.dumps({"feature": X}))
    write(tmp_path / "src", "cico", {"a": X})
    entry = {"video_name": name, "text": "ja", "num_frames": 4}
    (tmp_path / "src/dev.pkl").write_bytes(pickle.dumps({"s": [entry]}))
    with pytest.raises(ValueError, match="src") as refused:
        import_features(tmp_path / "src", "cico", tmp_path / "f.zarr", language="de")
    assert str(refused.value).isprintable()
    assert not (tmp_path / "f.zarr").exists()


def test_a_clip_in_two_folders_is_there_twice(tmp_path):
    for form in ("ssvp", "npy", "cico"):
        write(tmp_path / form, form, {"a": X, "again/a": X})
        texts = table(tmp_path, "a")
        with pytest.raises(ValueError, match="clip a is there twice"):
            import_features(tmp_path / form, form, tmp_path / "f.zarr", texts=texts, language="de")
    assert not (tmp_path / "f.zarr").exists()


@pytest.mark.parametrize("form", FORMATS)
def test_commands_take_a_store_there_and_back(tmp_path, capsys, monkeypatch, form):
    features = peer.write_store(tmp_path / "a.zarr", 832)
    way = ["--format", form, "--out"]
    call = ["features", "export", tmp_path / "a.zarr", *way, tmp_path / "out"]
    assert peer.cli(capsys, monkeypatch, *call)[0] == 0
    call = ["features", "import", tmp_path / "out", *way, tmp_path / "b.zarr", "--language", "de"]
    assert peer.cli(capsys, monkeypatch, *call)[0] == 0
    before, after = (FeatureStore(tmp_path / name) for name in ("a.zarr", "b.zarr"))
    assert [*before] == [*after]
    for split in before:
        assert after[split].ids == before[split].ids, "in the same order"
        assert after[split].sentences == before[split].sentences
        assert after[split].lengths == before[split].lengths
    for id_, bits in peer.bits(features).items():
        np.testing.assert_array_equal(peer.stored(after)[id_], bits)
