"""Figures of a comparison that stand alone, for a notebook; the report draws its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from rekalman.comparison.result import Comparison

SHOWN = 8
"""Methods that are drawn, the best first."""


def by_horizon(comparison: Comparison) -> go.Figure:
    """Scaled CRPS by steps ahead, a line for each of the best methods and the best naive forecast."""
    import plotly.graph_objects as go

    figure = go.Figure(layout={"template": "plotly_white"})
    chosen = list(dict.fromkeys([*comparison.names[:SHOWN], comparison.reference]))
    frame = comparison.to_frame("horizon")
    for name in chosen:
        rows = frame[frame["method"] == name]
        dash = "dash" if comparison.evaluation(name).group == "naive" else "solid"
        figure.add_trace(
            go.Scatter(
                x=rows["horizon"],
                y=rows["scaled_crps"],
                name=name,
                mode="lines+markers",
                line={"dash": dash},
            )
        )
    figure.update_xaxes(title_text="steps ahead")
    figure.update_yaxes(title_text="scaled CRPS", rangemode="tozero")
    return figure
