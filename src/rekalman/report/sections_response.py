"""The section of the report on what a linear model answers: step and frequency responses, spectrum."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from rekalman.forecasting.labels import Labels
from rekalman.identification.linear import LinearFacts
from rekalman.report.page import Page
from rekalman.report.sections_data import View
from rekalman.report.style import BLUE, band, line, panels, short, text

SPAN = 6  # steps of a step response that are drawn, in time constants of the slowest mode
SURE = "95 % interval"


def add_responses(page: Page, seen: View) -> None:
    """Step and frequency responses of a model with inputs, and the spectrum of what noise makes."""
    facts = None if seen.identified is None else seen.dynamics.linear
    if (
        facts is None
        or seen.identified is None
        or not np.isfinite(np.asarray(facts.responses.spectrum)).all()
    ):
        return
    grows = seen.dynamics.attractor == "diverges"  # noise then makes no stationary signal
    if grows and not facts.input_names:
        return
    page.heading("Responses" if grows else "Responses and spectrum")
    labels = Labels.of(seen.data)
    unit = f" ({text(seen.dynamics.time_unit)})" if seen.dynamics.time_unit else " (steps)"
    sure = " The band holds the true curve at each point with 95 %." if facts.intervals else ""
    titles = [labels.column(k) for k in seen.columns]
    for j, source in enumerate(facts.input_names):
        page.add(
            page.figure(
                _response_figure(seen, facts, j, titles, unit),
                f"<b>Responses to {text(source)}.</b> Left: to a unit step; right: the gain at each "
                f"frequency.{sure}",
            )
        )
    if grows:
        return
    page.add(
        page.figure(
            _spectrum_figure(seen, facts, titles),
            "<b>Spectrum</b> of what process and measurement noise make of the signal: variance per "
            f"cycle a step.{sure}",
        )
    )


def _response_figure(
    seen: View, facts: LinearFacts, source: int, titles: list[str], unit: str
) -> go.Figure:
    result, sure = facts.responses, facts.intervals
    rows = len(seen.columns)
    figure = panels(rows, 190, columns=2)
    steps = _span(facts)
    x = np.arange(steps) * seen.dynamics.interval
    f = np.asarray(result.frequencies) / seen.dynamics.interval
    gain = np.abs(np.asarray(result.frequency))
    for row, k in enumerate(seen.columns, 1):
        ends = None if sure is None else sure.step[:, :steps, k, source]
        _draw(figure, x, np.asarray(result.step)[:steps, k, source], ends, row, 1)
        ends = None if sure is None else sure.magnitude[:, :, k, source]
        _draw(figure, f, gain[:, k, source], ends, row, 2)
        figure.update_yaxes(title_text=short(titles[row - 1], 20), row=row, col=1)
        figure.update_yaxes(type="log", dtick="D2", tickformat=".3~g", row=row, col=2)
    figure.update_xaxes(title_text=f"time after the step{unit}", row=rows, col=1)
    figure.update_xaxes(title_text=_frequency_axis(seen), row=rows, col=2)
    return figure


def _spectrum_figure(seen: View, facts: LinearFacts, titles: list[str]) -> go.Figure:
    sure, rows = facts.intervals, len(seen.columns)
    figure = panels(rows, 220)
    f = np.asarray(facts.responses.frequencies) / seen.dynamics.interval
    density = np.einsum("wii->wi", np.asarray(facts.responses.spectrum)).real
    for row, k in enumerate(seen.columns, 1):
        ends = None if sure is None else sure.spectrum[:, :, k]
        _draw(figure, f, density[:, k], ends, row, 1)
        figure.update_yaxes(title_text=short(titles[row - 1], 20), row=row, col=1)
        figure.update_yaxes(type="log", dtick="D2", tickformat=".3~g", row=row, col=1)
    figure.update_xaxes(title_text=_frequency_axis(seen), row=rows, col=1)
    return figure


def _draw(
    figure: go.Figure, x: np.ndarray, y: np.ndarray, ends: np.ndarray | None, row: int, col: int
) -> None:
    first = row == 1 and col == 1
    if ends is not None and np.isfinite(ends).all():
        low, high = ends
        figure.add_traces(band(x, low, high, SURE, BLUE, 0.2, showlegend=first), rows=row, cols=col)
    figure.add_trace(line(x, y, "model", BLUE, showlegend=first), row=row, col=col)


def _span(facts: LinearFacts) -> int:
    """Steps after which the slowest mode has died, or all that there are."""
    slowest = max((abs(pole) for pole in facts.poles), default=0.0)
    total = len(np.asarray(facts.responses.step))
    if not 0 < slowest < 1:
        return total
    return int(np.clip(np.ceil(-SPAN / np.log(slowest)), 8, total))


def _frequency_axis(seen: View) -> str:
    unit = (seen.dynamics.time_unit or "step").removesuffix("s")
    return f"frequency (cycles per {text(unit)})"
