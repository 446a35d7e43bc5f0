"""Figures of calibration: PIT, coverage, size and whiteness of the innovations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.special import bdtr

from rekalman.evaluation.innovations import autocorrelation, chi_square_band, nis
from rekalman.report.evidence import LEVELS, Calibration
from rekalman.report.style import (
    BLUE,
    CYCLE,
    FAINT,
    INK,
    ORANGE,
    band,
    line,
    panels,
    points,
    shade,
    short,
    small,
)
from rekalman.report.thinning import envelope

BINS = 10
GREY = "rgba(60,60,60,0.13)"


def in_steps(horizon: int) -> str:
    """A horizon in words."""
    return f"{horizon} step{'' if horizon == 1 else 's'}"


def chance_band(count: float, share: float) -> tuple[float, float]:
    """The 95 % range of a share that is estimated from `count` independent forecasts."""
    n = max(1, int(count))
    below = bdtr(np.arange(n + 1), n, share)  # P(at most so many)
    low, high = np.minimum(np.searchsorted(below, [0.025, 0.975]), n) / n
    return float(low), float(high)


def independent(result: Calibration, h: int) -> float:
    """How many forecasts of a horizon count as independent: those that do not overlap."""
    return result.seen[:, h].sum() / result.horizons[h]


def pit_figure(result: Calibration) -> go.Figure:
    """Histograms of the PIT by horizon, with the band in which a calibrated forecast stays."""
    count = len(result.horizons)
    columns = 2 if count > 1 else 1
    rows = -(-count // columns)
    titles = [f"{in_steps(h)} ahead" for h in result.horizons]
    figure = panels(rows, 165, columns, titles, legend=False, shared=False)
    edges = np.linspace(0, 1, BINS + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    for h in range(count):
        row, col = h // columns + 1, h % columns + 1
        pit = result.pit[:, h][result.seen[:, h]]
        if len(pit) == 0:
            continue
        density = np.histogram(pit, edges)[0] / len(pit) * BINS
        low, high = (v * BINS for v in chance_band(independent(result, h), 1 / BINS))
        bars = go.Bar(
            x=middle, y=small(density), width=0.094, marker={"color": shade(BLUE, 0.65)},
            name="observed", showlegend=False, hovertemplate="%{y:.2f}",
        )  # fmt: skip
        figure.add_trace(bars, row=row, col=col)
        edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        fill = {"fill": "tonexty", "fillcolor": GREY}
        for y, more in ((low, {}), (high, fill)):
            figure.add_trace(go.Scatter(x=[0, 1], y=[y, y], **edge, **more), row=row, col=col)
        flat = line(
            [0, 1], [1, 1], "flat", INK, width=1, dash="dot", showlegend=False, hoverinfo="skip",
            hovertemplate=None,
        )  # fmt: skip
        figure.add_trace(flat, row=row, col=col)
        figure.update_yaxes(range=[0, max(2.0, 1.1 * max(density.max(), high))], row=row, col=col)
    figure.update_xaxes(range=[0, 1], showticklabels=True, dtick=0.25)
    figure.update_xaxes(title_text="PIT", row=rows)
    figure.update_yaxes(title_text="density", col=1)
    figure.update_layout(bargap=0)
    return figure


def coverage_figure(result: Calibration) -> go.Figure:
    """Share of the observations inside central intervals of every level, by horizon."""
    figure = panels(1, 320)
    levels = np.append(np.append(0.0, LEVELS), 1.0)
    bands = np.array([chance_band(independent(result, 0), level) for level in levels])
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_trace(go.Scatter(x=small(levels * 100), y=small(bands[:, 0] * 100), **edge))
    filled = go.Scatter(
        x=small(levels * 100), y=small(bands[:, 1] * 100), fill="tonexty",
        fillcolor=GREY, **edge,
    )  # fmt: skip
    figure.add_trace(filled)
    figure.add_trace(
        line(
            [0, 100], [0, 100], "nominal", INK, width=1, dash="dot", showlegend=False,
            hoverinfo="skip", hovertemplate=None,
        )
    )  # fmt: skip
    for h, horizon in enumerate(result.horizons):
        shares = [100 * result.coverage(h, level) for level in LEVELS]
        trace = line(
            small(100 * LEVELS), shares, in_steps(horizon), CYCLE[h % len(CYCLE)], width=1.6,
            mode="lines+markers", marker={"size": 4},
            hovertemplate="%{x:.0f} % interval holds %{y:.1f} %",
        )  # fmt: skip
        figure.add_trace(trace)
    figure.update_xaxes(title_text="level of the interval (%)", range=[0, 100], dtick=25)
    figure.update_yaxes(title_text="observed inside (%)", range=[0, 100], dtick=25)
    return figure


def whiteness_figure(
    white: np.ndarray, columns: list[int], names: list[str], lags: int
) -> go.Figure:
    """Autocorrelation of the one-step innovations, a panel for each column.

    Args:
        white: innovations scaled to unit covariance `(batch, steps, obs)`.
        columns: which columns.
        names: their names.
        lags: the largest lag.
    """
    titles = [short(name, 60) for name in names] if len(names) > 1 else []
    figure = panels(len(columns), 130 if len(columns) > 1 else 240, titles=titles, legend=False)
    for row, k in enumerate(columns, 1):
        values, bands = correlations(white, k, lags)
        x = np.arange(1, lags + 1)
        edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        low = go.Scatter(x=x, y=small(-bands), **edge)
        high = go.Scatter(x=x, y=small(bands), fill="tonexty", fillcolor=GREY, **edge)
        bars = go.Bar(
            x=x, y=small(values), width=0.35, marker={"color": BLUE}, showlegend=False,
            hovertemplate="lag %{x}: %{y:.3f}",
        )  # fmt: skip
        figure.add_traces([low, high, bars], rows=row, cols=1)
        reach = max(0.3, 1.15 * float(np.nanmax(np.abs(np.append(values, bands)), initial=0)))
        figure.update_yaxes(range=[-reach, reach], row=row, col=1)
    figure.update_yaxes(zeroline=True, zerolinecolor=FAINT)
    figure.update_yaxes(title_text="autocorr." if len(columns) > 1 else "autocorrelation")
    figure.update_xaxes(title_text="lag (steps)", row=len(columns), col=1)
    return figure


def correlations(white: np.ndarray, k: int, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Autocorrelations of the innovations of a column, and half the 95 % band of white noise."""
    values, pairs = autocorrelation(white[..., k], lags)
    return values, 1.96 / np.sqrt(np.where(pairs > 0, pairs, np.nan))


def nis_figure(x: np.ndarray, white: np.ndarray) -> go.Figure:
    """Squared innovations of one series over time, with the interval that holds 95 % of them.

    Args:
        x: time stamps, as numbers.
        white: innovations scaled to unit covariance `(steps, obs)`, NaN where there is none.
    """
    squares = nis(white[None])[0]
    low, high = chi_square_band(np.isfinite(white).sum(-1))
    held = pd.DataFrame({"low": low, "high": high}).bfill().ffill().fillna(0.0).to_numpy()
    outside = (squares < low) | (squares > high)
    figure = panels(1, 250)
    steps, below, above = envelope(held[:, 0], held[:, 1])
    for trace in band(x[steps], below, above, "95 % of a right model", INK, 0.13):
        figure.add_trace(trace)
    for name, colour, part in (("inside", BLUE, ~outside), ("outside", ORANGE, outside)):
        shown = np.flatnonzero(part & np.isfinite(squares))
        figure.add_trace(points(x[shown], squares[shown], name, colour, 4))
    figure.update_yaxes(title_text="NIS", rangemode="tozero")
    return figure
