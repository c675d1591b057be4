"""All modes over parts: exact is float64 brute force, fast is exact among its candidates."""

import numpy as np
import planted
import pytest
import torch

from c2rl.retrieve import index, parts
from c2rl.retrieve.audit import Audit, Step
from c2rl.retrieve.index import SearchIndex
from c2rl.retrieve.rerank import Query

CLIPS = planted.clips(60)
TEXTS = planted.texts(8)


def query(text: torch.Tensor) -> Query:
    return Query(text, planted.SHARPNESS, planted.MIX)


def numbers(found: index.Found) -> list[int]:
    return [40 * hit.part + hit.number for hit in found.hits]


@pytest.fixture
def two_parts(tmp_path, monkeypatch) -> SearchIndex:
    parts = [
        planted.part(tmp_path / str(n), own, monkeypatch, queries=TEXTS[:4])
        for n, own in enumerate((CLIPS[:40], CLIPS[40:]))
    ]
    return SearchIndex(parts)


@pytest.mark.parametrize("mode", ["exact", "certified"])
def test_the_best_are_those_of_float64_brute_force(two_parts, mode) -> None:
    for text in TEXTS:
        scores = planted.brute(CLIPS, text)
        found = two_parts.search(query(text), top=7, mode=mode)
        assert numbers(found) == np.argsort(-scores, kind="stable")[:7].tolist()
        np.testing.assert_allclose([h.score for h in found.hits], np.sort(scores)[:-8:-1])


def test_equal_clips_come_in_the_order_of_the_index(tmp_path, monkeypatch) -> None:
    part = planted.part(tmp_path / "p", [CLIPS[3]] * 30, monkeypatch)
    for mode in ("exact", "certified"):
        found = SearchIndex([part]).search(query(TEXTS[0]), top=4, mode=mode)
        assert numbers(found) == [0, 1, 2, 3]


def test_float64_decides_what_float32_cannot(tmp_path, monkeypatch) -> None:
    # the second clip is the first but for one bit of one number: float32 may see no difference
    base = np.ones((5, planted.WIDTH), np.float16)
    near = [base.copy() for _ in range(12)]
    for i, clip in enumerate(near):
        clip[0, i % planted.WIDTH] += np.float16(2**-10 * (1 + i // planted.WIDTH))
    part = planted.part(tmp_path / "p", near, monkeypatch)
    text = TEXTS[1]
    expected = np.argsort(-planted.brute(near, text), kind="stable")[:5].tolist()
    assert numbers(SearchIndex([part]).search(query(text), top=5, mode="exact")) == expected


def test_fast_is_exact_among_its_candidates(two_parts) -> None:
    for text in TEXTS:
        exact = two_parts.search(query(text), top=5, mode="exact")
        every = two_parts.search(query(text), top=5, mode="fast", candidates=60)
        assert every.hits == exact.hits
        few = two_parts.search(query(text), top=5, mode="fast", candidates=6)
        assert few.scored == 12
        scores = [planted.brute(own, text) for own in (CLIPS[:40], CLIPS[40:])]
        expected = sorted(
            (-scores[n][c], n, c)
            for n, part in enumerate(two_parts.parts)
            for c in part.propose(query(text), 6).tolist()
        )[:5]
        assert [(hit.part, hit.number) for hit in few.hits] == [(n, c) for _, n, c in expected]


def test_removed_clips_are_found_in_no_mode(two_parts) -> None:
    text = TEXTS[0]
    best = two_parts.search(query(text), top=3, mode="exact").hits
    removed = [np.sort([h.number for h in best if h.part == n]) for n in (0, 1)]
    left = SearchIndex(two_parts.parts, [np.array(r, np.int64) for r in removed])
    assert len(left) == 57
    scores = planted.brute(CLIPS, text)
    expected = np.argsort(-scores, kind="stable")[3:6].tolist()
    for mode in ("exact", "certified", "fast"):
        assert numbers(left.search(query(text), top=3, mode=mode, candidates=60)) == expected


def test_more_hits_than_clips_give_all_clips(two_parts) -> None:
    for mode in ("exact", "certified", "fast"):
        assert len(two_parts.search(query(TEXTS[0]), top=500, mode=mode).hits) == 60


def test_auto_is_exact_until_there_are_many(two_parts, monkeypatch) -> None:
    assert two_parts.search(query(TEXTS[0]), top=1).mode == "exact"
    monkeypatch.setattr(index, "EXACT_MOST", 59)
    assert two_parts.search(query(TEXTS[0]), top=1).mode == "fast"


def test_the_audit_is_kept_with_the_part_and_weighted_by_its_clips(two_parts) -> None:
    audits = [part.audit for part in two_parts.parts]
    assert [audit.queries for audit in audits] == [4, 4]
    assert [audit.steps for audit in audits] == [[(50, 1.0, 1.0)]] * 2  # more than there are
    assert two_parts.recall() == (1.0, 1.0, 4, [50, 50])


def test_recall_is_weighted_by_the_clips_of_the_parts(two_parts) -> None:
    first, second = two_parts.parts
    vars(first)["audit"] = Audit(32, [Step(50, 0.9, 1.0), Step(100, 1.0, 1.0)])
    vars(second)["audit"] = Audit(32, [Step(50, 0.6, 0.7), Step(100, 0.99, 1.0)])
    assert two_parts.recall(50)[:2] == pytest.approx(((2 * 0.9 + 0.6) / 3, (2 + 0.7) / 3))
    assert two_parts.recall()[2:] == (32, [100, 100])


def test_quarters_choose_among_what_the_pooled_vector_proposes(tmp_path, monkeypatch) -> None:
    # the pooled vectors of all clips are alike; only one has the query's two signs one by one
    monkeypatch.setitem(parts.WIDER, "Flat", 2)
    text = torch.eye(planted.WIDTH)[:2]
    mixed = np.tile((np.eye(planted.WIDTH)[0] + np.eye(planted.WIDTH)[1]), (8, 1))
    signed = np.repeat(np.eye(planted.WIDTH)[:2], 4, axis=0)
    clips = [m.astype(np.float16) for m in (mixed, mixed, signed, mixed)]
    part = planted.part(tmp_path / "p", clips, monkeypatch)
    assert part.propose(query(text), 2).tolist().count(2) == 1
    assert len(part.propose(query(text), 2)) == 2


def test_quarters_are_means_of_unit_vectors_by_hand(tmp_path, monkeypatch) -> None:
    # five vectors: quarters [0, 1), [1, 2), [2, 3), [3, 5); the last is the mean of two directions
    rows = np.eye(planted.WIDTH)[:5] * [[1], [2], [3], [4], [4]]
    part = planted.part(tmp_path / "p", [rows.astype(np.float16)], monkeypatch)
    found = part._quarters.rows(0, 1).reshape(4, planted.WIDTH)
    np.testing.assert_array_equal(found[:3], np.eye(planted.WIDTH)[:3])
    half = np.float16(0.5**0.5)
    np.testing.assert_array_equal(found[3], [0, 0, 0, half, half, 0, 0, 0])


def test_a_part_that_nobody_audited_promises_nothing(tmp_path, monkeypatch) -> None:
    part = planted.part(tmp_path / "p", CLIPS[:5], monkeypatch)
    assert SearchIndex([part]).recall() is None


def test_a_query_of_another_width_is_refused(two_parts) -> None:
    with pytest.raises(ValueError, match="another retriever"):
        two_parts.search(Query(torch.ones(2, 5), 0.07, 0.5), top=1)


def test_clips_are_read_across_chunks_blocks_and_splits(two_parts) -> None:
    clips = two_parts.parts[0].clips
    assert [len(c) for c in map(clips.__getitem__, range(40))] == [len(c) for c in CLIPS[:40]]
    for number in range(40):
        np.testing.assert_array_equal(clips[number], CLIPS[number])
    chosen = np.array([0, 5, 6, 26, 27, 39])  # 27 begins the other split
    block = clips.gather(chosen)
    np.testing.assert_array_equal(block.rows, np.concatenate([CLIPS[n] for n in chosen]))
    rows = np.concatenate([own.rows for _, own in clips.blocks()])
    np.testing.assert_array_equal(rows, np.concatenate(CLIPS[:40]))
    with pytest.raises(IndexError, match="40 clips"):
        _ = clips[40]


def test_clips_are_known_by_number_and_by_id(two_parts) -> None:
    items = two_parts.parts[1].items
    assert [item.id for item in items] == [f"clip{i}" for i in range(20)]
    assert (items.find("clip7"), items.find("lip7"), items.find("clip")) == (7, None, None)
    assert items[3].duration_s == 4.0
    assert two_parts.find("clip39")[:2] == (0, 39)
