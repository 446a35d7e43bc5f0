"""The part of the report that asks whether the filter is consistent: size and whiteness of innovations."""

from __future__ import annotations

import numpy as np

from rekalman.evaluation.diagnostics import Diagnostics
from rekalman.forecasting.labels import Labels
from rekalman.report.evidence import Calibration
from rekalman.report.figures import clock
from rekalman.report.figures_calibration import correlations, nis_figure, whiteness_figure
from rekalman.report.page import Page
from rekalman.report.sections_data import MOST_SERIES, View
from rekalman.report.style import text
from rekalman.report.tables import number, percent, table


def add_consistency(page: Page, seen: View, result: Calibration) -> None:
    """Innovations in numbers, their squares over time, their autocorrelation."""
    posterior = result.posterior
    white = np.asarray(posterior.white)
    page.heading("Is the filter consistent?")
    diagnostics = posterior.diagnose()
    page.add(_sentences(diagnostics))
    page.add(_table(diagnostics, Labels.of(posterior.data)))
    labels = Labels.of(posterior.data)
    named = []
    for i in range(min(posterior.data.batch, MOST_SERIES)):
        steps = int(posterior.data.lengths[i])
        if np.isfinite(white[i]).any():
            x = clock(posterior.data.series(i))
            figure = nis_figure(x, white[i, :steps])
            if posterior.data.time_kind == "date":
                figure.update_xaxes(type="date")
            figure.update_xaxes(title_text=text(posterior.data.time_name or "step"))
            named.append((labels.series(i), figure))
    page.add(
        page.figure(
            named,
            "<b>Squared innovations over time.</b> The NIS of each step: its error in units of the "
            "covariance that the filter claimed, squared and summed over the observed columns. By chance one "
            "in twenty is orange; where many are in a row the model does not hold.",
        )
    )
    columns = [k for k in seen.columns if np.isfinite(white[..., k]).sum() > diagnostics.lags + 1]
    if not columns or not diagnostics.lags:
        return
    outside = []
    for k in columns:
        values, bands = correlations(white, k, diagnostics.lags)
        outside.append(f"{text(labels.names[k])}: {int((np.abs(values) > bands).sum())}")
    names = [labels.names[k] for k in columns] if len(columns) > 1 else [""]
    page.add(
        page.figure(
            whiteness_figure(white, columns, names, diagnostics.lags),
            "<b>What the one-step forecast leaves over.</b> Autocorrelation of the innovations. A model "
            "that has found all there is leaves white noise, of which one lag in twenty falls outside the "
            f"grey band. Outside here, of {diagnostics.lags} lags: {'; '.join(outside)}.",
        )
    )


def _sentences(described: Diagnostics) -> str:
    """The verdicts in words."""
    white = (
        "pass for white noise"
        if described.white
        else "are not white: something in them can be predicted"
    )
    if not np.isfinite(described.whiteness_p):
        white = (
            "are too few to be tested for whiteness"
            if described.lags
            else "are errors of estimates, which need not be white"
        )
    baseline = ""
    if described.score is not None and described.hold_score is not None:
        baseline = (
            f" One step ahead it scores {described.score:.3f} nats per value, where holding the last value "
            f"has {described.hold_score:.3f}."
        )
    return (
        f"<p><b>{described.verdict[0].upper()}{described.verdict[1:]}.</b> Its squared innovations are "
        f"{described.nis:.2f} per value in the mean, where those of a right model lie between "
        f"{described.nis_low:.2f} and {described.nis_high:.2f} in 95 of 100 cases. "
        f"{percent(described.nis_inside)} of the steps lie in their own 95 % interval. The innovations "
        f"{white}.{baseline}</p>"
    )


def _table(described: Diagnostics, labels: Labels) -> str:
    rows = [
        (
            text(labels.column(k)),
            number(column.entries),
            number(column.mean, 2),
            number(column.ljung_box, 3),
            _probability(column.whiteness_p),
            _probability(column.uniformity_p),
        )
        for k, column in enumerate(described.columns)
    ]
    head = ["column", "values", "mean innovation", "Ljung-Box", "p, white", "p, PIT uniform"]
    caption = (
        "Innovations scaled to unit variance, one step ahead: their mean, the Ljung-Box statistic of "
        f"{described.lags} lags, and how likely a larger one is in white noise; and how likely so uneven a "
        "PIT is of a calibrated forecast (Kolmogorov and Smirnov). Below 0.05 the model fails the test."
    )
    return table(head, rows, caption)


def _probability(p: float) -> str:
    return "&lt; 0.001" if p < 1e-3 else number(p, 2)
