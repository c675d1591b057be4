"""Tiles give the scores of the plain loop in float64."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from c2rl.objectives.similarity import clcl
from c2rl.retrieve.exact import score_pairs

SHARPNESS, MIX, WIDTH = 0.07, 0.3, 24


def wave(length: int, offset: float) -> Tensor:
    steps = torch.arange(length * WIDTH, dtype=torch.float64)
    return torch.sin(steps * steps * 0.37 + offset).reshape(length, WIDTH)


CLIPS = [wave(1 + 7 * i % 11, 0.5 + i) for i in range(13)]
TEXTS = [wave(1 + 5 * i % 6, 2.5 + i) for i in range(9)]
SINGLE = [[s.float() for s in side] for side in (CLIPS, TEXTS)]


def soft(scores: list[float]) -> float:
    weights = [math.exp((s - 1) / SHARPNESS) for s in scores]
    return sum(w * s for w, s in zip(weights, scores, strict=True)) / sum(weights)


def loop(clips: list[Tensor], texts: list[Tensor]) -> npt.NDArray[np.float64]:
    """CLCL and the mix as peers define them, one pair and one cosine at a time, in float64."""
    found = np.empty((len(clips), len(texts)))
    for a, clip in enumerate(clips):
        for b, text in enumerate(texts):
            units = [s / s.norm(dim=1, keepdim=True) for s in (clip.double(), text.double())]
            cosine = (units[0] @ units[1].T).tolist()
            v2t = sum(map(soft, cosine)) / len(clip)
            t2v = sum(soft(list(column)) for column in zip(*cosine, strict=True)) / len(text)
            found[a, b] = MIX * v2t + (1 - MIX) * t2v
    return found


@pytest.mark.parametrize("rows", [None, (1, 1), (12, 5), (30, 1000)])
@pytest.mark.parametrize("device", [None, pytest.param("cuda", marks=pytest.mark.gpu)])
def test_scores_and_the_best_are_those_of_the_loop_whatever_the_tiles(rows, device) -> None:
    expected = loop(CLIPS, TEXTS)
    found = score_pairs(*SINGLE, sharpness=SHARPNESS, mix=MIX, device=device, rows=rows)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    for ours, theirs in ((found, expected), (found.T, expected.T)):
        assert (np.argsort(-ours)[:, :5] == np.argsort(-theirs)[:, :5]).all()


def test_a_score_is_the_mix_of_both_directions() -> None:
    real = [torch.ones(1, len(s), dtype=torch.bool) for s in (CLIPS[2], TEXTS[3])]
    both = clcl(CLIPS[2][None], real[0], TEXTS[3][None], real[1])
    expected = 0.3 * float(both.video_to_text) + 0.7 * float(both.text_to_video)
    found = score_pairs([CLIPS[2]], [TEXTS[3]], sharpness=SHARPNESS, mix=MIX)
    np.testing.assert_allclose(found, [[expected]], atol=1e-6)


def test_vectors_of_half_precision_are_compared_in_float32() -> None:
    halves = [[s.half() for s in side] for side in SINGLE]
    expected = loop(*halves)
    found = score_pairs(*halves, sharpness=SHARPNESS, mix=MIX)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_nothing_to_score_is_an_empty_matrix() -> None:
    assert score_pairs([], SINGLE[1], sharpness=SHARPNESS, mix=MIX).shape == (0, 9)
    assert score_pairs(SINGLE[0], [], sharpness=SHARPNESS, mix=MIX).shape == (13, 0)


def test_a_clip_without_vectors_is_refused() -> None:
    with pytest.raises(ValueError, match="a length of 0"):
        score_pairs([torch.zeros(0, WIDTH)], SINGLE[1], sharpness=SHARPNESS, mix=MIX)


def test_cosines_of_no_more_than_a_tile_live_at_once(monkeypatch) -> None:
    seen: list[tuple[int, int]] = []
    from c2rl.retrieve import exact

    def watched(frames, lengths, tokens, sizes, **options):
        seen.append((len(frames), len(tokens)))
        return real(frames, lengths, tokens, sizes, **options)

    real = exact.clcl_packed
    monkeypatch.setattr(exact, "clcl_packed", watched)
    score_pairs(*SINGLE, sharpness=SHARPNESS, mix=MIX, rows=(12, 6))
    assert max(f for f, _ in seen) <= 12
    assert max(t for _, t in seen) <= 6
    clips, tokens = (sum(map(len, side)) for side in SINGLE)
    assert sum(f * t for f, t in seen) == clips * tokens
