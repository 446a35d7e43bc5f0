"""The look of the report's figures: colours that colour-blind people tell apart, quiet axes."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from rekalman.foundation.printable import printable

# Okabe and Ito, Color Universal Design (2008).
BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#A6568C", "#3C93C8"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, "#B38600", "#4D4D4D")
OBSERVED, INK, FAINT = "#5f6368", "#24292f", "#d8dce1"

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def text(name: object) -> str:
    """A name as it came from a file, harmless in HTML and in Plotly's own markup; control characters show."""
    return html.escape(printable(name), quote=True)


def short(name: object, limit: int = 26) -> str:
    """A name for an axis or a panel: like `text`, but a long one is cut."""
    whole = str(name)
    return text(whole if len(whole) <= limit else whole[: limit - 1] + "…")


def shade(colour: str, alpha: float) -> str:
    """A colour `#rrggbb` made transparent."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def panels(
    rows: int,
    row_height: int = 200,
    columns: int = 1,
    titles: Sequence[str] = (),
    heights: Sequence[float] | None = None,
    shared: bool = True,
    legend: bool = True,
) -> go.Figure:
    """An empty figure of small multiples.

    Args:
        rows: number of rows of panels.
        row_height: pixels of each row.
        columns: number of columns of panels.
        titles: what stands above each panel, already escaped.
        heights: shares of the height of each row.
        shared: the panels of a column share their horizontal axis.
        legend: room for a legend is left at the top.
    """
    above = 44 if legend else 24 if titles else 12
    height = above + 52 + rows * row_height
    gap = (58 if titles else 22) / max(height - above - 52, 1)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_xaxes=shared,
        vertical_spacing=gap if rows > 1 else 0,
        horizontal_spacing=0.07,
        subplot_titles=list(titles) or None,
        row_heights=None if heights is None else list(heights),
    )
    figure.update_annotations(font={"size": 12, "color": INK})
    figure.update_layout(
        height=height,
        margin={"l": 64, "r": 14, "t": above, "b": 52},
        font={"family": FONT, "size": 12, "color": INK},
        paper_bgcolor="white",
        plot_bgcolor="white",
        template=None,
        hovermode="closest",
        hoverlabel={"font": {"family": FONT, "size": 12}},
        legend={
            "orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "top",
            "yref": "container", "bgcolor": "rgba(0,0,0,0)", "itemsizing": "constant",
            "traceorder": "normal",
        },
    )  # fmt: skip
    axis = {
        "showgrid": True, "gridcolor": "#eef0f2", "zeroline": False, "showline": True,
        "linecolor": FAINT, "ticks": "outside", "tickcolor": FAINT, "ticklen": 4,
        "automargin": True, "title_standoff": 8,
    }  # fmt: skip
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis, nticks=6)
    return figure


def small(values: Any) -> np.ndarray:
    """Numbers to draw, in single precision: half the bytes, and more than a screen shows."""
    return np.asarray(values, np.float32)


def line(x: Any, y: Any, name: str, colour: str, **more: Any) -> go.Scatter:
    """A line; where `y` is NaN it is broken.

    Args:
        x: where.
        y: how high.
        name: entry of the legend, already escaped.
        colour: its colour.
        **more: other settings of the trace; `width` and `dash` are those of the line.
    """
    style = {"color": colour, "width": more.pop("width", 1.6), "dash": more.pop("dash", "solid")}
    settings = {"mode": "lines", "connectgaps": False, "hovertemplate": "%{y:.4~g}", **more}
    return go.Scatter(x=x, y=small(y), name=name, line=style, **settings)


def band(
    x: Any, low: Any, high: Any, name: str, colour: str, alpha: float, **more: Any
) -> list[go.Scatter]:
    """A filled band between two curves, as the two traces it takes.

    Args:
        x: where; numbers.
        low: lower edge, no NaN.
        high: upper edge, no NaN.
        name: entry of the legend, already escaped.
        colour: colour of the band.
        alpha: its opacity.
        **more: other settings of the upper edge.
    """
    shared = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "legendgroup": name}
    return [
        go.Scatter(x=x, y=small(low), showlegend=False, **shared),
        go.Scatter(
            x=x, y=small(high), fill="tonexty", fillcolor=shade(colour, alpha), name=name,
            **shared, **more,
        ),
    ]  # fmt: skip


def points(x: Any, y: Any, name: str, colour: str, size: int = 4, **more: Any) -> go.Scatter:
    """Markers, without a line between them."""
    marker = {"color": colour, "size": size, "line": {"width": 0}}
    settings = {"mode": "markers", "hovertemplate": "%{y:.4~g}", **more}
    return go.Scatter(x=x, y=small(y), name=name, marker=marker, **settings)
