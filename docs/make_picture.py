"""Draw docs/images/sunspots.png: sunspots, what the filter makes of them, and a fan of forecasts.

    python docs/make_picture.py

Trains as `rekalman fit sunspots` does. Needs Chromium to turn the figure into pixels.
"""

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from photograph import photograph

from rekalman.datasets import load_example
from rekalman.verbs.fit import fit

TARGET = Path(__file__).parent / "images" / "sunspots.png"
FIRST, AHEAD = 1880, 22
WIDTH, HEIGHT = 1100, 430
BLUE, INK, GREY = "31,95,180", "#22272e", "#8a8f98"


def draw() -> go.Figure:
    """The figure: observed, filtered, forecast with 50 % and 90 % intervals."""
    data = load_example("sunspots")
    fitted = fit(data, seed=0)
    years = np.asarray(data.index())
    observed = np.asarray(data.values)[0, :, 0]
    filtered = np.asarray(fitted.filter(data).observed_mean)[0, :, 0]
    ahead = fitted.forecast(data, AHEAD)
    future = years[-1] + np.arange(AHEAD + 1)
    figure = go.Figure()
    for level, shade in ((0.9, 0.16), (0.5, 0.30)):
        lower, upper = (
            np.append(filtered[-1], np.asarray(end)[0, :, 0]) for end in ahead.interval(level)
        )
        figure.add_scatter(x=future, y=upper, line_width=0, mode="lines", showlegend=False)
        figure.add_scatter(
            x=future,
            y=lower,
            line_width=0,
            mode="lines",
            fill="tonexty",
            fillcolor=f"rgba({BLUE},{shade})",
            name=f"{100 * level:.0f} % interval",
            legendrank=4 if level == 0.5 else 5,
        )
    recent = years >= FIRST
    figure.add_scatter(
        x=years[recent],
        y=filtered[recent],
        name="filtered",
        line_color=f"rgb({BLUE})",
        legendrank=2,
    )
    figure.add_scatter(
        x=future,
        y=np.append(filtered[-1], np.asarray(ahead.quantile(0.5))[0, :, 0]),
        name="forecast (median)",
        legendrank=3,
        line={"color": f"rgb({BLUE})", "dash": "dot"},
    )
    figure.add_scatter(
        x=years[recent],
        y=observed[recent],
        name="observed",
        legendrank=1,
        mode="markers",
        marker={"color": INK, "size": 5},
    )
    figure.add_vline(x=years[-1], line={"color": GREY, "width": 1, "dash": "dash"})
    figure.update_layout(
        template="plotly_white",
        width=WIDTH,
        height=HEIGHT,
        margin={"l": 60, "r": 20, "t": 20, "b": 45},
        font={"family": "Helvetica, Arial, sans-serif", "size": 15, "color": INK},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "traceorder": "normal"},
    )
    figure.update_xaxes(range=[FIRST - 3, future[-1] + 1], dtick=20, title_text="year")
    figure.update_yaxes(title_text="sunspot number", zeroline=False)
    return figure


if __name__ == "__main__":
    photograph(draw(), TARGET, WIDTH, HEIGHT)
