"""One training loop for pretraining, translation and retrieval; it knows no task."""

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import Signals
from typing import Any, Generic, Literal, NamedTuple

import torch
from torch import nn

from c2rl.training import distributed, optim, state
from c2rl.training.batching import Step, Whole
from c2rl.training.checkpoint import Weights, copy_weights
from c2rl.training.gradient_cache import Losses, MicroBatch, RunningStatistics, backward
from c2rl.training.launch import SIGNALS, Stop
from c2rl.training.meter import Meter, peak_rate

PATIENCE = 3
"""Steps in a row whose loss or gradient is not finite before a training gives up."""


class Fitted(NamedTuple):
    """A finished training."""

    best: Weights
    """Weights of the best epoch."""
    last: Weights
    """Weights after the last epoch."""
    best_epoch: int
    """From 1."""
    history: list[dict[str, float]]
    """One entry an epoch: means of the losses, steps skipped, and the evaluation where there was
    one."""


class Task(NamedTuple, Generic[MicroBatch]):
    """What is trained, in terms that the loop understands."""

    model: nn.Module
    batches: Callable[[int, int], Iterator[Step[MicroBatch]]]
    """Epoch and first step, both from 0, to this process's share of the batches from there on."""
    steps: int
    """Batches an epoch, the same in every process."""
    losses: Callable[[Whole], Losses[MicroBatch]]
    """What is minimised on a batch."""
    names: tuple[str, str]
    """Of the joint and the own loss, for the log; empty for one that the task does not have."""
    evaluate: Callable[[], dict[str, float]]
    """Scores of the dev split; called in evaluation mode, without gradients, by one process."""
    better: tuple[str, Literal["min", "max"]]
    """Score that chooses the best epoch, and which way is better."""
    unit: str = "rows"
    """What a feature row is called in the log."""
    flops_per_row: float = 0.0
    """Operations of a training step for each feature row; 0: the log tells no MFU."""
    room: float = math.inf
    """Feature rows whose graphs may be held at once (`gradient_cache.backward`)."""


def fit(
    task: Task[MicroBatch],
    *,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    warmup: float,
    clip_norm: float | None,
    evaluate_every: int,
    precision: Literal["float32", "bfloat16"],
    seed: int,
    folder: Path,
) -> Fitted:
    """Train a model and keep its best and last weights.

    The weights after a step depend on seed and data alone: sampling, augmentation and dropout are
    pure functions of (seed, epoch or step, clip or micro-batch). So a training that was killed ends
    as one that was not, and several processes compute what one computes.

    Args:
        task: What is trained.
        optimizer: Over `parameter_groups`.
        epochs: To train.
        warmup: Share of steps with rising rate.
        clip_norm: Largest gradient norm, or None.
        evaluate_every: Epochs between evaluations.
        precision: Of the task's networks; told here for the log's MFU alone.
        seed: Of the training.
        folder: Scratch folder of this very training; `state.finish` tidies it.

    Returns:
        Best and last weights and the history.

    Raises:
        ValueError: If loss or gradient is not finite several times in a row.
        SystemExit: After SIGTERM, SIGINT or SIGUSR1, once the step is done and saved.
    """
    path = distributed.as_first_says(state.newest(folder) if distributed.is_first() else None)
    progress, best = state.load(path, task.model, optimizer) if path else (state.Progress(), {})
    if path and distributed.is_first():
        is_done = progress.epoch == epochs
        told = f"this training is finished in {folder}; delete that to train anew"
        going = f"going on after epoch {progress.epoch}, step {progress.step}"
        print(told if is_done else going, flush=True)
    rate = distributed.size() * peak_rate(getattr(torch, precision)) if task.flops_per_row else 0.0
    with Stop() as stop:
        run = _Run(task, optimizer, epochs, warmup, clip_norm, seed, folder, rate, stop)
        while progress.epoch < epochs:
            progress = run.epoch(progress, best)
            entry: dict[str, float] = {
                "epoch": progress.epoch,
                **_means(progress.sums),
                "skipped": progress.sums.get("skipped", 0.0),
            }
            if progress.epoch % evaluate_every == 0 or progress.epoch == epochs:
                entry |= _evaluate(task, progress.epoch, epochs)
            history = [*progress.history, entry]
            # A new epoch forgives no broken batch: short ones would never come to PATIENCE.
            in_a_row = {k: v for k, v in progress.sums.items() if k == "in_a_row"}
            progress = progress._replace(history=history, sums=in_a_row)
            if _is_better(history, progress.best_epoch, *task.better):
                best = copy_weights(task.model)
                progress = progress._replace(best_epoch=progress.epoch)
            run.save(progress, best)
    return Fitted(best, copy_weights(task.model), progress.best_epoch, progress.history)


class _Run(NamedTuple, Generic[MicroBatch]):
    """A training in progress."""

    task: Task[MicroBatch]
    optimizer: torch.optim.Optimizer
    epochs: int
    warmup: float
    clip_norm: float | None
    seed: int
    folder: Path
    rate: float
    stop: Stop

    def save(self, progress: state.Progress, best: Weights) -> None:
        """Save where the training stands, if this process writes."""
        if distributed.is_first():
            state.save(self.folder, progress, self.task.model, self.optimizer, best)

    def epoch(self, progress: state.Progress, best: Weights) -> state.Progress:
        """Do what is left of an epoch; say so every half minute and save every few minutes."""
        task, epoch = self.task, progress.epoch
        task.model.train()
        spoke = saved = asked = time.perf_counter()
        meter = Meter(flops_per_row=task.flops_per_row, rate=self.rate, unit=task.unit)
        sums = dict(progress.sums)
        for step in task.batches(epoch, progress.step):
            waited = time.perf_counter() - asked
            signal = self._step(step, epoch * task.steps + progress.step, sums, meter, waited)
            progress = progress._replace(step=progress.step + 1, sums=dict(sums))
            now = time.perf_counter()
            if distributed.is_first() and (progress.step == task.steps or now - spoke > 30):
                spoke = now
                where = f"epoch {epoch + 1}/{self.epochs}  step {progress.step}/{task.steps}"
                print(f"{where}  {meter.line(_means(sums))}", flush=True)
            if signal or now - saved > 60 * float(os.environ.get("C2RL_SAVE_MINUTES", "10")):
                saved = now
                self.save(progress, best)
            if signal:
                if distributed.is_first():
                    print(f"{signal.name} came: saved; the next run goes on here", flush=True)
                raise SystemExit(128 + signal)
            asked = time.perf_counter()
        return progress._replace(epoch=epoch + 1, step=0)

    def _step(
        self,
        step: Step[MicroBatch],
        number: int,
        sums: dict[str, float],
        meter: Meter,
        waited: float,
    ) -> Signals | None:
        """Learn from one batch; give the signal that any process has heard."""
        task, whole = self.task, step.whole
        losses, statistics = task.losses(whole), RunningStatistics(task.model)
        self.optimizer.zero_grad(set_to_none=True)
        share = backward(
            step.micro_batches,
            losses,
            room=task.room,
            statistics=statistics,
            seed=(self.seed, number),
            first=whole.first_micro_batch,
        )
        distributed.sum_gradients(task.model)
        gradients = [p.grad for p in task.model.parameters() if p.grad is not None]
        norm = float(nn.utils.get_total_norm(gradients))
        heard = [float(self.stop.signal() == s) for s in SIGNALS]
        padding = float(sum(micro_batch.mask.numel() for micro_batch in step.micro_batches))
        joint, own, padded, waited, *heard = distributed.total(
            [float(share.joint), float(share.own), padding, waited, *heard]
        )
        loss = losses.weights[0] * joint + losses.weights[1] * own
        if math.isfinite(loss) and math.isfinite(norm):
            statistics.commit()
            self._update(number, norm)
            named = zip(task.names, (joint, own), strict=True)
            _count(sums, {"loss": loss, **{name: value for name, value in named if name}})
        else:
            statistics.rewind()
            _skip(sums, step, number, loss, norm)
        rows = sum(whole.feature_lengths)
        meter.add(len(whole.feature_lengths), rows, padded, waited / distributed.size())
        return next((s for s, count in zip(SIGNALS, heard, strict=True) if count), None)

    def _update(self, number: int, norm: float) -> None:
        """Move the weights."""
        if self.clip_norm is not None:
            parameters = self.task.model.parameters()
            nn.utils.clip_grads_with_norm_(parameters, self.clip_norm, torch.tensor(norm))
        share = optim.share_of_peak(number, self.epochs * self.task.steps, self.warmup)
        optim.set_lr(self.optimizer, share)
        self.optimizer.step()


def _count(sums: dict[str, float], losses: dict[str, float]) -> None:
    for name, value in losses.items():
        sums[name] = sums.get(name, 0.0) + value
    sums["steps"] = sums.get("steps", 0.0) + 1
    sums["in_a_row"] = 0.0


def _skip(
    sums: dict[str, float], step: Step[MicroBatch], number: int, loss: float, norm: float
) -> None:
    """Tell which clips a step was skipped for; give up after a few in a row."""
    ids = [id_ for micro_batch in step.micro_batches for id_ in micro_batch.ids]
    print(
        f"step {number + 1} is skipped: loss {loss:g}, gradient norm {norm:g}; process"
        f" {distributed.rank()} held the clips {', '.join(ids)}",
        file=sys.stderr,
        flush=True,
    )
    sums["skipped"] = sums.get("skipped", 0.0) + 1
    sums["in_a_row"] = sums.get("in_a_row", 0.0) + 1
    if sums["in_a_row"] >= PATIENCE:
        raise ValueError(
            f"{PATIENCE} steps in a row had a loss or gradient that is not finite (their clips are"
            " named above): lower the learning rate, or look at the clips"
        )


def _means(sums: dict[str, float]) -> dict[str, float]:
    """Give the mean of each loss over the steps that counted."""
    steps = sums.get("steps", 0.0) or math.nan
    return {n: v / steps for n, v in sums.items() if n not in ("steps", "skipped", "in_a_row")}


def _evaluate(task: Task[MicroBatch], epoch: int, epochs: int) -> dict[str, float]:
    """Look at the dev split in the first process; the others wait for what it says."""
    scores: dict[str, float] = {}
    if distributed.is_first():
        task.model.eval()
        with torch.no_grad():
            scores = {f"dev_{name}": value for name, value in task.evaluate().items()}
        shown = "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
        print(f"epoch {epoch}/{epochs}  {shown}", flush=True)
    return distributed.as_first_says(scores)


def _is_better(
    history: list[dict[str, Any]], best_epoch: int, name: str, way: Literal["min", "max"]
) -> bool:
    if f"dev_{name}" not in history[-1]:
        return False
    if best_epoch == 0:
        return True
    new, old = history[-1][f"dev_{name}"], history[best_epoch - 1][f"dev_{name}"]
    return bool(new < old if way == "min" else new > old)
