"""What a trained model is worth: tests of its one-step predictions, and an evaluation on held-out data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from rekalman.data import Sequences
from rekalman.fitting.backtesting import backtest
from rekalman.fitting.result import Fit
from rekalman.foundation.errors import RekalError
from rekalman.foundation.interrupts import interruptible


def judged(trained: Fit, data: Sequences, advice: tuple[str, ...] = ()) -> Fit:
    """The same with advice among its warnings, and diagnostics; Ctrl-C leaves the diagnostics out."""
    warnings = (*trained.history.warnings, *advice)
    trained = dataclasses.replace(
        trained, history=dataclasses.replace(trained.history, warnings=warnings)
    )
    if not data.measured:  # of targets what held-out series say is told (`training/films.py`)
        return trained
    try:
        diagnostics = interruptible(lambda: trained.diagnose(data))
    except RekalError:  # the filter breaks down on these data, and says so when it is used
        return trained
    except KeyboardInterrupt:  # what was learned is not lost
        return trained
    history = dataclasses.replace(trained.history, diagnostics=diagnostics)
    return dataclasses.replace(trained, history=history)


def backtested(
    trained: Fit,
    data: Sequences,
    train: Callable[[Sequences], Fit],
    share: float,
    period: float | None,
) -> Fit:
    """The same with an evaluation on held-out data, or a warning that says why there is none.

    Ctrl-C leaves it out.
    """
    season = None if period is None else int(period)
    history = trained.history
    try:
        evaluation = backtest(train, data, share, season)
    except KeyboardInterrupt:  # what was learned is not lost
        return trained
    except RekalError as error:
        reason = f"there is no verdict from held-out data: {error}"
        history = dataclasses.replace(history, warnings=(*history.warnings, reason))
    else:
        history = dataclasses.replace(history, backtest=evaluation)
    return dataclasses.replace(trained, history=history)
