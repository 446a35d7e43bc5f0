"""A comparison as a table for a terminal: the best first, bars, and who cannot be told from the best."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rekalman.foundation.printable import printable_line

if TYPE_CHECKING:
    from rekalman.comparison.result import Comparison

BAR = 8
"""Characters of the longest bar."""
MARK = "●"
"""Marks the model confidence set."""
WIDTH = 110


def table(comparison: Comparison) -> Table:
    """One row for each method: scores, the confidence set, costs."""
    drawn = Table(title_justify="left")
    several = comparison.data.observations > 1
    drawn.add_column("method", no_wrap=True, min_width=max(map(len, comparison.names)))
    drawn.add_column("", justify="center")
    drawn.add_column("CRPS", justify="right")
    drawn.add_column("", no_wrap=True, min_width=BAR)
    drawn.add_column("skill", justify="right")
    drawn.add_column("MASE", justify="right")
    drawn.add_column("energy" if several else "log score", justify="right")
    drawn.add_column("90 %", justify="right")
    drawn.add_column("fit", justify="right")
    drawn.add_column("update", justify="right")
    averages = {name: comparison.average(name) for name in comparison.names}
    worst = max(
        min(each["scaled_crps"], 3 * averages[comparison.best]["scaled_crps"])
        for each in averages.values()
    )
    for name in comparison.names:
        row, each = averages[name], comparison.evaluation(name)
        style = "bold" if name == comparison.best else ("dim" if each.group == "naive" else "")
        cells = (
            name,
            MARK if name in comparison.equals else "",
            f"{row['scaled_crps']:.3f}",
            _bar(row["scaled_crps"] / worst),
            f"{100 * comparison.skill(name):.0f} %",
            f"{row['mase']:.3f}",
            f"{row['energy_score' if several else 'log_score']:.3f}",
            f"{100 * row['coverage_90']:.0f}",
            _seconds(each.fit_seconds),
            "" if each.update_seconds is None else _seconds(each.update_seconds),
        )
        drawn.add_row(*(Text(printable_line(cell), style=style) for cell in cells))
    return drawn


def legend(comparison: Comparison) -> str:
    """What the table shows, in a few lines."""
    plan = comparison.plan
    ahead = (
        f"1 to {plan.horizons[-1]}"
        if plan.horizons == tuple(range(1, plan.horizons[-1] + 1))
        else ", ".join(map(str, plan.horizons))
    )
    origins = sum(map(len, plan.origins))
    trained = (
        "trained once, before them"
        if plan.refit is None
        else f"trained again every {plan.refit} steps"
        + ("" if plan.window is None else f" on the last {plan.window} samples")
    )
    unit = (
        "holding the last value"
        if comparison.season is None
        else f"holding the value of the last season ({comparison.season} steps)"
    )
    lines = [
        f"Forecasts {ahead} steps ahead from {origins} origins at the end of each series; {trained}.",
        f"CRPS and MASE in units of the mean error of {unit} in the training data; the lower the better.",
        f"skill: by how much the CRPS is below that of {comparison.reference}, {comparison.reference_is}; "
        "90 %: share of the values inside this interval.",
        f"{MARK} cannot be told from the best (model confidence set, 90 %). "
        "fit: wall time, with what had to be compiled.",
    ]
    lines += [f"{name}: {reason}" for name, reason in comparison.failures]
    if comparison.unreached:
        lines.append(f"Not evaluated, for the budget ended: {', '.join(comparison.unreached)}.")
    return "\n".join(lines)


def text_table(comparison: Comparison) -> str:
    """The same as plain text."""
    held = io.StringIO()
    Console(file=held, width=WIDTH, color_system=None).print(table(comparison))
    return f"{held.getvalue().rstrip()}\n{legend(comparison)}"


def _bar(share: float) -> str:
    """A bar of eighths of a character; of a share above one an arrow at its end."""
    if share > 1:
        return "█" * (BAR - 1) + "▶"
    eighths = round(max(share, 0.0) * BAR * 8)
    return ("█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8]).strip()


def _seconds(value: float) -> str:
    """A time in the unit that suits it."""
    if value >= 100:
        return f"{value:.0f} s"
    if value >= 1:
        return f"{value:.1f} s"
    return f"{1e3 * value:.0f} ms" if value >= 1e-3 else f"{1e6 * value:.0f} µs"
