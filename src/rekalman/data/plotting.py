"""Data over time as a figure."""

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.data.container import Sequences

COLOURS = ("#1f5fb4", "#c8641e", "#2f8f5b", "#8a4fb0", "#7a7a7a", "#b03a48")
MOST_PANELS = 50
MOST_LINES = 50


def plot(sequences: "Sequences") -> go.Figure:
    """A panel for each observation and input, a line for each series; lines break where values are missing.

    Raises:
        RekalError: more columns or series than anybody can look at.
    """
    tables = [sequences.series(i).to_frame() for i in range(sequences.batch)]
    names = [*sequences.names, *sequences.input_names]
    units = [*sequences.units, *(None for _ in sequences.input_names)]
    if len(names) > MOST_PANELS or len(tables) > MOST_LINES:
        raise RekalError(
            f"{len(names)} columns of {len(tables)} series are too many for one figure (at most "
            f"{MOST_PANELS} and {MOST_LINES}): select some, or plot one series."
        )
    figure = make_subplots(
        rows=len(names), cols=1, shared_xaxes=True, vertical_spacing=0.25 / (len(names) + 3)
    )
    for i, table in enumerate(tables):
        named = sequences.series_names[i] if sequences.series_names else str(i + 1)
        for k in range(len(names)):
            values = table.iloc[:, k].to_numpy(float)
            lone = np.isfinite(values).sum() < 2 or np.isnan(values).mean() > 0.5
            trace = go.Scatter(
                x=table.index, y=values, mode="markers" if lone else "lines", name=named,
                legendgroup=named, showlegend=len(tables) > 1 and k == 0,
                line={"color": COLOURS[i % len(COLOURS)], "width": 1.4},
            )  # fmt: skip
            figure.add_trace(trace, row=k + 1, col=1)
    for k, (name, unit) in enumerate(zip(names, units, strict=True), 1):
        title = name if unit is None or unit in name else f"{name} ({unit})"
        figure.update_yaxes(title_text=title, row=k, col=1)
    zone = "" if sequences.time_zone is None else f" ({sequences.time_zone})"
    title = (sequences.time_name or ("step" if sequences.times is None else "time")) + zone
    figure.update_xaxes(title_text=title, row=len(names), col=1)
    figure.update_layout(
        template="plotly_white", height=160 + 180 * len(names), hovermode="x unified"
    )
    return figure
