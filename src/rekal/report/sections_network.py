"""The sections of the report on how a network was found: its losses over the epochs, its settings."""

from __future__ import annotations

import platform
from importlib.metadata import version

import numpy as np
import plotly.graph_objects as go

from rekal.fit_network import NetworkFit
from rekal.history import REASONS
from rekal.report.page import Page, code
from rekal.report.sections import add_warnings
from rekal.report.style import BLUE, ORANGE, line, panels, text
from rekal.report.tables import number, pairs_table, scale_given, scales_table, transform_given
from rekal.report.thinning import extremes


def add_network_learning(page: Page, fit: NetworkFit) -> None:
    """How the network was found."""
    page.heading("How it was found")
    history = fit.history
    count = len(history.held_out)
    if not count:
        page.add("<p>Training was interrupted in its first epoch: these are the first weights.</p>")
        return
    page.add(
        f"<p>{count} epoch{'' if count == 1 else 's'} in {number(history.seconds, 3)} s; "
        f"{REASONS[history.stopped]}. The end of each series was not trained on but chose the epoch that was "
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


def _course(fit: NetworkFit) -> go.Figure:
    figure = panels(1, 260)
    for values, name, colour in (
        (np.asarray(fit.history.held_out), "held out", BLUE),
        (np.asarray(fit.history.trained), "trained on", ORANGE),
    ):
        kept = extremes(values)
        label = f"{name}, epoch %{{x}}: %{{y:.4f}}"
        figure.add_trace(line(kept + 1, values[kept], name, colour, hovertemplate=label))
    figure.update_xaxes(title_text="epoch", rangemode="tozero")
    figure.update_yaxes(title_text="log-likelihood per value (nats)")
    return figure


def add_network_settings(page: Page, fit: NetworkFit) -> None:
    """How to reproduce the network."""
    page.heading("How to reproduce it")
    machine = f"rekal {version('rekal')}, JAX {version('jax')}, Python {platform.python_version()}"
    layer = fit.table.network.layer
    rows = [
        ("model", text(fit.kind)),
        ("network", text(fit.size())),
        ("epochs", number(len(fit.history.held_out))),
        ("seed", str(fit.seed)),
        ("versions", machine),
    ]
    page.add(pairs_table(rows))
    page.add(scales_table(fit))
    given = [f'"{fit.kind}"', f"states={layer.latent}"]
    if fit.kind != "rkn":
        given.append(f"units={getattr(layer, 'units', None)}")
    given += [*scale_given(fit), *transform_given(fit), f"seed={fit.seed}"]
    page.add("<p>On the same data, with an otherwise default learner:</p>")
    page.add(code(f"fit = rekal.fit(data, {', '.join(given)})"))
