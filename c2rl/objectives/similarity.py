"""Cross-lingual similarity between signing and text (CLCL).

Source: CiCo (Cheng et al., CVPR 2023), adopted by C2RL Sec. III-B a; register rows 2, 3, 5.

`clcl` is the definition, written to be read; `c2rl.objectives.packed` computes the same without the
(V, T, S, U) tensor and is held against it.

Shape letters: V videos, S sentences; T frames, U tokens (padded); D embedding width.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Similarity(NamedTuple):
    """Similarity of every video with every sentence, seen from both sides."""

    video_to_text: Tensor
    """(V, S) float: rows compete. Each frame reads the tokens that match it."""
    text_to_video: Tensor
    """(V, S) float: columns compete. Each token reads the frames that match it."""


def clcl(
    frames: Tensor,
    frame_mask: Tensor,
    tokens: Tensor,
    token_mask: Tensor,
    *,
    sharpness: float = 0.07,
) -> Similarity:
    """Score all video-sentence pairs by soft frame-token matching.

    For one pair, let E be the (T, U) matrix of cosines. Video to text: every frame averages its row
    of E, weighted by a softmax over the tokens of that row; the score is the mean over frames. Text
    to video is the same on the columns. Padding enters neither the softmax nor the mean.

    Args:
        frames: (V, T, D) float. Sign features; need not be normalised. float64 stays float64, half
            precision is raised to float32, inside `torch.autocast` too.
        frame_mask: (V, T) bool. True where a frame is real; at least one per row.
        tokens: (S, U, D) float. Text features, likewise.
        token_mask: (S, U) bool. True where a token is real; at least one per row.
        sharpness: Temperature of the matching softmax; fixed, unlike tau in eq. (1).

    Returns:
        Cosine-scale scores in [-1, 1], before division by tau.

    Example:
        >>> import torch
        >>> frames, tokens = torch.eye(2).unsqueeze(1), torch.eye(2).unsqueeze(1)
        >>> real = torch.ones(2, 1, dtype=torch.bool)
        >>> clcl(frames, real, tokens, real).video_to_text.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    with torch.autocast(frames.device.type, enabled=False):
        frames, tokens = unit_vectors(frames, tokens)
        cosine = frames.flatten(0, 1) @ tokens.flatten(0, 1).T
    cosine = cosine.reshape(*frames.shape[:2], *tokens.shape[:2])  # (V, T, S, U)
    real_frame = frame_mask[:, :, None, None]
    real_token = token_mask[None, None, :, :]

    per_frame = _soft_match(cosine, real_token, dim=3, sharpness=sharpness)  # (V, T, S)
    per_token = _soft_match(cosine, real_frame, dim=1, sharpness=sharpness)  # (V, S, U)
    return Similarity(
        video_to_text=_mean(per_frame, frame_mask[:, :, None], dim=1),
        text_to_video=_mean(per_token, token_mask[None, :, :], dim=2),
    )


def unit_vectors(frames: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Scale vectors to length 1, both sides in one precision of at least float32.

    Args:
        frames: (..., D) float.
        tokens: (..., D) float.

    Returns:
        Both, normalised; a vector of zeros stays one.

    Source: register row 2.
    """
    dtype = torch.promote_types(frames.dtype, tokens.dtype)
    dtype = torch.promote_types(dtype, torch.float32)
    return (
        F.normalize(frames.to(dtype), dim=-1, eps=1e-6),
        F.normalize(tokens.to(dtype), dim=-1, eps=1e-6),
    )


def _soft_match(cosine: Tensor, real: Tensor, *, dim: int, sharpness: float) -> Tensor:
    # Cosines lie in [-1, 1], so exp((s - 1) / sharpness) can neither overflow nor vanish for
    # sharpness >= 0.03: no running maximum is needed.
    weight = ((cosine - 1) / sharpness).exp() * real
    return (weight * cosine).sum(dim) / weight.sum(dim)


def _mean(values: Tensor, real: Tensor, *, dim: int) -> Tensor:
    return (values * real).sum(dim) / real.sum(dim)


def match(frames: Tensor, tokens: Tensor, *, sharpness: float = 0.07) -> Tensor:
    """Tell which frames each token of one sentence reads: CLCL's own alignment.

    Args:
        frames: (T, D) float, the real frames of one clip.
        tokens: (U, D) float, the real tokens of one sentence.
        sharpness: As in `clcl`.

    Returns:
        (U, T) float; each row sums to 1.
    """
    cosine = F.normalize(tokens, dim=-1, eps=1e-6) @ F.normalize(frames, dim=-1, eps=1e-6).T
    return (cosine / sharpness).softmax(dim=1)
