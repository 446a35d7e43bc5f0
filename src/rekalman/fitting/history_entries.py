"""Reading the history of a training from the entries of a model file."""

from __future__ import annotations

from typing import Any

import numpy as np

from rekalman.evaluation.backtest import Backtest, HorizonScore
from rekalman.evaluation.diagnostics import ColumnDiagnostics, Diagnostics
from rekalman.evaluation.holding import Scores
from rekalman.fitting.history import ARRAYS, REASONS, History
from rekalman.foundation.entries import Entries
from rekalman.foundation.errors import RekalError


def read_history(config: Entries, arrays: dict[str, np.ndarray], names: tuple[str, ...]) -> History:
    """Take the history of a training.

    Args:
        config: its settings.
        arrays: all arrays of the file by name; those of the history are removed.
        names: names of the columns.

    Raises:
        RekalError: an entry is missing, unknown, or cannot be.
    """
    series = {}
    for name in ARRAYS:
        if name not in arrays:  # files of earlier versions have one only
            continue
        series[name] = arrays.pop(name)
        if series[name].ndim != 1 or not np.issubdtype(series[name].dtype, np.floating):
            raise RekalError(f"the array '{name}' is no list of floating-point numbers")
    if "log_likelihood" not in series:
        raise RekalError("the array 'log_likelihood' is missing")
    # Files of earlier versions hold none of these.
    diagnostics = config.take("diagnostics", dict, type(None), default=None)
    backtest = config.take("backtest", dict, type(None), default=None)
    warnings = config.items("warnings", str, default=())
    starts = config.rows("starts", str, float, default=())
    history = History(
        **series,
        linear=config.take("linear", str, default=""),
        linear_score=config.take("linear_score", float, type(None), default=None),
        choice=config.take("choice", str, default=""),
        warnings=warnings,
        starts=tuple((name, float(value)) for name, value in starts),
        trials=tuple((name, float(score)) for name, score in config.rows("trials", str, float)),
        stopped=config.take("stopped", str, one_of=REASONS),
        seconds=config.number("seconds", least=0),
        entries=config.count("entries"),  # 0 of a network that was trained elsewhere
        criteria=tuple((name, float(value)) for name, value in config.rows("criteria", str, float)),
        diagnostics=None
        if diagnostics is None
        else _diagnostics(
            Entries(diagnostics, "history.diagnostics"), names, "history.diagnostics"
        ),
        backtest=None
        if backtest is None
        else _backtest(Entries(backtest, "history.backtest"), names),
    )
    config.end()
    return history


def _diagnostics(config: Entries, names: tuple[str, ...], place: str) -> Diagnostics:
    numbers = ("nis", "nis_low", "nis_high", "nis_inside")
    whole: dict[str, Any] = {name: config.take(name, float) for name in numbers}
    whole |= {name: config.count(name) for name in ("entries", "lags")}
    whole |= {name: config.take(name, float, type(None), default=None) for name in Scores._fields}
    columns = []
    for values in config.items("columns", dict, length=len(names)):
        column = Entries(values, f"{place}.columns")
        each: dict[str, Any] = {
            name: column.take(name, float)
            for name in ColumnDiagnostics.__dataclass_fields__
            if name not in ("name", "entries")
        }
        for name in ("whiteness_p", "uniformity_p", "coverage_50", "coverage_90"):
            _check_probability(each[name], f"{place}.columns.{name}")
        columns.append(
            {"name": column.take("name", str), "entries": column.count("entries"), **each}
        )
        column.end()
    config.end()
    return Diagnostics.of({**whole, "columns": columns})


def _backtest(config: Entries, names: tuple[str, ...]) -> Backtest:
    place = "history.backtest"
    numbers: dict[str, Any] = {
        "share": config.number("share", above=0),
        "trained": config.count("trained", 1),
        "held_out": config.count("held_out", 1),
        "period": config.take("period", int, type(None)),
    }
    diagnostics = _diagnostics(config.part("diagnostics"), names, f"{place}.diagnostics")
    scores = []
    for values in config.items("scores", dict):
        score = Entries(values, f"{place}.scores")
        each: dict[str, Any] = {
            "horizon": score.count("horizon", 1),
            "name": score.take("name", str, one_of=names),
            "entries": score.count("entries"),
        }
        for name in ("crps", "rmse", "coverage_50", "coverage_90"):
            each[name] = score.take(name, float)
        for name in ("hold_crps", "season_crps", "hold_rmse"):
            each[name] = score.take(name, float, type(None))
        for name in ("coverage_50", "coverage_90"):
            _check_probability(each[name], f"{place}.scores.{name}")
        score.end()
        scores.append(HorizonScore(**each))
    config.end()
    return Backtest(**numbers, diagnostics=diagnostics, scores=tuple(scores))


def _check_probability(value: float, name: str) -> None:
    if value < 0 or value > 1:  # NaN where there was nothing to judge
        raise RekalError(f"'{name}' is {value:g}: no probability")
