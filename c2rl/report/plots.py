"""Curves, bars and the similarity matrix; the only door to matplotlib.

Labels inside the drawings are our own words, never the corpus's, whose script a font may lack.
"""

import io
from collections import Counter
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
INK = "#1c2430"
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
    "text.color": INK,
    "axes.labelcolor": INK,
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


class Recall(NamedTuple):
    """One bar."""

    direction: str
    """t2v or v2t."""
    k: int
    value: float
    """Per cent."""
    low: float | None
    high: float | None
    """95 % interval; None where none was computed."""


def recall_rows(retrieve: dict[str, Any]) -> list[Recall]:
    """List R@K of the grouped protocol.

    Args:
        retrieve: Content of metrics/retrieve.json of one split.

    Returns:
        A bar each.
    """
    grouped = retrieve.get("grouped", {})
    found = []
    for direction in ("t2v", "v2t"):
        side = grouped.get(direction, {})
        for k in (1, 5, 10):
            if f"r{k}" in side:
                ends = (side.get(f"r{k}_low"), side.get(f"r{k}_high"))
                found.append(Recall(direction, k, side[f"r{k}"], *ends))
    return found


def recall_bars(rows: Sequence[Recall], pool: int) -> Picture | None:
    """Draw R@K with its intervals beside what guessing gives.

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
            own = [row for row in rows if row.direction == direction]
            places = np.arange(len(own)) + 0.4 * number
            heights = [row.value for row in own]
            axes.bar(places, heights, 0.36, color=colour, label=names[direction])
            for place, row in zip(places, own, strict=True):
                top = row.value if row.high is None else row.high
                if row.low is not None:
                    axes.vlines(place, row.low, top, color=INK, linewidth=1.4)
                axes.text(place, top + 1.5, f"{row.value:.1f}", fontsize=8.5, ha="center")
        for place, k in enumerate((1, 5, 10)):
            guess = min(100.0, 100 * k / pool)
            label = "guessing" if place == 0 else ""  # named once
            axes.hlines(guess, place - 0.2, place + 0.6, color=INK, linestyle=":", label=label)
        axes.set_xticks([0.2, 1.2, 2.2], ["R@1", "R@5", "R@10"])
        axes.set_ylim(0, 125)
        axes.set_yticks(range(0, 101, 20))
        axes.set_ylabel("per cent")
        axes.set_title("Retrieval, grouped", loc="left", fontsize=11)
        axes.grid(visible=False, axis="x")
        axes.legend(frameon=False, fontsize=8.5, ncols=3, loc="upper left", columnspacing=1,
                    handlelength=1.4)  # fmt: skip
        told = ", ".join(f"{names[row.direction]} R@{row.k} {row.value:.1f}" for row in rows)
        return _svg(figure, f"Bar chart of recall in per cent: {told}.")


def lengths(points: Sequence[tuple[int, int]]) -> Picture | None:
    """Draw how long hypotheses are beside their references.

    Args:
        points: Words of the reference and of the hypothesis, one pair a clip.

    Returns:
        Dots on a grid, larger where clips coincide; None without clips.
    """
    if not points:
        return None
    counts = Counter(points)
    meant, said = (np.array(own) for own in zip(*counts, strict=True))
    sizes = np.array([*counts.values()])
    last = int(max(meant.max(), said.max())) + 1
    shorter = sum(own < its for its, own in points)
    longer = sum(own > its for its, own in points)
    with _figure(4.4, 3.4) as (figure, axes):
        axes.plot([0, last], [0, last], color=INK, linewidth=1, linestyle=":", label="equal length")
        axes.scatter(meant, said, s=14 + 110 * sizes / sizes.max(), color=COLOURS[0], alpha=0.75,
                     linewidths=0)  # fmt: skip
        axes.set_xlim(0, last)
        axes.set_ylim(0, last)
        axes.set_xlabel("words of the reference")
        axes.set_ylabel("words of the translation")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.set_title("Length", loc="left", fontsize=11)
        axes.legend(frameon=False, fontsize=8.5, loc="upper left")
        alt = (
            f"Scatter plot of words: {shorter} of {len(points)} translations are shorter than their"
            f" reference, {longer} are longer. On average {np.mean([p[1] for p in points]):.1f}"
            f" words for {np.mean([p[0] for p in points]):.1f}."
        )
        return _svg(figure, alt)


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
