"""The sign encoder for extraction: features of `SignEncoder` in eval mode, in less time.

Batch norms are folded into the convolutions before them; the ResNet, nearly all of the work,
computes in the precision asked for, the rest in float32; frames come as uint8 and go through the
ResNet a piece at a time, so memory does not grow with the length of a clip.

On a CPU, the features of a clip do not depend on the clips beside it, bit for bit; on a GPU they do
not up to rounding.

Shape letters: B clips, T frames of the longest, S frames of all clips together, R side, C width.
"""

import copy
import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from c2rl.nn.masks import unpack
from c2rl.nn.sign_encoder import SignEncoder

Precision = Literal["float32", "bfloat16", "float16"]
"""Of the ResNet. float16 is for GPUs: without instructions for it a CPU takes many times longer."""
Point = Literal["before_transformer", "after_transformer"]
"""Where features are taken: where Table I ends, or after the transformer blocks."""

# Activations of 8 frames stay in a CPU's cache; of fewer, laying out the weights anew in each call
# costs more than that gains. On a GPU 256 are enough: the 7 x 7 maps of ResNet-18's last stage, in
# tiles of 128 x 128, are 392 pieces of work, three for each multiprocessor of an H100. As many
# pixels in smaller frames are as many pieces.
PIXELS = {"cpu": 8 * 224 * 224, "cuda": 256 * 224 * 224}
"""Pixels that enter the ResNet at a time; each takes up to 130 bytes of memory on the way."""


def for_inference(
    network: SignEncoder,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    precision: Precision,
    point: Point = "after_transformer",
    pixels: int | None = None,
) -> "InferenceEncoder":
    """Copy a sign encoder into the form that extraction runs; the original is left as it is.

    Args:
        network: The trained encoder; its running statistics become part of the weights.
        mean: Of red, green and blue in [0, 1], which training subtracted.
        std: Of red, green and blue, by which training divided.
        precision: Of the ResNet.
        point: Where the features are taken.
        pixels: That enter the ResNet at a time, at most; `PIXELS` when None.

    Returns:
        The copy, on the device of the original. It cannot be trained.
    """
    copied = copy.deepcopy(network).eval()
    return InferenceEncoder(copied, mean, std, getattr(torch, precision), point, pixels)


class InferenceEncoder(nn.Module):
    """What `for_inference` makes: uint8 frames in, sign features out."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: SignEncoder,
        mean: Sequence[float],
        std: Sequence[float],
        dtype: torch.dtype,
        point: Point,
        pixels: int | None,
    ) -> None:
        """Take over a network in eval mode, whose modules are changed; see `for_inference`."""
        super().__init__()
        # Folded in float32 and rounded once, after.
        folded = _fold(network.resnet).to(dtype)
        self.resnet = folded.to(memory_format=torch.channels_last)
        self.conv = fuse_conv_bn_eval(network.conv, network.norm.norm)
        self.fc = network.fc
        self.transformer = network.transformer if point == "after_transformer" else None
        self.dtype, self.pixels = dtype, pixels
        device = network.fc.weight.device
        self.register_buffer("mean", torch.tensor(mean, device=device), persistent=False)
        self.register_buffer("std", torch.tensor(std, device=device), persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Encode clips, as `SignEncoder` does.

        Args:
            frames: (S, 3, R, R) uint8, clip after clip; quickest with the channels last in memory.
            mask: (B, T) bool, True where real; S of them.

        Returns:
            (B, T, C) float32 sign features, 0 where padded. Where a frame was too much for the
            precision, features of its clip are infinite or NaN.

        Raises:
            ValueError: If the frames are not uint8.
        """
        spatial = self.spatial(frames)
        if frames.device.type != "cpu":
            return self.temporal(spatial, mask)
        # The rounding of matrix products depends on how many rows they have, and how many threads
        # share them. Clip by clip, in one thread, neither batch mates nor machines matter, bit for
        # bit; beside ResNet-18 it costs less than 1 per cent.
        clips = torch.split(spatial, mask.sum(1).tolist())
        with _one_thread():
            alone = [self.temporal(clip, mask.new_ones(1, len(clip)))[0] for clip in clips]
        return unpack(torch.cat(alone), mask)

    def spatial(self, frames: Tensor) -> Tensor:
        """Run the ResNet on each frame.

        Args:
            frames: (S, 3, R, R) uint8.

        Returns:
            (S, 512) float32.

        Raises:
            ValueError: If the frames are not uint8.
        """
        if frames.dtype != torch.uint8:
            raise ValueError(
                f"frames are {frames.dtype}, expected torch.uint8: pass them as decoded,"
                " the encoder normalises them itself"
            )
        most = self.pixels or PIXELS["cpu" if frames.device.type == "cpu" else "cuda"]
        pieces = min(math.ceil(frames[:, 0].numel() / most), len(frames))
        return torch.cat([self._piece(piece) for piece in frames.tensor_split(pieces)])

    def temporal(self, spatial: Tensor, mask: Tensor) -> Tensor:
        """Relate the frames of each clip to one another.

        Args:
            spatial: (S, 512) float32 from `spatial`.
            mask: (B, T) bool, True where real; S of them.

        Returns:
            (B, T, C) float32 sign features, 0 where padded.
        """
        padded = unpack(spatial, mask)
        local = torch.relu(self.conv(padded.transpose(1, 2))).transpose(1, 2)
        # Filled, not multiplied: NaN * 0 is NaN.
        features: Tensor = self.fc(local).masked_fill(~mask[..., None], 0.0)
        if self.transformer is not None:
            features = self.transformer(features, mask)
        return features

    def _piece(self, frames: Tensor) -> Tensor:
        # PyTorch runs a lone small frame through other kernels than two: with company, a clip of
        # one frame has the features that it has in any batch, bit for bit.
        ready = self._normalise(frames if len(frames) > 1 else frames.repeat(2, 1, 1, 1))
        found: Tensor = self.resnet(ready)[: len(frames)]
        return found.float()

    def _normalise(self, frames: Tensor) -> Tensor:
        # The arithmetic of training, so the same bits, but in place and a row of pixels at a time:
        # five times as quick as three colours at a time. It cannot be part of the first
        # convolution, whose padding is the mean colour.
        ready = frames.to(torch.float32, memory_format=torch.channels_last)
        rows = ready.permute(0, 2, 3, 1).flatten(2)  # (S, R, 3 R), the same memory
        side = frames.shape[-1]
        rows.div_(255).sub_(self.mean.repeat(side)).div_(self.std.repeat(side))
        return ready.to(self.dtype)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _fold(net: nn.Module) -> nn.Module:
    """Fold each batch norm into the convolution that its module lists just before it."""
    for module in list(net.modules()):
        children = list(module.named_children())
        for (conv_name, conv), (norm_name, norm) in itertools.pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, nn.Identity())
    return net
