"""The first sections of the report: what was measured, and what the model makes of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from rekalman.core.innovations_form import LinearisesPaths
from rekalman.data import Sequences
from rekalman.data.scales.panel import Panel
from rekalman.fitting.result import Fit
from rekalman.forecasting.labels import Labels
from rekalman.foundation.errors import RekalError
from rekalman.identification import Identification
from rekalman.methods.made_by import description_of, method_class
from rekalman.report.evidence import (
    Fans,
    Filtered,
    fan_series,
    filter_series,
)
from rekalman.report.figures import rolling_figure, signal_figure
from rekalman.report.learned import period_steps
from rekalman.report.page import Page
from rekalman.report.style import text
from rekalman.report.tables import (
    number,
    pairs_table,
    percent,
)

MOST_PANELS, MOST_COLUMNS, MOST_SERIES = 24, 6, 12
CLOSE = 240  # steps of the closer view of the end of the data
STARTS = 8  # forecasts started every few steps
NOISES = ", how much of that is chance, and how much noise the measurement adds"


@dataclass(frozen=True)
class View:
    """A model, its data, and what of them is drawn.

    Attributes:
        fit: the model.
        data: the data.
        identified: its dynamics in numbers; None of a network.
        columns: columns that are drawn.
        series: the series that are drawn, one by one.
        names: their names.
        filtered: what the filter says of each.
        fans: forecasts of each.
        rhythm: length of the forecasts started every few steps, and how few.
    """

    fit: Fit
    data: Sequences
    identified: Identification | None
    columns: list[int]
    series: list[Sequences]
    names: list[str]
    filtered: list[Filtered]
    fans: list[Fans]
    rhythm: tuple[int, int]

    @property
    def dynamics(self) -> Identification:
        """What was found, of a model that is no network."""
        assert self.identified is not None
        return self.identified


def view(fit: Fit, data: Sequences) -> View:
    """Filter and forecast what will be drawn: the first columns of the first series."""
    fit.prepare(data)  # refuses what is of another kind
    result = None
    if fit.has_model:
        # Intervals are those of the data that the model was trained on.
        same = int(np.asarray(data.mask).sum()) == fit.history.entries
        trained_on = data if same and method_class(fit).intervals_from_data else None
        first = data.series_names[0] if isinstance(fit.standardiser, Panel) else None
        result = fit.identify(trained_on, series=first)
    elif isinstance(fit.algorithm, LinearisesPaths):
        with suppress(RekalError):  # of what is not stable anywhere there is nothing to tell
            result = fit.identify(data)
    columns = list(range(min(data.observations, MOST_COLUMNS)))
    count = min(data.batch, MOST_SERIES, max(1, MOST_PANELS // len(columns)))
    series = [data.series(i) for i in range(count)]
    labels = Labels.of(data)
    shortest = min(int(one.lengths[0]) for one in series)
    period = period_steps(result)
    horizon = int(np.clip(round(2 * period) if period else 20, 5, max(5, min(120, shortest // 3))))
    horizon = min(horizon, fit.algorithm.longest_horizon or horizon)
    length = min(max(3, horizon // 2), horizon)
    rhythm = (length, length + max(1, length // 4))
    return View(
        fit=fit,
        data=data,
        identified=result,
        columns=columns,
        series=series,
        names=[labels.series(i) for i in range(count)],
        filtered=[filter_series(fit, one) for one in series],
        fans=[fan_series(fit, one, horizon, rhythm, STARTS) for one in series],
        rhythm=rhythm,
    )


def add_heading(page: Page, fit: Fit, data: Sequences) -> None:
    """What was learned on what."""
    labels = Labels.of(data)
    columns = ", ".join(text(labels.column(k)) for k in range(data.observations))
    if data.pixels:
        columns = f"{data.observations} pixels"
    steps = np.asarray(data.lengths)
    each = number(int(steps.min()))
    if steps.min() < steps.max():
        each += f" to {number(int(steps.max()))}"
    described = description_of(fit)
    page.add(f"<h1>What {text(described.name)} learned of {columns}</h1>")
    page.add(
        f'<p class="lead">{text(described.training)} The model says how the signal moves on'
        f"{NOISES if fit.has_model else ', and how much of that is chance'}.</p>"
    )
    rows = [
        ("columns" if data.observations > 1 else "column", columns),
        ("series", number(data.batch)),
        ("steps" if data.batch == 1 else "steps of each", each),
        ("missing", percent(data.fraction_missing)),
        ("sampling interval", interval_text(data)),
    ]
    if data.n_inputs:
        rows.insert(1, ("inputs", ", ".join(text(name) for name in data.input_names)))
    rows += [("note", text(note)) for note in data.notes]
    page.add(pairs_table(rows))


def interval_text(data: Sequences) -> str:
    """The sampling interval with its unit."""
    if data.interval is None:
        return "unknown, counted in steps"
    return f"{number(data.interval)} {text(data.time_unit or '')}".strip()


def add_data(page: Page, seen: View) -> None:
    """The data with the filtered signal, the fan at the end, forecasts started every few steps."""
    page.heading("Data and forecast")
    if len(seen.series) < seen.data.batch or len(seen.columns) < seen.data.observations:
        page.add(
            f"<p>Drawn are {len(seen.columns)} of {seen.data.observations} columns and "
            f"{len(seen.series)} of {seen.data.batch} series.</p>"
        )
    horizon = seen.fans[0].path.shape[1]
    where = (
        f"after the end of the data, {horizon} steps on"
        if seen.fans[0].beyond
        else f"over the last {horizon} steps, because beyond the end of the data the inputs are unknown"
    )
    if not seen.data.measured:
        caption = (
            "<b>The targets, their estimates and the forecast.</b> Green: the estimate of each target from "
            f"the frames up to its step, with its 90 % band. Blue: the forecast {where}, while no frame is "
            "seen."
        )
    elif not seen.fit.has_model:
        caption = (
            "<b>The data, what was expected and the forecast.</b> Green: the prediction of each step from "
            f"the data before it, with its 90 % band. Blue: the forecast {where}."
        )
    else:
        caption = (
            "<b>The data, the filtered signal and the forecast.</b> Green: what the model takes the "
            "signal without measurement noise to be, from the data up to each step. Blue: the forecast "
            f"{where}; its bands include process and measurement noise."
        )
    drawn = list(zip(seen.names, seen.series, seen.filtered, seen.fans, strict=True))
    whole = [(n, signal_figure(one, f, fans, seen.columns)) for n, one, f, fans in drawn]
    page.add(page.figure(whole, caption))
    longest = max(int(one.lengths[0]) for one in seen.series)
    if longest > 2 * CLOSE:
        close = [
            (n, signal_figure(one, f, fans, seen.columns, max(0, int(one.lengths[0]) - CLOSE)))
            for n, one, f, fans in drawn
        ]
        page.add(page.figure(close, f"<b>The last {CLOSE} steps</b>, closer."))
    length, every = seen.rhythm
    rolled = [(n, rolling_figure(one, fans, seen.columns, length)) for n, one, _, fans in drawn]
    network = not seen.fit.has_model
    line = "mean" if network else "dynamics without noise from the filtered mean"
    if any(np.any(fans.origins + length < int(one.lengths[0])) for _, one, _, fans in drawn):
        caption = (
            f"<b>Forecasts started every {every} steps</b>, each {length} steps long and made "
            f"without a look at anything after its start. Orange: the {line}; blue: the distribution."
        )
        page.add(page.figure(rolled, caption))
