"""One query against packed clips: the definition's numbers, their bound, and who may be best."""

import numpy as np
import planted
import pytest
import torch

from c2rl.retrieve import rerank
from c2rl.retrieve.rerank import Block, Query

CLIPS = planted.clips(12)
TEXT = planted.texts(1)[0]
QUERY = Query(TEXT, planted.SHARPNESS, planted.MIX)
BLOCK = Block(np.concatenate(CLIPS), np.cumsum([0, *map(len, CLIPS)]))


def cosine() -> torch.Tensor:
    return rerank.cosines(BLOCK, QUERY.unit())


def test_a_pair_by_hand() -> None:
    # one clip of two vectors, a query of one: cosines 1 and 0. Each vector reads the one token, 1
    # and 0 in the mean 1/2; the token reads both, weights 1 and exp(-1 / 0.5) = 0.1353.
    block = Block(np.eye(2, dtype=np.float16), np.array([0, 2]))
    query = Query(torch.tensor([[3.0, 0.0]]), 0.5, 0.25)
    found = rerank.scores_of(rerank.cosines(block, query.unit()), block.offsets, query)
    assert float(found) == pytest.approx(0.25 * 0.5 + 0.75 / 1.135335, abs=1e-6)
    bound = rerank.bounds_of(rerank.cosines(block, query.unit()), block.offsets, query)
    assert float(bound) == pytest.approx(0.25 * 0.5 + 0.75)


def test_scores_are_those_of_the_definition_within_the_slack() -> None:
    found = rerank.scores_of(cosine(), BLOCK.offsets, QUERY).numpy()
    error = np.abs(found - planted.brute(CLIPS, TEXT)).max()
    assert error < rerank.slack(planted.WIDTH)


def test_float64_scores_are_those_of_loops_to_the_last_digits() -> None:
    found = rerank.exact_scores(CLIPS, QUERY)
    np.testing.assert_allclose(found, planted.brute(CLIPS, TEXT), rtol=0, atol=1e-14)


def test_the_bound_is_maxsim_and_never_below_the_score() -> None:
    bounds = rerank.bounds_of(cosine(), BLOCK.offsets, QUERY).numpy()
    maxsim = [planted.score(clip, TEXT, soft=False) for clip in CLIPS]
    np.testing.assert_allclose(bounds, maxsim, atol=1e-6)
    assert (bounds >= planted.brute(CLIPS, TEXT)).all()


def test_vectors_of_zeros_and_of_any_length_are_scored() -> None:
    block = Block(np.array([[0, 0], [6e4, 0]], np.float16), np.array([0, 1, 2]))
    query = Query(torch.tensor([[1e-3, 0.0]]), 0.07, 0.5)
    found = rerank.scores_of(rerank.cosines(block, query.unit()), block.offsets, query)
    assert found.tolist() == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize("width", [128, 1024])
def test_the_slack_holds_for_nearly_equal_vectors(width: int) -> None:
    rng = np.random.default_rng(0)
    base = rng.standard_normal(width)
    near = [(base + 1e-2 * rng.standard_normal((40, width))).astype(np.float16) for _ in range(20)]
    text = torch.from_numpy((base + 1e-2 * rng.standard_normal((9, width))).astype(np.float32))
    query = Query(text, 0.03, 0.5)
    block = Block(np.concatenate(near), np.arange(21) * 40)
    found = rerank.scores_of(rerank.cosines(block, query.unit()), block.offsets, query).numpy()
    assert np.abs(found - rerank.exact_scores(near, query)).max() < rerank.slack(width)


def test_finalists_are_all_that_an_error_could_lift() -> None:
    scores = np.array([0.5, 0.9, 0.7, 0.701, 0.1], np.float32)
    assert rerank.finalists(scores, 2, 0.0).tolist() == [1, 3]
    assert rerank.finalists(scores, 2, 0.001).tolist() == [1, 2, 3]
    assert rerank.finalists(scores, 9, 0.0).tolist() == [0, 1, 2, 3, 4]
    assert rerank.finalists(scores[:0], 3, 0.0).tolist() == []


def test_sequences_of_unit_vectors_score_as_any_others_do() -> None:
    rows = np.random.default_rng(0).standard_normal((9, 4, planted.WIDTH))
    rows = (rows / np.linalg.norm(rows, axis=2, keepdims=True)).astype(np.float16)
    text = planted.texts(1)[0]
    query = Query(text, planted.SHARPNESS, planted.MIX)
    found = rerank.scores_of_units(rows, query)
    expected = [planted.score(clip.astype(np.float64), text) for clip in rows]
    np.testing.assert_allclose(found, expected, atol=1e-3)  # rounded to float16, they are near 1
