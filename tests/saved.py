"""What torch keeps of a forward pass for the way back."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def saved_bytes(network: nn.Module, forward: Callable[[], object]) -> int:
    """Count the bytes that a forward pass saves, the network's own weights aside."""
    own = {p.untyped_storage().data_ptr() for p in network.parameters()}
    seen: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        forward()
    return sum(seen.values())
