"""Numbers of the watch by hand, and a warning for each way to stop looking."""

import pytest

from c2rl.translate.collapse import watch

REFERENCES = [f"satz nummer {n:02}" for n in range(20)]


def test_varied_hypotheses_of_the_right_length_are_not_warned_of() -> None:
    found = watch(REFERENCES[::-1], REFERENCES, ["guten abend"])
    assert found.warnings == ()
    assert (found.num_distinct, found.distinct, found.commonest) == (20, 100.0, 5.0)
    assert (found.length_ratio, found.empty, found.copied) == (1.0, 0.0, 0.0)


def test_numbers_are_counted_by_hand() -> None:
    found = watch(["ab c", "AB  C", "", "d"], ["abcd", "e", "e", "gh"], ["d", "ab c", "e"])
    # 3 distinct of 4; 7 letters for 8; "ab c" twice; 3 of 4 from training, and 2 of the references
    assert (found.num_distinct, found.distinct, found.distinct_references) == (3, 75.0, 75.0)
    assert (found.length_ratio, found.commonest, found.empty) == (0.88, 50.0, 25.0)
    assert (found.copied, found.copied_references) == (75.0, 50.0)
    assert found.commonest_sentence == "ab c"
    assert found.numbers() == {
        "distinct": 75.0,
        "length_ratio": 0.88,
        "commonest": 50.0,
        "empty": 25.0,
        "copied": 75.0,
    }


def test_without_training_sentences_nothing_is_copied() -> None:
    found = watch(["a"], ["a"])
    assert found.copied is None
    assert "copied" not in found.numbers()


def test_one_sentence_for_all_is_warned_of_twice() -> None:
    said = "satz nummer 01"
    few, common = watch([said] * 20, REFERENCES).warnings
    assert few == "only 1 distinct hypotheses for 20 clips; the references have 20"
    assert common == f"100.0 % of the hypotheses are '{said}'; no reference has more than 5.0 %"


def test_references_that_repeat_excuse_hypotheses_that_do() -> None:
    assert watch(["guten abend"] * 20, ["guten abend"] * 20).warnings == ()
    half = ["guten abend"] * 10 + REFERENCES[:10]
    assert watch(half, half).warnings == ()


@pytest.mark.parametrize(("text", "extent"), [("satz", "short"), ("satz " * 9, "long")])
def test_lengths_beside_the_references_are_warned_of(text, extent) -> None:
    said = [f"{text} {n:02}" for n in range(20)]
    (warning,) = watch(said, REFERENCES).warnings
    assert warning.endswith(f"times as long as the references: too {extent}")


def test_copies_beyond_those_among_the_references_are_warned_of() -> None:
    training = [f"satz nummer {n}" for n in range(40, 60)]
    (warning,) = watch(training, REFERENCES, training).warnings
    assert warning == (
        "100.0 % of the hypotheses are training sentences word for word; of the references 0.0 %"
        " are"
    )
    assert watch(REFERENCES, REFERENCES, REFERENCES).warnings == ()


def test_empty_hypotheses_are_warned_of() -> None:
    assert watch(["", *REFERENCES[1:]], REFERENCES).warnings == (
        "5.0 % of the hypotheses are empty",
    )
    assert watch([""], ["a"]).length_ratio == 0.0


def test_as_many_of_both_are_needed() -> None:
    with pytest.raises(ValueError, match="got 1 and 2"):
        watch(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="one or more; got 0 and 0"):
        watch([], [])
