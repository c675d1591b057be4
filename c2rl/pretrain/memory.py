"""How many frames' graphs fit into memory; beyond, the gradient cache runs frames twice."""

import os

import torch

from c2rl.training import distributed, environment

BYTES = 22.2e6
"""Activations that ResNet-18 holds for the way back, a frame of 224 x 224 in float32: counted with
torch's saved-tensor hooks. bfloat16 takes less, which is left as room to breathe."""


def room(*, side: int, channels: int) -> float:
    """Tell how many frames a process may hold on to.

    It depends on the machine's whole memory, not on what is free, so that a training which goes on
    does what it did before. Kept or run twice, the gradients are the same.

    Args:
        side: Of a frame in pixels.
        channels: Of ResNet's first stage.

    Returns:
        `C2RL_FRAMES`, or what half of a GPU's memory or a quarter of the machine's holds.

    Raises:
        ValueError: If the variable is no number.
    """
    asked = environment.number("C2RL_FRAMES", what="a number of frames")
    if asked is not None:
        return asked
    where = distributed.device()
    if where.type == "cuda":
        memory = torch.cuda.get_device_properties(where).total_memory / 2
    else:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        memory = whole / 4 / distributed.size()
    return memory / (BYTES * (side / 224) ** 2 * channels / 64)
