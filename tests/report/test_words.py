from collections import Counter

import pytest

from c2rl.report import confusion, plot_data, words


def test_moved_words_are_right():
    assert Counter(words.pairs("heute kauft er brot", "er kauft heute brot")) == Counter(
        {("heute", "heute"): 1, ("kauft", "kauft"): 1, ("er", "er"): 1, ("brot", "brot"): 1}
    )


@pytest.mark.parametrize(
    ("meant", "said", "wrong"),
    [
        ("der mann tanzt", "der mann", [("tanzt", "")]),
        ("der mann", "der alte mann", [("", "alte")]),
        ("im norden regen", "im süden regen", [("norden", "süden")]),
        ("der der hund", "der katze hund", [("der", "katze")]),  # once right, once taken for it
        ("a b", "", [("a", ""), ("b", "")]),
        ("", "a", [("", "a")]),
        ("", "", []),
        ("Regen.", "regen!", []),
        ("明天有雨", "明天有雪", [("雨", "雪")]),
    ],
)
def test_what_is_wrong_is_paired(meant, said, wrong):
    assert [pair for pair in words.pairs(meant, said) if pair[0] != pair[1]] == wrong


def test_a_word_that_occurs_elsewhere_is_not_taken_for_another():
    """The edit distance puts x in the place of b, but both sentences have a b."""
    assert words.pairs("a b c", "a x c b") == [
        *((w, w) for w in "abc"),
        ("", "x"),
    ]


def test_pairs_hold_every_word_of_both_sentences_once():
    meant, said = "a b b c d e f", "b x c c d f a y"
    found = words.pairs(meant, said)
    assert sorted(own for own, _ in found if own) == sorted(meant.split())
    assert sorted(its for _, its in found if its) == sorted(said.split())


COUNTS = Counter(
    {("norden", "norden"): 6, ("norden", "süden"): 3, ("norden", ""): 1, ("norden", "mond"): 1,
     ("süden", "süden"): 2, ("regen", "regen"): 9, ("", "regen"): 2}
)  # fmt: skip


def test_the_matrix_holds_what_came_out_for_each_word():
    found = confusion.matrix(COUNTS)
    assert found.words == ["norden", "süden", "mond"]
    assert found.columns == ["norden", "süden", "mond", "another word", "left out"]
    first = [(cell.x - found.left, cell.times) for cell in found.cells if cell.y == confusion.HEAD]
    side = confusion.CELL
    assert first == [(0, 6), (side, 3), (2 * side, 1), (4 * side, 1)]
    assert [cell.shade for cell in found.cells if cell.y == confusion.HEAD][:2] == [6 / 11, 3 / 11]
    assert [cell.times for cell in found.cells if cell.is_right] == [6, 2]
    assert "norden as süden 3 times, norden as mond 1 times" in found.alt


def test_without_confusion_there_is_no_matrix():
    assert confusion.matrix(Counter({("a", "a"): 3, ("b", ""): 1, ("", "c"): 1})) is None
    assert confusion.bars(Counter({("a", "a"): 3})) is None


def test_bars_tell_what_is_missing_and_what_is_too_many():
    found = confusion.bars(COUNTS)
    told = [(bar.word, bar.missed, bar.added) for bar in found.bars]
    assert told == [("norden", 5, 0), ("süden", 0, 3), ("regen", 0, 2), ("mond", 0, 1)]
    assert [bar.missed_width for bar in found.bars][:2] == [confusion.BARS, 0]
    assert found.bars[1].added_width == pytest.approx(confusion.BARS * 3 / 5)


def test_rows_for_dvc_are_of_the_references_most_frequent_words(monkeypatch):
    monkeypatch.setattr(plot_data, "MOST_WORDS", 2)
    rows = Counter(plot_data.confusions(COUNTS))
    assert rows == {
        ("norden", "norden"): 6,
        ("norden", "(other)"): 4,
        ("norden", "(left out)"): 1,
        ("regen", "regen"): 9,
    }
