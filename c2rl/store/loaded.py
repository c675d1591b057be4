"""A split as two tensors, in memory or on the GPU: no file is touched again.

Shape letters: N clips; S rows of all of them; C columns.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


class Loaded(NamedTuple):
    """Clips one after the other."""

    features: Tensor
    """(S, C) float16."""
    offsets: Tensor
    """(N + 1,) int64, on the CPU; clip i has rows [offsets[i], offsets[i + 1])."""

    def gather(self, clips: Sequence[int]) -> "Loaded":
        """Take clips, in the order given; the rows never leave their device.

        Args:
            clips: Positions, repeated ones too.

        Returns:
            Their rows and offsets.
        """
        chosen = torch.as_tensor(clips, dtype=torch.int64)
        starts = self.offsets[:-1][chosen]
        lengths = self.offsets[1:][chosen] - starts
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        total = int(offsets[-1])
        # row r of clip i is at starts[i] + r, and will be at offsets[i] + r
        moves = torch.repeat_interleave(starts - offsets[:-1], lengths, output_size=total)
        rows = (torch.arange(total) + moves).to(self.features.device, non_blocking=True)
        return Loaded(self.features.index_select(0, rows), offsets)


def load(
    chunks: Iterable[npt.NDArray[np.float16]],
    offsets: npt.NDArray[np.int64],
    *,
    width: int,
    device: torch.device | str | None = None,
) -> Loaded:
    """Copy a split's chunks into one tensor.

    Args:
        chunks: (R, C) arrays that make up the S rows, in order.
        offsets: (N + 1,) of the clips.
        width: C.
        device: Where the rows go; None: the CPU.

    Returns:
        Rows and offsets.
    """
    features = torch.empty(int(offsets[-1]), width, dtype=torch.float16, device=device)
    host = features.numpy() if features.device.type == "cpu" else None
    done = 0
    for chunk in chunks:
        end = done + len(chunk)
        if host is not None:
            host[done:end] = chunk
        else:  # torch wants memory that may be written to, which a map of a file is not
            features[done:end] = torch.from_numpy(chunk.copy())
        done = end
    return Loaded(features, torch.from_numpy(offsets.copy()))
