"""Batches: packed, pure functions of seed and epoch, whatever the workers."""

import pytest
import torch
from small_model import batches

from c2rl.training.batching import cut
from c2rl.video.transform import pack


def test_frames_are_packed_and_none_is_padding(world) -> None:
    batch = next(batches(world).inference())
    assert len(batch.frames) == int(batch.mask.sum())


def test_packing_keeps_every_pixel_and_the_channels_last_in_memory() -> None:
    stored = torch.arange(5 * 8 * 8 * 3, dtype=torch.int64).remainder(251).to(torch.uint8)
    clips = stored.reshape(5, 8, 8, 3).permute(0, 3, 1, 2)[..., 1:7, 2:8].split([2, 3])
    packed = pack(clips)
    assert torch.equal(packed, torch.cat(clips))
    assert packed.is_contiguous(memory_format=torch.channels_last)


def test_an_epoch_is_a_pure_function_of_seed_and_epoch(world) -> None:
    made = batches(world)
    one, again, other = (next(made.epoch(e)).micro_batches[0] for e in (3, 3, 4))
    assert torch.equal(one.frames, again.frames)
    assert torch.equal(one.matrices, again.matrices)
    assert one.ids != other.ids or not torch.equal(one.frames, other.frames)


@pytest.mark.parametrize("workers", ["0", "1", "2"])
def test_workers_change_nothing(world, monkeypatch, workers: str) -> None:
    monkeypatch.setenv("C2RL_WORKERS", "0")
    plain = list(batches(world).epoch(1))
    monkeypatch.setenv("C2RL_WORKERS", workers)
    for a, b in zip(plain, batches(world).epoch(1), strict=True):
        for x, y in zip(a.micro_batches, b.micro_batches, strict=True):
            assert x.ids == y.ids
            assert torch.equal(x.frames, y.frames)
            assert torch.equal(x.matrices, y.matrices)


def test_an_epoch_that_goes_on_in_the_middle_gives_what_is_left(world) -> None:
    made = batches(world)
    whole, rest = list(made.epoch(2)), list(made.epoch(2, 2))
    assert [s.micro_batches[0].ids for s in whole[2:]] == [s.micro_batches[0].ids for s in rest]


def test_every_clip_is_trained_on_once_an_epoch(world) -> None:
    made = batches(world)
    seen = [i for step in made.epoch(0) for m in step.micro_batches for i in m.ids]
    assert sorted(seen) == sorted(row.clip.id for row in made.rows)


def test_the_lengths_that_are_promised_are_those_that_come(world) -> None:
    made = batches(world)
    for step in made.epoch(0):
        came = [n for m in step.micro_batches for n in m.mask.sum(1).tolist()]
        assert came == step.whole.feature_lengths
        words = [n for m in step.micro_batches for n in m.tokens.mask.sum(1).tolist()]
        assert words == step.whole.token_lengths


def test_micro_batches_are_about_equally_much_work() -> None:
    lengths = [10, 90, 20, 80, 30, 70, 40, 60]
    dealt = cut(range(8), lengths, 2)
    assert [len(m) for m in dealt] == [2, 2, 2, 2]
    assert {sum(lengths[i] for i in m) for m in dealt} == {100}


def test_global_batch_norm_is_one_micro_batch_a_process(world) -> None:
    assert [len(s.micro_batches) for s in batches(world, batch_norm="global").epoch(0)] == [1] * 4


def test_more_processes_than_micro_batches_are_refused(world, monkeypatch) -> None:
    monkeypatch.setattr("c2rl.training.distributed.size", lambda: 3)
    with pytest.raises(ValueError, match=r"fewer micro-batches of 3 clips.*\(3\): lower C2RL_DEV"):
        batches(world)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_stored_frame_that_is_no_image_is_told_with_its_clip(
    world, monkeypatch, workers: str
) -> None:
    monkeypatch.setenv("C2RL_WORKERS", workers)
    made = batches(world)
    bad = made.rows[5].clip.id
    read = made.store.read

    def torn(number, indices):
        found = read(number, indices)
        is_bad = made.store.rows[number].clip.id == bad
        return [f[:5] for f in found] if is_bad else found

    monkeypatch.setattr(made.store, "read", torn)
    with pytest.raises(ValueError, match=rf"clip {bad}: stored frame 1 of \d+ is no image. Delete"):
        list(made.epoch(0))


def test_workers_must_be_a_number(world, monkeypatch) -> None:
    monkeypatch.setenv("C2RL_WORKERS", "many")
    with pytest.raises(ValueError, match="C2RL_WORKERS is 'many', expected a number, 0 or more"):
        next(batches(world).epoch(0))
