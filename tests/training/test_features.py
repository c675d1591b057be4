"""Batches of features: the same from files and held on a device; buckets lose nothing."""

from collections import Counter

import pytest
import small_store
import torch

from c2rl.store.features import FeatureStore
from c2rl.training import features
from c2rl.training.batching import bucketed, plan

LENGTHS = [5, 40, 7, 33, 6, 90, 12, 8, 21, 55, 9, 60, 11, 5, 30, 44, 7, 70, 13, 16]


@pytest.fixture
def train(tmp_path, monkeypatch):
    return FeatureStore(small_store.write(tmp_path / "f.zarr", monkeypatch))["train"]


def test_features_held_on_a_device_are_those_of_the_files(train) -> None:
    chosen = [(4, 0), (0, 0), (2, 0), (0, 0)]
    mapped = features.mapped(train)(chosen)
    held = features.held(train, torch.device("cpu"))(chosen)
    for one, other in zip(mapped, held, strict=True):
        assert torch.equal(one, other)
    padded, mask = held
    assert mask.sum(1).tolist() == [2, 3, 6, 3]
    assert padded[0, :2].flatten().tolist() == [n / 8 for n in range(48, 56)]
    assert not padded[~mask].any()


class Views:
    """Two views of two clips; row r of view v of clip c is 100 c + 10 v + r."""

    lengths, width, num_views = [2, 1], 1, 2

    def load(self, device=None, *, view=0):
        rows = torch.tensor([[10 * view], [10 * view + 1], [100 + 10 * view]], dtype=torch.float16)
        return features.Loaded(rows.to(device), torch.tensor([0, 2, 3]))


def test_each_clip_of_a_batch_has_a_view_of_its_own() -> None:
    padded, mask = features.held(Views(), torch.device("cpu"))([(1, 1), (0, 0), (0, 1)])
    assert padded[mask].flatten().tolist() == [110, 0, 1, 10, 11]


@pytest.mark.parametrize("bucket", [1, 2, 3, 100])
def test_a_bucket_moves_clips_between_batches_and_loses_none(bucket: int) -> None:
    batches = plan(len(LENGTHS), 4, seed=0, epoch=0)
    moved = bucketed(batches, LENGTHS, bucket, seed=0, epoch=0)
    assert sorted(i for batch in moved for i in batch) == list(range(len(LENGTHS)))
    assert Counter(map(len, moved)) == Counter(map(len, batches))
    assert moved == bucketed(batches, LENGTHS, bucket, seed=0, epoch=0)
    assert (moved == batches) == (bucket == 1)


def padded_rows(batches: list[list[int]]) -> int:
    return sum(len(batch) * max(LENGTHS[i] for i in batch) for batch in batches)


def test_one_bucket_for_all_sorts_all() -> None:
    batches = bucketed(plan(len(LENGTHS), 4, seed=0, epoch=0), LENGTHS, 5, seed=0, epoch=0)
    by_hand = sorted(LENGTHS)
    groups = sorted(sorted(LENGTHS[i] for i in batch) for batch in batches)
    assert groups == [by_hand[n : n + 4] for n in range(0, 20, 4)]
    assert padded_rows(batches) == 4 * (7 + 11 + 21 + 44 + 90)


def test_batches_differ_from_epoch_to_epoch() -> None:
    first, second = (
        bucketed(plan(len(LENGTHS), 4, seed=0, epoch=e), LENGTHS, 2, seed=0, epoch=e)
        for e in (0, 1)
    )
    assert first != second
