"""Which clips FAISS proposes, and what kind of index a number of clips gets."""

import numpy as np
import pytest

from c2rl.retrieve import audit, candidates
from c2rl.retrieve.audit import Audit, Step
from c2rl.retrieve.candidates import Candidates


@pytest.fixture
def four(tmp_path) -> Candidates:
    """Directions 0, 30, 60 and 90 degrees."""
    angles = np.radians([0, 30, 60, 90])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    candidates.write(tmp_path / "i.faiss", vectors)
    return Candidates(tmp_path / "i.faiss")


def test_the_nearest_come_first_and_no_more_than_there_are(four) -> None:
    query = np.array([1, 0], np.float32)
    assert four.search(query, 2).tolist() == [0, 1]
    assert four.search(query, 99).tolist() == [0, 1, 2, 3]


def test_removed_clips_are_not_proposed(four) -> None:
    query = np.array([1, 0], np.float32)
    assert four.search(query, 2, [0, 2]).tolist() == [1, 3]
    assert four.search(query, 2, [0, 1, 2, 3]).tolist() == []


def test_what_faiss_cannot_read_is_one_line(tmp_path) -> None:
    (tmp_path / "i.faiss").write_bytes(b"no index")
    with pytest.raises(ValueError, match="no index that FAISS reads") as error:
        Candidates(tmp_path / "i.faiss")
    assert "\n" not in str(error.value)


def test_many_clips_get_inverted_lists_of_codes(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(candidates, "FLAT_MOST", 500)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((6000, 8), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert candidates.kind(len(vectors), 8) == "IVF512,PQ4x4fs"
    monkeypatch.setattr(candidates, "kind", lambda *_: "IVF16,PQ4x4fs")
    candidates.write(tmp_path / "i.faiss", vectors)
    monkeypatch.setattr(candidates, "_PROBED", 1)  # all lists
    index = Candidates(tmp_path / "i.faiss")
    assert (len(index), index.width, index.kind) == (6000, 8, "IVF-PQ")
    found = index.search(vectors[17], 200)
    true = np.argsort(-(vectors @ vectors[17]))[:10]
    assert 17 in found[:10]
    assert len(set(true) & set(found)) >= 9
    assert 17 not in index.search(vectors[17], 200, [17])


def test_the_size_decides_the_kind() -> None:
    assert candidates.kind(100_000, 512) == "Flat"
    assert candidates.kind(100_001, 512) == "IVF2048,PQ256x4fs"
    assert candidates.kind(10_000_000, 512) == "IVF16384,PQ256x4fs"


def test_the_audit_tries_one_number_after_the_other_by_hand() -> None:
    # two queries; the first finds its best ten late, the second all of them at once
    best = [[*range(10)], [*range(10, 20)]]

    def propose(query: int, count: int) -> list[int]:
        return [*range(7 if query == 0 and count < 150 else 10), *range(10, 20)]

    found = audit.run(best, propose, clips=10_000)
    assert found.steps == [(50, 17 / 20, 1.0), (100, 17 / 20, 1.0), (150, 1.0, 1.0)]
    assert found.enough() == 150


def test_a_missed_first_is_not_enough() -> None:
    steps = [Step(50, 0.995, 0.97), Step(100, 0.995, 1.0), Step(150, 1.0, 1.0)]
    assert Audit(32, steps).enough() == 100
    assert Audit(32, steps[:1]).enough() == 50  # the most that was tried


def test_what_lies_between_two_steps_promises_the_lower() -> None:
    found = Audit(32, [Step(50, 0.9, 1.0), Step(100, 0.95, 1.0)])
    assert found.at(99) == (99, 0.9, 1.0)
    assert found.at(500) == (500, 0.95, 1.0)
    assert found.at(10) == (10, 0.0, 0.0)


def test_an_audit_is_read_as_it_was_written(tmp_path) -> None:
    found = Audit(32, [Step(50, 0.9, 1.0)])
    audit.write(tmp_path / "audit.json", found)
    assert audit.read(tmp_path / "audit.json") == found
