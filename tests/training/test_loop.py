"""fit(): the best epoch is kept, a broken batch is skipped, a training that stops goes on."""

import os
import shutil
import signal
from pathlib import Path

import pytest
import tiny_training
import torch
from tiny_training import EPOCHS, STEPS, sha256, train

from c2rl.training import optim
from c2rl.training.batching import plan


class Killed(Exception):  # noqa: N818
    """Stands for kill -9 between two steps: nothing is tidied, nothing is saved."""


def until(step: int):
    def stop(number: int) -> None:
        if number == step:
            raise Killed

    return stop


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory):
    return train(tmp_path_factory.mktemp("whole") / "run")


def same(a, b) -> bool:
    return sha256(a) == sha256(b) and a.history == b.history and a.best_epoch == b.best_epoch


@pytest.mark.parametrize("step", range(STEPS * EPOCHS))
def test_a_training_killed_at_any_step_ends_byte_for_byte_as_one_that_was_not(
    whole, tmp_path: Path, step: int
) -> None:
    with pytest.raises(Killed):
        train(tmp_path / "run", before_step=until(step))
    assert same(train(tmp_path / "run"), whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
@pytest.mark.parametrize("step", [0, 4, 11])
def test_a_signal_finishes_the_step_saves_and_exits_non_zero(
    whole, tmp_path: Path, capsys, number: signal.Signals, step: int
) -> None:
    with pytest.raises(SystemExit) as stopped:
        train(
            tmp_path / "run",
            before_step=lambda n: os.kill(os.getpid(), number) if n == step else None,
        )
    assert stopped.value.code == 128 + number
    assert f"{number.name} came: saved" in capsys.readouterr().out
    newest = sorted((tmp_path / "run").glob("state-*"))[-1]
    assert newest.name == f"state-{step // STEPS:06d}-{step % STEPS + 1:08d}"
    assert same(train(tmp_path / "run"), whole)


def test_signals_are_given_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    train(tmp_path / "run")
    assert signal.getsignal(signal.SIGTERM) == before


def test_states_in_the_middle_of_an_epoch_are_saved_every_few_minutes(
    whole, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("C2RL_SAVE_MINUTES", "0")
    with pytest.raises(Killed):
        train(tmp_path / "run", before_step=until(5))
    names = [p.name for p in sorted((tmp_path / "run").glob("state-*"))]
    assert names == ["state-000001-00000001", "state-000001-00000002"]  # two are kept
    assert same(train(tmp_path / "run"), whole)


def test_the_best_epoch_is_kept(whole) -> None:
    errors = [entry["dev_error"] for entry in whole.history]
    assert whole.best_epoch == errors.index(min(errors)) + 1


@pytest.mark.parametrize("file", ["model", "optimizer", "best"])
def test_a_damaged_state_is_told_and_the_one_before_it_used(
    whole, tmp_path: Path, capsys, file: str
) -> None:
    with pytest.raises(Killed):
        train(tmp_path / "run", before_step=until(8))
    newest = sorted((tmp_path / "run").glob("state-*"))[-1]
    data = bytearray((newest / f"{file}.safetensors").read_bytes())
    data[-1] ^= 1  # one bit, the size stays
    (newest / f"{file}.safetensors").unlink()
    (newest / f"{file}.safetensors").write_bytes(data)
    assert same(train(tmp_path / "run"), whole)
    heard = capsys.readouterr()
    assert f"{newest} is damaged: going on from the state before it" in heard.err
    assert "going on after epoch 1, step 0" in heard.out


def test_where_every_state_is_damaged_training_begins_anew(whole, tmp_path: Path, capsys) -> None:
    with pytest.raises(Killed):
        train(tmp_path / "run", before_step=until(8))
    for path in (tmp_path / "run").glob("state-*"):
        (path / "model.safetensors").write_bytes(b"")
    assert same(train(tmp_path / "run"), whole)
    assert "going on from the beginning" in capsys.readouterr().err


def test_a_run_directory_of_another_training_is_refused(tmp_path: Path) -> None:
    train(tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    with pytest.raises(
        ValueError, match=r"a state of training run, expected one of other\. Delete"
    ):
        train(tmp_path / "other")


def test_a_finished_training_is_not_done_again(whole, tmp_path: Path, capsys) -> None:
    train(tmp_path / "run")
    assert same(train(tmp_path / "run", before_step=until(0)), whole)
    assert f"this training is finished in {tmp_path / 'run'}" in capsys.readouterr().out


def test_a_finished_training_keeps_its_last_state_until_the_next_is_finished(tmp_path) -> None:
    from c2rl.training import state

    for name in ("first", "second"):
        train(tmp_path / name)
        state.finish(tmp_path / name, "encoder")
    train(tmp_path / "other")
    state.finish(tmp_path / "other", "translator")
    assert not (tmp_path / "first").exists()
    assert [len(list((tmp_path / n).glob("state-*"))) for n in ("second", "other")] == [1, 1]


def broken(step: int, monkeypatch, times: int = 1) -> None:
    """Let the batches of some steps hold what is not a number."""
    real = tiny_training.batches

    def batches(epoch: int, start: int):
        for number, found in enumerate(real(epoch, start), epoch * STEPS + start):
            bad = step <= number < step + times
            micro = [m._replace(y=m.y * torch.nan) if bad else m for m in found.micro_batches]
            yield found._replace(micro_batches=micro)

    monkeypatch.setattr(tiny_training, "batches", batches)


def test_a_batch_that_is_not_finite_is_skipped_and_its_clips_are_named(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    broken(4, monkeypatch)
    states = {}

    def keep(number: int) -> None:
        states[number] = {}

    fitted = train(tmp_path / "run", before_step=keep)
    told = capsys.readouterr().err
    names = [f"clip{i}" for i in plan(24, 8, seed=0, epoch=1)[1]]
    assert told.startswith(
        "step 5 is skipped: loss nan, gradient norm nan; process 0 held the clip"
    )
    assert set(told.split("clips ")[1].strip().split(", ")) == set(names)
    assert [entry["skipped"] for entry in fitted.history] == [0, 1, 0, 0]
    assert all(t.isfinite().all() for t in fitted.last.values())


def test_a_skipped_step_changes_nothing(tmp_path: Path, monkeypatch) -> None:
    """Weights, moments and running statistics are those of a run without that batch."""
    broken(11, monkeypatch)  # the last step
    skipped = train(tmp_path / "skipped")
    monkeypatch.undo()
    monkeypatch.setenv("C2RL_SAVE_MINUTES", "0")
    with pytest.raises(Killed):
        train(tmp_path / "shorter", before_step=until(11))
    from c2rl.training.checkpoint import load_weights

    newest = sorted((tmp_path / "shorter").glob("state-*"))[-1]
    before = load_weights(newest / "model.safetensors")
    assert all(torch.equal(before[name], t) for name, t in skipped.last.items())


def test_three_broken_batches_in_a_row_end_the_training(tmp_path: Path, monkeypatch) -> None:
    broken(3, monkeypatch, times=3)
    with pytest.raises(ValueError, match="3 steps in a row had a loss or gradient that is not fin"):
        train(tmp_path / "run")


def test_broken_batches_are_counted_across_epochs(tmp_path: Path, monkeypatch) -> None:
    broken(4, monkeypatch, times=3)  # the last two of an epoch, the first of the next
    with pytest.raises(ValueError, match="3 steps in a row"):
        train(tmp_path / "run")


def test_the_rate_rises_and_falls_along_a_cosine() -> None:
    shares = [optim.share_of_peak(s, 100, 0.1) for s in range(100)]
    assert shares[9] < shares[10] == 1.0
    assert shares[55] == pytest.approx(0.5)
    assert 0 < shares[99] < 0.001


def test_every_clip_is_dealt_once_and_no_batch_is_a_lonely_rest() -> None:
    batches = plan(13, 4, seed=1, epoch=2)
    assert sorted(i for batch in batches for i in batch) == list(range(13))
    assert min(map(len, batches)) >= 3
    assert batches == plan(13, 4, seed=1, epoch=2) != plan(13, 4, seed=1, epoch=3)
