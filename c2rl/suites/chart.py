"""A suite's table as a drawing: a panel a column, a point a row, the paper's beside it."""

import io
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from c2rl.suites.table import Table

_OURS, _PAPERS = "#0072b2", "#d55e00"


def svg(table: Table) -> bytes:
    """Draw a table.

    Args:
        table: At least one column.

    Returns:
        An SVG file: our mean with its deviation, the paper's number as a diamond.
    """
    names = [name for name, _ in table.rows]
    style: dict[Any, Any] = {"svg.hashsalt": "c2rl", "svg.fonttype": "none", "font.size": 9}
    with mpl.rc_context(style):
        width = 1.6 + 1.9 * len(table.columns)
        figure = Figure(figsize=(width, 1.3 + 0.32 * len(names)), layout="constrained")
        panels = figure.subplots(1, len(table.columns), sharey=True, squeeze=False)[0]
        for number, (panel, title) in enumerate(zip(panels, table.columns, strict=True)):
            cells = [cells[number] for _, cells in table.rows]
            ours = [(y, c.mean, c.sd or 0.0) for y, c in enumerate(cells) if c.mean is not None]
            if ours:
                y, mean, sd = zip(*ours, strict=True)
                panel.errorbar(mean, y, xerr=sd, fmt="o", color=_OURS, capsize=3, label="ours")
            papers = [(y, c.paper) for y, c in enumerate(cells) if c.paper is not None]
            if papers:
                y, value = zip(*papers, strict=True)
                panel.plot(value, y, "D", color=_PAPERS, fillstyle="none", label="the paper's")
            panel.set_title(title, fontsize=9)
            panel.grid(color="#e3e6ea")
            panel.spines[["top", "right"]].set_visible(False)
        panels[0].set_yticks(range(len(names)), names)
        panels[0].set_ylim(len(names) - 0.5, -0.5)
        handles = {
            label: handle
            for panel in panels
            for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
        }
        if handles:
            figure.legend(
                handles.values(), handles.keys(), loc="outside lower center", ncols=2, frameon=False
            )
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
