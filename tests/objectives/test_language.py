"""Eq. (2) against a loop written from the paper."""

import math

import pytest
import torch

from c2rl.objectives.language import language_loss

LOGITS = torch.sin(torch.arange(2 * 3 * 5, dtype=torch.float64)).reshape(2, 3, 5)
TARGETS = torch.tensor([[1, 4, 2], [3, 2, 0]])
MASK = torch.tensor([[True, True, True], [True, True, False]])


def log_p(i: int, u: int, token: int) -> float:
    row = LOGITS[i, u].tolist()
    return row[token] - math.log(sum(math.exp(x) for x in row))


def test_sentence_sum_is_eq_2() -> None:
    loss = language_loss(LOGITS, TARGETS, MASK, reduction="sentence_sum")
    total = -sum(log_p(i, u, int(TARGETS[i, u])) for i in range(2) for u in range(3) if MASK[i, u])
    assert float(loss) == pytest.approx(total / 2, rel=1e-6)


def test_token_mean_divides_by_the_real_tokens() -> None:
    summed = language_loss(LOGITS, TARGETS, MASK, reduction="sentence_sum")
    mean = language_loss(LOGITS, TARGETS, MASK, reduction="token_mean")
    assert float(mean) == pytest.approx(float(summed) * 2 / 5, rel=1e-6)


def test_smoothing_equals_torchs_cross_entropy() -> None:
    ours = language_loss(LOGITS, TARGETS, MASK, smoothing=0.2)
    theirs = torch.nn.functional.cross_entropy(
        LOGITS[MASK].float(), TARGETS[MASK], label_smoothing=0.2
    )
    torch.testing.assert_close(ours, theirs)


def test_padding_is_invisible() -> None:
    changed = LOGITS.clone()
    changed[1, 2] = 100.0
    assert language_loss(LOGITS, TARGETS, MASK) == language_loss(changed, TARGETS, MASK)
