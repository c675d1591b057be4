import pickle

import numpy as np
import pytest
import small_store
import zarr
from small_store import flip

from c2rl.corpora.clip import Clip
from c2rl.store.features import FeatureStore, write_feature_store
from c2rl.store.manifest import Row


@pytest.fixture(params=["none", "zstd"])
def store(request, tmp_path, monkeypatch):
    return small_store.write(tmp_path / "f.zarr", monkeypatch, profile=request.param)


@pytest.fixture
def plain(tmp_path, monkeypatch):
    return small_store.write(tmp_path / "f.zarr", monkeypatch)


def test_every_clip_is_read_back_by_number_and_by_id(store):
    opened = FeatureStore(store)
    expected = small_store.features()
    for split in ("train", "dev"):
        for number, id_ in enumerate(opened[split]):
            clip = next(expected)
            assert opened[split][number].dtype == np.float16
            np.testing.assert_array_equal(opened[split][number], clip)
            np.testing.assert_array_equal(opened[split][id_], clip)
    assert [*opened] == ["train", "dev"]
    assert opened["train"].lengths == [3, 1, 6, 2, 2]
    assert opened["dev"].sentences == ["satz 0", "satz 1"]
    assert opened["dev"].groups == ["dev0", "dev1"]


def test_stock_zarr_reads_both_profiles(store):
    group = zarr.open_group(store, mode="r")
    np.testing.assert_array_equal(group["train/features"][...].ravel(), np.arange(56) / 8)
    np.testing.assert_array_equal(group["dev/offsets"][...], [0, 4, 5])
    assert group.attrs["made_from"] == small_store.MADE_FROM


def test_clips_cannot_be_written_to(store):
    with pytest.raises(ValueError, match=r"read-only"):
        FeatureStore(store)["train"][1][0] = 0


def test_an_archive_of_what_repeats_is_smaller(tmp_path):
    sizes = {}
    for profile in ("none", "zstd"):
        clip = Row(Clip("a", "train", "s", "en", "a.mp4", fps=25.0), "ok", "", 9, 25.0)
        zeros = np.zeros((500, 64), np.float16)
        write_feature_store(
            tmp_path / profile,
            [clip],
            [zeros],
            lengths=[500],
            width=64,
            made_from={},
            profile=profile,
        )
        split = FeatureStore(tmp_path / profile)["train"]
        assert split.profile == profile
        np.testing.assert_array_equal(split["a"], zeros)
        sizes[profile] = (tmp_path / profile / "train/features/c/0/0").stat().st_size
    assert sizes["none"] == 500 * 64 * 2 + 4
    assert sizes["zstd"] < sizes["none"] / 100


def test_a_position_outside_the_split_is_refused(plain):
    for number in (5, -1):
        with pytest.raises(IndexError, match=rf"train has 5 clips, asked for {number}"):
            FeatureStore(plain)["train"][number]
    with pytest.raises(KeyError):
        FeatureStore(plain)["train"]["nobody"]
    with pytest.raises(KeyError, match=r"no split 'test', only train, dev"):
        FeatureStore(plain)["test"]


def test_opening_reads_neither_sentences_nor_features(plain):
    whole = FeatureStore(plain)
    assert len(whole["train"]) == 5
    assert whole["train"].width == 4
    assert "rows" not in vars(whole)
    assert all("offsets" not in vars(whole[split]) for split in whole)


def test_a_store_goes_to_another_process(store):
    opened = FeatureStore(store)
    opened["train"]["train2"]
    again = pickle.loads(pickle.dumps(opened))
    np.testing.assert_array_equal(again["train"]["train2"], opened["train"]["train2"])


@pytest.mark.parametrize("value", [65504.0, -65504.0])
def test_the_largest_float16_is_kept(tmp_path, value):
    _write_one(tmp_path / "s", value)
    assert FeatureStore(tmp_path / "s")["train"]["the clip"][1, 0] == value


@pytest.mark.parametrize("value", [65505.0, -65505.0, float("inf"), float("-inf"), float("nan")])
def test_a_value_that_float16_cannot_hold_names_its_clip(tmp_path, value):
    with pytest.raises(ValueError, match=r"features of the clip hold a value that float16 cannot"):
        _write_one(tmp_path / "s", value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_half_that_is_no_number_names_its_clip(tmp_path, value):
    with pytest.raises(ValueError, match=r"features of the clip hold a value that float16 cannot"):
        _write_one(tmp_path / "s", value, np.float16)


def _write_one(path, value, dtype=np.float32):
    clip = Row(Clip("the clip", "train", "s", "en", "a.mp4", fps=25.0), "ok", "", 9, 25.0)
    features = np.array([[0.0, 1.0], [value, 2.0]], dtype)
    write_feature_store(path, [clip], [features], lengths=[2], width=2, made_from={})


def test_only_the_clips_of_a_damaged_chunk_are_refused(store):
    flip(store / "train/features/c/1/0", 77)  # rows 4 to 7: of the third clip alone
    train = FeatureStore(store)["train"]
    with pytest.raises(ValueError, match=r"train/features/c/1/0 is damaged.*verify --deep"):
        train["train2"]
    assert train["train1"].shape == (1, 4)
    with pytest.raises(ValueError, match=r"damaged"):
        train.load()


def test_sentences_with_a_flipped_bit_are_refused(plain):
    text = (plain / "clips.jsonl").read_bytes()
    flip(plain / "clips.jsonl", 8 * text.index(b"satz") + 1)  # "satz" to "qatz"
    split = FeatureStore(plain)["train"]
    assert split[0].shape == (3, 4)
    with pytest.raises(ValueError, match=r"damaged: clips.jsonl is not what was written"):
        _ = split.sentences


def test_offsets_of_another_store_are_refused(plain, tmp_path, monkeypatch):
    monkeypatch.setitem(small_store.LENGTHS, "train", [4, 1, 6, 2, 2])
    other = small_store.write(tmp_path / "other.zarr", monkeypatch)
    for chunk in ("train/offsets/c/0", "train/offsets/c/1"):
        (plain / chunk).write_bytes((other / chunk).read_bytes())
    with pytest.raises(ValueError, match=r"tells of 5 clips with 15 rows, stored are 5 with 14"):
        _ = FeatureStore(plain)["train"].offsets
