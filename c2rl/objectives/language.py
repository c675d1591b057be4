"""Explicit context learning: the language-model loss, eq. (2).

Source: Sec. III-B b, eq. (2); label smoothing 0.2 from Sec. IV-B b; register rows 10, 11.

Shape letters: N sentences, U tokens of the longest, W tokens in the vocabulary.
"""

from typing import Literal

import torch
from torch import Tensor


def language_loss(
    logits: Tensor,
    targets: Tensor,
    mask: Tensor,
    *,
    smoothing: float = 0.0,
    reduction: Literal["token_mean", "sentence_sum"] = "token_mean",
) -> Tensor:
    """Score the true next tokens.

    Args:
        logits: (N, U, W) float; step u predicts target u. float64 stays float64, half precision
            is raised to float32.
        targets: (N, U) int64.
        mask: (N, U) bool, True where a target is real.
        smoothing: Share of the target spread evenly over the vocabulary.
        reduction: Mean over real tokens, or eq. (2): sum over tokens, mean over sentences.

    Returns:
        () float loss in nats.
    """
    log_p = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=-1)
    true = -log_p.gather(-1, targets[..., None]).squeeze(-1)  # (N, U)
    loss = (1 - smoothing) * true - smoothing * log_p.mean(dim=-1)
    total = (loss * mask).sum()
    # Departure from the paper: eq. (2) is `sentence_sum`; `token_mean` is the cross entropy that
    # Sec. IV-B b trains with (register row 10), and what alpha = beta = 1 is tuned for.
    return total / (mask.sum() if reduction == "token_mean" else len(targets))
