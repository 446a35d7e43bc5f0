"""A forecast as a tidy table and as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.forecasting.result import Forecast

LEVELS = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
BLUE, GREY = "31,95,180", "#7a7a7a"


def target_times(forecast: Forecast) -> np.ndarray:
    """Time stamps, as numbers, of the steps that are forecast, `(origins, horizons)`."""
    if forecast.targets is not None:
        return np.asarray(forecast.targets)
    ahead = np.array(forecast.horizons)
    if forecast.times is None:
        return np.asarray(forecast.origins)[:, None] + ahead
    return np.asarray(forecast.times)[:, None] + ahead * forecast.labels.interval


def ends_of(level: int | float) -> tuple[str, str]:
    """What the ends of a central interval are called: `lower_90` and `upper_90` of that which holds 0.9."""
    return f"lower_{100 * level:g}", f"upper_{100 * level:g}"


def to_frame(forecast: Forecast, levels: int | float | Sequence[int | float] | None = None) -> Any:
    """A tidy table with a row for each origin, horizon and column, of the kind that the data came from.

        fit.forecast(data, 12).to_frame(levels=(0.5, 0.9))

    Args:
        forecast: what to write.
        levels: probabilities that central intervals hold, whose ends are wanted instead of quantiles.

    Returns:
        The columns `series` (only if there are several, or the data were a long table), `origin` (step
        number), `horizon` (steps), `time` (stamp of the step that is forecast, or its number), `column`,
        `mean`, `path` and the quantiles `q05`, `q25`, `q50`, `q75`, `q95`, or for each level such as 0.9 the
        ends `lower_90` and `upper_90` of its interval. After a long table `series` and `time` have the names
        of its columns. In a data set of xarray what tells the rows apart are dimensions.

    Raises:
        RekalError: a level is not between 0 and 1, or there is none.
    """
    frame = tidy(forecast, levels)
    names = names_that_came_in(forecast, frame)
    rolling = len(forecast.origins) > len(np.unique(np.asarray(forecast.series)))
    place = ("origin", "horizon") if rolling else (names["time"],)
    frame = frame.rename(columns=names)
    keys = [name for name in (names["series"], *place, "column") if name in frame.columns]
    return forecast.labels.frame_kind.give(frame, names["time"], keys)


def names_that_came_in(forecast: Forecast, frame: pd.DataFrame) -> dict[str, str]:
    """What the columns `series` and `time` of a table of `tidy` are called after a long table."""
    others = set(frame.columns) - {"series", "time"}
    named = forecast.labels.frame_kind.columns(forecast.labels.time_name, others)
    return dict(zip(("series", "time"), named, strict=True))


def tidy(
    forecast: Forecast, levels: int | float | Sequence[int | float] | None = None
) -> pd.DataFrame:
    """The table of `to_frame` as a frame of pandas, whose columns have always the same names."""
    shape = np.asarray(forecast.path).shape
    spread = lambda v, axis: np.broadcast_to(  # noqa: E731
        np.expand_dims(np.asarray(v), tuple(a for a in range(3) if a not in axis)), shape
    ).ravel()
    numbers = target_times(forecast)
    unique, place = np.unique(numbers, return_inverse=True)
    series, kind = np.asarray(forecast.series), forecast.labels.frame_kind
    stamps = kind.stamps(forecast.labels.stamps(unique))
    table = {
        "origin": spread(forecast.origins, (0,)),
        "horizon": spread(forecast.horizons, (1,)),
        "time": stamps[spread(place.reshape(numbers.shape), (0, 1))],
        "column": spread(np.array(forecast.names, dtype=object), (2,)),
        "mean": np.asarray(forecast.mean).ravel(),
        "path": np.asarray(forecast.path).ravel(),
        **_spread_columns(forecast, levels),
    }
    if len(np.unique(series)) > 1 or kind.series is not None:
        named = np.array([forecast.labels.series(int(i)) for i in series], dtype=object)
        table = {"series": kind.ids(pd.Series(spread(named, (0,)))), **table}
    return pd.DataFrame(table)


def _spread_columns(
    forecast: Forecast, levels: int | float | Sequence[int | float] | None
) -> dict[str, np.ndarray]:
    """Quantiles, or the ends of the intervals that are asked for."""
    if levels is None:
        return {name: np.asarray(forecast.quantile(q)).ravel() for name, q in LEVELS.items()}
    wanted = np.atleast_1d(np.asarray(levels, dtype=object)).tolist()
    if not wanted:
        raise RekalError("levels are probabilities such as (0.5, 0.9), but none is given")
    columns: dict[str, np.ndarray] = {}
    for level in wanted:
        ends = forecast.interval(level)  # refuses what is no probability
        for name, end in zip(ends_of(level), ends, strict=True):
            columns[name] = np.asarray(end).ravel()
    return columns


def plot(
    forecast: Forecast,
    data: Sequences | None = None,
    horizon: int | None = None,
    series: int = 0,
) -> go.Figure:
    """Median, 50 % and 90 % intervals and the noise-free path, a panel for each column.

    A forecast from one origin is drawn as a fan over its horizons; a rolling one as a band at one
    horizon, over the steps that are forecast.

    Args:
        forecast: what to draw.
        data: observations to draw as points, the data that the forecast was made on.
        horizon: which horizon of a rolling forecast; default the first.
        series: which series.

    Raises:
        RekalError: there is no such series or horizon in the forecast.
    """
    mine = np.flatnonzero(np.asarray(forecast.series) == series)
    if len(mine) == 0:
        raise RekalError(f"the forecast has no series {series}")
    if horizon is not None and horizon not in forecast.horizons:
        known = ", ".join(str(h) for h in forecast.horizons)
        raise RekalError(f"the forecast has no horizon {horizon}, only {known}")
    fan = len(mine) == 1 and horizon is None
    which = slice(None) if fan else forecast.horizons.index(horizon or forecast.horizons[0])
    line = lambda table: np.asarray(table)[mine[0] if fan else mine, which]  # noqa: E731
    stamps = forecast.labels.stamps(line(target_times(forecast)))
    quantiles = {name: line(forecast.quantile(q)) for name, q in LEVELS.items()}
    path = line(forecast.path)
    count = len(forecast.names)
    figure = make_subplots(
        rows=count, cols=1, shared_xaxes=True, vertical_spacing=0.25 / (count + 3)
    )
    for k in range(count):
        first = k == 0
        for low, high, name, alpha in (
            ("q05", "q95", "90 %", 0.18),
            ("q25", "q75", "50 %", 0.3),
        ):
            edge = go.Scatter(
                x=stamps, y=quantiles[low][:, k], mode="lines", line={"width": 0}, hoverinfo="skip",
                showlegend=False, legendgroup=name,
            )  # fmt: skip
            band = go.Scatter(
                x=stamps, y=quantiles[high][:, k], mode="lines", line={"width": 0}, fill="tonexty",
                fillcolor=f"rgba({BLUE},{alpha})", hoverinfo="skip", name=name, legendgroup=name,
                showlegend=first,
            )  # fmt: skip
            figure.add_traces([edge, band], rows=k + 1, cols=1)
        lines = [
            ("median", quantiles["q50"][:, k], {"color": f"rgb({BLUE})"}),
            ("noise-free", path[:, k], {"color": f"rgb({BLUE})", "dash": "dot"}),
        ]
        for name, y, style in lines:
            trace = go.Scatter(
                x=stamps, y=y, mode="lines", line=style, name=name, legendgroup=name,
                showlegend=first,
            )  # fmt: skip
            figure.add_trace(trace, row=k + 1, col=1)
        if data is not None:
            figure.add_trace(_observed(data, series, k, first), row=k + 1, col=1)
        figure.update_yaxes(title_text=forecast.labels.column(k), row=k + 1, col=1)
    figure.update_xaxes(title_text=forecast.labels.axis, row=count, col=1)
    ahead = "" if fan else f", {horizon or forecast.horizons[0]} steps ahead"
    figure.update_layout(
        title_text=f"Forecast{ahead}",
        template="plotly_white",
        height=160 + 240 * count,
        hovermode="x unified",
    )
    return figure


def _observed(data: Sequences, series: int, k: int, legend: bool) -> go.Scatter:
    length = int(data.lengths[series])
    seen = np.asarray(data.mask)[series, :length, k]
    values = np.where(seen, np.asarray(data.values)[series, :length, k], np.nan)
    return go.Scatter(
        x=data.index(series), y=values, mode="markers", name="observed", legendgroup="observed",
        marker={"color": GREY, "size": 4}, showlegend=legend,
    )  # fmt: skip
