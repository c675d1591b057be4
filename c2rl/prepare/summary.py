"""The report of `c2rl corpus check` in lines for a person."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

_MOST, _FEW = 10, 3  # clips told for each status: all of a few, else the first
_ROW = "  {:5} {:>7} {:>9} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8}"
_CELLS = ("clips", "published", "valid", "paper", "usable", "sentences", "groups", "hours")


def told(report: Mapping[str, Any]) -> list[str]:
    """Write a report for a person.

    Args:
        report: From `examine`.

    Returns:
        Its lines.
    """
    lines = [f"{report['dataset']} in {report['root']} (labels: {report['labels']})"]
    lines.append(
        _ROW.format(
            "", "clips", "published", "valid", "paper", "usable", "texts", "groups", "hours"
        )
    )
    for split, row in report["splits"].items():
        values = ["–" if row[cell] is None else row[cell] for cell in _CELLS]
        lines.append(_ROW.format(split, *values))
        if row["difference"]:
            lines.append(f"  {split} has {row['difference']:+d} clips against the published number")
    for status, n in Counter(row["status"] for row in report["left_out"]).items():
        rows = [row for row in report["left_out"] if row["status"] == status]
        lines.append(f"left out, {status}: {n}")
        most = n if n <= _MOST else _FEW
        lines += [f"  {row['split']:5} {row['id']}: {row['reason']}" for row in rows[:most]]
        lines += [f"  ... and {n - most} more (--json lists all)"] * (n > most)
    for pair in report["shared_sentences"]:
        if pair["clips"]:
            lines.append(
                f"leak: {pair['sentences']} sentences of {pair['from']} stand in {pair['to']}"
                f" ({pair['clips']} of its clips)"
            )
    rates = ", ".join(f"{fps} fps: {n}" for fps, n in report["fps"].items())
    lines.append(f"frame rates: {rates or 'unknown before --deep'}")
    unknown = report["clips_of_unknown_length"]
    rest = f", without {unknown} clips whose length --deep would tell" if unknown else ""
    lines.append(
        f"frame store: about {report['frames']} frames, {report['store_megabytes'] / 1e3:.1f} GB at"
        f" {report['store_size']} pixels{rest}"
    )
    lines += [f"note: {note}" for note in report["notes"]]
    lines += [f"missing: {what}" for what in report["missing"]]
    if report["missing"]:
        lines.append(f"incomplete. {report['obtain']}")
    else:
        lines.append("complete: all that the annotations name is there")
    return lines
