"""The numbers behind the report: the filtered signal, forecasts from many steps, their calibration."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from scipy.special import ndtri

from rekalman.core.capabilities import EstimatesState
from rekalman.data import Sequences
from rekalman.data.scales.panel import Panel
from rekalman.data.scales.standardiser import Standardiser
from rekalman.evaluation.posterior import Scored
from rekalman.fitting.result import Fit
from rekalman.fitting.verbs import one_step
from rekalman.forecasting.scores import pair
from rekalman.numerics.placing import placed

CHUNK, OVERLAP = 8192, 512  # steps filtered at once, and steps that wash out where a piece starts
ENTRIES = 3000  # forecasts that are scored at most
LEVELS = np.arange(0.05, 1.0, 0.05)


@dataclass(frozen=True)
class Filtered:
    """What the filter says of one series, in raw units.

    Attributes:
        mean: filtered mean of the noise-free signal `(steps, obs)`; of a network, its prediction one step
            before; of data that are transformed, the median of these.
        low: lower end of its 90 % band.
        high: upper end.
        states: filtered mean of the hidden state `(steps, states)`; of a network none.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    states: np.ndarray


def filter_series(fit: Fit, one: Sequences) -> Filtered:
    """Filter one series, a long one piece by piece so that memory stays bounded."""
    steps = int(one.lengths[0])
    result: list[Filtered] = []
    for start in range(0, steps, CHUNK):
        before = min(start, OVERLAP)
        piece = one.window(start - before, min(start + CHUNK, steps))
        whole = _filter_piece(fit, piece)
        result.append(
            Filtered(*(getattr(whole, f.name)[before:] for f in dataclasses.fields(whole)))
        )
    if len(result) == 1:
        return result[0]
    parts = zip(*([getattr(p, f.name) for f in dataclasses.fields(p)] for p in result), strict=True)
    return Filtered(*(np.concatenate(part) for part in parts))


def _filter_piece(fit: Fit, piece: Sequences) -> Filtered:
    path: Any = fit.paths(piece)
    algorithm, prepared = fit.algorithm, fit.prepare(piece)
    raw = fit.standardiser.alone(piece).invert
    if not isinstance(algorithm, EstimatesState):
        mean, var, _ = one_step(path, prepared)
        center, reach = mean[0], ndtri(0.95) * np.sqrt(var[0])
        mean, low, high = (np.asarray(raw(v)) for v in (center, center - reach, center + reach))
        return Filtered(mean, low, high, np.zeros((len(mean), 0)))
    dtype = path.log_evidence.dtype
    u = None if prepared.inputs is None else placed(np.asarray(prepared.inputs), dtype)
    states = np.asarray(algorithm.state_moments(path, u).mean)[0]
    band = algorithm.signal_band(path, None if u is None else u[0], 0.05)
    mean, low, high = (np.asarray(raw(v)) for v in band)
    return Filtered(mean, low, high, states)


@dataclass(frozen=True)
class Fans:
    """Forecasts of every horizon up to the last from some steps of one series, in raw units.

    Attributes:
        origins: step that each was made at, increasing; the last is the fan at the end.
        path: the noise-free forecast `(origins, horizons, obs)`.
        quantiles: by probability, each `(origins, horizons, obs)`.
        beyond: the last one starts at the end of the data, not before.
    """

    origins: np.ndarray
    path: np.ndarray
    quantiles: dict[float, np.ndarray]
    beyond: bool


def fan_series(fit: Fit, one: Sequences, horizon: int, rhythm: tuple[int, int], count: int) -> Fans:
    """Forecasts started every few steps over the last stretch of a series, and at its end.

    A model with inputs cannot look beyond the end of the known inputs: its last forecast starts
    `horizon` steps earlier.

    Args:
        fit: the model.
        one: a single series.
        horizon: length of the forecast at the end.
        rhythm: length of the others, and the distance between their starts.
        count: how many, not counting the one at the end.
    """
    steps = int(one.lengths[0])
    tail = one.window(max(0, steps - CHUNK), steps)
    used_steps = int(tail.lengths[0])
    beyond = one.inputs is None
    end = used_steps - 1 if beyond else max(0, used_steps - 1 - horizon)
    length, every = rhythm
    starts = (used_steps - 1 - length if beyond else end) - every * np.arange(count)
    starts = starts[starts >= 0]
    origins = np.unique(np.append(starts, end))
    ahead = min(horizon, used_steps - 1 - end) if not beyond else horizon
    made = fit.roll(tail, list(range(1, ahead + 1)), origins=origins)
    probabilities = (0.05, 0.25, 0.5, 0.75, 0.95)
    table = np.asarray(made.quantile(probabilities))
    return Fans(
        origins=origins + steps - used_steps,
        path=np.asarray(made.path),
        quantiles=dict(zip(probabilities, table, strict=True)),
        beyond=beyond,
    )


@dataclass(frozen=True)
class Calibration:
    """Scores of every single forecast, `(origins, horizons, obs)` each.

    Attributes:
        horizons: steps ahead.
        seen: True where the forecast can be scored.
        pit: probability integral transform.
        log_score: log density in nats per raw unit.
        crps: continuous ranked probability score in raw units.
        error: observed minus noise-free forecast.
        series: series of each origin.
        spread: standard deviation of the observed entries of each column.
        whole: all steps were scored, not only the last ones.
        names: names of the series that were scored, by the number in `series`.
        spreads: standard deviation of the observed entries of each of these series and columns.
        posterior: the filter over the series that were scored; what the first steps of those that were cut
            leave over is taken out.
    """

    horizons: tuple[int, ...]
    seen: np.ndarray
    pit: np.ndarray
    log_score: np.ndarray
    crps: np.ndarray
    error: np.ndarray
    series: np.ndarray
    spread: np.ndarray
    whole: bool
    names: tuple[str, ...]
    spreads: np.ndarray
    posterior: Scored

    def of_series(self, i: int) -> Calibration:
        """Those of one of the series."""
        mine = self.series == i
        scores = ("seen", "pit", "log_score", "crps", "error", "series")
        parts = {name: getattr(self, name)[mine] for name in scores}
        return dataclasses.replace(self, **parts, spread=self.spreads[i])

    def mean(self, values: np.ndarray, h: int, k: int) -> float:
        """Mean over the scored forecasts of horizon number `h` and column `k`."""
        used = self.seen[:, h, k]
        return float(values[used, h, k].mean()) if used.any() else float("nan")

    def coverage(self, h: int, level: float, k: int | slice = slice(None)) -> float:
        """Share of the observations inside the central interval of a level."""
        used = self.seen[:, h, k]
        inside = np.abs(self.pit[:, h, k] - 0.5) <= level / 2
        return float(inside[used].mean()) if used.any() else float("nan")


def calibrate(fit: Fit, data: Sequences, horizons: tuple[int, ...]) -> Calibration | None:
    """Score the forecasts made at every step, or at the last ones of long data.

    Returns:
        None where no series is long enough for a single forecast.
    """
    long_enough = np.flatnonzero(np.asarray(data.lengths) >= horizons[-1] + 2)
    budget = max(300, ENTRIES // data.observations)
    chosen = long_enough[: max(1, budget // 200)]
    if len(chosen) == 0:
        return None
    used = pick(data, chosen)
    each = max(budget // len(chosen), horizons[-1] + 2)
    burn = min(100, each)
    cut = int(np.max(np.asarray(used.lengths))) > each + burn
    if cut:
        used = used.window(-(each + burn))
    made = fit.roll(used, list(horizons))
    y, seen = pair(made, used.values, used.mask)
    posterior = fit.filter(used)
    if cut:
        short = np.asarray(used.lengths) < each + burn
        late = np.asarray(made.origins) >= burn
        seen = seen & (short[np.asarray(made.series)] | late)[:, None, None]
        length = (short[:, None] | (np.arange(used.steps) > burn))[..., None]
        if posterior.white is not None and posterior.pit is not None:
            posterior = dataclasses.replace(
                posterior,
                white=np.where(length, np.asarray(posterior.white), np.nan),
                pit=np.where(length, np.asarray(posterior.pit), np.nan),
            )
    return Calibration(
        horizons=horizons,
        seen=np.asarray(seen),
        pit=np.asarray(made.cdf(y)),
        log_score=np.asarray(made.log_score(y)),
        crps=np.asarray(made.crps(y)),
        error=np.asarray(y) - np.asarray(made.path),
        series=np.asarray(made.series),
        spread=_spread(data),
        names=used.series_names,
        spreads=np.stack([_spread(pick(data, chosen[i : i + 1])) for i in range(len(chosen))]),
        whole=not cut and len(chosen) == len(long_enough),
        posterior=posterior,
    )


def _spread(data: Sequences) -> np.ndarray:
    """Standard deviation of the observed entries of each column, NaN where there is none."""
    observed = np.where(np.asarray(data.mask), np.asarray(data.values), np.nan)
    return np.array(
        [
            np.std(column[np.isfinite(column)]) if np.isfinite(column).any() else np.nan
            for column in np.moveaxis(observed, -1, 0)
        ]
    )  # np.nanstd warns of a column without a value


def pick(data: Sequences, chosen: np.ndarray) -> Sequences:
    """Some of the series."""
    rows = jax.tree.map(lambda leaf: np.asarray(leaf)[chosen], data)
    names = tuple(data.series_names[i] for i in chosen) if data.series_names else ()
    return dataclasses.replace(rows, series_names=names)


def is_training_data(fit: Fit, data: Sequences) -> bool:
    """Whether the model was trained on these data, as far as its standardisation tells."""
    if int(np.asarray(data.mask).sum()) != fit.history.entries:
        return False
    scales_of_fit = fit.standardiser
    if np.all(np.asarray(scales_of_fit.location) == 0) and np.all(
        np.asarray(scales_of_fit.scale) == 1
    ):
        return True  # a model of one's own, trained on raw units
    if isinstance(scales_of_fit, Panel):
        return scales_of_fit.is_of(data)
    own = Standardiser.of(data, scales_of_fit.transform)
    # A structure has one scale for all columns; files of older versions have none.
    scales = (own.scale, own.with_one_scale().scale, np.ones_like(own.scale))
    accepted = scales if fit.parameters else scales[:1]
    same = np.allclose(own.location, scales_of_fit.location)
    return bool(same and any(np.allclose(scale, scales_of_fit.scale) for scale in accepted))


def choose_horizons(
    data: Sequences, period: float | None, reach: int | None = None
) -> tuple[int, ...]:
    """Steps ahead to score: one, and parts of the period up to all of it.

    Args:
        data: the series.
        period: in steps, or None.
        reach: number of steps ahead that can be forecast; None = any.
    """
    typical = int(np.median(np.asarray(data.lengths)))
    longest = max(1, min(200, typical // 5, reach or 200))
    wanted = (1, 2, 5, 10) if period is None else (1, period / 4, period / 2, period)
    return tuple(sorted({int(np.clip(round(h), 1, longest)) for h in wanted}))
