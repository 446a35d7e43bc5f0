"""Rolling-origin evaluation: train on the beginning of each series, predict its end step by step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rekalman.core.metrics import crps_gaussian
from rekalman.data import Sequences
from rekalman.data.slicing import beginnings
from rekalman.data.time.seasons import season_of
from rekalman.evaluation.backtest import Backtest, HorizonScore
from rekalman.evaluation.baselines import Naive, naive_forecasts
from rekalman.evaluation.diagnostics import diagnose
from rekalman.fitting.result import Fit
from rekalman.forecasting import Forecast
from rekalman.forecasting.scores import pair
from rekalman.foundation.errors import RekalError

USUAL = 0.2
HORIZONS = (1, 2, 5, 10)
FEWEST = 10  # held-out samples that are worth a verdict
MOST_ORIGINS = 2000  # forecasts are made from at most so many steps of all series together


def check_backtest(data: Sequences, share: int | float) -> None:
    """Refuse a share of the data that cannot be held out.

    Raises:
        RekalError: it is not a number from 0 to below 1, or would leave too little to train on or to predict.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
        raise RekalError(f"backtest is a share of the data from 0 to below 1, but is {share!r}")
    if not share:
        return
    if not data.measured:
        raise RekalError(
            "a model of films is judged on the series that are held out (hold_out): leave backtest out"
        )
    training, counted = _kept(data, share)
    if (training < 1).any() or counted < FEWEST:
        raise RekalError(
            f"backtest={share:g} holds out {counted} values, of which {FEWEST} at least would be needed: "
            "hold out more, or leave backtest out"
        )


def usual_share(data: Sequences) -> float:
    """The share that is held out where none is asked for: a fifth, nothing of data too few for a verdict."""
    try:
        check_backtest(data, USUAL)
    except RekalError:
        return 0.0
    return USUAL


def _kept(data: Sequences, share: float) -> tuple[np.ndarray, int]:
    """Number of first steps of each series that are trained on, and of values after them."""
    lengths = np.asarray(data.lengths)
    training = lengths - np.ceil(share * lengths).astype(lengths.dtype)
    beyond = np.arange(data.steps) >= training[:, None]
    return training, int((np.asarray(data.mask) & beyond[..., None]).sum())


def backtest(
    train: Callable[[Sequences], Fit],
    data: Sequences,
    share: float,
    period: int | None = None,
) -> Backtest | None:
    """Judge how a way of training predicts what it has not seen.

    Args:
        train: makes a trained model of data.
        data: the series; the end of each is held out.
        share: share of each series that is held out, above 0 and below 1.
        period: steps of a season whose last values are held as one more baseline; default that of the
            calendar, or what repeats itself in what is trained on.

    Returns:
        The evaluation; None where the training was interrupted.

    Raises:
        RekalError: the share is not between 0 and 1, too little would be left to train on or to predict, or
            the model does not predict what is held out.
    """
    check_backtest(data, share)
    lengths = np.asarray(data.lengths)
    training, _ = _kept(data, share)
    beyond = np.arange(data.steps) >= training[:, None]
    beginning = beginnings(data, training)
    if data.dt is not None:
        period = None  # seasons are counted in equal steps
    elif period is None:
        period = season_of(data, np.asarray(beginning.mask))
    trained = train(beginning)
    if trained.history.stopped == "interrupted":
        return None
    filtered = trained.filter(data)
    if filtered.white is None or filtered.pit is None:
        raise RekalError(
            "the noise of the model is not Gaussian, so that its predictions are not judged"
        )
    white, pit = (
        np.where(beyond[..., None], np.asarray(v, np.float64), np.nan)
        for v in (filtered.white, filtered.pit)
    )
    return Backtest(
        share=share,
        trained=int(training.sum()),
        held_out=int((lengths - training).sum()),
        diagnostics=diagnose(white, pit, data.names),
        scores=horizon_scores(
            trained.roll, data, training, period, longest=trained.algorithm.longest_horizon
        ),
        period=period,
    )


Roll = Callable[[Sequences, tuple[int, ...], np.ndarray], Forecast]
"""What forecasts a series so many steps ahead from some of its steps, such as `Fit.roll`."""


def horizon_scores(
    roll: Roll,
    data: Sequences,
    learned: np.ndarray,
    period: int | None = None,
    most_origins: int = MOST_ORIGINS,
    longest: int | None = None,
) -> tuple[HorizonScore, ...]:
    """Score forecasts of the end of each series, from the last sample before it and from every later one.

    Args:
        roll: makes the forecasts, in the units of the data.
        data: the series.
        learned: `(batch,)`, number of first steps of each that are not forecast; the variances of naive
            forecasts are learned from them.
        period: steps of the season of the seasonal naive forecast, or None.
        most_origins: forecasts are made from at most so many steps of all series together.
        longest: number of steps ahead that can be forecast; None = any.

    Raises:
        RekalError: the series are too short.
    """
    lengths = np.asarray(data.lengths)
    tail = int((lengths - learned).max())
    reach = tail if longest is None else min(tail, 3 * longest)
    horizons = tuple(h for h in HORIZONS if h == 1 or 3 * h <= reach)
    every = max(1, int((lengths - learned).sum()) // most_origins)
    last = lengths - 1 - (horizons[-1] if data.n_inputs else 1)  # inputs are known to the end
    origins = [np.arange(a - 1, b + 1, every) for a, b in zip(learned, last, strict=True)]
    used = [i for i, steps in enumerate(origins) if len(steps)]
    if not used:
        raise RekalError("the series are too short for a forecast of what is held out")
    columns: dict[str, list[np.ndarray]] = {}
    for i in used:
        one = data.series(i)
        made = roll(one, horizons, origins[i])
        y, seen = pair(made, one.values, one.mask)
        place = np.zeros(len(origins[i]), int), origins[i], horizons, learned[i : i + 1]
        hold = naive_forecasts(one, *place)
        season = _none(hold) if period is None else naive_forecasts(one, *place, lag=period)
        observed = np.where(seen, y, np.nan)
        with made.precision():
            inside = np.abs(np.asarray(made.cdf(y)) - 0.5)
            scored = {
                "crps": np.where(seen, made.crps(y), np.nan),
                "hold": _crps(observed, hold),
                "season": _crps(observed, season),
                "square": (observed - np.asarray(made.mean)) ** 2,
                "hold_square": (observed - hold.mean) ** 2,
                "in_50": np.where(seen, inside <= 0.25, np.nan),
                "in_90": np.where(seen, inside <= 0.45, np.nan),
            }
        for name, table in scored.items():
            columns.setdefault(name, []).append(np.asarray(table, np.float64))
    tables = {name: np.concatenate(parts) for name, parts in columns.items()}
    return tuple(
        _score(horizon, name, {key: table[:, j, k] for key, table in tables.items()})
        for j, horizon in enumerate(horizons)
        for k, name in enumerate(data.names)
    )


def _score(horizon: int, name: str, table: dict[str, np.ndarray]) -> HorizonScore:
    """Averages of one column and horizon, over the values that holding the last value predicts, too."""
    scored = np.isfinite(table["crps"])
    held = scored & np.isfinite(table["hold"])
    used = held if held.any() else scored
    seasonal = used & np.isfinite(table["season"])

    def mean(key: str) -> float:
        return float(table[key][used].mean()) if used.any() else float("nan")

    # The seasonal forecast is compared on all values or not at all.
    whole = bool(used.any()) and bool((seasonal == used).all())
    return HorizonScore(
        horizon=horizon,
        name=name,
        entries=int(used.sum()),
        crps=mean("crps"),
        hold_crps=mean("hold") if held.any() else None,
        season_crps=mean("season") if whole else None,
        rmse=float(np.sqrt(mean("square"))),
        hold_rmse=float(np.sqrt(mean("hold_square"))) if held.any() else None,
        coverage_50=mean("in_50"),
        coverage_90=mean("in_90"),
    )


def _crps(observed: np.ndarray, naive: Naive) -> np.ndarray:
    return np.asarray(crps_gaussian(*(np.asarray(v, np.float64) for v in (observed, *naive))))


def _none(like: Naive) -> Naive:
    return Naive(*(np.full_like(part, np.nan) for part in like))
