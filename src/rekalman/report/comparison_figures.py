"""Figures of a comparison: scores by horizon, reliability, forecasts, where each wins, cost and skill."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from rekalman.comparison.result import Comparison
from rekalman.comparison.summary import losses_by_origin
from rekalman.report.figures import clock, observed
from rekalman.report.style import (
    CYCLE,
    INK,
    OBSERVED,
    band,
    line,
    panels,
    points,
    short,
    text,
)

FEW, MANY = 3, 6
"""Methods in figures that would be crowded, and in those that are not."""
STRETCH = 120
"""Steps of the data beside which forecasts are drawn."""
LEVELS = np.arange(5, 100, 5) / 100
"""Central intervals whose coverage is drawn."""


def leading(comparison: Comparison, count: int) -> list[str]:
    """The best methods, and the best naive forecast at the end."""
    best = [name for name in comparison.names[:count] if name != comparison.reference]
    return [*best, comparison.reference]


def colours(comparison: Comparison) -> dict[str, str]:
    """A colour for each method that is drawn, the same in all figures; that of the naive one is grey."""
    drawn = {name: CYCLE[i % len(CYCLE)] for i, name in enumerate(leading(comparison, MANY)[:-1])}
    return {**drawn, comparison.reference: OBSERVED}


def horizon_figure(comparison: Comparison) -> go.Figure:
    """Scaled CRPS by steps ahead; bars are 90 % intervals of the difference from the best naive forecast."""
    figure, colour = panels(1, 320), colours(comparison)
    frame, horizons = comparison.to_frame("horizon"), comparison.plan.horizons
    for name in leading(comparison, MANY):
        score = np.asarray(frame["scaled_crps"])[np.asarray(frame["method"] == name)]
        reach = None
        if name != comparison.reference:
            differences = [
                comparison.difference(name, comparison.reference, horizon) for horizon in horizons
            ]
            reach = [each.high - each.mean for each in differences]
        figure.add_trace(
            line(
                list(horizons),
                score,
                text(name),
                colour[name],
                mode="lines+markers",
                error_y=None if reach is None else {"array": reach, "thickness": 1, "width": 3},
                dash="dash" if reach is None else "solid",
            )
        )
    figure.update_xaxes(title_text="steps ahead", dtick=1 if len(horizons) <= 24 else None)
    figure.update_yaxes(title_text="scaled CRPS", rangemode="tozero")
    return figure


def reliability_figure(comparison: Comparison) -> go.Figure:
    """How many values lie inside the central interval of each level."""
    figure, colour = panels(1, 320), colours(comparison)
    figure.add_trace(line([0, 1], [0, 1], "calibrated", INK, width=1, dash="dot", hoverinfo="skip"))
    for name in leading(comparison, FEW):
        pit = comparison.scores(name).pit
        distance = np.abs(pit[np.isfinite(pit)] - 0.5)
        held = [(distance <= level / 2).mean() for level in LEVELS]
        figure.add_trace(line(LEVELS, held, text(name), colour[name], mode="lines+markers"))
    figure.update_xaxes(title_text="level of the interval", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title_text="values inside", tickformat=".0%", range=[0, 1])
    return figure


def forecasts_figure(comparison: Comparison, ahead: int) -> go.Figure:
    """Forecasts of the best methods so many steps ahead over the last stretch of the first series.

    Args:
        comparison: the result.
        ahead: which of its horizons, by its place.
    """
    one = comparison.data.series(0)
    x, y, names = clock(one), observed(one), comparison.names[:FEW]
    horizon, colour = comparison.plan.horizons[ahead], colours(comparison)
    first = max(0, len(y) - STRETCH)
    figure = panels(len(names), 190, titles=[text(name) for name in names])
    for row, name in enumerate(names, 1):
        own = comparison.scores(name).take(0)
        at = own.origin + horizon
        used = (at < len(y)) & (at >= first) & np.isfinite(own.error[:, ahead, 0])
        at = at[used]
        mean = y[at, 0] + own.error[used, ahead, 0]
        low, high = own.lower_90[used, ahead, 0], own.upper_90[used, ahead, 0]
        tone = colour.get(name, INK)
        legend = {"showlegend": row == 1}
        figure.add_traces(
            [
                *band(x[at], low, high, "90 % interval", tone, 0.2, **legend),
                points(x[first:], y[first:, 0], "observed", OBSERVED, 4, **legend),
                line(x[at], mean, "mean", tone, **legend),
            ],
            rows=row,
            cols=1,
        )
        figure.update_yaxes(title_text=short(comparison.data.names[0]), row=row, col=1)
    if one.time_kind == "date":
        figure.update_xaxes(type="date")
    title = one.time_name or ("time" if one.times is not None else "step")
    figure.update_xaxes(title_text=short(title), row=len(names), col=1)
    return figure


def wins_figure(comparison: Comparison) -> go.Figure:
    """Where each method wins: the gain over the best naive forecast, summed over the origins of a series.

    Of several series the share of them in which each method is best.
    """
    colour, reference = colours(comparison), comparison.reference
    if comparison.data.batch > 1:
        return _series_won(comparison)
    figure = panels(1, 300)
    base = losses_by_origin(comparison.scores(reference), comparison.scale)
    one = comparison.data.series(0)
    x = clock(one)[comparison.scores(reference).origin]
    for name in leading(comparison, MANY)[:-1]:
        gain = base - losses_by_origin(comparison.scores(name), comparison.scale)
        figure.add_trace(line(x, np.cumsum(gain), text(name), colour[name]))
    figure.add_hline(y=0, line={"color": OBSERVED, "width": 1, "dash": "dash"})
    if one.time_kind == "date":
        figure.update_xaxes(type="date")
    figure.update_xaxes(title_text="origin of the forecasts")
    figure.update_yaxes(title_text="summed gain")
    return figure


def _series_won(comparison: Comparison) -> go.Figure:
    """In how many series each method has the least scaled CRPS."""
    series = comparison.scores(comparison.best).series
    table = np.array(
        [
            np.bincount(series, losses_by_origin(comparison.scores(name), comparison.scale))
            / np.maximum(np.bincount(series), 1)
            for name in comparison.names
        ]
    )
    seen = np.isfinite(comparison.scores(comparison.best).crps).any((1, 2))
    judged = np.bincount(series, seen) > 0
    won = np.bincount(table[:, judged].argmin(0), minlength=len(comparison.names))
    names = [text(name) for name in comparison.names]
    figure = panels(1, 24 * len(names) + 40, legend=False)
    figure.add_trace(
        go.Bar(x=won, y=names, orientation="h", marker={"color": CYCLE[0]}, showlegend=False)
    )
    figure.update_yaxes(autorange="reversed", nticks=len(names))
    figure.update_xaxes(title_text="series won")
    return figure


def cost_figure(comparison: Comparison) -> go.Figure:
    """Skill over the best naive forecast against seconds of training."""
    figure = panels(1, 340, legend=False)
    names = comparison.names
    equal = [name in comparison.equals for name in names]
    labelled = leading(comparison, FEW)
    seconds = [max(comparison.evaluation(name).fit_seconds, 1e-3) for name in names]
    skill = [comparison.skill(name) for name in names]
    for which, tone in ((True, CYCLE[0]), (False, OBSERVED)):
        at = [i for i, same in enumerate(equal) if same == which]
        figure.add_trace(
            points(
                [seconds[i] for i in at],
                [skill[i] for i in at],
                "",
                tone,
                9,
                mode="markers+text",
                text=[text(names[i]) if names[i] in labelled else "" for i in at],
                customdata=[text(names[i]) for i in at],
                textposition="top center",
                textfont={"size": 11, "color": INK},
                hovertemplate="%{customdata}: %{y:.1%} in %{x:.3g} s<extra></extra>",
                showlegend=False,
                cliponaxis=False,
            )
        )
    lowest = max(min(skill), -1.0)
    room = 0.15 * (max(skill) - lowest) + 0.02
    figure.update_yaxes(
        title_text="skill", tickformat=".0%", range=[lowest - room / 2, max(skill) + room]
    )
    figure.update_xaxes(title_text="seconds to fit", type="log")
    return figure
