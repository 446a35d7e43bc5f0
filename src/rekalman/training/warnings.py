"""What held-out data say against a network: it leaves its range, or holding the last value is better."""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Float, Int

from rekalman.core.filter import Filter
from rekalman.data import Sequences
from rekalman.evaluation.backtest import HorizonScore, beaten_by
from rekalman.evaluation.baselines import naive_forecasts
from rekalman.fitting.backtesting import horizon_scores
from rekalman.fitting.verbs import filter_paths
from rekalman.forecasting import Forecast, rolling_forecast
from rekalman.foundation.errors import RekalError
from rekalman.models.gaussian import LOG_2PI
from rekalman.training.calibration import Horizon

STRAY = 0.05
"""Share of held-out values that may leave the range of those before."""

ORIGINS = 200
"""Held-out forecasts are made from at most so many steps of all series together."""

REMEDY = (
    "use --model linear, a structure such as local-linear-trend or seasonal, or a network on a linear part "
    "(rkn, lstm, gru)"
)
"""What to do where a network with bounded units is behind."""


def network_warnings(
    data: Sequences,
    share: float,
    score: float | None,
    volume: Float[np.ndarray, "batch steps obs"],
    judged: Filter | None = None,
) -> tuple[str, ...]:
    """What held-out data say against a network with bounded units.

    Args:
        data: standardised series.
        share: share of each series, at its end, that was held out.
        score: what the network scored there, in nats per value of the raw units; None = it was not judged.
        volume: what turns log densities of them into those of raw data (`log_volume`).
        judged: the filter of a network that was trained without that share, or None.
    """
    learned = learned_steps(data, share)
    tail = np.arange(data.steps) >= learned[:, None]
    warnings = []
    stray = leaves_range(np.asarray(data.values), np.asarray(data.mask), tail)
    if stray.max() > STRAY:
        warnings.append(
            f"{100 * stray.max():.0f} % of the values in the last {100 * share:.0f} % of a column lie "
            f"outside the range of those before, which bounded units cannot follow: {REMEDY}"
        )
    held_out = np.asarray(data.mask) & tail[..., None]
    hold = hold_score(data, learned) - float(volume[held_out].sum() / max(held_out.sum(), 1))
    if score is not None and hold > score:
        warnings.append(
            f"on held-out data holding the last value scores {hold:.3f} nats per value, the network "
            f"{score:.3f}: {REMEDY}"
        )
    if judged is not None:
        behind = beaten_by(_scores(judged, data, learned), "hold", "holding the last value")
        warnings += [f"on held-out data {sentence}: {REMEDY}" for sentence in behind]
    return tuple(warnings)


def _scores(
    judged: Filter, data: Sequences, learned: Int[np.ndarray, " batch"]
) -> tuple[HorizonScore, ...]:
    """Forecasts of the held-out data by horizon; none where there are too few of them to say anything."""
    key = jax.random.key(0)

    def roll(one: Sequences, horizons: tuple[int, ...], origins: np.ndarray) -> Forecast:
        path = filter_paths(judged, one, key)
        known = {"inputs": one.inputs, "lengths": one.lengths, "origins": origins}
        return rolling_forecast(judged, path, horizons, key, **known)

    try:
        return horizon_scores(roll, data, learned, most_origins=ORIGINS)
    except RekalError:  # too short, or forecasts that are not finite
        return ()


def learned_steps(data: Sequences, share: float) -> Int[np.ndarray, " batch"]:
    """Number of steps of each series before the last `share` of it."""
    return np.ceil(np.asarray(data.lengths) * (1 - share)).astype(int)


def behind_holding(horizons: tuple[Horizon, ...]) -> tuple[str, ...]:
    """A warning where held-out data are forecast worse than by holding the last value."""
    worse = [each for each in horizons if each.behind > 1]
    if not worse:
        return ()
    steps = ", ".join(str(each.shortest) for each in worse)
    return (
        f"on held-out data holding the last value forecasts better from {steps} steps ahead on: use a random "
        "walk (--model local-level), or give more data",
    )


def hold_score(data: Sequences, learned: Int[np.ndarray, " batch"]) -> float:
    """Mean log density in nats of held-out values one step ahead, by holding the last value.

    Args:
        data: the series.
        learned: number of first steps of each series, from which the variance is learned; the others are
            held out.
    """
    lengths = np.asarray(data.lengths)
    each = [np.arange(max(a - 1, 0), b - 1) for a, b in zip(learned, lengths, strict=True)]
    series, origins = np.repeat(np.arange(data.batch), [len(o) for o in each]), np.concatenate(each)
    made = naive_forecasts(data, series, origins, (1,), learned)
    y = np.asarray(data.values, np.float64)[series, origins + 1]
    known = np.asarray(data.mask)[series, origins + 1] & np.isfinite(made.mean[:, 0])
    density = -0.5 * (
        (y - made.mean[:, 0]) ** 2 / made.var[:, 0] + np.log(made.var[:, 0]) + LOG_2PI
    )
    return float(density[known].mean()) if known.any() else -np.inf


def leaves_range(values: np.ndarray, mask: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Share of the values of the part, by column, that lie outside the range of those before it.

    A range is widened by a twentieth on each side.
    """
    held, before = mask & part[..., None], mask & ~part[..., None]
    low = np.where(before, values, np.inf).min((0, 1))
    high = np.where(before, values, -np.inf).max((0, 1))
    more = 0.05 * (high - low)
    outside = held & ((values < low - more) | (values > high + more))
    return outside.sum((0, 1)) / np.maximum(held.sum((0, 1)), 1)
