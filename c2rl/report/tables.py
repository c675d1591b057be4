"""The report's tables of clips; every cell is text that the template escapes."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from c2rl.store.manifest import OK, Row

ABSENT = "–"
"""Shown where a number does not exist."""

MOST_LEFT_OUT = 50
"""Left-out clips that are named."""


class Table(NamedTuple):
    """A table; the first column names the rows."""

    caption: str
    columns: list[str]
    rows: list[list[str]]
    texts: int = 1
    """Leading columns that hold text; the others hold numbers."""


def show(value: Any, digits: int = 2) -> str:
    """Write a number for a person.

    Args:
        value: Number or None.
        digits: Decimals of a float.

    Returns:
        The number, or an en dash where there is none.

    Example:
        >>> show(12345), show(1.5), show(None), show(float("nan"))
        ('12,345', '1.50', '–', '–')
    """
    if value is None or math.isnan(value):
        return ABSENT
    return f"{value:,.{digits}f}" if isinstance(value, float) else f"{value:,}"


def corpus_card(prepare: dict[str, Any], manifest: Sequence[Row]) -> Table:
    """Count clips, time and people per split.

    Args:
        prepare: Content of metrics/prepare.json.
        manifest: All clips, those that were left out included.

    Returns:
        One row a split.
    """
    columns = ["Split", "Clips", "Left out", "Frames", "Hours", "Megabytes"]
    columns += ["Distinct sentences", "Signers", "Signers also in train"]
    training = _signers(manifest, "train")
    rows = []
    for split in dict.fromkeys(("train", "dev", "test", *prepare, *_splits(manifest))):
        own = prepare.get(split, {})
        failed = own.get("failed")
        signers = _signers(manifest, split)
        sentences = {r.clip.sentence for r in manifest if r.clip.split == split and r.status == OK}
        cells = [own.get("clips"), None if failed is None else sum(failed.values())]
        cells += [own.get(key) for key in ("frames", "hours", "megabytes")]
        cells += [len(sentences), len(signers) or None]
        cells += [len(signers & training) if signers and split != "train" else None]
        rows.append([split, *(show(cell) for cell in cells)])
    return Table("Clips, frames and signers per split", columns, rows)


def _splits(manifest: Sequence[Row]) -> list[str]:
    return [row.clip.split for row in manifest]


def _signers(manifest: Sequence[Row], split: str) -> set[str]:
    own = (row for row in manifest if row.clip.split == split and row.status == OK)
    return {row.clip.signer for row in own if row.clip.signer}


def left_out(manifest: Sequence[Row]) -> Table:
    """Name the clips that could not be used.

    Args:
        manifest: All clips.

    Returns:
        One row a clip, `MOST_LEFT_OUT` at most; the caption tells how many there are.
    """
    bad = sorted((r for r in manifest if r.status != OK), key=lambda r: (r.status, r.clip.id))
    per_status = [f"{len(list(own))} {s}" for s, own in groupby(bad, key=lambda r: r.status)]
    caption = f"Clips left out: {', '.join(per_status)}" if bad else "Clips left out: none"
    if len(bad) > MOST_LEFT_OUT:
        caption += f"; the first {MOST_LEFT_OUT}"
    rows = [[r.clip.id, r.clip.split, r.status, r.reason] for r in bad[:MOST_LEFT_OUT]]
    return Table(caption, ["Clip", "Split", "Status", "Reason"], rows, texts=4)


def hits_and_misses(ranks: Sequence[dict[str, Any]], most: int = 6) -> list[Table]:
    """Choose sentences that were found and sentences that were not.

    Args:
        ranks: Rows of ranks.<split>.jsonl.
        most: Rows of each table.

    Returns:
        The surest hits, the narrowest misses and the widest ones; one row a sentence.
    """
    ordered = sorted(ranks, key=lambda r: (r["v2t_rank"], -r["score"], r["id"]))
    seen: set[str] = set()
    once = [r for r in ordered if not (r["group"] in seen or seen.add(r["group"]))]  # type: ignore[func-returns-value]
    hits = [r for r in once if r["v2t_rank"] <= 1]
    misses = [r for r in once if r["v2t_rank"] > 1]
    half = min(most, (len(misses) + 1) // 2)
    chosen = {
        "Hits: the clip's own sentence came first": hits[:most],
        "Narrow misses": misses[:half],
        "Wide misses": misses[half:][-most:],
    }
    columns = ["Clip", "Its sentence", "Sentence ranked first", "Rank of its sentence"]
    columns += ["Rank of the clip for its sentence", "Own score", "Best score"]
    return [Table(c, columns, [_ranked(r) for r in rows], 3) for c, rows in chosen.items() if rows]


def _ranked(row: dict[str, Any]) -> list[str]:
    best = "the same" if row["best"] == row["sentence"] else row["best"]
    ranks = [f"{row[key]:g}" for key in ("v2t_rank", "t2v_rank")]
    return [row["id"], row["sentence"], best, *ranks, show(row["score"]), show(row["best_score"])]
