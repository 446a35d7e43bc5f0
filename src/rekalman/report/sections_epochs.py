"""The section of the report on how a network was found: its losses over the epochs."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from rekalman.fitting.history import REASONS
from rekalman.fitting.result import Fit
from rekalman.report.page import Page
from rekalman.report.sections import add_warnings
from rekalman.report.style import BLUE, ORANGE, line, panels, text
from rekalman.report.tables import number
from rekalman.report.thinning import extremes


def add_epochs(page: Page, fit: Fit) -> None:
    """How a network was found, epoch by epoch."""
    page.heading("How it was found")
    history = fit.history
    count = len(history.held_out)
    apart = "The end of each series was"
    if fit.algorithm.frame_shape is not None:
        apart = "Some whole films, or of a few films the end of each, were"
    page.add(
        f"<p>{count} epoch{'' if count == 1 else 's'} in {number(history.seconds, 3)} s; "
        f"{REASONS[history.stopped]}. {apart} not trained on but chose the epoch that was "
        f"kept: number {history.kept + 1}, with {number(float(max(history.held_out)))} nats per value.</p>"
    )
    if history.linear:
        alone = (
            ""
            if history.linear_score is None
            else (f", which scores {number(history.linear_score)} nats per value alone")
        )
        page.add(f"<p>It corrects a linear part: {text(history.linear)}{alone}.</p>")
    add_warnings(page, history)
    page.add(
        page.figure(
            _course(fit),
            "<b>Log-likelihood over the epochs.</b> Blue: of the held-out data. Orange: of the data that "
            "were trained on, with steps hidden from the network.",
        )
    )


def _course(fit: Fit) -> go.Figure:
    figure = panels(1, 260)
    for values, name, colour in (
        (np.asarray(fit.history.held_out), "held out", BLUE),
        (np.asarray(fit.history.trained), "trained on", ORANGE),
    ):
        shown = extremes(values)
        label = f"{name}, epoch %{{x}}: %{{y:.4f}}"
        figure.add_trace(line(shown + 1, values[shown], name, colour, hovertemplate=label))
    figure.update_xaxes(title_text="epoch", rangemode="tozero")
    figure.update_yaxes(title_text="log-likelihood per value (nats)")
    return figure
