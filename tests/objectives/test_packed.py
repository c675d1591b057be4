"""Packed CLCL against the padded form: scores, gradients, tiles, precisions and refusals."""

import math
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from c2rl.nn.masks import mask_of
from c2rl.objectives.packed import SHARPEST, clcl_packed
from c2rl.objectives.similarity import Similarity, clcl

WIDTH = 6
SHAPES = {
    "ragged": ([3, 1, 5, 2], [2, 6, 1]),
    "clips of one frame": ([1, 1, 1], [4, 1]),
    "one sentence much longer": ([4, 2], [1, 40, 2, 1, 3]),
    "one clip much longer": ([2, 50, 1, 3], [3, 2, 2, 3]),
    "one pair": ([7], [5]),
    "equal lengths": ([3, 3, 3], [4, 4, 4]),
}
TILES = [1, 24, 100, 10**6]
shapes = pytest.mark.parametrize("shape", SHAPES)
tiles = pytest.mark.parametrize("tile", TILES)


class Packed(NamedTuple):
    """Arguments of `clcl_packed`."""

    frames: Tensor
    frame_lengths: list[int]
    tokens: Tensor
    token_lengths: list[int]


def arithmetic(rows: int, offset: float) -> Tensor:
    """Values from arithmetic, never from a seeded generator."""
    steps = torch.arange(rows * WIDTH, dtype=torch.float64)
    return torch.sin(steps * steps * 0.37 + offset).reshape(rows, WIDTH)


def packed(shape: str, dtype: torch.dtype = torch.float64) -> Packed:
    """Leaves that ask for gradients."""
    clips, sentences = SHAPES[shape]
    frames = arithmetic(sum(clips), 0.5).to(dtype).requires_grad_()
    tokens = arithmetic(sum(sentences), 2.5).to(dtype).requires_grad_()
    return Packed(frames, clips, tokens, sentences)


def pad(rows: Tensor, lengths: list[int]) -> tuple[Tensor, Tensor]:
    mask = mask_of(torch.tensor(lengths))
    return rows.new_full((*mask.shape, WIDTH), 9.0).masked_scatter(mask[:, :, None], rows), mask


def padded_form(given: Packed) -> Similarity:
    """The oracle."""
    return clcl(*pad(given.frames, given.frame_lengths), *pad(given.tokens, given.token_lengths))


def loss(similarity: Similarity) -> Tensor:
    """Weigh every entry differently, so that no error can cancel."""
    v2t, t2v = similarity
    weights = torch.cos(torch.arange(v2t.numel(), dtype=v2t.dtype) * 1.3).reshape(v2t.shape)
    return (v2t * weights).sum() + (t2v * weights.flip(0)).square().sum()


def gradients(value: Tensor, given: Packed) -> tuple[Tensor, ...]:
    return torch.autograd.grad(value, (given.frames, given.tokens))


def error(found: Tensor, expected: Tensor) -> float:
    """Largest difference of an element, relative to the largest element."""
    return float((found - expected).detach().abs().max() / expected.detach().abs().max())


@shapes
@tiles
@pytest.mark.parametrize(("dtype", "least"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_tiles_give_the_padded_forms_scores_and_gradients(
    shape: str, tile: int, dtype: torch.dtype, least: float
) -> None:
    given = packed(shape, dtype)
    ours, theirs = clcl_packed(*given, tile=tile), padded_form(given)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == (len(given.frame_lengths), len(given.token_lengths))
        assert a.dtype == dtype
        assert error(a, b) < least
    assert error(loss(ours), loss(theirs)) < least
    for a, b in zip(gradients(loss(ours), given), gradients(loss(theirs), given), strict=True):
        assert a.dtype == dtype
        assert error(a, b) < least


@pytest.mark.parametrize("tile", [1, 10**6])
def test_gradients_equal_finite_differences(tile: int) -> None:
    def both(frames: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        return clcl_packed(frames, [2, 1, 3], tokens, [1, 3], sharpness=0.3, tile=tile)

    inputs = (arithmetic(6, 0.5).requires_grad_(), arithmetic(4, 2.5).requires_grad_())
    assert torch.autograd.gradcheck(both, inputs)


@pytest.mark.parametrize("used", [0, 1])
def test_one_matrix_alone_has_its_gradients(used: int) -> None:
    given = packed("ragged")
    ours = gradients(clcl_packed(*given)[used].square().sum(), given)
    theirs = gradients(padded_form(given)[used].square().sum(), given)
    for a, b in zip(ours, theirs, strict=True):
        assert error(a, b) < 1e-12


@pytest.mark.parametrize("side", ["frames", "tokens"])
def test_a_frozen_side_leaves_the_others_gradient_alone(side: str) -> None:
    given = packed("ragged")
    expected = dict(
        zip(("frames", "tokens"), gradients(loss(padded_form(given)), given), strict=True)
    )
    frozen = given._replace(**{side: getattr(given, side).detach()})
    other = "tokens" if side == "frames" else "frames"
    (found,) = torch.autograd.grad(loss(clcl_packed(*frozen)), getattr(given, other))
    assert error(found, expected[other]) < 1e-12


def test_without_gradients_the_scores_are_the_same() -> None:
    given = packed("ragged")
    with torch.no_grad():
        plain = clcl_packed(*given)
    for a, b in zip(plain, clcl_packed(*given), strict=True):
        assert not a.requires_grad
        assert torch.equal(a, b)


def test_lengths_may_be_tensors() -> None:
    given = packed("ragged")
    lengths = [torch.tensor(n) for n in (given.frame_lengths, given.token_lengths)]
    for a, b in zip(
        clcl_packed(given.frames, lengths[0], given.tokens, lengths[1]),
        clcl_packed(*given),
        strict=True,
    ):
        assert torch.equal(a, b)


def test_two_calls_agree_bit_for_bit() -> None:
    given = packed("one sentence much longer", torch.float32)
    first, second = (loss(clcl_packed(*given, tile=100)) for _ in range(2))
    assert torch.equal(first, second)
    for a, b in zip(gradients(first, given), gradients(second, given), strict=True):
        assert torch.equal(a, b)


def test_no_matrix_of_all_pairs_of_frames_and_tokens_is_kept_for_the_way_back() -> None:
    given = packed("one clip much longer")
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        clcl_packed(*given)
    assert max(kept) == max(given.frames.numel(), given.tokens.numel())
    kept.clear()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        padded_form(given)
    assert max(kept) >= len(given.frames) * len(given.tokens)  # this is how it would show


class LargestResult(TorchDispatchMode):
    """Watches how many elements the largest result of any operation has."""

    most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple) else (result,):
            if isinstance(tensor, Tensor):
                self.most = max(self.most, tensor.numel())
        return result


def test_nothing_is_larger_than_a_tile_on_either_way() -> None:
    frames, tokens = arithmetic(60, 0.5).requires_grad_(), arithmetic(36, 2.5).requires_grad_()
    lengths = [1] * 60, [3] * 12
    largest = {}
    for tile in (720, 1080):  # twenty frames, thirty; the features are 360 numbers
        with LargestResult() as watched:
            loss(clcl_packed(frames, lengths[0], tokens, lengths[1], tile=tile)).backward()
        largest[tile] = watched.most
    assert largest == {720: 720, 1080: 1080}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gets_its_gradients_back_in_its_own(dtype: torch.dtype) -> None:
    given = packed("ragged", dtype)
    raised = Packed(
        *(x.detach().double().requires_grad_() if isinstance(x, Tensor) else x for x in given)
    )
    ours = gradients(loss(clcl_packed(*given)), given)
    exact = gradients(loss(padded_form(raised)), raised)
    for a, b in zip(ours, exact, strict=True):
        assert a.dtype == dtype
        assert error(a.double(), b) < 2 * torch.finfo(dtype).eps


def test_a_way_back_inside_autocast_is_exact_too() -> None:
    given = packed("ragged", torch.float32)
    expected = gradients(loss(clcl_packed(*given)), given)
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients(loss(clcl_packed(*given)), given)
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a, b)


def test_opposite_vectors_at_the_least_sharpness_stay_finite_in_float32() -> None:
    frames = torch.eye(WIDTH)[:1].repeat(3, 1).requires_grad_()
    tokens = -torch.eye(WIDTH)[:1].repeat(2, 1)
    tokens[1, 1] = 0.5  # or all gradients were 0
    given = Packed(frames, [3], tokens.requires_grad_(), [2])
    exact = Packed(frames.detach().double().requires_grad_(), [3], tokens.detach().double(), [2])
    ours = clcl_packed(*given, sharpness=SHARPEST)
    theirs = clcl_packed(*exact, sharpness=SHARPEST)
    (found,) = torch.autograd.grad(ours.video_to_text.sum(), frames)
    (expected,) = torch.autograd.grad(theirs.video_to_text.sum(), exact.frames)
    assert ours.video_to_text.item() == pytest.approx(theirs.video_to_text.item(), rel=1e-5)
    assert error(found, expected) < 1e-5


def test_vectors_of_zeros_have_finite_gradients() -> None:
    given = packed("ragged")
    given.frames.data[0] = 0
    for gradient in gradients(loss(clcl_packed(*given)), given):
        assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("frame_lengths", "token_lengths", "message"),
    [
        ([], [2, 2], "frames: no sequence, expected one sequence or more"),
        ([4], [], "tokens: no sequence"),
        ([4, 0], [2, 2], "frames: a length of 0, expected one sequence or more, each of 1 or more"),
        ([4], [5, -1], "tokens: a length of -1"),
        ([3], [2, 2], "frames: 4 rows, expected 3, the lengths' sum"),
        ([4], [2, 3], "tokens: 4 rows, expected 5, the lengths' sum"),
    ],
)
def test_lengths_that_do_not_fit_are_refused_in_one_line(
    frame_lengths: list[int], token_lengths: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        clcl_packed(arithmetic(4, 0), frame_lengths, arithmetic(4, 1), token_lengths)
    assert "\n" not in str(refused.value)


def test_weights_that_float32_could_not_hold_are_refused() -> None:
    assert math.exp(-2 / SHARPEST) > torch.finfo(torch.float32).tiny
    with pytest.raises(ValueError, match=r"sharpness is 0\.02, expected 0\.03 or more"):
        clcl_packed(arithmetic(1, 0), [1], arithmetic(1, 1), [1], sharpness=0.02)
