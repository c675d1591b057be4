"""How many frames' graphs fit into memory; beyond, the gradient cache runs frames twice."""

from c2rl.training import environment, memory

BYTES = 22.2e6
"""Activations that ResNet-18 holds for the way back, a frame of 224 x 224 in float32: counted with
torch's saved-tensor hooks. bfloat16 takes less, which is left as room to breathe."""


def room(*, side: int, channels: int) -> float:
    """Tell how many frames a process may hold on to.

    Args:
        side: Of a frame in pixels.
        channels: Of ResNet's first stage.

    Returns:
        `C2RL_FRAMES`, or what the memory for graphs holds.

    Raises:
        ValueError: If the variable is no number.
    """
    asked = environment.number("C2RL_FRAMES", what="a number of frames")
    if asked is not None:
        return asked
    return memory.for_graphs() / (BYTES * (side / 224) ** 2 * channels / 64)
