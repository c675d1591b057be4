"""A table for a page, a program and the eye."""

import xml.etree.ElementTree as ET

import pytest

from c2rl.suites import chart, table
from c2rl.suites.table import Cell, Table

TABLE = Table(
    "Effect",
    "**Effect.** Ours: dataset synthsign, seed 0.",
    ["test B@4", "chance"],
    [
        ("icl", [Cell([37.8, 47.4], 3, 26.75), Cell([], 3, None)]),
        ("other", [Cell([1.0], 1, 2.0)] * 2),
    ],
    ["Left out."],
)


def test_cells_of_a_program_are_not_rounded() -> None:
    lines = table.as_csv(TABLE).splitlines()
    assert lines[0] == "row,column,mean,sd,seeds,planned,paper"
    name, column, mean, sd, *rest = lines[1].split(",")
    assert (name, column, rest) == ("icl", "test B@4", ["2", "3", "26.75"])
    assert float(mean) == pytest.approx(42.6)
    assert float(sd) == pytest.approx(9.6 / 2**0.5)
    assert lines[2] == "icl,chance,,,0,3,"


def test_an_object_has_what_the_report_shows() -> None:
    told = table.as_json(TABLE)
    assert told["heading"] == "Effect. Ours: dataset synthsign, seed 0."
    assert told["columns"] == ["test B@4", "chance"]
    assert told["rows"][0]["cells"][1] == {"mean": None, "sd": None, "n": 0, "paper": None}
    assert told["rows"][1]["cells"][0] == {"mean": 1.0, "sd": None, "n": 1, "paper": 2.0}


def test_the_drawing_names_rows_and_columns_and_is_the_same_each_time() -> None:
    first = chart.svg(TABLE)
    text = " ".join(ET.fromstring(first).itertext())
    for name in ("icl", "other", "test B@4", "chance", "ours", "the paper's"):
        assert name in text
    assert chart.svg(TABLE) == first


def test_a_table_without_any_number_can_be_drawn() -> None:
    empty = TABLE._replace(rows=[("icl", [Cell([], 1, None)] * 2)])
    assert b"icl" in chart.svg(empty)
