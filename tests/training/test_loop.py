"""fit(): the best epoch is kept, a killed training ends as if it had not been killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from c2rl.training import optim
from c2rl.training.batching import plan
from c2rl.training.loop import Fitted, fit

X = torch.sin(torch.arange(24.0)).reshape(12, 2)
Y = X @ torch.tensor([[2.0], [-1.0]])


class Killed(Exception):  # noqa: N818
    """Stands for kill -9 between two steps."""


def train(state: Path, *, kill_at: int | None = None, epochs: int = 4) -> Fitted:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    seen = 0

    def batches(epoch: int) -> Iterator[list[int]]:
        yield from plan(12, 4, seed=0, epoch=epoch)

    def losses(batch: list[int]) -> dict[str, Tensor]:
        nonlocal seen
        seen += 1
        if seen == kill_at:
            raise Killed
        return {"loss": ((model(X[batch]) - Y[batch]) ** 2).mean()}

    groups = optim.parameter_groups(model, lr=0.05, weight_decay=0.01)
    return fit(
        model,
        batches=batches,
        steps=3,
        losses=losses,
        items=len,
        unit="rows",
        evaluate=lambda: {"error": float(((model(X) - Y) ** 2).mean())},
        better=("error", "min"),
        optimizer=optim.build("adamw", groups, momentum=0.9, nesterov=False),
        epochs=epochs,
        warmup=0.1,
        clip_norm=1.0,
        evaluate_every=1,
        seed=0,
        state=state,
    )


@pytest.mark.parametrize("kill_at", [1, 4, 8, 12])
def test_a_killed_training_ends_byte_for_byte_as_one_that_was_not(tmp_path, kill_at: int) -> None:
    whole = train(tmp_path / "a")
    with pytest.raises(Killed):
        train(tmp_path / "b", kill_at=kill_at)
    resumed = train(tmp_path / "b")
    for name, tensor in whole.last.items():
        assert torch.equal(tensor, resumed.last[name]), name
    assert resumed.history == whole.history
    assert resumed.best_epoch == whole.best_epoch


def test_the_best_epoch_is_kept(tmp_path) -> None:
    fitted = train(tmp_path)
    errors = [entry["dev_error"] for entry in fitted.history]
    assert fitted.best_epoch == errors.index(min(errors)) + 1


def test_a_torn_state_falls_back_to_the_one_before(tmp_path) -> None:
    whole = train(tmp_path / "a")
    with pytest.raises(Killed):
        train(tmp_path / "b", kill_at=8)
    newest = sorted((tmp_path / "b").glob("epoch-*"))[-1]
    (newest / "model.safetensors").write_bytes(b"torn")
    resumed = train(tmp_path / "b")
    assert all(torch.equal(t, resumed.last[n]) for n, t in whole.last.items())


def test_no_state_is_left_behind(tmp_path) -> None:
    train(tmp_path / "a")
    assert not (tmp_path / "a").exists()


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
