"""The three ROUGE-L formulas by hand."""

import pytest

from c2rl.translate.rouge import rouge_l, rouge_l_pypi, rouge_l_tf

OURS, THEIRS = ["a", "b", "c", "d"], ["a", "c", "x", "d", "y"]
P, R = 3 / 4, 3 / 5  # the longest common subsequence is a c d


def f(beta: float, precision: float = P, recall: float = R) -> float:
    return 100 * (1 + beta**2) * precision * recall / (recall + beta**2 * precision)


def test_coco_weighs_recall_by_a_constant() -> None:
    assert rouge_l(OURS, THEIRS) == pytest.approx(f(1.2))
    assert rouge_l(OURS, THEIRS, 1.0) == pytest.approx(100 * 2 * 3 / (4 + 5))


def test_tf_weighs_it_by_precision_over_recall() -> None:
    assert rouge_l_tf(OURS, THEIRS) == pytest.approx(f(1.25), abs=1e-6)
    assert rouge_l_tf(OURS, THEIRS) < rouge_l(OURS, THEIRS)


def test_order_counts() -> None:
    assert rouge_l(["b", "a"], ["a", "b"]) == pytest.approx(50)
    assert rouge_l_tf(["b", "a"], ["a", "b"]) == pytest.approx(50)


def test_the_package_counts_distinct_words() -> None:
    # a b is common; 2 distinct words of 2, and of 3
    assert rouge_l_pypi("a a b", "a b c") == pytest.approx(f(1, 1, 2 / 3), abs=1e-5)


def test_the_package_compares_every_piece_between_periods_with_every_other() -> None:
    assert rouge_l_pypi("b c. a", "a. b c") == pytest.approx(100, abs=1e-5)
    assert rouge_l_pypi("b c a", "a b c") == pytest.approx(100 * 2 / 3, abs=1e-5)


def test_the_package_counts_spaces_after_a_period_as_a_word() -> None:
    assert rouge_l_pypi("hi. ", "hi.") == pytest.approx(f(1, 1 / 2, 1), abs=1e-5)
    assert rouge_l_pypi("hi.  there", "hi. there") == pytest.approx(100, abs=1e-5)


def test_of_equally_long_subsequences_the_package_takes_the_last_of_the_reference() -> None:
    # x y a and x y x are equally long; walking back from the end, the second has 2 distinct words
    assert rouge_l_pypi("x y a x", "x y x a") == pytest.approx(f(1, 1, 1), abs=1e-5)
    assert rouge_l_pypi("x y x a", "x y a x") == pytest.approx(f(1, 2 / 3, 2 / 3), abs=1e-5)


@pytest.mark.parametrize("formula", [rouge_l, rouge_l_tf])
def test_nothing_in_common_is_zero(formula) -> None:
    assert formula([], ["a"]) == formula(["b"], ["a"]) == formula([], []) == 0.0


def test_nothing_said_is_zero_where_the_package_gives_up() -> None:
    assert rouge_l_pypi("", "a") == rouge_l_pypi("...", "a") == rouge_l_pypi("b", "a") == 0.0
