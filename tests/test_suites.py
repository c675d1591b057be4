"""Suites: keys exist, columns are written by a stage, rows have the paper's numbers."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from c2rl import config

ROOT = Path(__file__).parent.parent
STAGES = {"prepare", "pretrain", "extract", "translate", "retrieve"}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "pipeline/suites").glob("*.yaml")), ids=lambda p: p.stem
)
def test_a_suite_is_sound(path: Path) -> None:
    suite = YAML(typ="safe", pure=True).load(path)
    known = config.leaves(config.Params)
    for row in suite["rows"].values():
        assert set(row["set"]) | set(suite["base"]) <= known
        assert len(row["paper"]) == len(suite["columns"])
    for column in suite["columns"].values():
        file, _, dotted = column.partition(":")
        assert Path(file).parent == Path("data/metrics")
        assert Path(file).stem in STAGES
        assert dotted
