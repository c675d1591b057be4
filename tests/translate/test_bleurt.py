"""BLEURT with a scorer in its place: the real one needs TensorFlow and a checkpoint."""

import sys
from types import ModuleType

import pytest

from c2rl.translate.bleurt import bleurt


class Scorer:
    def __init__(self, checkpoint: str) -> None:
        self.checkpoint = checkpoint

    def score(self, *, references: list[str], candidates: list[str]) -> list[float]:
        return [0.5 if r == c else 0.25 for r, c in zip(references, candidates, strict=True)]


def test_the_mean_over_clips_is_a_score_of_100(tmp_path, monkeypatch) -> None:
    package = ModuleType("bleurt")
    package.score = ModuleType("bleurt.score")
    package.score.BleurtScorer = Scorer
    monkeypatch.setitem(sys.modules, "bleurt", package)
    (tmp_path / "BLEURT-20").mkdir()
    found = bleurt({"b": "x", "a": "y"}, {"a": "y", "b": "z"}, tmp_path / "BLEURT-20")
    assert found == (37.5, "bleurt:BLEURT-20|text:as-is|x100")
    with pytest.raises(FileNotFoundError, match="expected an unpacked BLEURT checkpoint"):
        bleurt({"a": "y"}, {"a": "y"}, tmp_path / "none")


def test_without_the_package_the_command_is_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "bleurt", None)
    with pytest.raises(ValueError, match=r"BLEURT is not installed. Run `pip install"):
        bleurt({"a": "x"}, {"a": "x"}, tmp_path)
