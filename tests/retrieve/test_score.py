"""Retrieval scores by hand: groups of 2, 1 and 2 clips, and ties."""

import numpy as np
import pytest

from c2rl.retrieve import score

GROUP = np.array([0, 0, 1, 2, 2])
SCORES = np.array(
    [
        [0.9, 0.2, 0.1],  # clip 0: its own sentence, 0, comes first               rank 1
        [0.3, 0.6, 0.3],  # clip 1: sentence 1 is better, sentence 2 equal         rank 2.5
        [0.1, 0.6, 0.2],  # clip 2: first                                          rank 1
        [0.7, 0.4, 0.2],  # clip 3: both others are better                         rank 3
        [0.2, 0.1, 0.1],  # clip 4: sentence 0 is better, sentence 1 equal         rank 2.5
    ]
)
# The best clip of each group, for each sentence:
#   sentence 0: 0.9, 0.1, 0.7    its own group, 0, comes first                     rank 1
#   sentence 1: 0.6, 0.6, 0.4    group 0 is equal                                  rank 1.5
#   sentence 2: 0.3, 0.2, 0.2    group 0 is better, group 1 equal                  rank 2.5


def test_grouped_ranks_and_ties_by_hand() -> None:
    v2t, t2v = score.grouped(SCORES, GROUP)
    assert v2t.ranks.tolist() == [1, 2.5, 1, 3, 2.5]
    assert v2t.ties.tolist() == [0, 1, 0, 0, 1]
    assert t2v.ranks.tolist() == [1, 1.5, 2.5]
    assert t2v.ties.tolist() == [0, 1, 1]


def test_paired_ranks_by_hand() -> None:
    """Clips 0 and 1 have equal sentences, as 3 and 4: each clip wants its own, which ties."""
    v2t, t2v = score.paired(SCORES[:, GROUP])
    assert v2t.ranks.tolist() == [1.5, 3.5, 1, 4.5, 4]
    assert v2t.ties.tolist() == [1, 3, 0, 1, 2]
    assert t2v.ranks.tolist() == [1, 3, 1.5, 2.5, 4.5]
    assert t2v.ties.tolist() == [0, 0, 1, 1, 1]


def test_every_figure_of_the_summary_by_hand() -> None:
    assert score.summary(score.grouped(SCORES, GROUP)) == {
        "v2t": {
            "r1": 40.0,  # 2 of 5
            "r5": 100.0,
            "r10": 100.0,
            "median_rank": 2.5,
            "mean_rank": 2.0,  # 10 / 5
            "mrr": 62.67,  # (1 + 2/5 + 1 + 1/3 + 2/5) / 5
            "ties": 2,
            "n": 5,
        },
        "t2v": {
            "r1": 33.33,  # 1 of 3
            "r5": 100.0,
            "r10": 100.0,
            "median_rank": 1.5,
            "mean_rank": 1.67,  # 5 / 3
            "mrr": 68.89,  # (1 + 2/3 + 2/5) / 3
            "ties": 2,
            "n": 3,
        },
        "pool": 3,
        "chance": 33.33,
    }


def test_a_larger_group_does_not_pass_the_naive_ceiling_but_the_grouped_one_does() -> None:
    """Two clips of each of three sentences, all told apart perfectly."""
    group = np.array([0, 0, 1, 1, 2, 2])
    scores = np.eye(3)[group]
    assert score.summary(score.grouped(scores, group))["t2v"]["r1"] == 100
    assert score.summary(score.paired(scores[:, group]))["t2v"]["r1"] == 0  # ranks of 1.5
    assert score.summary(score.paired(scores[:, group]))["t2v"]["mean_rank"] == 1.5


def test_constant_scores_give_chance_and_not_luck() -> None:
    v2t, t2v = score.paired(np.zeros((5, 5)))
    assert v2t.ranks.tolist() == t2v.ranks.tolist() == [3.0] * 5
    assert v2t.ties.tolist() == [4] * 5


def test_a_score_that_is_not_a_number_is_refused_and_not_ranked_first() -> None:
    scores = SCORES.copy()
    scores[1, 0] = np.nan
    with pytest.raises(ValueError, match="1 of 15 scores are not a number"):
        score.grouped(scores, GROUP)


def test_groups_are_numbered_by_appearance() -> None:
    group, first = score.number_groups(["b", "a", "b", "c"])
    assert group.tolist() == [0, 1, 0, 2]
    assert first == [0, 1, 3]


def test_an_empty_group_name_is_refused() -> None:
    with pytest.raises(ValueError, match="clip 1 has an empty group name"):
        score.number_groups(["a", " "])


def test_the_interval_of_two_queries_by_hand() -> None:
    """Two of ranks 1 and 9 are drawn: both 1 or both 9 in a quarter of the resamples each."""
    found = score.intervals(np.array([1.0, 9.0]), resamples=1000)
    assert (found["r1_low"], found["r1_high"]) == (0, 100)
    assert (found["r10_low"], found["r10_high"]) == (100, 100)
    assert (found["mean_rank_low"], found["mean_rank_high"]) == (1, 9)
    assert (found["mrr_low"], found["mrr_high"]) == (11.11, 100)


def test_the_interval_of_many_queries_is_the_normal_one() -> None:
    """Half of 400 are hits: 50 +- 1.96 * sqrt(0.5 * 0.5 / 400)."""
    found = score.intervals(np.repeat([1.0, 20.0], 200), resamples=1000)
    assert found["r1_low"] == pytest.approx(45.1, abs=1)
    assert found["r1_high"] == pytest.approx(54.9, abs=1)


def test_an_only_query_has_an_interval_of_no_width() -> None:
    found = score.summary(score.paired(np.zeros((1, 1))), resamples=10)
    assert (found["pool"], found["chance"]) == (1, 100)
    assert found["t2v"]["r1_low"] == found["t2v"]["r1"] == found["t2v"]["r1_high"] == 100
