"""Figures of the data: filtered signal, fan of forecasts, forecasts started every few steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from rekalman.data import Sequences
from rekalman.forecasting.labels import Labels
from rekalman.report.evidence import Fans, Filtered
from rekalman.report.style import (
    BLUE,
    GREEN,
    INK,
    OBSERVED,
    ORANGE,
    band,
    line,
    panels,
    points,
    short,
    text,
)
from rekalman.report.thinning import LIMIT, envelope, extremes


def clock(one: Sequences, ahead: int = 0) -> np.ndarray:
    """Time stamps of a single series as numbers; dates as milliseconds since 1970, by their own clock."""
    index = one.index(0, ahead=ahead)
    if isinstance(index, pd.DatetimeIndex):
        index = index.tz_localize(None)
        return index.as_unit("ms").asi8.astype(np.float64)
    return np.asarray(index, np.float64)


def observed(one: Sequences) -> np.ndarray:
    """Values of a single series, NaN where missing."""
    return np.where(np.asarray(one.mask)[0], np.asarray(one.values)[0], np.nan)


def signal_figure(
    one: Sequences, filtered: Filtered, fans: Fans, columns: list[int], start: int = 0
) -> go.Figure:
    """The data from a step on with the filtered signal, and the fan of forecasts at the end.

    Args:
        one: a single series.
        filtered: what the filter says of it.
        fans: the last of them is drawn.
        columns: which columns, a panel each.
        start: first step to draw.
    """
    horizon = fans.path.shape[1]
    x = clock(one, horizon)
    y = observed(one)
    figure = panels(len(columns))
    for row, k in enumerate(columns, 1):
        legend = {"showlegend": row == 1}
        part = slice(start, len(y))
        steps, low, high = envelope(filtered.low[part, k], filtered.high[part, k])
        traces = band(
            x[start + steps], low, high, "filtered, 90 % band", GREEN, 0.25, **legend
        )  # fmt: skip
        traces += _measured(x, y[:, k], start, **legend)
        shown = start + extremes(filtered.mean[part, k])
        traces.append(
            line(x[shown], filtered.mean[shown, k], "filtered mean", GREEN, width=1.4,
                 legendgroup="filtered mean", **legend)
        )  # fmt: skip
        traces += _fan(x, fans, len(fans.origins) - 1, k, legend)
        figure.add_traces(traces, rows=row, cols=1)
    _axes(figure, one, columns)
    return figure


def rolling_figure(one: Sequences, fans: Fans, columns: list[int], length: int) -> go.Figure:
    """Forecasts of a length started every few steps over the last stretch (paper, fig. 1 and 3)."""
    x, y = clock(one), observed(one)
    made = [i for i, t in enumerate(fans.origins) if t + length < len(y)]
    start = max(0, int(fans.origins[made[0]]) - 2 * length) if made else 0
    figure = panels(len(columns))
    for row, k in enumerate(columns, 1):
        legend = {"showlegend": row == 1}
        traces: list[go.Scatter] = []
        for i in made:
            first = {"showlegend": row == 1 and i == made[0]}
            traces += _fan(x, fans, i, k, first, length)
        traces += _measured(x, y[:, k], start, **legend)
        figure.add_traces(traces, rows=row, cols=1)
    _axes(figure, one, columns)
    return figure


def _measured(x: np.ndarray, y: np.ndarray, start: int, **legend: Any) -> list[go.Scatter]:
    """Observations: points, joined by a thin line that is broken where entries are missing."""
    shown = start + extremes(y[start:])
    settings = {"legendgroup": "observed", **legend}
    if len(shown) > LIMIT // 4:
        return [line(x[shown], y[shown], "observed", OBSERVED, width=1, **settings)]
    size = 4 if len(shown) < 350 else 3
    trace = points(x[shown], y[shown], "observed", OBSERVED, size, **settings)
    trace.update(mode="lines+markers", connectgaps=False)
    trace.update(line={"width": 0.7, "color": "rgba(95,99,104,0.45)"})
    return [trace]


def _fan(
    x: np.ndarray, fans: Fans, i: int, k: int, legend: dict[str, bool], length: int | None = None
) -> list[go.Scatter]:
    """Bands and median of one forecast; of a given length the noise-free path as in the paper."""
    first = int(fans.origins[i]) + 1
    at = x[first : first + (length or fans.path.shape[1])]
    quantile = {q: table[i, : len(at), k] for q, table in fans.quantiles.items()}
    traces = [
        *band(at, quantile[0.05], quantile[0.95], "forecast, 90 % band", BLUE, 0.16, **legend),
        *band(at, quantile[0.25], quantile[0.75], "forecast, 50 % band", BLUE, 0.28, **legend),
    ]
    if length is not None:
        trace = points(
            at, fans.path[i, : len(at), k], "noise-free forecast", ORANGE, 4,
            legendgroup="path", **legend,
        )  # fmt: skip
        trace.update(mode="lines+markers", line={"width": 1.2, "color": ORANGE})
        return [*traces, trace]
    return [
        *traces,
        line(
            at, quantile[0.5], "forecast, median", BLUE, width=1.8, legendgroup="median", **legend
        ),
    ]


def _axes(figure: go.Figure, one: Sequences, columns: list[int]) -> None:
    """Titles with units; dates where the time stamps are dates."""
    labels = Labels.of(one)
    for row, k in enumerate(columns, 1):
        figure.update_yaxes(title_text=short(labels.column(k)), row=row, col=1)
    figure.update_xaxes(title_text=text(labels.axis), row=len(columns), col=1)
    if labels.time_kind == "date":
        figure.update_xaxes(type="date")
    figure.update_layout(hovermode="x", font_color=INK)
