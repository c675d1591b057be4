"""Eq. (1) against a loop written from the paper, and each way of dealing with equal sentences."""

import math

import pytest
import torch
from torch import Tensor

from c2rl.objectives.contrastive import info_nce
from c2rl.objectives.similarity import Similarity

N = 4
V2T = torch.cos(torch.arange(16.0, dtype=torch.float64) * 1.3).reshape(N, N)
T2V = torch.cos(torch.arange(16.0, dtype=torch.float64) * 2.1 + 1).reshape(N, N)
SCALE = torch.tensor(1 / 0.07, dtype=torch.float64)
ALL_DIFFERENT = torch.arange(N)


def eq_1(v2t: Tensor, t2v: Tensor, tau: float) -> float:
    """Both sums of eq. (1); Z_T2V^(i,j) is text i against video j, stored as [j, i]."""
    total = 0.0
    for z in (v2t, t2v.T):
        for i in range(len(z)):
            top = math.exp(float(z[i, i]) / tau)
            bottom = sum(math.exp(float(z[i, j]) / tau) for j in range(len(z)))
            total -= math.log(top / bottom) / len(z)
    return total


@pytest.mark.parametrize("tau", [0.01, 0.07, 0.5])
def test_it_equals_eq_1(tau: float) -> None:
    scale = torch.tensor(1 / tau, dtype=torch.float64)
    loss = info_nce(Similarity(V2T, T2V), scale, sentence_ids=ALL_DIFFERENT)
    assert loss.dtype == torch.float64
    assert float(loss) == pytest.approx(eq_1(V2T, T2V, tau), rel=1e-10)


def test_each_direction_contrasts_its_own_axis() -> None:
    flat = torch.zeros(N, N, dtype=torch.float64)
    by_video = info_nce(Similarity(V2T, flat), SCALE, sentence_ids=ALL_DIFFERENT)
    by_text = info_nce(Similarity(flat, T2V), SCALE, sentence_ids=ALL_DIFFERENT)
    assert float(by_video) == pytest.approx(eq_1(V2T, flat, 0.07), rel=1e-10)
    assert float(by_text) == pytest.approx(eq_1(flat, T2V, 0.07), rel=1e-10)


def test_mean_halves_the_sum() -> None:
    full = info_nce(Similarity(V2T, T2V), SCALE, sentence_ids=ALL_DIFFERENT)
    half = info_nce(Similarity(V2T, T2V), SCALE, sentence_ids=ALL_DIFFERENT, directions="mean")
    assert float(half) == pytest.approx(float(full) / 2, rel=1e-10)


def test_dual_mix_contrasts_both_axes() -> None:
    mixed = info_nce(Similarity(V2T, T2V), SCALE, sentence_ids=ALL_DIFFERENT, dual_mix=0.5)
    expected = 0.5 * eq_1(V2T, T2V, 0.07) + 0.5 * eq_1(V2T.T, T2V.T, 0.07)
    assert float(mixed) == pytest.approx(expected, rel=1e-10)


def test_groups_are_the_papers_gpus_without_gathering() -> None:
    loss = info_nce(Similarity(V2T, T2V), SCALE, sentence_ids=ALL_DIFFERENT, negatives=2)
    halves = [eq_1(V2T[g, g], T2V[g, g], 0.07) for g in (slice(0, 2), slice(2, 4))]
    assert float(loss) == pytest.approx(sum(halves) / 2, rel=1e-10)


SAME = torch.tensor([0, 1, 0, 2])


def test_ignore_is_blind_to_equal_sentences() -> None:
    a = info_nce(Similarity(V2T, T2V), SCALE, sentence_ids=SAME, duplicate_text="ignore")
    assert float(a) == pytest.approx(eq_1(V2T, T2V, 0.07), rel=1e-10)


def test_mask_takes_equal_sentences_out_of_the_denominator() -> None:
    loss = info_nce(Similarity(V2T, T2V), SCALE, sentence_ids=SAME, duplicate_text="mask")
    total = 0.0
    for z in (V2T, T2V.T):
        for i in range(N):
            others = [j for j in range(N) if j == i or SAME[i] != SAME[j]]
            bottom = sum(math.exp(float(z[i, j]) / 0.07) for j in others)
            total -= math.log(math.exp(float(z[i, i]) / 0.07) / bottom) / N
    assert float(loss) == pytest.approx(total, rel=1e-10)


def test_positive_shares_the_target_among_equal_sentences() -> None:
    loss = info_nce(Similarity(V2T, T2V), SCALE, sentence_ids=SAME, duplicate_text="positive")
    total = 0.0
    for z in (V2T, T2V.T):
        for i in range(N):
            bottom = sum(math.exp(float(z[i, j]) / 0.07) for j in range(N))
            equal = [j for j in range(N) if SAME[i] == SAME[j]]
            logs = [math.log(math.exp(float(z[i, j]) / 0.07) / bottom) for j in equal]
            total -= sum(logs) / len(equal) / N
    assert float(loss) == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("how", ["mask", "positive"])
def test_gradients_are_finite_where_all_sentences_are_equal(how: str) -> None:
    v2t = V2T.clone().requires_grad_()
    same = torch.zeros(N, dtype=torch.int64)
    info_nce(Similarity(v2t, T2V), SCALE, sentence_ids=same, duplicate_text=how).backward()  # type: ignore[arg-type]
    assert v2t.grad is not None
    assert v2t.grad.isfinite().all()
