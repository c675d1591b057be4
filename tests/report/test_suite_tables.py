import json

import pytest

from c2rl.report import suites


def write(folder, **changes):
    whole = {
        "title": "t", "heading": "h", "columns": ["BLEU-4"], "commit": "c", "machine": "m",
        "command": "x", "rows": [{"name": "r", "cells": [
            {"mean": 1.0, "sd": 0.5, "n": 2, "paper": None},
        ]}],
    }  # fmt: skip
    text = json.dumps({k: v for k, v in (whole | changes).items() if v is not None})
    (folder / "own.json").write_text(text)


def test_numbers_are_written_with_deviation_runs_and_the_papers(tmp_path):
    cells = [
        {"mean": 1.26, "sd": 0.54, "n": 2, "paper": 26.75},
        {"mean": 1.0, "sd": None, "n": 1, "paper": None},
        {"mean": None, "sd": None, "n": 0, "paper": 78.7},
        {"mean": float("nan"), "sd": None, "n": 0, "paper": None},
    ]
    write(tmp_path, columns=["a", "b", "c", "d"], rows=[{"name": "r", "cells": cells}])
    ((name, found),) = suites.read(tmp_path)[0].rows
    assert name == "r"
    assert found == [
        ("1.3 ± 0.5", "n = 2", "26.75"),
        ("1.0", "n = 1", ""),
        ("–", "", "78.7"),
        ("–", "", ""),
    ]


def test_other_files_are_left_alone(tmp_path):
    (tmp_path / "README.md").write_text("no table")
    assert suites.read(tmp_path) == []
    assert suites.read(tmp_path / "absent") == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"title": None}, "lacks 'title'"),
        ({"columns": ["a", "b"]}, "row 'r' has 1 cells, expected 2, one a column"),
        ({"rows": [{"name": "r", "cells": [{"mean": "many", "sd": 0, "n": 1, "paper": 0}]}]},
         "is damaged: could not convert"),
        ({"rows": 7}, "is damaged: 'int' object is not iterable"),
    ],
)  # fmt: skip
def test_a_damaged_table_is_told_in_one_line(tmp_path, changes, told):
    write(tmp_path, **changes)
    with pytest.raises(ValueError, match=r"suite\.py show own --keep` writes it anew") as error:
        suites.read(tmp_path)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_json_is_told(tmp_path):
    (tmp_path / "own.json").write_text("{")
    with pytest.raises(ValueError, match=r"own\.json is damaged: .*writes it anew"):
        suites.read(tmp_path)
