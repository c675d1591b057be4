"""What a killed training goes on from: two verified states in its scratch folder.

A state is complete or absent, like any artefact. It holds weights, the optimiser's moments, and
where the training stands; sampling, augmentation and dropout are pure functions of that, so no
state of a random generator is needed.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from c2rl import provenance
from c2rl.training import checkpoint
from c2rl.training.checkpoint import Weights

_KIND = "training state"
_KEPT = 2
_FINISHED = "finished"


class Progress(NamedTuple):
    """Where a training stands."""

    epoch: int = 0
    """Epochs finished, their evaluation included."""
    step: int = 0
    """Steps of the next epoch that are done."""
    best_epoch: int = 0
    """Best epoch so far, from 1; 0: none was evaluated."""
    history: list[dict[str, float]] = []  # noqa: RUF012  # never changed in place
    """One entry a finished epoch."""
    sums: dict[str, float] = {}  # noqa: RUF012  # never changed in place
    """Sums over the steps done of the next epoch."""

    @property
    def name(self) -> str:
        """Name of the state's folder; later states sort behind earlier ones."""
        return f"state-{self.epoch:06d}-{self.step:08d}"


def save(
    folder: Path,
    progress: Progress,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: Weights,
) -> None:
    """Save a state; the last two are kept.

    Args:
        folder: The training's scratch folder; its name tells which training it is.
        progress: Where it stands.
        model: In training.
        optimizer: In training.
        best: Weights of the best epoch so far.

    Raises:
        ValueError: If a weight is not finite: nothing good can come of going on from it.
    """
    weights = checkpoint.copy_weights(model)
    if broken := [
        n for n, t in weights.items() if t.is_floating_point() and not t.isfinite().all()
    ]:
        raise ValueError(f"{broken[0]} is not finite any more: lower the learning rate")
    moments = {
        f"{number}.{name}": torch.as_tensor(value).cpu().contiguous()
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
        if value is not None
    }
    older = _states(folder)
    made_from = {"run": folder.name, **progress._asdict()}
    with provenance.artefact(folder / progress.name, _KIND, made_from=made_from, counts={}) as new:
        checkpoint.save_weights(new / "model.safetensors", weights)
        checkpoint.save_weights(new / "optimizer.safetensors", moments)
        if progress.best_epoch and not _link_best(older, progress, new):
            checkpoint.save_weights(new / "best.safetensors", best)
    for old in [s for s in older if s.name != progress.name][: 1 - _KEPT]:
        shutil.rmtree(old)


def _states(folder: Path) -> list[Path]:
    return sorted(folder.glob("state-*"))


def _link_best(states: list[Path], progress: Progress, new: Path) -> bool:
    """Share the best weights with the state before, if they are the same epoch's."""
    for path in states[-1:]:
        meta = provenance.read_meta(path, _KIND, made_by="")
        if meta.made_from["best_epoch"] == progress.best_epoch:
            os.link(path / "best.safetensors", new / "best.safetensors")
            return True
    return False


def newest(folder: Path) -> Path | None:
    """Find the newest state whose every file is as it was written; damaged ones are dropped.

    Args:
        folder: The training's scratch folder.

    Returns:
        The state's folder; None where a training begins.

    Raises:
        ValueError: If the folder holds the state of another training.
    """
    states = _states(folder)
    for path in reversed(states):
        if not provenance.is_intact(path, _KIND):
            left = "the state before it" if path != states[0] else "the beginning"
            print(f"{path} is damaged: going on from {left}", file=sys.stderr, flush=True)
            shutil.rmtree(path)
            continue
        run = provenance.read_meta(path, _KIND, made_by="").made_from["run"]
        if run != folder.name:
            raise ValueError(
                f"{path} is a state of training {run}, expected one of {folder.name}."
                f" Delete {folder} to begin anew."
            )
        return path
    return None


def load(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[Progress, Weights]:
    """Go on from a state.

    Args:
        path: From `newest`.
        model: Receives the weights.
        optimizer: Receives its moments.

    Returns:
        Where the training stands, and the best weights so far.
    """
    made_from = provenance.read_meta(path, _KIND, made_by="").made_from
    progress = Progress(**{name: made_from[name] for name in Progress._fields})
    checkpoint.fill(model, checkpoint.load_weights(path / "model.safetensors"), source=path)
    _fill_moments(optimizer, checkpoint.load_weights(path / "optimizer.safetensors"))
    best = checkpoint.load_weights(path / "best.safetensors") if progress.best_epoch else {}
    return progress, best


def _fill_moments(optimizer: torch.optim.Optimizer, moments: Weights) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    packed = optimizer.state_dict()
    packed["state"] = {}
    for key, value in moments.items():
        number, name = key.split(".", 1)
        own: dict[str, Tensor] = packed["state"].setdefault(int(number), {})
        like = parameters[int(number)]
        # A moment lies in memory as its parameter does, channels last for instance: the fused
        # optimisers go through both side by side.
        own[name] = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
    optimizer.load_state_dict(packed)


def finish(folder: Path, kind: str) -> None:
    """Keep a finished training's last state, in case DVC is killed before it has recorded it.

    Args:
        folder: The training's scratch folder.
        kind: What was trained; the finished states of other trainings of this kind are dropped.
    """
    for old in _states(folder)[:-1]:
        shutil.rmtree(old)
    provenance.write_atomic(folder / _FINISHED, kind)
    for other in folder.parent.iterdir():
        mark = other / _FINISHED
        if other != folder and mark.is_file() and mark.read_text(encoding="utf-8") == kind:
            shutil.rmtree(other)
