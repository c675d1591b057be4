"""Scores by profile, by hand where a hand can reach, and what must never change a score."""

import math

import pytest
from sacrebleu.metrics import BLEU

from c2rl.translate import score

GFSLT, SACRE = "phoenix.gfslt", "en.sacre13a"
HYPOTHESES = [
    "the man sees a dog .",
    "a woman is going to her house",
    "it rains",
    "",
    "no, thanks.",
]
REFERENCES = ["the man sees the dog .", "a woman goes to the house", "it rains", "a b", "no thanks"]


def named(sentences: list[str]) -> dict[str, str]:
    return {str(number): sentence for number, sentence in enumerate(sentences)}


def test_bleu_is_the_cumulative_geometric_mean() -> None:
    # hypothesis 5 words, reference 6: 5/5 unigrams, 3/4 bigrams (a b, b c, d e; c d is not there)
    hypothesis, reference = "a b c d e", "a b c x d e"
    brevity = math.exp(1 - 6 / 5)
    two = score.bleu([hypothesis], [reference], GFSLT, 2)
    assert two == pytest.approx(100 * brevity * math.sqrt(1 * 3 / 4))


def test_no_smoothing_means_zero_where_no_4_gram_matches() -> None:
    assert score.bleu(["a b c"], ["a b c"], GFSLT, 4) == 0.0
    assert score.bleu(["a b c"], ["a b c"], GFSLT, 3) == pytest.approx(100)
    assert score.bleu(["a b c d"], ["a b c d"], GFSLT, 4) == pytest.approx(100)


def test_exponential_smoothing_halves_for_every_order_without_a_match() -> None:
    # 3/4 words, 1/3 pairs, none of 2 triples: 1/(2 2), none of 1: 1/(4 1)
    found = score.bleu(["a b c d"], ["a b x d"], SACRE)
    assert found == pytest.approx(100 * (3 / 4 * 1 / 3 * 1 / 4 * 1 / 4) ** 0.25)


def test_13a_makes_words_of_punctuation_and_keeps_case() -> None:
    # Hello , world . has 4 words, and the hypothesis 3 of them
    brevity = math.exp(1 - 4 / 3)
    assert score.bleu(["Hello world."], ["Hello, world."], SACRE, 1) == pytest.approx(100 * brevity)
    assert score.bleu(["hello world."], ["Hello world."], SACRE, 1) == pytest.approx(200 / 3)


@pytest.mark.parametrize("name", [GFSLT, "en.glofe", SACRE])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_one_pass_gives_what_sacrebleu_gives_for_every_order(name, order) -> None:
    profile = score.PROFILES[name]
    metric = BLEU(
        tokenize=profile.tokenize,
        smooth_method=profile.smooth,
        smooth_value=0.0 if profile.smooth == "floor" else None,
        max_ngram_order=order,
        force=True,
    )
    plain = [
        [score.treat(s, name, is_reference=False) for s in side]
        for side in (HYPOTHESES, REFERENCES)
    ]
    expected = metric.corpus_score(plain[0], plain[1:]).score
    assert score.bleu(HYPOTHESES, REFERENCES, name, order) == pytest.approx(expected, abs=1e-9)


def test_chrf_counts_characters_and_its_double_plus_words_as_well() -> None:
    # abc for abd: 2/3 of the letters, 1/2 of the pairs, 0/1 of the triples; 0/1 of the words
    found = score.score({"1": "abc"}, {"1": "abd"}, SACRE)
    assert found["chrf"] == round(100 * (2 / 3 + 1 / 2) / 3, 2)
    assert found["chrf_pp"] == round(100 * (2 / 3 + 1 / 2) / 4, 2)


def test_chinese_is_scored_by_characters_after_nfkc() -> None:
    assert score.bleu(["他今年四岁?"], ["他今年四岁？"], "csl.char") == pytest.approx(100)
    assert score.bleu(["他 今年四岁?"], ["他今年四岁？"], "csl.char") == pytest.approx(100)


def test_without_nfkc_full_width_punctuation_is_another_word() -> None:
    assert score.bleu(["他四岁?"], ["他四岁？"], "csl.mmtlb", 1) == pytest.approx(75)
    assert score.bleu(["他四岁?"], ["他四岁？"], "csl.unisign", 1) == pytest.approx(100)
    assert score.bleu(["他四岁!"], ["他四岁！"], "csl.unisign", 1) == pytest.approx(75)


@pytest.mark.parametrize("name", [SACRE, "en.glofe", "phoenix.slrt"])
def test_chinese_is_never_scored_by_words(name) -> None:
    with pytest.raises(ValueError, match=r"the references \(zh\) have no spaces. Use csl.char"):
        score.bleu(["他今年四岁"], ["他今年四岁"], name)
    with pytest.raises(ValueError, match="Use csl"):
        score.score({"1": "他今年四岁"}, {"1": "他今年四岁"}, name)
    with pytest.raises(ValueError, match="Use csl"):
        score.best_constant(["他今年四岁"], ["他今年四岁"], name)


def test_empty_hypotheses_score_zero() -> None:
    assert score.bleu(["", ""], ["a b", "c d"], SACRE) == 0.0
    found = score.score({"1": "", "2": " "}, {"1": "a b", "2": "c d"}, SACRE, resamples=10)
    assert [found[k] for k in ("bleu1", "bleu4", "bleu4_ci", "rouge_l", "chrf")] == [0.0] * 5


def test_each_profile_has_its_own_rouge() -> None:
    # LCS a c d: P = 3/4, R = 3/5; b is 1.2, 1.25 and 1
    pair = {"1": "a b c d"}, {"1": "a c x d y"}
    for name, beta in ((GFSLT, 1.2), ("en.glofe", 1.0)):
        expected = (1 + beta**2) * 0.45 / (0.6 + beta**2 * 0.75)
        assert score.score(*pair, name)["rouge_l"] == round(100 * expected, 2)
    # with the period that both end in: P = 4/5, R = 4/6, b = 1.2
    expected = (1 + 1.44) * (8 / 15) / (2 / 3 + 1.44 * 0.8)
    assert score.score(*pair, "phoenix.mmtlb")["rouge_l"] == round(100 * expected, 2)


def test_references_are_matched_by_id_and_not_by_order() -> None:
    hypotheses = {"2": "c d e f", "1": "a b c d"}
    references = {"1": "a b c d", "2": "c d e f"}
    assert score.score(hypotheses, references, GFSLT)["bleu4"] == 100.0


def test_a_missing_clip_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 differ"):
        score.score({"1": "a"}, {"1": "a", "2": "b"}, GFSLT)


def test_an_empty_reference_is_an_error_and_so_is_no_clip() -> None:
    with pytest.raises(ValueError, match=r"1 of 2 references are empty \(b\)"):
        score.score({"a": "x", "b": "y"}, {"a": "x", "b": " "}, GFSLT)
    with pytest.raises(ValueError, match="no clips to score"):
        score.score({}, {}, GFSLT)


def test_one_clip_has_no_interval_and_no_resample_has_no_key() -> None:
    pair = {"1": "a b c d"}, {"1": "a b c d"}
    found = score.score(*pair, SACRE, resamples=20)
    assert (found["bleu4_mean"], found["bleu4_ci"]) == (100.0, 0.0)
    assert "|bs:20|seed:12345|" in found["signature"]
    assert "bleu4_ci" not in score.score(*pair, SACRE)


def test_the_interval_is_the_same_whatever_the_environment_says(monkeypatch) -> None:
    pair = named(HYPOTHESES), named(REFERENCES)
    found = score.score(*pair, SACRE, resamples=50)
    monkeypatch.setenv("SACREBLEU_SEED", "7")
    assert score.score(*pair, SACRE, resamples=50) == found
    assert score.os.environ["SACREBLEU_SEED"] == "7"


def test_reduced_bleu_leaves_out_frequent_words_and_punctuation() -> None:
    # left are "dog's house" and "dog's old house" of the first clip, nothing of the second
    pair = (
        {"1": "The dog's house!", "2": "It is."},
        {"1": "the dog's old house.", "2": "it is"},
    )
    frequent = {"the", "The", "it", "It", "is"}
    found = score.score(*pair, "en.tarres", frequent=frequent)
    assert found["rbleu"] == 0.0  # two words have no 4-gram, which 13a does not smooth
    assert "|rbleu:own list,5 words removed,sha256:" in found["signature"]
    long = {"1": "a b the c d"}, {"1": "the a b c d"}
    assert score.score(*long, "en.tarres", frequent=frequent)["rbleu"] == 100.0


def test_reduced_bleu_needs_a_list_and_says_so() -> None:
    found = score.score({"1": "a b"}, {"1": "a b"}, "en.tarres")
    assert "rbleu" not in found
    assert "|rbleu:no word list given|" in found["signature"]
    assert "rbleu" not in score.signature(SACRE, frequent={"the"})


def test_every_profile_has_a_signature_of_its_own_with_the_version() -> None:
    told = {name: score.signature(name) for name in score.PROFILES}
    assert len({text.split("|", 1)[1] for text in told.values()}) == len(told) == 9
    for name, text in told.items():
        assert text.startswith(f"{name}|tok:")
        assert text.endswith(f"|sacrebleu:{score.sacrebleu.__version__}")


def test_the_best_constant_sentence_is_found() -> None:
    references = ["the man sees a dog", "the man sees a cat", "the man sees a house"]
    training = ["rain falls on the town", "the man sees a dog", "nobody is here now"]
    best = score.best_constant(training, references, SACRE)
    assert best == pytest.approx(score.bleu(["the man sees a dog"] * 3, references, SACRE))


def test_one_sentence_is_scored_by_the_profiles_rouge() -> None:
    assert score.sentence_score("a b c d", "a c d e", GFSLT) == 75.0
    assert score.sentence_score("", "a", GFSLT) == 0.0
