"""Curves, bars and the similarity matrix; the only door to matplotlib.

Labels inside the drawings are our own words, never the corpus's, whose script a font may lack.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from c2rl.report.pictures import Picture, data_uri

COLOURS = ("#0072b2", "#d55e00", "#007a5a", "#8a4f7d")
"""Told apart by colour-blind eyes, and dark enough on white."""
MARKS = ("o", "s", "^", "D")
DPI = 96
"""Pixels an inch, as browsers have it."""

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "c2rl",  # else the ids inside an SVG are random
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e6ea",
    "text.color": "#1c2430",
    "axes.labelcolor": "#1c2430",
}


class Curve(NamedTuple):
    """One line of a chart."""

    name: str
    key: str
    """Of the history's entries; epochs without it are left out."""


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height))
        figure.subplots_adjust(left=0.14, right=0.98, bottom=0.16, top=0.91)
        yield figure, figure.add_subplot()


def _svg(figure: Figure, alt: str) -> Picture:
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    width, height = figure.get_size_inches() * DPI
    return Picture(data_uri("image/svg+xml", file.getvalue()), alt, round(width), round(height))


def curves(
    history: Sequence[dict[str, Any]], what: str, unit: str, lines: Sequence[Curve]
) -> Picture | None:
    """Draw values over epochs.

    Args:
        history: One entry an epoch, with key `epoch`.
        what: Title.
        unit: Label of the vertical axis.
        lines: What to draw.

    Returns:
        The chart; None where the history holds nothing of it.
    """
    points = {c.name: [(e["epoch"], e[c.key]) for e in history if c.key in e] for c in lines}
    points = {name: own for name, own in points.items() if own}
    if not points:
        return None
    with _figure(4.4, 3.0) as (figure, axes):
        for (name, own), colour, mark in zip(points.items(), COLOURS, MARKS, strict=False):
            axes.plot(
                *zip(*own, strict=True),
                label=name,
                color=colour,
                marker=mark,
                markersize=3.5,
                clip_on=False,
                linewidth=1.6,
            )
        axes.set_title(what, loc="left", fontsize=11)
        axes.set_xlabel("epoch")
        axes.set_ylabel(unit)
        axes.set_xlim(0.5, history[-1]["epoch"] + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
        if min(value for own in points.values() for _, value in own) >= 0:
            axes.set_ylim(bottom=0)
        if len(points) > 1:
            axes.legend(frameon=False, fontsize=9)
        told = [
            f"{name} from {own[0][1]:.2f} at epoch {own[0][0]} to {own[-1][1]:.2f} at"
            f" epoch {own[-1][0]}"
            for name, own in points.items()
        ]
        return _svg(figure, f"Line chart, {what}: {'; '.join(told)}.")


def recall_rows(retrieve: dict[str, Any]) -> list[tuple[str, int, float]]:
    """List R@K of the grouped protocol.

    Args:
        retrieve: Content of metrics/retrieve.json of one split.

    Returns:
        Direction, K and recall in per cent.
    """
    grouped = retrieve.get("grouped", {})
    return [
        (direction, k, grouped[direction][f"r{k}"])
        for direction in ("t2v", "v2t")
        for k in (1, 5, 10)
        if f"r{k}" in grouped.get(direction, {})
    ]


def recall_bars(rows: Sequence[tuple[str, int, float]], pool: int) -> Picture | None:
    """Draw R@K beside what guessing gives.

    Args:
        rows: From `recall_rows`.
        pool: Number of candidates.

    Returns:
        The chart; None where there is nothing to draw.
    """
    if not rows:
        return None
    names = {"t2v": "text to video", "v2t": "video to text"}
    with _figure(4.4, 3.0) as (figure, axes):
        for number, (direction, colour) in enumerate(zip(names, COLOURS, strict=False)):
            heights = [value for own, _, value in rows if own == direction]
            places = np.arange(len(heights)) + 0.4 * number
            bars = axes.bar(places, heights, 0.36, color=colour, label=names[direction])
            axes.bar_label(bars, fmt="%.1f", fontsize=8.5, padding=2)
        for place, k in enumerate((1, 5, 10)):
            guess = min(100.0, 100 * k / pool)
            label = "guessing" if place == 0 else ""  # named once
            axes.hlines(
                guess, place - 0.2, place + 0.6, color="#1c2430", linestyle=":", label=label
            )
        axes.set_xticks([0.2, 1.2, 2.2], ["R@1", "R@5", "R@10"])
        axes.set_ylim(0, 130)
        axes.set_yticks(range(0, 101, 20))
        axes.set_ylabel("per cent")
        axes.set_title("Retrieval, grouped", loc="left", fontsize=11)
        axes.grid(visible=False, axis="x")
        axes.legend(frameon=False, fontsize=8.5, ncols=3, loc="upper left", columnspacing=1,
                    handlelength=1.4)  # fmt: skip
        told = ", ".join(f"{names[own]} R@{k} {value:.1f}" for own, k, value in rows)
        return _svg(figure, f"Bar chart of recall in per cent: {told}.")


def matrix(scores: npt.NDArray[np.float32]) -> Picture:
    """Draw the similarity of every clip with every sentence.

    Args:
        scores: (V, V) float32; clip i and sentence i belong together.

    Returns:
        The picture; two lines run along the diagonal.
    """
    own = float(np.diag(scores).mean())
    others = scores[~np.eye(len(scores), dtype=bool)]
    rest = f" and {others.mean():.2f} elsewhere" if others.size else ""
    with _figure(4.8, 4.2) as (figure, axes):
        image = axes.imshow(scores, cmap="viridis", interpolation="nearest", aspect="equal")
        last, gap = len(scores) - 1, 0.02 * len(scores) + 0.5
        for way in (-gap, gap):
            low, high = max(0.0, way), min(last, last + way)
            axes.plot([low, high], [low - way, high - way], color="white", linewidth=0.9)
        axes.set_xlim(-0.5, last + 0.5)
        axes.set_ylim(last + 0.5, -0.5)
        axes.set_xlabel("sentence")
        axes.set_ylabel("clip")
        axes.grid(visible=False)
        figure.colorbar(image, ax=axes, shrink=0.85, label="CLCL score")
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=2 * DPI, metadata={"Software": None})
        width, height = figure.get_size_inches() * DPI
    alt = (
        f"Similarity matrix of {len(scores)} clips and their sentences. Mean score {own:.2f} on the"
        f" diagonal{rest}."
    )
    return Picture(data_uri("image/png", file.getvalue()), alt, round(width), round(height))
