"""One training loop for pretraining, translation and retrieval; it knows no task."""

import math
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from c2rl.provenance import fingerprint
from c2rl.training import checkpoint, optim

Batch = TypeVar("Batch")
Losses = dict[str, Tensor]
"""`loss` is what is minimised; the others are its parts, for the log."""


class Fitted(NamedTuple):
    """A finished training."""

    best: checkpoint.Weights
    """Weights of the best epoch."""
    last: checkpoint.Weights
    """Weights after the last epoch."""
    best_epoch: int
    """From 1."""
    history: list[dict[str, float]]
    """One entry an epoch: means of the losses, and the evaluation where there was one."""


class Meter:
    """Means of losses, speed and the share of time that was spent waiting for data."""

    def __init__(self) -> None:
        """Start at zero."""
        self.sums: dict[str, float] = {}
        self.steps = self.items = 0
        self.waited = 0.0
        self.began = time.perf_counter()

    def add(self, losses: Losses, items: int, waited: float) -> None:
        """Count one step."""
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value.detach())
        self.steps, self.items, self.waited = (
            self.steps + 1,
            self.items + items,
            self.waited + waited,
        )

    def means(self) -> dict[str, float]:
        """Give the mean of each loss."""
        return {name: total / self.steps for name, total in self.sums.items()}

    def line(self, unit: str) -> str:
        """Describe the interval in one line."""
        took = time.perf_counter() - self.began
        parts = "  ".join(f"{name} {value:.3f}" for name, value in self.means().items())
        return (
            f"{parts}  {self.items / took:.0f} {unit}/s  data wait {100 * self.waited / took:.0f} %"
        )


def fit(
    model: nn.Module,
    *,
    batches: Callable[[int], Iterable[Batch]],
    steps: int,
    losses: Callable[[Batch], Losses],
    items: Callable[[Batch], int],
    unit: str,
    evaluate: Callable[[], dict[str, float]],
    better: tuple[str, Literal["min", "max"]],
    optimizer: torch.optim.Optimizer,
    epochs: int,
    warmup: float,
    clip_norm: float | None,
    evaluate_every: int,
    seed: int,
    state: Path,
) -> Fitted:
    """Train a model and keep its best and last weights.

    The weights after an epoch depend on seed and data alone: dropout is seeded anew each step, so a
    training that was killed and goes on equals one that was not.

    Args:
        model: In place.
        batches: Gives the batches of an epoch, from 0.
        steps: Batches an epoch.
        losses: One step's losses; `loss` is minimised.
        items: Counts what the speed is told in.
        unit: Its name: frames or clips.
        evaluate: Scores of the dev split, called in evaluation mode without gradients.
        better: Score that chooses the best epoch, and which way is better.
        optimizer: Over `parameter_groups`.
        epochs: To train.
        warmup: Share of steps with rising rate.
        clip_norm: Largest gradient norm, or None.
        evaluate_every: Epochs between evaluations.
        seed: Of the training.
        state: Scratch folder of this very training; removed at the end.

    Returns:
        Best and last weights and the history.

    Raises:
        ValueError: If the loss is not finite.
    """
    resumed = checkpoint.load_state(state, model, optimizer)
    done, rest, best = resumed or (0, {"history": [], "best_epoch": 0}, {})
    history: list[dict[str, float]] = rest["history"]
    best_epoch: int = rest["best_epoch"]
    if done:
        print(f"going on after epoch {done} of {epochs}", flush=True)
    for epoch in range(done, epochs):
        model.train()
        meter = Meter()
        _epoch(
            model,
            batches(epoch),
            epoch,
            epochs,
            steps,
            losses,
            items,
            unit,
            optimizer,
            warmup,
            clip_norm,
            seed,
            meter,
        )
        entry: dict[str, float] = {"epoch": epoch + 1, **meter.means()}
        if (epoch + 1) % evaluate_every == 0 or epoch + 1 == epochs:
            model.eval()
            with torch.no_grad():
                entry |= {f"dev_{name}": value for name, value in evaluate().items()}
            shown = "  ".join(f"{k} {v:.3f}" for k, v in entry.items() if k.startswith("dev_"))
            print(f"epoch {epoch + 1}/{epochs}  {shown}", flush=True)
        history.append(entry)
        if _is_better(history, best_epoch, *better):
            best, best_epoch = checkpoint.copy_weights(model), epoch + 1
        rest = {"history": history, "best_epoch": best_epoch}
        checkpoint.save_state(state, epoch + 1, model, optimizer, rest, best)
    last = checkpoint.copy_weights(model)
    shutil.rmtree(state, ignore_errors=True)
    return Fitted(best, last, best_epoch, history)


def _epoch(
    model: nn.Module,
    batches: Iterable[Batch],
    epoch: int,
    epochs: int,
    steps: int,
    losses: Callable[[Batch], Losses],
    items: Callable[[Batch], int],
    unit: str,
    optimizer: torch.optim.Optimizer,
    warmup: float,
    clip_norm: float | None,
    seed: int,
    meter: Meter,
) -> None:
    """Run one epoch and print a line at its end and every half minute."""
    asked = spoke = time.perf_counter()
    for number, batch in enumerate(batches):
        waited = time.perf_counter() - asked
        step = epoch * steps + number
        torch.manual_seed(int(fingerprint([seed, step]), 16) % 2**63)
        found = losses(batch)
        if not math.isfinite(float(found["loss"].detach())):
            raise ValueError(
                f"the loss of epoch {epoch + 1}, step {number + 1} is not finite:"
                " lower the learning rate"
            )
        optim.set_lr(optimizer, optim.share_of_peak(step, epochs * steps, warmup))
        optimizer.zero_grad(set_to_none=True)
        found["loss"].backward()  # type: ignore[no-untyped-call]
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()
        meter.add(found, items(batch), waited)
        asked = time.perf_counter()
        if number + 1 == steps or asked - spoke > 30:
            spoke = asked
            print(
                f"epoch {epoch + 1}/{epochs}  step {number + 1}/{steps}  {meter.line(unit)}",
                flush=True,
            )


def _is_better(
    history: list[dict[str, Any]], best_epoch: int, name: str, way: Literal["min", "max"]
) -> bool:
    if f"dev_{name}" not in history[-1]:
        return False
    if best_epoch == 0:
        return True
    new, old = history[-1][f"dev_{name}"], history[best_epoch - 1][f"dev_{name}"]
    return bool(new < old if way == "min" else new > old)
