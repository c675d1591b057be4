"""Weights on disk: safetensors and JSON, strict, and the state a training resumes from."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from c2rl import provenance

Weights = dict[str, Tensor]


def copy_weights(model: nn.Module) -> Weights:
    """Copy a model's weights to memory that training does not change.

    Args:
        model: Any module.

    Returns:
        Name to tensor, on the CPU.
    """
    return {k: v.detach().cpu().clone().contiguous() for k, v in model.state_dict().items()}


def save_weights(file: Path, weights: Weights) -> None:
    """Write weights.

    Args:
        file: Ends in .safetensors; lies inside an artefact that is being built.
        weights: Name to tensor.
    """
    save_file(weights, file)


def load_weights(file: Path) -> Weights:
    """Read weights.

    Args:
        file: Written by `save_weights`.

    Returns:
        Name to tensor, on the CPU.

    Raises:
        ValueError: If the file is no safetensors file.
    """
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{file} is not a readable safetensors file: {error}") from None


def fill(model: nn.Module, weights: Weights, *, prefix: str = "", source: Path | str = "") -> None:
    """Put weights into a model; every name must fit.

    Args:
        model: Built with the configuration that was saved beside the weights.
        weights: Name to tensor.
        prefix: Only names that begin so are taken, without it.
        source: Where the weights come from, for the message.

    Raises:
        ValueError: If a name is missing or too many, or a shape differs.
    """
    own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    try:
        model.load_state_dict(own, strict=True)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:300]
        raise ValueError(
            f"the weights of {source} do not fit their configuration: {detail}"
        ) from None


def save_state(
    folder: Path,
    epoch: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    rest: dict[str, Any],
    best: Weights,
) -> None:
    """Save what a killed training goes on from; the last two are kept.

    Args:
        folder: The training's scratch folder.
        epoch: Epochs finished.
        model: In training.
        optimizer: In training.
        rest: History and best epoch; JSON.
        best: Weights of the best epoch so far.
    """
    state = optimizer.state_dict()["state"]
    flat = {f"{i}.{k}": torch.as_tensor(v) for i, s in state.items() for k, v in s.items()}
    target = folder / f"epoch-{epoch:04d}"
    with provenance.artefact(target, "training state", made_from=rest, counts={}) as building:
        save_weights(building / "model.safetensors", copy_weights(model))
        save_weights(building / "best.safetensors", best)
        save_weights(
            building / "optimizer.safetensors", {k: v.cpu().contiguous() for k, v in flat.items()}
        )
    for old in sorted(folder.glob("epoch-*"))[:-2]:
        for file in sorted(old.rglob("*"), reverse=True):
            file.unlink()
        old.rmdir()


def load_state(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, dict[str, Any], Weights] | None:
    """Go on from the newest complete state.

    Args:
        folder: The training's scratch folder.
        model: Receives the weights.
        optimizer: Receives its moments.

    Returns:
        Epochs finished, `rest` and the best weights; None where there is no state.
    """
    for path in sorted(folder.glob("epoch-*"), reverse=True):
        try:
            meta = provenance.read_meta(path, "training state", made_by="")
            weights = load_weights(path / "model.safetensors")
            moments = load_weights(path / "optimizer.safetensors")
            best = load_weights(path / "best.safetensors")
        except (OSError, ValueError, json.JSONDecodeError):
            continue  # a torn state: the one before it is complete
        fill(model, weights, source=path)
        packed = optimizer.state_dict()
        packed["state"] = {}
        for name, value in moments.items():
            number, key = name.split(".", 1)
            packed["state"].setdefault(int(number), {})[key] = value
        optimizer.load_state_dict(packed)
        return int(path.name.removeprefix("epoch-")), meta.made_from, best
    return None
