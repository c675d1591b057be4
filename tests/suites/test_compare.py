"""Differences between rows by paired bootstrap, against arithmetic by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from c2rl.suites import compare
from c2rl.translate import score, significance

BLEU = "data/metrics/translate.json:test.bleu4"
T2V = "data/metrics/retrieve.json:test.grouped.t2v.r1"
SAID = [
    "am tag regnet es im norden",
    "morgen scheint die sonne im süden des landes",
    "der wind weht schwach aus nord",
    "am abend kommt regen aus westen",
]


class Files:
    """Outputs of experiments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, file: str, rows: list[dict[str, object]]) -> None:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.folder / f"{name}-{file}").write_text(text)

    def translator(self, name: str, hypotheses: list[str], ids: str = "abcd") -> None:
        rows = [
            {"id": i, "hypothesis": h, "reference": r}
            for i, h, r in zip(ids, hypotheses, SAID, strict=True)
        ]
        self.write(name, "predictions.test.jsonl", rows[::-1])
        self.write(name, "config.json", [{"profile": "phoenix.gfslt"}])

    def retriever(self, name: str, ranks: list[float]) -> None:
        # two clips of one sentence count once in T2V
        rows = [
            {"id": f"c{n}", "group": f"g{n // 2}", "t2v_rank": ranks[n // 2], "v2t_rank": 1.0}
            for n in range(2 * len(ranks))
        ]
        self.write(name, "ranks.test.jsonl", rows)

    def __call__(self, name: str, path: str) -> Path:
        return self.folder / f"{name}-{Path(path).name}"


@pytest.fixture
def files(tmp_path) -> Files:
    return Files(tmp_path)


def compared(files, column, own, other, **more):
    return compare.compare("it", column, own, other, dataset="d", fetch=files, **more)


def test_counts_add_up_to_the_score_of_the_whole() -> None:
    hypotheses = [SAID[0], "morgen scheint die sonne", "", "am abend kommt regen aus westen"]
    for profile in ("phoenix.gfslt", "phoenix.slrt", "en.sacre13a"):
        counts = significance.counts(hypotheses, SAID, profile)
        assert len(counts) == 4
        whole = score.bleu(hypotheses, SAID, profile)
        assert significance.bleu4_of(counts.sum(axis=0), profile) == pytest.approx(whole)
        twice = score.bleu([hypotheses[0]] * 2, [SAID[0]] * 2, profile)
        assert significance.bleu4_of(2 * counts[0], profile) == pytest.approx(twice)


def test_recall_is_compared_over_sentences_and_means_over_seeds(files) -> None:
    # seed 0: 3 of 4 against 2 of 4; seed 1: 4 of 4 against 2 of 4
    for name, ranks in (
        ("a0", [1, 1, 1, 2]), ("a1", [1, 1, 1, 1]), ("b0", [1, 1, 2, 2]), ("b1", [1, 1, 5, 9]),
    ):  # fmt: skip
        files.retriever(name, ranks)
    found = compared(files, T2V, ["a0", "a1"], ["b0", "b1"])
    assert (found.own, found.other) == (87.5, 50.0)
    assert (found.seeds, found.queries) == (2, 4)
    # of the four sentences, two gain nothing, one 100, one 50: so a resample gains 0 with 1 / 16
    assert 0 <= found.low <= 37.5 <= found.high <= 100
    assert found.p_value == pytest.approx(2 / 16, abs=0.05)


def test_a_row_that_is_the_same_differs_by_nothing(files) -> None:
    for name in ("a", "b"):
        files.translator(name, SAID)
    found = compared(files, BLEU, ["a"], ["b"])
    assert found[1:6] == pytest.approx((100.0, 100.0, 0.0, 0.0, 1.0))


def test_a_row_that_is_better_everywhere_is_better_by_more_than_chance(files) -> None:
    files.translator("a", SAID)
    files.translator("b", [" ".join(s.split()[:4]) + " x y" for s in SAID])
    found = compared(files, BLEU, ["a"], ["b"])
    assert found.own == pytest.approx(100)
    assert found.low > 0
    assert found.p_value == 1 / compare.RESAMPLES
    back = compared(files, BLEU, ["b"], ["a"])
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))
    assert "= -" in back.text
    assert "(1 seed, 4 queries)" in back.text


def test_rows_on_other_clips_are_not_compared(files) -> None:
    files.translator("a", SAID)
    files.translator("b", SAID, ids="abce")
    with pytest.raises(ValueError, match="a and b were not scored on the same clips"):
        compared(files, BLEU, ["a"], ["b"])


@pytest.mark.parametrize(
    ("column", "able"),
    [
        (BLEU, True),
        (T2V, True),
        ("data/metrics/retrieve.json:dev.paired.v2t.r10", True),
        ("data/metrics/retrieve.json:dev.grouped.pool", False),
        ("data/metrics/retrieve.json:dev.grouped.t2v.mrr", False),
        ("data/metrics/translate.json:dev.rouge_l", False),
        ("data/metrics/pretrain.json:dev.recall", False),
    ],
)
def test_only_scores_of_single_queries_can_be_compared(column, able) -> None:
    assert compare.can(column) is able


def test_the_bootstrap_is_the_same_each_time(files) -> None:
    files.retriever("a", [1, 1, 1, 2, 1, 3])
    files.retriever("b", [1, 2, 1, 2, 2, 1])
    assert compared(files, T2V, ["a"], ["b"]) == compared(files, T2V, ["a"], ["b"])
    few = compared(files, T2V, ["a"], ["b"], resamples=10)
    assert np.isfinite([few.low, few.high]).all()
