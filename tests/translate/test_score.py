"""Scores by profile, by hand where a hand can reach, and what must never change a score."""

import math

import pytest

from c2rl.translate import score


def test_bleu_is_the_cumulative_geometric_mean() -> None:
    # hypothesis 5 words, reference 6: 5/5 unigrams, 3/4 bigrams (a b, b c, d e; c d is not there)
    hypothesis, reference = "a b c d e", "a b c x d e"
    brevity = math.exp(1 - 6 / 5)
    two = score.bleu([hypothesis], [reference], "phoenix.gfslt", 2)
    assert two == pytest.approx(100 * brevity * math.sqrt(1 * 3 / 4))


def test_no_smoothing_means_zero_where_no_4_gram_matches() -> None:
    assert score.bleu(["a b c"], ["a b c"], "phoenix.gfslt", 4) == 0.0
    assert score.bleu(["a b c d"], ["a b c d"], "phoenix.gfslt", 4) == pytest.approx(100)


def test_chinese_is_scored_by_characters_after_nfkc() -> None:
    assert score.bleu(["他今年四岁?"], ["他今年四岁？"], "csl.char") == pytest.approx(100)
    assert score.bleu(["他 今年四岁?"], ["他今年四岁？"], "csl.char") == pytest.approx(100)


def test_empty_hypotheses_score_zero() -> None:
    assert score.bleu(["", ""], ["a b", "c d"], "en.sacre13a") == 0.0


def test_rouge_l_of_the_coco_scorer() -> None:
    # LCS "a c d" = 3; P = 3/4, R = 3/5
    p, r, b = 3 / 4, 3 / 5, 1.2
    expected = 100 * (1 + b * b) * p * r / (r + b * b * p)
    assert score.rouge_l(["a", "b", "c", "d"], ["a", "c", "x", "d", "y"]) == pytest.approx(expected)
    assert score.rouge_l([], ["a"]) == 0.0


def test_references_are_matched_by_id_and_not_by_order() -> None:
    hypotheses = {"2": "c d e f", "1": "a b c d"}
    references = {"1": "a b c d", "2": "c d e f"}
    assert score.score(hypotheses, references, "phoenix.gfslt")["bleu4"] == 100.0


def test_a_missing_clip_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 differ"):
        score.score({"1": "a"}, {"1": "a", "2": "b"}, "phoenix.gfslt")


def test_every_language_has_a_profile_and_a_signature() -> None:
    assert score.profile_of("de") == "phoenix.gfslt"
    assert score.profile_of("zh") == "csl.char"
    assert score.profile_of("en") == score.profile_of("pt") == "en.sacre13a"
    assert all(
        f"sacrebleu:{score.sacrebleu.__version__}" in score.signature(n) for n in score.PROFILES
    )


def test_the_best_constant_sentence_is_found() -> None:
    references = ["the man sees a dog", "the man sees a cat", "the man sees a house"]
    training = ["rain falls on the town", "the man sees a dog", "nobody is here now"]
    best = score.best_constant(training, references, "en.sacre13a")
    assert best == pytest.approx(score.bleu(["the man sees a dog"] * 3, references, "en.sacre13a"))
