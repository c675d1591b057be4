"""What a training tells of itself: means of the losses, speed, and where the time goes."""

import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from c2rl.training import distributed


def flops(module: nn.Module, *inputs: Tensor) -> int:
    """Count the floating-point operations of one pass forward.

    Args:
        module: Left as it is.
        inputs: Its arguments.

    Returns:
        Multiplications and additions of matrix products and convolutions.
    """
    was_training = module.training
    module.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    module.train(was_training)
    return int(counter.get_total_flops())


def peak_rate(dtype: torch.dtype) -> float:
    """Measure what this process's device reaches in a large matrix product.

    Args:
        dtype: float32 or bfloat16.

    Returns:
        Operations a second; the best of a few products.
    """
    where = distributed.device()
    side = 1024 if where.type == "cpu" else 8192
    a = torch.ones(side, side, dtype=dtype, device=where)
    best = float("inf")
    for _ in range(4):
        began = time.perf_counter()
        product = a @ a
        float(product[0, 0])  # waits for the device
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best


class Meter:
    """Counts over an interval of a training, in all processes together."""

    def __init__(self, *, flops_per_row: float, rate: float, unit: str) -> None:
        """Start the clock.

        Args:
            flops_per_row: Operations of a training step for each feature row, forward and back.
            rate: Operations a second that all devices together could reach; 0 where unknown.
            unit: What a row is called: frames or rows.
        """
        self._flops_per_row, self._rate, self._unit = flops_per_row, rate, unit
        self._began = time.perf_counter()
        self.clips = self.rows = 0
        self.padded = self.waited = 0.0

    def add(self, clips: int, rows: int, padded: float, waited: float) -> None:
        """Count one step.

        Args:
            clips: Of the batch.
            rows: Real feature rows (frames that the encoder sees) of the batch.
            padded: Rows with their padding.
            waited: Seconds that a process waited for its data, in the mean.
        """
        self.clips, self.rows, self.padded = (
            self.clips + clips,
            self.rows + rows,
            self.padded + padded,
        )
        self.waited += waited

    def figures(self) -> dict[str, float]:
        """Give the speed so far.

        Returns:
            rows and clips a second, and as shares of 1: `padding` of the transformer's rows (no
            padded frame enters the CNN), `data_wait` of the time, and `mfu`, model FLOPs
            utilisation: needed operations over those of a large matrix product in the same time.
        """
        took = time.perf_counter() - self._began
        return {
            f"{self._unit}_per_s": self.rows / took,
            "clips_per_s": self.clips / took,
            "padding": 1 - self.rows / self.padded if self.padded else 0.0,
            "data_wait": self.waited / took,
            "mfu": self._flops_per_row * self.rows / took / self._rate if self._rate else 0.0,
        }

    def line(self, losses: dict[str, float]) -> str:
        """Describe the interval in one line.

        Args:
            losses: Name to mean.

        Returns:
            For instance `loss 4.428  312 frames/s  21.0 clips/s  MFU 38 %  padding 3 %  ...`.
        """
        found: dict[str, Any] = self.figures()
        parts = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        mfu = f"  MFU {100 * found['mfu']:.0f} %" if self._rate else ""
        return (
            f"{parts}  {found[f'{self._unit}_per_s']:.0f} {self._unit}/s"
            f"  {found['clips_per_s']:.1f} clips/s{mfu}"
            f"  padding {100 * found['padding']:.0f} %  data wait {100 * found['data_wait']:.0f} %"
        )
