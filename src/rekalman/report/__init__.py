"""The report: one self-contained HTML page about a trained model and its data.

    write_report(fit, data, "chest.html")

The page needs no network: Plotly's script, the numbers and the style are inside.
"""

from __future__ import annotations

from pathlib import Path

from rekalman.data import Sequences
from rekalman.fitting.members import explaining, weight_of
from rekalman.fitting.result import Fit
from rekalman.foundation.files import write_whole
from rekalman.numerics.precision import precision_of
from rekalman.report.learned import learned_html
from rekalman.report.page import Page
from rekalman.report.sections import (
    add_calibration,
    add_dynamics,
    add_learned,
    add_learning,
    add_settings,
)
from rekalman.report.sections_backtest import add_backtest
from rekalman.report.sections_data import View, add_data, add_heading, view
from rekalman.report.sections_epochs import add_epochs
from rekalman.report.sections_response import add_responses
from rekalman.report.style import text

__all__ = ["report_html", "write_report"]


def report_html(fit: Fit, data: Sequences, held_out: Sequences | None = None) -> str:
    """The report as HTML.

    Args:
        fit: a trained model.
        data: what to show, usually the data it was trained on.
        held_out: data that the model has not seen, to judge its calibration by; default `data`.

    Raises:
        RekalError: the data do not fit the model.
    """
    with precision_of(fit):
        return _page(fit, data, held_out).render()


def _page(fit: Fit, data: Sequences, held_out: Sequences | None) -> Page:
    named = f"{data.observations} pixels" if data.pixels else ", ".join(data.names)
    page = Page(f"rekalman: {named}")
    seen = view(fit, data)
    add_heading(page, fit, data)
    add_backtest(page, fit)
    add_data(page, seen)
    member = explaining(fit)
    if fit.has_model:
        _add_model(page, seen)
    elif member is not None:
        page.heading("The dynamics of a member")
        page.add(f"<p>What follows is {text(member.name)} alone, {text(weight_of(member))}.</p>")
        _add_model(page, view(member.fit, data))
    elif seen.identified is not None:
        page.heading("The dynamics that the network learned")
        page.add(
            "<p>The network is linearised where it rests: what follows is the linear model that forecasts "
            "as it does near there.</p>"
        )
        page.add(learned_html(seen.identified, data))
        add_responses(page, seen)
    add_calibration(page, seen, held_out)
    if len(fit.history.held_out):
        add_epochs(page, fit)
    else:
        add_learning(page, fit)
    add_settings(page, fit)
    return page


def _add_model(page: Page, seen: View) -> None:
    """What a state-space model learned."""
    add_learned(page, seen)
    add_dynamics(page, seen)
    add_responses(page, seen)


def write_report(
    fit: Fit, data: Sequences, path: str | Path, held_out: Sequences | None = None
) -> None:
    """Write the report to a file, whole or not at all.

    Args:
        fit: a trained model.
        data: what to show, usually the data it was trained on.
        path: where to.
        held_out: data that the model has not seen, to judge its calibration by; default `data`.

    Raises:
        RekalError: the data do not fit the model, or the file cannot be written.
    """
    write_whole(path, report_html(fit, data, held_out))
