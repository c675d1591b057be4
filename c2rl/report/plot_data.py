"""The data of `dvc plots`: one CSV file a drawing, beside the page."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from c2rl import provenance
from c2rl.report import plots, words
from c2rl.report.inputs import Inputs, Json
from c2rl.report.words import NOTHING, Pair

CURVES = {
    "pretrain": ("loss", "contrastive", "language"),
    "pretrain_dev": ("dev_loss", "dev_recall", "dev_words"),
    "translate": ("loss",),
    "translate_dev": ("dev_bleu4",),
    "retrieve": ("loss",),
    "retrieve_dev": ("dev_r1",),
}
"""File to its columns after the epoch. Dev values are measured every few epochs: they have files of
their own, as DVC draws a blank as zero."""

MOST_WORDS = 20
"""Words of confusion.csv, the references' most frequent: the same for every model of a corpus."""


def write(folder: Path, found: Inputs) -> None:
    """Write all files.

    Args:
        folder: Where to; created.
        found: The other stages' artefacts.
    """
    histories = {
        "pretrain": found.encoder.history,
        "translate": found.translator.history,
        "retrieve": found.retriever.history,
    }
    for name, columns in CURVES.items():
        whole = ("epoch", *columns)
        history = histories[name.removesuffix("_dev")]
        rows = [[e[c] for c in whole] for e in history if all(c in e for c in whole)]
        _write(folder / f"{name}.csv", whole, rows)
    retrieve = found.metrics["retrieve"].get(found.split, {})
    _write(folder / "recall.csv", ("query", "recall", "low", "high"), recall(retrieve))
    pairs = confusions(words.tally(found.predictions))
    _write(folder / "confusion.csv", ("actual", "predicted"), pairs)


def recall(retrieve: Json) -> list[tuple[Any, ...]]:
    """List the bars of R@K and what guessing gives.

    Args:
        retrieve: Content of metrics/retrieve.json of one split.

    Returns:
        Query, recall and its 95 % interval, in per cent; blank where there is none.
    """
    bars = plots.recall_rows(retrieve)
    found: list[tuple[Any, ...]] = []
    for bar in bars:
        ends = ["" if end is None else end for end in (bar.low, bar.high)]
        found.append((f"{bar.direction} R@{bar.k:2}", bar.value, *ends))
    if bars:
        pool = retrieve["grouped"]["pool"]
        guesses = [(k, round(min(100.0, 100 * k / pool), 2)) for k in (1, 5, 10)]
        found += [(f"guess R@{k:2}", guess, "", "") for k, guess in guesses]
    return found


def confusions(counts: Counter[Pair]) -> list[Pair]:
    """List what came out for the references' most frequent words, one row an occurrence.

    Args:
        counts: From `words.tally`.

    Returns:
        Actual and predicted word; "(other)" and "(left out)" in place of a word.
    """
    kept = set(words.frequent(counts, MOST_WORDS))

    def named(said: str) -> str:
        return "(left out)" if said == NOTHING else said if said in kept else "(other)"

    found = sorted((pair, n) for pair, n in counts.items() if pair[0] in kept)
    return [(meant, named(said)) for (meant, said), n in found for _ in range(n)]


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    provenance.write_atomic(path, file.getvalue())
