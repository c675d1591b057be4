"""CLCL against a loop written from its definition, and the invariances that users rely on."""

import math

import pytest
import torch
from torch import Tensor

from c2rl.objectives.similarity import clcl, match


def arithmetic(*shape: int, offset: float = 0.0) -> Tensor:
    """Values from arithmetic, never from a seeded generator."""
    n = math.prod(shape)
    return torch.sin(torch.arange(n, dtype=torch.float64) * 1.7 + offset).reshape(shape)


def lengths_mask(lengths: list[int]) -> Tensor:
    return torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]


def clcl_loop(
    clips: list[Tensor], sentences: list[Tensor], sharpness: float
) -> tuple[list[list[float]], list[list[float]]]:
    """The definition, pair by pair: soft match on one axis, mean over the other."""
    v2t, t2v = [], []
    for v in clips:
        row_v, row_t = [], []
        for t in sentences:
            cos = [[float(a @ b / (a.norm() * b.norm())) for b in t] for a in v]
            per_frame = []
            for row in cos:
                w = [math.exp(c / sharpness) for c in row]
                per_frame.append(sum(x * c for x, c in zip(w, row, strict=True)) / sum(w))
            per_token = []
            for column in zip(*cos, strict=True):
                w = [math.exp(c / sharpness) for c in column]
                per_token.append(sum(x * c for x, c in zip(w, column, strict=True)) / sum(w))
            row_v.append(sum(per_frame) / len(per_frame))
            row_t.append(sum(per_token) / len(per_token))
        v2t.append(row_v)
        t2v.append(row_t)
    return v2t, t2v


def padded(sequences: list[Tensor]) -> tuple[Tensor, Tensor]:
    mask = lengths_mask([len(s) for s in sequences])
    out = torch.full((*mask.shape, sequences[0].shape[1]), 9.0, dtype=torch.float64)
    out[mask] = torch.cat(sequences)
    return out, mask


CLIPS = [arithmetic(n, 4, offset=n) for n in (3, 1, 5)]
SENTENCES = [arithmetic(n, 4, offset=10 + n) for n in (2, 6)]


@pytest.mark.parametrize("sharpness", [0.07, 0.5])
def test_clcl_equals_the_loop(sharpness: float) -> None:
    v2t, t2v = clcl(*padded(CLIPS), *padded(SENTENCES), sharpness=sharpness)
    loop_v2t, loop_t2v = clcl_loop(CLIPS, SENTENCES, sharpness)
    torch.testing.assert_close(v2t, torch.tensor(loop_v2t), atol=1e-5, rtol=0)
    torch.testing.assert_close(t2v, torch.tensor(loop_t2v), atol=1e-5, rtol=0)


def test_padding_is_invisible() -> None:
    frames, frame_mask = padded(CLIPS)
    tokens, token_mask = padded(SENTENCES)
    longer = torch.cat([frames, torch.full((3, 4, 4), -7.0, dtype=torch.float64)], 1)
    longer_mask = torch.cat([frame_mask, torch.zeros(3, 4, dtype=torch.bool)], 1)
    for a, b in zip(
        clcl(frames, frame_mask, tokens, token_mask),
        clcl(longer, longer_mask, tokens, token_mask),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


def test_the_order_of_frames_and_tokens_does_not_matter() -> None:
    frames, tokens = CLIPS[2][None], SENTENCES[1][None]
    real_f, real_t = torch.ones(1, 5, dtype=torch.bool), torch.ones(1, 6, dtype=torch.bool)
    for a, b in zip(
        clcl(frames, real_f, tokens, real_t),
        clcl(frames.flip(1), real_f, tokens.flip(1), real_t),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_lengths_of_vectors_do_not_matter() -> None:
    a = clcl(*padded(CLIPS), *padded(SENTENCES))
    b = clcl(*padded([3 * c for c in CLIPS]), *padded([0.1 * s for s in SENTENCES]))
    torch.testing.assert_close(a.video_to_text, b.video_to_text, atol=1e-6, rtol=0)


def test_gradients_are_finite_and_padding_has_none() -> None:
    frames, frame_mask = padded(CLIPS)
    frames.requires_grad_()
    sum(z.sum() for z in clcl(frames, frame_mask, *padded(SENTENCES))).backward()
    assert frames.grad is not None
    assert frames.grad.isfinite().all()
    assert (frames.grad[~frame_mask] == 0).all()


def test_alignment_rows_are_the_inner_softmax() -> None:
    rows = match(CLIPS[0], SENTENCES[0], sharpness=0.2)
    v, t = CLIPS[0], SENTENCES[0]
    weights = [math.exp(float(t[1] @ f / (t[1].norm() * f.norm())) / 0.2) for f in v]
    expected = torch.tensor([w / sum(weights) for w in weights], dtype=torch.float64)
    torch.testing.assert_close(rows[1], expected)
