"""A suite with an error in it is told before anything runs."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from c2rl.suites import columns, plan

ROOT = Path(__file__).parents[2]
PARAMS: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")

SUITE = """\
title: Effect of a trial
paper: {table: Table VII, dataset: phoenix14t}
synthsign: {translate.epochs: 3}
imports: {slrt: "make {store}"}
columns:
  "test B@4": data/metrics/translate.json:test.bleu4
rows:
  icl: {set: {loss.beta: 0}, paper: {"test B@4": 24.83}}
  large: {set: {translate.weights: a/b}, synthsign: null}
  theirs: {import: slrt, synthsign: {retrieve.epochs: 2}}
"""


def read(folder: Path, text: str = SUITE) -> plan.Suite:
    (folder / "trial.yaml").write_text(text)
    return plan.read(folder, "trial")


def test_rows_change_what_they_say_and_more_on_the_embedded_corpus(tmp_path) -> None:
    runs = plan.plan(read(tmp_path), PARAMS)
    store = "imports/synthsign-slrt.zarr"
    assert {run.name: run.changes for run in runs} == {
        "trial-icl": {"loss.beta": 0, "translate.epochs": 3},
        "trial-theirs": {"translate.epochs": 3, "retrieve.epochs": 2, "extract.imported": store},
    }
    there = plan.plan(read(tmp_path), PARAMS | {"dataset": "phoenix14t"}, "1")
    store = "imports/phoenix14t-slrt.zarr"
    assert {run.name: run.changes for run in there} == {
        "trial-icl-s1": {"loss.beta": 0, "seed": 1},
        "trial-large-s1": {"translate.weights": "a/b", "seed": 1},
        "trial-theirs-s1": {"extract.imported": store, "seed": 1},
    }


def test_a_row_of_another_corpus_is_not_on_the_embedded_one(tmp_path) -> None:
    text = SUITE.replace("loss.beta: 0", "dataset: phoenix14t")
    assert plan.plan(read(tmp_path, text), PARAMS)[0].changes == {"dataset": "phoenix14t"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("title:", "titel:", "the suite has the unknown key titel; known: base, columns"),
        ("title: Effect of a trial\n", "", "the suite lacks title"),
        ("icl: {set:", "icl: {sets:", "row icl has the unknown key sets"),
        ("loss.beta: 0", "loss.gamma: 0", "row icl sets loss.gamma, which params.yaml does not"),
        ("loss.beta: 0", "seed: 0", "row icl sets seed, which `seeds` is for"),
        ("translate.epochs: 3", "translate.epoch: 3", "row icl sets translate.epoch, which"),
        ("import: slrt", "import: smkd", "row theirs imports 'smkd', no key of `imports`"),
        ('{"test B@4": 24.83}', '{"B@4": 24.83}', "row icl has the paper's B@4, which is no col"),
        ("test.bleu4", "test.bleu5", "no stage writes .*:test.bleu5; did you mean ...bleu"),
        ("test.bleu4", "val.bleu4", "'val' is none of the splits train, dev, test"),
        ("translate.json", "translation.json", "no stage writes data/metrics/translation.json"),
        ("data/metrics/", "metrics/", "no stage writes metrics/translate.json"),
        ("  large:", "  icl: {}\n  large:", 'is not YAML: .* found duplicate key "icl"'),
        ("  large:", "  i_cl: {}\n  i-cl: {}\n  large:", "two rows are named i-cl; rename one"),
        ("rows:", "rows: [", "is not YAML"),
    ],
)
def test_an_error_is_one_line_that_names_the_file(tmp_path, old, new, told) -> None:
    assert old in SUITE
    with pytest.raises(ValueError, match=rf"trial\.yaml.*{told}") as error:
        read(tmp_path, SUITE.replace(old, new))
    assert "\n" not in str(error.value)


def test_a_value_that_is_out_of_range_is_told_with_its_row(tmp_path) -> None:
    suite = read(tmp_path, SUITE.replace("loss.beta: 0", "loss.beta: -1"))
    with pytest.raises(ValueError, match=r"suite trial, row icl: .*loss.beta"):
        plan.plan(suite, PARAMS)


@pytest.mark.parametrize("twin", ["trial.yml", "tri_al.yaml"])
def test_two_suites_of_one_name_are_told(tmp_path, twin) -> None:
    for name in ("trial.yaml", "tri-al.yaml", twin):
        (tmp_path / name).write_text(SUITE)
    with pytest.raises(ValueError, match=f"two suites have one name: .*{twin}.*; rename one"):
        plan.read(tmp_path, "trial")


def test_every_known_column_passes_and_says_where_it_is_from() -> None:
    for stage, keys in columns.KEYS.items():
        for key in keys:
            columns.require(f"data/metrics/{stage}.json:dev.{key}")
