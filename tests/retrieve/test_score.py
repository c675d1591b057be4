"""Retrieval scores by hand: groups of 2, 1 and 2 clips, and a tie."""

import numpy as np
import pytest

from c2rl.retrieve import score

GROUP = np.array([0, 0, 1, 2, 2])
SCORES = np.array(
    [
        [0.9, 0.2, 0.1],  # clip 0: own sentence first                        rank 1
        [0.3, 0.5, 0.3],  # clip 1: sentence 1 better, sentence 2 equal       rank 2.5
        [0.1, 0.6, 0.2],  # clip 2: first                                     rank 1
        [0.7, 0.4, 0.5],  # clip 3: sentence 0 better                         rank 2
        [0.2, 0.1, 0.5],  # clip 4: first                                     rank 1
    ]
)


def test_grouped_ranks_by_hand() -> None:
    ranks = score.grouped(SCORES, GROUP)
    assert ranks.v2t.tolist() == [1, 2.5, 1, 2, 1]
    # best clip of each group: sentence 0: 0.9, 0.1, 0.7; 1: 0.5, 0.6, 0.4; 2: 0.3, 0.2, 0.5
    assert ranks.t2v.tolist() == [1, 1, 1]


def test_the_summary_by_hand() -> None:
    found = score.summary(score.grouped(SCORES, GROUP))
    assert found["v2t"] == {"r1": 60.0, "r5": 100.0, "r10": 100.0, "median_rank": 1.0, "n": 5}
    assert found["t2v"]["r1"] == 100.0
    assert found["pool"] == 3
    assert found["chance"] == pytest.approx(33.33)


def test_constant_scores_give_chance_and_not_luck() -> None:
    ranks = score.paired(np.zeros((5, 5)))
    assert ranks.v2t.tolist() == [3.0] * 5


def test_groups_are_numbered_by_appearance() -> None:
    group, first = score.number_groups(["b", "a", "b", "c"])
    assert group.tolist() == [0, 1, 0, 2]
    assert first == [0, 1, 3]
