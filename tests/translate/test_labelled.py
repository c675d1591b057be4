"""Text of any editor, and labels of other projects, which must never be scored."""

import pytest

from c2rl.translate.labelled import lines, unlabelled


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\n", ["a", "b"]),
        ("a\nb", ["a", "b"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\n\nb\n", ["a", "", "b"]),
        ("a\n\n", ["a", ""]),
        ("a\u2028b\x0bc\x85d\u2029e\n", ["a\u2028b\x0bc\x85d\u2029e"]),
        ("", []),
    ],
)
def test_only_line_feeds_end_a_line(text, expected) -> None:
    assert lines(text) == expected


def test_unisigns_labels_are_taken_off() -> None:
    found = unlabelled(
        "sample: S1_T00, prediction: 她 今 年\nsample: a, b.mp4, prediction: Hi, you.\n"
        "sample: c, prediction:\n",
        "hypothesis",
    )
    assert found.texts == ["她 今 年", "Hi, you.", ""]
    assert found.ids == ["S1_T00", "a, b.mp4", "c"]
    assert "prediction" in found.what


@pytest.mark.parametrize("label", ["ground-truth", "reference", "target"])
def test_so_are_those_of_its_references(label) -> None:
    found = unlabelled(f"sample: x, {label}:  he: said, prediction: no\n", "reference")
    assert (found.texts, found.ids) == ([" he: said, prediction: no"], ["x"])


def test_fairseqs_labels_are_taken_off() -> None:
    ours = unlabelled("D-1\t-0.52\tso it is\nD-0\t-1e-05\t\n", "hypothesis")
    theirs = unlabelled("T-1\tso it was\nT-0\tno\n", "reference")
    assert (ours.texts, ours.ids) == (["so it is", ""], ["1", "0"])
    assert (theirs.texts, theirs.ids) == (["so it was", "no"], ["1", "0"])


@pytest.mark.parametrize("mark", ["|", "\t"])
def test_so_are_names_before_a_bar_or_a_tab(mark) -> None:
    found = unlabelled(f"dev/a-1{mark}es regnet\ndev/a-2{mark}\n", "hypothesis")
    assert (found.texts, found.ids) == (["es regnet", ""], ["dev/a-1", "dev/a-2"])


def test_a_file_without_labels_is_left_alone() -> None:
    text = "sample: this is said\nhe said: no|yes\n3. of may\n"
    assert unlabelled(text, "hypothesis").texts == text.split("\n")[:-1]
    assert unlabelled(text, "hypothesis").ids is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample: a, prediction: x\nx\n", "line 2 has no label, but others have"),
        ("H-1\t-0.5\tx\nD-1\t-0.5\tx\n", r"several kinds \(D, H\). Leave those of the hypothesis"),
        ("S-1\tx\nH-1\t-0.5\tx\n", "line 1 has no label"),
        ("D-1\t-0.5\tx\nT-1\tx\n", "several kinds"),
        ("sample: a, ground-truth: x\n", "labelled 'ground-truth'. Give the hypotheses first"),
        ("T-0\tx\n", "labelled 'T'"),
        ("it is|it was\nno|yes no\n", "every line has '|'"),
        ("it is\tit was\nno\tyes no\n", "every line has a tab"),
        ("HYP: a\nHYP: b\nHYP: c\n", "every line begins with 'HYP:'"),
        ("[hyp] a\n[hyp] b\n[hyp] c\n", r"every line begins with '\[hyp\]'"),
        ("1. a\n2. b\n3. c\n", "numbered"),
        ("0 a\n1 b\n2 c\n", "numbered"),
    ],
)
def test_what_seems_labelled_but_is_not_known_is_refused(text, message) -> None:
    with pytest.raises(ValueError, match=message):
        unlabelled(text, "hypothesis")


def test_a_sentence_that_is_always_the_same_is_no_label() -> None:
    assert unlabelled("so it is\n" * 5, "hypothesis").texts == ["so it is"] * 5
