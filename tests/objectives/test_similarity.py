"""Both forms of CLCL against a loop written from its definition, and what users rely on."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from c2rl.objectives.packed import clcl_packed
from c2rl.objectives.similarity import Similarity, clcl, match


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
    out = torch.full((*mask.shape, sequences[0].shape[1]), 9.0, dtype=sequences[0].dtype)
    out[mask] = torch.cat(sequences)
    return out, mask


CLIPS = [arithmetic(n, 4, offset=n) for n in (3, 1, 5)]
SENTENCES = [arithmetic(n, 4, offset=10 + n) for n in (2, 6)]

Form = Callable[..., Similarity]


def padded_form(clips: list[Tensor], sentences: list[Tensor], sharpness: float) -> Similarity:
    return clcl(*padded(clips), *padded(sentences), sharpness=sharpness)


def packed_form(clips: list[Tensor], sentences: list[Tensor], sharpness: float) -> Similarity:
    return clcl_packed(
        torch.cat(clips),
        [len(clip) for clip in clips],
        torch.cat(sentences),
        [len(sentence) for sentence in sentences],
        sharpness=sharpness,
    )


both_forms = pytest.mark.parametrize("form", [padded_form, packed_form])


def assert_equal(found: Similarity, expected: Similarity) -> None:
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == torch.float64
        torch.testing.assert_close(a, b, atol=1e-10, rtol=0)


@both_forms
@pytest.mark.parametrize("sharpness", [0.03, 0.07, 0.5])
def test_clcl_equals_the_loop(form: Form, sharpness: float) -> None:
    v2t, t2v = clcl_loop(CLIPS, SENTENCES, sharpness)
    expected = Similarity(*(torch.tensor(z, dtype=torch.float64) for z in (v2t, t2v)))
    assert_equal(form(CLIPS, SENTENCES, sharpness), expected)


def test_padding_is_invisible() -> None:
    frames, frame_mask = padded(CLIPS)
    tokens, token_mask = padded(SENTENCES)
    longer = torch.cat([frames, torch.full((3, 4, 4), -7.0, dtype=torch.float64)], 1)
    longer_mask = torch.cat([frame_mask, torch.zeros(3, 4, dtype=torch.bool)], 1)
    assert_equal(
        clcl(longer, longer_mask, tokens, token_mask),
        clcl(frames, frame_mask, tokens, token_mask),
    )


@both_forms
def test_the_order_of_frames_and_tokens_does_not_matter(form: Form) -> None:
    turned = form([clip.flip(0) for clip in CLIPS], [s.roll(1, 0) for s in SENTENCES], 0.07)
    assert_equal(turned, form(CLIPS, SENTENCES, 0.07))


@both_forms
def test_batch_mates_do_not_matter(form: Form) -> None:
    together = form(CLIPS, SENTENCES, 0.07)
    for i, clip in enumerate(CLIPS):
        for j, sentence in enumerate(SENTENCES):
            alone = form([clip], [sentence], 0.07)
            assert_equal(alone, Similarity(*(z[i : i + 1, j : j + 1] for z in together)))


@both_forms
def test_lengths_of_vectors_do_not_matter(form: Form) -> None:
    scaled = form([3 * clip for clip in CLIPS], [0.1 * s for s in SENTENCES], 0.07)
    assert_equal(scaled, form(CLIPS, SENTENCES, 0.07))


@both_forms
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_raised_to_float32(form: Form, dtype: torch.dtype) -> None:
    clips, sentences = [c.to(dtype) for c in CLIPS], [s.to(dtype) for s in SENTENCES]
    exact = form([c.double() for c in clips], [s.double() for s in sentences], 0.07)
    for found, expected in zip(form(clips, sentences, 0.07), exact, strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=0)


@both_forms
def test_autocast_does_not_blur_the_cosines(form: Form) -> None:
    clips, sentences = [c.float() for c in CLIPS], [s.float() for s in SENTENCES]
    exact = form(clips, sentences, 0.07)
    with torch.autocast("cpu", torch.bfloat16):
        for found, expected in zip(form(clips, sentences, 0.07), exact, strict=True):
            assert found.dtype == torch.float32
            assert torch.equal(found, expected)


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
