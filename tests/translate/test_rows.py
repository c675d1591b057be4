"""Columns under the names that projects use, and tables as they are written."""

import json

import pytest

from c2rl.translate.rows import MissingError, column, is_table


def jsonl(*rows) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def test_our_predictions_hold_both() -> None:
    text = jsonl(
        {"id": "b", "hypothesis": "x\u2028y", "reference": "z", "rouge_l": 1.0, "n_best": []},
        {"id": "a", "hypothesis": "", "reference": "w", "rouge_l": 0.0, "n_best": []},
    )
    assert column(text, ".jsonl", "hypothesis")[1:3] == (["x\u2028y", ""], ["b", "a"])
    assert column(text, ".jsonl", "reference") == ("reference", ["z", "w"], ["b", "a"], None)


def test_a_manifest_tells_the_splits() -> None:
    text = jsonl({"id": "a", "split": "dev", "sentence": "x", "source": "a.mp4"})
    assert column(text, ".jsonl", "reference") == ("sentence", ["x"], ["a"], ["dev"])


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ('{"a": "x", "b": "y"}', ".json"),
        ('{"a": {"prediction": "x"}, "b": {"prediction": "y"}}', ".json"),
        ('[{"name": "a", "pred": "x"}, {"name": "b", "pred": "y"}]', ".json"),
        ('{"clip_id": "a", "Hyp": "x"}\n\n{"clip_id": "b", "Hyp": "y"}', ".jsonl"),
        ("id\thyp\na\tx\nb\ty\n", ".tsv"),
        ("id,hyp\r\na,x\r\nb,y\r\n", ".csv"),
        ("name|video|translation\na|v|x\nb|v|y\n", ".csv"),
        ("VIDEO_ID\tSENTENCE_NAME\tSENTENCE\nv\ta\tx\nv\tb\ty\n", ".csv"),
        ("index|name|gloss|char\n0|a|g|x\n1|b|g|y\n", ".txt"),
    ],
)
def test_others_names_and_marks_are_known(text, suffix) -> None:
    assert column(text, suffix, "hypothesis")[1:3] == (["x", "y"], ["a", "b"])


def test_sentences_alone_have_no_ids() -> None:
    assert column('["x", "y"]', ".json", "reference") == ("", ["x", "y"], None, None)
    assert column("hypothesis\nx\ny\n", ".csv", "hypothesis").ids is None


def test_quotes_of_csv_are_taken_off_and_may_hold_anything() -> None:
    text = 'id,text\na,"He said ""no"", twice"\nb,"two\nlines"\n'
    assert column(text, ".csv", "reference").texts == ['He said "no", twice', "two\nlines"]
    assert column('name|text\na|"no" he said\n', ".csv", "reference").texts == ['"no" he said']


def test_a_header_makes_a_text_file_a_table() -> None:
    assert is_table("name|length|gloss|char|word|postag\n")
    assert is_table("id\tsentence\r\n")
    assert not is_table("the name of a text\n")
    assert not is_table("name\n")
    assert not is_table("")


@pytest.mark.parametrize(
    ("text", "suffix", "message"),
    [
        (
            '{"id": 1, "pred": "x", "output": "y"}',
            ".jsonl",
            "pred and output could each be the hyp",
        ),
        ('{"id": 1, "hyp": ["x"]}', ".jsonl", r"hyp of entry 1 is \['x'\], expected text"),
        ('{"id": 1, "hyp": "x"}\n{"id": 2}', ".jsonl", "hyp of entry 2 is None"),
        ('{"id": 1, "hyp": "x"}\n{"hyp": "y"}', ".jsonl", "entry 2 has no id"),
        ('{"id": 1, "hyp": "x"}\n{"id":', ".jsonl", "line 2 is no JSON"),
        ('"x"\n{"hyp": "y"}', ".jsonl", "not both"),
        ("3", ".json", "expected a JSON list"),
        ("id,hyp\na,x,y\n", ".csv", "line 2 has 3 cells, expected 2"),
        ('id,hyp\na,"x" y\n', ".csv", "line 2: .* Quote a cell"),
    ],
)
def test_bad_rows_are_told(text, suffix, message) -> None:
    with pytest.raises(ValueError, match=message):
        column(text, suffix, "hypothesis")


def test_a_missing_column_is_told_with_what_was_found() -> None:
    with pytest.raises(
        MissingError, match="no reference: found hypothesis, id; expected one of ref"
    ):
        column('{"id": 1, "hypothesis": "x"}', ".jsonl", "reference")
