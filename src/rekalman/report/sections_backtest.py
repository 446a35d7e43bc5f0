"""The part of the report that says how the model predicts what it was not trained on."""

from __future__ import annotations

import numpy as np

from rekalman.evaluation.backtest import Backtest
from rekalman.fitting.result import Fit
from rekalman.report.page import Page
from rekalman.report.style import text
from rekalman.report.tables import NOTHING, number, percent, table


def add_backtest(page: Page, fit: Fit) -> None:
    """The verdict, and the scores of held-out data by horizon beside naive forecasts."""
    backtest = fit.history.backtest
    if backtest is None:
        return
    page.heading("How it predicts what it has not seen")
    verdict = text(backtest.verdict)
    page.add(
        f"<p><b>{verdict[0].upper()}{verdict[1:]}.</b> The last {number(backtest.held_out)} samples were "
        f"predicted by one more model of the same kind, trained on the {number(backtest.trained)} before "
        "them. The model of this page was trained on all.</p>"
    )
    page.add(_table(backtest))


def _table(backtest: Backtest) -> str:
    several = len({score.name for score in backtest.scores}) > 1
    seasonal = any(score.season_crps is not None for score in backtest.scores)
    names = [column.name for column in backtest.diagnostics.columns]
    order = sorted(backtest.scores, key=lambda score: (names.index(score.name), score.horizon))
    rows = []
    for score in order:
        cells = [
            text(score.name) if several else "",
            str(score.horizon),
            number(score.rmse, 3),
            number(score.hold_rmse, 3),
            number(score.crps, 3),
            _beside(score.hold_crps, score.crps),
            _beside(score.season_crps, score.crps),
            _share(score.coverage_50, score.entries),
            _share(score.coverage_90, score.entries),
            number(score.entries),
        ]
        rows.append(
            [cell for cell, used in zip(cells, _used(several, seasonal), strict=True) if used]
        )
    head = ["column", "steps ahead", "RMSE", "RMSE of holding", "CRPS", "CRPS of holding",
            "CRPS of last season", "in 50 %", "in 90 %", "scored"]  # fmt: skip
    caption = (
        "Forecasts of the held-out samples: RMSE of the mean and CRPS in the unit of the column, lower is "
        "better; the same of holding the last value (bold where it is as good or better)"
        f"{', and the value of the last season' if seasonal else ''}; share of the values inside the 50 % "
        "and the 90 % interval."
    )
    return table(
        [cell for cell, used in zip(head, _used(several, seasonal), strict=True) if used],
        rows,
        caption,
    )


def _used(several: bool, seasonal: bool) -> tuple[bool, ...]:
    return (several, True, True, True, True, True, seasonal, True, True, True)


def _beside(naive: float | None, own: float) -> str:
    """The score of a naive forecast, bold where the model is no better."""
    if naive is None or not np.isfinite(own):
        return NOTHING
    return f"<b>{number(naive, 3)}</b>" if naive <= own else number(naive, 3)


def _share(share: float, entries: int) -> str:
    return percent(share) if entries else NOTHING
