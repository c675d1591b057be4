from itertools import pairwise

import pytest
import small_store
import torch

from c2rl.store.features import FeatureStore


@pytest.fixture
def train(tmp_path, monkeypatch):
    return FeatureStore(small_store.write(tmp_path / "f.zarr", monkeypatch))["train"]


DEVICES = [None, "cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("device", DEVICES)
def test_a_split_is_loaded_in_one_call(train, device):
    features, offsets = train.load(device)
    assert (features.dtype, features.device.type) == (torch.float16, device or "cpu")
    assert offsets.tolist() == [0, 3, 4, 10, 12, 14]
    assert features.flatten().tolist() == [n / 8 for n in range(56)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("clips", [[2, 0], [1], [4, 4, 3], [0, 1, 2, 3, 4], []])
def test_clips_are_gathered_in_the_order_asked(train, device, clips):
    found = train.load(device).gather(clips)
    assert found.features.device.type == (device or "cpu")
    expected = [train[i].tolist() for i in clips]
    starts = found.offsets.tolist()
    assert [found.features[a:b].tolist() for a, b in pairwise(starts)] == expected
    assert len(found.offsets) == len(clips) + 1
    assert len(found.features) == sum(map(len, expected))


def test_gathered_clips_can_be_gathered_from(train):
    found = train.load().gather([3, 1, 0]).gather([1])
    assert found.features.tolist() == train[1].tolist()


def test_a_clip_that_is_not_there_is_no_other(train):
    with pytest.raises(IndexError):
        train.load().gather([5])


def test_what_is_loaded_outlives_the_store(train):
    features, _ = train.load()
    features += 1  # memory of its own, not the file's
    assert train[0][0, 0] == 0
