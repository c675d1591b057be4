"""Eq. (2) against a loop written from the paper."""

import math
from typing import Literal

import pytest
import torch

from c2rl.objectives.language import language_loss

LOGITS = torch.sin(torch.arange(2 * 3 * 5, dtype=torch.float64)).reshape(2, 3, 5)
TARGETS = torch.tensor([[1, 4, 2], [3, 2, 0]])
MASK = torch.tensor([[True, True, True], [True, True, False]])


def eq_2(smoothing: float) -> float:
    """The sums of eq. (2); smoothing moves this share of the target to all tokens alike."""
    total = 0.0
    for i in range(2):
        for u in range(3):
            if MASK[i, u]:
                row = LOGITS[i, u].tolist()
                log_p = [x - math.log(sum(math.exp(y) for y in row)) for x in row]
                total -= (1 - smoothing) * log_p[int(TARGETS[i, u])]
                total -= smoothing * sum(log_p) / len(log_p)
    return total / 2


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize(("reduction", "factor"), [("sentence_sum", 1), ("token_mean", 2 / 5)])
def test_it_equals_eq_2(
    reduction: Literal["sentence_sum", "token_mean"], factor: float, smoothing: float
) -> None:
    loss = language_loss(LOGITS, TARGETS, MASK, smoothing=smoothing, reduction=reduction)
    assert loss.dtype == torch.float64
    assert float(loss) == pytest.approx(eq_2(smoothing) * factor, rel=1e-10)


def test_smoothing_equals_torchs_cross_entropy() -> None:
    ours = language_loss(LOGITS, TARGETS, MASK, smoothing=0.2)
    theirs = torch.nn.functional.cross_entropy(LOGITS[MASK], TARGETS[MASK], label_smoothing=0.2)
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_raised_to_float32(dtype: torch.dtype) -> None:
    loss = language_loss(LOGITS.to(dtype), TARGETS, MASK, smoothing=0.2)
    exact = language_loss(LOGITS.to(dtype).double(), TARGETS, MASK, smoothing=0.2)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(exact), rel=1e-6)


def test_padding_is_invisible() -> None:
    changed = LOGITS.clone()
    changed[1, 2] = 100.0
    assert language_loss(LOGITS, TARGETS, MASK) == language_loss(changed, TARGETS, MASK)
