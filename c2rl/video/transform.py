"""From stored frames to network input: decode, crop, augment, normalise.

Source: Sec. IV-B a (random crop in training, centre crop at inference); register row 15.

Shape letters: T frames of one clip, S side of a stored frame, R side of a crop.
"""

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from c2rl.video.sample import candidates, sample

MEAN = (0.485, 0.456, 0.406)
"""ImageNet mean of red, green, blue in [0, 1]."""
STD = (0.229, 0.224, 0.225)
"""ImageNet standard deviation."""


def decode(frames: Sequence[npt.NDArray[np.uint8]]) -> Tensor:
    """Decompress the frames of a clip.

    Args:
        frames: T whole JPEG or PNG files, (bytes,) uint8 each.

    Returns:
        (T, 3, S, S) uint8, RGB.

    Raises:
        ValueError: If a file is no image.
    """
    decoded = [cv2.imdecode(frame, cv2.IMREAD_COLOR_RGB) for frame in frames]
    if broken := [number for number, image in enumerate(decoded) if image is None]:
        raise ValueError(f"stored frame {broken[0] + 1} of {len(frames)} is no image")
    images = np.stack([np.asarray(image) for image in decoded])
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def crop(frames: Tensor, side: int, rng: np.random.Generator | None = None) -> Tensor:
    """Cut one window out of all frames of a clip.

    Args:
        frames: (T, 3, S, S) uint8.
        side: R, at most S.
        rng: Places the window in training; None takes the centre.

    Returns:
        (T, 3, R, R) uint8.
    """
    room = frames.shape[-1] - side
    top, left = (room // 2, room // 2) if rng is None else rng.integers(0, room + 1, 2)
    return frames[..., top : top + side, left : left + side]


def pack(clips: Sequence[Tensor]) -> Tensor:
    """Put the frames of several clips one after the other.

    By numpy, not torch: batches are made in threads, and torch would start processor threads of its
    own there, which take time from those that train.

    Args:
        clips: (T, 3, R, R) uint8 each, with the channels last in memory, as `decode` gives them.

    Returns:
        (sum of T, 3, R, R) uint8, channels last in memory.
    """
    frames = np.concatenate([clip.permute(0, 2, 3, 1).numpy() for clip in clips])
    return torch.from_numpy(frames).permute(0, 3, 1, 2)


def normalise(frames: Tensor) -> Tensor:
    """Bring colours to what an ImageNet network expects.

    Args:
        frames: (..., 3, R, R) uint8.

    Returns:
        The same shape, float32.
    """
    mean = torch.tensor(MEAN, device=frames.device).view(3, 1, 1)
    std = torch.tensor(STD, device=frames.device).view(3, 1, 1)
    return (frames.float() / 255 - mean) / std


def affine(rng: np.random.Generator) -> Tensor:
    """Draw the geometric augmentation of one clip, as GFSLT does.

    Args:
        rng: Decides all three parts, each with probability 0.5: rotation within 30 degrees, scale
            in [0.8, 1.2], shift within 10 of 256 pixels.

    Returns:
        (2, 3) float32, a sampling matrix for `warp`.
    """
    use = rng.random(3) < 0.5
    angle = math.radians(rng.uniform(-30, 30)) * use[0]
    scale = 1 / (rng.uniform(0.8, 1.2) if use[1] else 1.0)
    shift = rng.uniform(-20 / 256, 20 / 256, 2) * use[2]  # half a side is 1, so 10 of 256 is 20/256
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    return torch.tensor([[cos, -sin, shift[0]], [sin, cos, shift[1]]], dtype=torch.float32)


def tint(frames: Tensor, rng: np.random.Generator) -> Tensor:
    """Change the colours of a clip: contrast and brightness of each channel.

    Args:
        frames: (T, 3, R, R) uint8.
        rng: Decides for the whole clip: contrast in [0.6, 1.4], brightness within 40 levels.

    Returns:
        (T, 3, R, R) uint8.
    """
    contrast = torch.from_numpy(rng.uniform(0.6, 1.4, (3, 1, 1)).astype(np.float32))
    brightness = torch.from_numpy(rng.uniform(-40, 40, (3, 1, 1)).astype(np.float32))
    return ((frames.float() - 128) * contrast + 128 + brightness).clamp(0, 255).to(torch.uint8)


def warp(frames: Tensor, matrices: Tensor) -> Tensor:
    """Rotate, scale and shift normalised frames; what comes from outside is the border's colour.

    Args:
        frames: (T, 3, R, R) float.
        matrices: (T, 2, 3) float from `affine`, one a frame.

    Returns:
        (T, 3, R, R) float.
    """
    grid = F.affine_grid(matrices, list(frames.shape), align_corners=False)
    return F.grid_sample(frames, grid, padding_mode="border", align_corners=False)


def view(
    read: Callable[[Sequence[int]], Sequence[npt.NDArray[np.uint8]]],
    num_frames: int,
    fps: float,
    *,
    side: int,
    keep: float,
    target_fps: float | None,
    cap: int | None,
    rng: np.random.Generator | None = None,
    phase: int = 0,
) -> Tensor:
    """Choose, read, decompress and crop the frames of a clip that the encoder sees.

    Args:
        read: Gives the compressed frames of the numbers it is asked for.
        num_frames: Native frames of the clip.
        fps: Native rate in frames per second; 0 where unknown.
        side: R.
        keep: Share of frames kept; k in the paper.
        target_fps: See `c2rl.video.sample.candidates`.
        cap: See `c2rl.video.sample.candidates`.
        rng: From `generator(seed, epoch, clip id)` in training; None at inference.
        phase: See `c2rl.video.sample.sample`.

    Returns:
        (T', 3, R, R) uint8; T' = max(1, floor(keep * T + 0.5)).
    """
    frames = candidates(num_frames, fps, target_fps=target_fps, cap=cap)
    chosen = sample(frames, keep, rng, phase=phase)
    return crop(decode(read(chosen.tolist())), side, rng)
