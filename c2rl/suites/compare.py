"""Whether two rows differ by more than chance: paired bootstrap over clips, all seeds together.

What is resampled are queries (clips, or sentences that look for clips); a resample is the same for
both rows and all their seeds. So an interval says what other clips would have changed; how much the
seeds do is what `±` in the table says.

Source: Koehn, 2004 (paired bootstrap resampling).
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from c2rl.report.inputs import read_lines
from c2rl.translate import significance

RESAMPLES, SEED = 1000, 12345

Fetch = Callable[[str, str], Path]
"""From an experiment's name and a path of the project to a file that can be read."""

Statistic = Callable[[npt.NDArray[np.int64]], float]
"""From numbers of queries, some perhaps more than once, to a score."""


class Difference(NamedTuple):
    """A row less another."""

    column: str
    own: float
    other: float
    low: float
    """Of the 95 % interval of own - other."""
    high: float
    p_value: float
    """Share of resamples on the wrong side of 0, twice; 1 where the rows are equal."""
    seeds: int
    queries: int

    @property
    def text(self) -> str:
        """Say it in a line."""
        return (
            f"{self.column}: {self.own:.1f} - {self.other:.1f} = {self.own - self.other:+.1f}, 95 %"
            f" {self.low:+.1f} to {self.high:+.1f}, p = {self.p_value:.3f}"
            f" ({self.seeds} seed{'s' * (self.seeds > 1)}, {self.queries} queries)"
        )


def can(column: str) -> bool:
    """Tell whether a column is a score of single queries: BLEU-4, or R@K."""
    stage, parts = Path(column.partition(":")[0]).stem, column.partition(":")[2].split(".")
    if stage == "translate":
        return parts[1:] == ["bleu4"]
    return stage == "retrieve" and len(parts) == 4 and parts[3] in {"r1", "r5", "r10"}


def compare(
    title: str,
    column: str,
    own: Sequence[str],
    other: Sequence[str],
    *,
    dataset: str,
    fetch: Fetch,
    resamples: int = RESAMPLES,
) -> Difference:
    """Compare two rows in a column.

    Args:
        title: Of the column.
        column: One that `can` be compared.
        own: Experiments of a row, one a seed.
        other: Those of the other row, under the same seeds.
        dataset: Corpus of all of them.
        fetch: How to get a file.
        resamples: Of the bootstrap.

    Returns:
        The difference of the rows' means over seeds.

    Raises:
        ValueError: If the rows were not scored on the same queries.
    """
    read = _bleu4 if "translate.json" in column else _recall
    found = [[read(name, column, dataset, fetch) for name in row] for row in (own, other)]
    queries = found[0][0][0]
    if any(ids != queries for row in found for ids, _ in row):
        raise ValueError(f"{title}: {own[0]} and {other[0]} were not scored on the same clips")
    statistics = [[statistic for _, statistic in row] for row in found]
    count = len(queries)
    draw = np.random.default_rng(SEED)
    drawn = [np.arange(count), *(draw.integers(count, size=count) for _ in range(resamples))]
    scores = np.array(
        [[np.mean([score(numbers) for score in row]) for row in statistics] for numbers in drawn]
    )
    differences = scores[1:, 0] - scores[1:, 1]
    low, high = np.percentile(differences, (2.5, 97.5))
    wrong = min(float((differences <= 0).mean()), float((differences >= 0).mean()))
    p_value = min(1.0, max(2 * wrong, 1 / resamples))
    one, two = scores[0].tolist()
    return Difference(title, one, two, float(low), float(high), p_value, len(own), count)


def _bleu4(name: str, column: str, dataset: str, fetch: Fetch) -> tuple[list[str], Statistic]:
    """Read an experiment's predictions."""
    split = column.partition(":")[2].split(".")[0]
    home = f"data/translators/{dataset}"
    profile = json.loads(fetch(name, f"{home}/config.json").read_text(encoding="utf-8"))["profile"]
    rows = read_lines(fetch(name, f"{home}/predictions.{split}.jsonl"))
    rows.sort(key=lambda row: str(row["id"]))
    said, true = ([row[side] for row in rows] for side in ("hypothesis", "reference"))
    counts = significance.counts(said, true, profile)
    return [row["id"] for row in rows], lambda numbers: significance.bleu4_of(
        counts[numbers].sum(axis=0), profile
    )


def _recall(name: str, column: str, dataset: str, fetch: Fetch) -> tuple[list[str], Statistic]:
    """Read an experiment's ranks."""
    split, protocol, way, least = column.partition(":")[2].split(".")
    rows = read_lines(fetch(name, f"data/retrievers/{dataset}/ranks.{split}.jsonl"))
    key = f"{way}_rank" if protocol == "grouped" else f"paired_{way}_rank"
    query = "group" if (protocol, way) == ("grouped", "t2v") else "id"
    ranks = {str(row[query]): float(row[key]) for row in rows}
    names = sorted(ranks)
    hits = 100.0 * (np.array([ranks[name] for name in names]) <= int(least[1:]))
    return names, lambda numbers: float(hits[numbers].mean())
