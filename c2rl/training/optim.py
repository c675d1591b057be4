"""Optimisers and the learning-rate schedule.

Source: Sec. IV-B b, c (SGD with momentum 0.9, Adam; cosine to 0); register rows 22, 27.
"""

import math
from typing import Literal

import torch
from torch import nn


def parameter_groups(
    model: nn.Module, *, lr: float, weight_decay: float, other_lr: dict[str, float] | None = None
) -> list[dict[str, object]]:
    """Group parameters by learning rate, and spare vectors and scalars the weight decay.

    Args:
        model: Its parameters that require a gradient.
        lr: Highest learning rate.
        weight_decay: Of matrices; biases, norms and temperatures have none.
        other_lr: Name prefix to another highest rate.

    Returns:
        Groups for a torch optimiser; each keeps its highest rate as `peak_lr`.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rates = [r for prefix, r in (other_lr or {}).items() if name.startswith(prefix)]
            decay = weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((rates[0] if rates else lr, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "peak_lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def build(
    name: Literal["sgd", "adam", "adamw"],
    groups: list[dict[str, object]],
    *,
    momentum: float,
    nesterov: bool,
) -> torch.optim.Optimizer:
    """Make the optimiser.

    Args:
        name: sgd, adam or adamw.
        groups: From `parameter_groups`.
        momentum: Of SGD.
        nesterov: Of SGD.

    Returns:
        A torch optimiser.
    """
    if name == "sgd":
        return torch.optim.SGD(groups, momentum=momentum, nesterov=nesterov)
    if name == "adam":
        return torch.optim.Adam(groups, betas=(0.9, 0.998), fused=True)  # register row 27
    # Short trainings from nothing: a shorter memory of the squared gradient follows them better.
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)


def share_of_peak(step: int, steps: int, warmup: float) -> float:
    """Give the learning rate of a step as a share of its highest value.

    Args:
        step: From 0.
        steps: Of the whole training.
        warmup: Share of the steps that rise linearly.

    Returns:
        In (0, 1]: linear rise, then half a cosine that would reach 0 after the last step.
    """
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def set_lr(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Set every group's learning rate.

    Args:
        optimizer: Made by `build`.
        share: From `share_of_peak`.
    """
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * share
