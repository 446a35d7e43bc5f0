"""The report of a comparison: one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from rekalman.comparison.result import Comparison
from rekalman.comparison.table import legend
from rekalman.foundation.files import write_whole
from rekalman.report.comparison_figures import (
    cost_figure,
    forecasts_figure,
    horizon_figure,
    reliability_figure,
    wins_figure,
)
from rekalman.report.page import Page
from rekalman.report.style import text
from rekalman.report.tables import number, percent, table


def write_comparison(comparison: Comparison, path: str | Path) -> None:
    """Write the report to a file, whole or not at all.

    Args:
        comparison: what `rekalman.compare` found.
        path: where to.

    Raises:
        RekalError: the file cannot be written.
    """
    write_whole(path, comparison_html(comparison).encode())


def comparison_html(comparison: Comparison) -> str:
    """The report as HTML."""
    c = comparison
    names = ", ".join(c.data.names)
    page = Page(f"rekalman: comparison on {names}")
    page.add(f"<h1>Which method forecasts {text(names)} best?</h1>")
    page.add(f"<p>{text(c.verdict)}</p>")
    page.add(_scores(c))
    page.add("".join(f"<p class=lead>{text(row)}</p>" for row in legend(c).split("\n")))
    page.heading("Scores by horizon")
    page.add(
        page.figure(
            horizon_figure(c),
            f"<b>Scaled CRPS</b> by steps ahead, the lower the better. Bars are 90 % intervals of the "
            f"difference from {text(c.reference)}, {c.reference_is} (dashed).",
        )
    )
    page.heading("Forecasts and calibration")
    ahead = sorted({0, len(c.plan.horizons) - 1})
    drawings = [
        (
            f"{c.plan.horizons[j]} steps" if c.plan.horizons[j] > 1 else "1 step",
            forecasts_figure(c, j),
        )
        for j in ahead
    ]
    page.add(
        page.figure(
            drawings,
            f"<b>Forecasts of the best three</b> at the end of {_drawn(c)}, each made before its value came.",
            "ahead",
        )
    )
    page.add("<div class=row>")
    page.add(
        page.figure(
            reliability_figure(c),
            "<b>Reliability</b>: share of the values inside the central intervals. Below the dotted line a "
            "method is overconfident.",
        )
    )
    page.add(
        page.figure(
            cost_figure(c),
            "<b>Cost against skill</b>; blue: cannot be told from the best. Skill below −100 % is cut off.",
        )
    )
    page.add("</div>")
    page.heading("Where each method wins")
    what = (
        "Number of series in which each method has the least scaled CRPS."
        if c.data.batch > 1
        else f"Summed gain in scaled CRPS over {text(c.reference)}: where a line rises its method wins."
    )
    page.add(page.figure(wins_figure(c), what))
    return page.render()


def _drawn(c: Comparison) -> str:
    """What the forecasts are drawn of: the first column of the first series."""
    column = f"the column '{text(c.data.names[0])}'" if c.data.observations > 1 else "the data"
    if c.data.batch == 1:
        return column
    series = f"the series '{text(c.data.series_names[0])}'"
    return f"{column} of {series}" if c.data.observations > 1 else series


def _scores(c: Comparison) -> str:
    """All mean scores and costs."""
    several = c.data.observations > 1
    head = [
        "method",
        "",
        "scaled CRPS",
        "skill",
        "difference from the best",
        "MASE",
        "RMSE",
        "log score",
    ]
    head += ["energy score"] if several else []
    head += ["50 %", "90 %", "fit, s", "update, µs", "numbers", "file, kB"]
    rows = []
    for row in c.to_frame().to_dict("records"):
        best = row["method"] == c.best
        cells = [
            f"<b>{text(row['method'])}</b>" if best else text(row["method"]),
            "●" if row["in_confidence_set"] else "",
            number(row["scaled_crps"]),
            percent(row["skill"]),
            ""
            if best
            else f"{number(row['difference'], 2)} ({number(row['difference_low'], 2)} to "
            f"{number(row['difference_high'], 2)})",
            number(row["mase"]),
            number(row["rmse"]),
            number(row["log_score"]),
        ]
        cells += [number(row["energy_score"])] if several else []
        kilobytes = row["file_bytes"]
        cells += [
            percent(row["coverage_50"]),
            percent(row["coverage_90"]),
            number(row["fit_seconds"], 3),
            number(row["update_microseconds"], 3),
            number(row["parameters"]),
            number(None if kilobytes is None else kilobytes / 1000, 3),
        ]
        rows.append(cells)
    return table(head, rows, "<b>Methods</b>, the best first", names=2)
