"""What each profile does to text, and which language it is for."""

import pytest

from c2rl.translate.profiles import (
    PROFILES,
    fits,
    language_of,
    profile,
    profile_of,
    require_fit,
    treat,
)


def both(sentence: str, name: str) -> tuple[str, str]:
    return treat(sentence, name, is_reference=False), treat(sentence, name, is_reference=True)


@pytest.mark.parametrize(
    ("name", "sentence", "expected"),
    [
        ("phoenix.gfslt", "Am Tag  regnet es .", "am tag regnet es"),
        ("phoenix.gfslt", "am tag regnet es", "am tag regnet es"),
        ("phoenix.slrt", "Am Tag regnet es", "am tag regnet es ."),
        ("phoenix.slrt", "am tag regnet es.", "am tag regnet es ."),
        ("phoenix.mmtlb", "am tag regnet es .", "am tag regnet es ."),
        ("phoenix.slrt", "", ""),
        ("csl.char", "他 4岁，ＡＢ？", "他 4 岁 , A B ?"),
        ("csl.char", "他\u3000四岁", "他 四 岁"),
        ("csl.mmtlb", "他 4岁，ＡＢ？", "他 4 岁 ， Ａ Ｂ ？"),
        ("en.sacre13a", "Hi,  ALLEN: ½ “so”.", "Hi, ALLEN: ½ “so”."),
        ("en.glofe", "Hi there.</s>", "hi there."),
        ("en.tarres", "Hi, there.", "Hi, there."),
    ],
)
def test_both_sides_are_treated_alike(name, sentence, expected) -> None:
    assert both(sentence, name) == (expected, expected)


def test_unisign_maps_two_marks_in_the_references_alone() -> None:
    assert both("他，她？！", "csl.unisign") == ("他 ， 她 ？ ！", "他 , 她 ? ！")


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("de", "phoenix.gfslt"),
        ("zh", "csl.char"),
        ("ja", "csl.char"),
        ("en", "en.sacre13a"),
        ("pt", "en.sacre13a"),
    ],
)
def test_every_language_has_a_profile_that_fits(language, name) -> None:
    assert profile_of(language) == name
    assert fits(name, language)
    assert not fits("en.sacre13a", "zh")
    assert not fits("csl.unisign", "de")


def test_the_nine_profiles_of_the_field_are_there() -> None:
    assert {name.split(".")[0] for name in PROFILES} == {"phoenix", "csl", "en"}
    assert len(PROFILES) == 9


def test_an_unknown_profile_is_told_with_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r"'en.13a' is unknown. Known: phoenix.gfslt, phoenix.slrt"
    ):
        profile("en.13a")


@pytest.mark.parametrize(
    ("sentence", "language"),
    [
        ("他今年四岁。", "zh"),
        ("他用 wifi 上网", "zh"),
        ("これは日本語です", "ja"),
        ("guten abend", None),
        ("안녕하세요", None),
        ("50 %", None),
        ("the word 岁 means year", None),
    ],
)
def test_only_a_certain_script_tells_the_language(sentence, language) -> None:
    assert language_of([sentence]) == language


def test_a_profile_that_does_not_fit_is_refused_with_the_one_that_does() -> None:
    with pytest.raises(ValueError, match=r"counts characters.*Use phoenix.gfslt\.$"):
        require_fit("csl.char", ["guten abend"], "de")
    with pytest.raises(ValueError, match=r"counts characters.*phoenix.gfslt \(German\) or en.sac"):
        require_fit("csl.unisign", ["guten abend"])
    with pytest.raises(ValueError, match=r"between spaces.*Use csl.char"):
        require_fit("en.tarres", ["他今年四岁"], "zh")
    require_fit("csl.mmtlb", ["他今年四岁"])


def test_a_language_that_the_script_denies_is_refused() -> None:
    with pytest.raises(ValueError, match="said to be 'de', but are written in Han"):
        require_fit("phoenix.gfslt", ["他今年四岁"], "de")
    with pytest.raises(ValueError, match="said to be 'zh', but are written in another script"):
        require_fit("csl.char", ["guten abend"], "zh")
