"""How much of the graphs fits into memory; beyond, the gradient cache runs rows twice."""

import os

import torch
from torch import nn

from c2rl.training import distributed, environment

BYTES = 21.0
"""Activations that a transformer holds for the way back, a row, in float32, times its width and
over its weights: counted with torch's saved-tensor hooks at 128 rows a clip (mt5 the most; MBart
and ours two thirds of it). bfloat16 takes less, which is left as room to breathe."""


def for_graphs() -> float:
    """Tell how many bytes of graphs a process may hold on to.

    It depends on the machine's whole memory, not on what is free, so that a training which goes on
    does what it did before. Kept or run twice, the gradients are the same.

    Returns:
        Half of a GPU's memory, or this process's share of a quarter of the machine's.
    """
    where = distributed.device()
    if where.type == "cuda":
        return torch.cuda.get_device_properties(where).total_memory / 2
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return whole / 4 / distributed.size()


def room(encoder: nn.Module, width: int) -> float:
    """Tell how many feature rows a process may hold on to.

    Args:
        encoder: Of the features; the sentences' is taken to hold as much again.
        width: Of its hidden states.

    Returns:
        `C2RL_FEATURES`, or what the memory for graphs holds.

    Raises:
        ValueError: If the variable is no number.
    """
    asked = environment.number("C2RL_FEATURES", what="a number of feature rows")
    if asked is not None:
        return asked
    weights = sum(p.numel() for p in encoder.parameters())
    return for_graphs() / (2 * BYTES * weights / width)
