r"""Starting values of a structure over decades of signal to noise and over the periods of the data.

Each component has grids: some of its free parameters, and the values to try for them. Process variances are
stated beside the observation noise `R`, so that a grid spans what data may be, from hardly moving to hardly
noisy. A cycle of period `T` and damping `d` whose stationary variance is `s R` has the process variance
`(1 - d^2) s R`; its autocovariances `d^k cos(2 pi k / T)` also give the start of an autoregression, by the
Levinson recursion. Periods are the highest peaks of the periodograms of the data and of their steps.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rekalman.models.structures.components import Component, Kinematic, Level, Seasonal, Trend
from rekalman.models.structures.stationary import (
    Autoregression,
    Oscillator,
    partial_autocorrelations,
)
from rekalman.models.structures.structures import Structure

LEVEL = (-6, -4, -3, -2, -1, 0, 2, 4)  # decades of a level's variance beside the noise
LEVEL_OF_TREND = (-8, -2, 0, 3)
SLOPE = (-10, -7, -5, -3, -1, 1, 3)
SEASON = (-8, -4, -2, 0, 2)
KINEMATIC = (-14, -12, -10, -8, -6, -4, -2, 0, 2, 4)
NOISE = (-6, -4, -2, 0, 2)  # decades of the noise where another variance is known
STATIONARY = (0.1, 3.0, 300.0)  # variance of a stationary component beside the noise
DAMPINGS = (0.6, 0.95, 0.995)
SHARES = (0.02, 0.3, 0.7)  # of the variance of the data that is noise
PERIODS = 3  # peaks of the spectrum at most


class Grid(NamedTuple):
    """Values to try for some entries of a vector of free parameters.

    Attributes:
        places: the entries.
        points: their values `(points, places)`.
    """

    places: tuple[int, ...]
    points: Float[np.ndarray, "points places"]


def structure_grids(
    structure: Structure, y: Float[np.ndarray, "time obs"], known: tuple[str, ...] = ()
) -> list[Grid]:
    """The grids of a structure, for its whole vector.

    Args:
        structure: with parameters from which a search could begin.
        y: one series without gaps, from which the effect of inputs was taken.
        known: names of parameters that keep their value; where one is a variance, the noise has a grid.
    """
    noise = float(structure.log_noise)
    grids, first = [], 0
    for part in structure.parts:
        held = [structure.names[first + i] in known for i in range(part.free.shape[0])]
        for places, points in _grids(part, y, noise):
            free = [i for i, place in enumerate(places) if not held[place]]
            if free:
                values = np.unique(np.asarray(points, float)[:, free], axis=0)
                grids.append(Grid(tuple(first + places[i] for i in free), values))
        first += part.free.shape[0]
    fixed = [
        name for name, is_variance in zip(structure.names, structure.variances, strict=True)
        if is_variance and name in known
    ]  # fmt: skip
    if fixed and "noise variance" not in known:
        grids.append(Grid((first,), noise + np.log(10.0) * np.array(NOISE)[:, None]))
    return grids


Rungs = list[tuple[tuple[int, ...], np.ndarray]]


def _grids(part: Component, y: Float[np.ndarray, "time obs"], noise: float) -> Rungs:
    """Places in the vector of a component and values for them."""

    def decades(exponents: tuple[int, ...], unit: float = 0.0) -> np.ndarray:
        return noise + unit + np.log(10.0) * np.array(exponents, float)[:, None]

    match part:
        case Level():
            return [((0,), decades(LEVEL))]
        case Trend():
            return [((0,), decades(LEVEL_OF_TREND)), ((1,), decades(SLOPE))]
        case Seasonal():
            return [((0,), decades(SEASON))]
        case Kinematic():  # a step moves the position by noise of variance q dt^(2 order + 1)
            return [((0,), decades(KINEMATIC, -(2 * part.order + 1) * np.log(part.dt)))]
        case Oscillator():
            return [(tuple(range(3)), _cycles(part, y, noise))]
        case Autoregression():
            return [(tuple(range(part.lags + 1)), _autoregressions(part, y, noise))]
        case _:
            return []


def _cycles(part: Oscillator, y: Float[np.ndarray, "time obs"], noise: float) -> np.ndarray:
    """Periods of the data, dampings and variances; what was given stays."""
    given = np.asarray(part.free, float)
    turns = [np.log(2 / (T - 2)) for T in periods(y)]
    shrinks = [np.log(d / (1 - d)) for d in DAMPINGS]
    turns = given[:1].tolist() if part.known[0] else turns
    shrinks = given[1:2].tolist() if part.known[1] else shrinks
    points = []
    for turn, shrink, share in product(turns, shrinks, STATIONARY):
        d = 1 / (1 + np.exp(-shrink))
        points.append([turn, shrink, noise + np.log(share * (1 - d**2))])
    return np.array(points)


def _autoregressions(
    part: Autoregression, y: Float[np.ndarray, "time obs"], noise: float
) -> np.ndarray:
    """Autoregressions of the data without their noise, and of cycles with the periods of the data."""
    z = y[:, 0] - y[:, 0].mean()
    seen = np.array([z[k:] @ z[: len(z) - k] for k in range(part.lags + 1)]) / len(z)
    lags = np.arange(part.lags + 1)
    scale = float(seen[0]) or 1.0
    laws = []
    for share in SHARES:  # of the data, less a share of noise; the noise sets the scale
        law = seen / scale - share * (lags == 0)
        laws.append((law, (1 - share) / share))
    waves = [np.cos(2 * np.pi * lags / T) for T in periods(y)] + [np.ones(len(lags))]
    for wave, d, share in product(waves, DAMPINGS, STATIONARY):
        laws.append((d**lags * wave, share))
    points = []
    for law, share in laws:
        partial, rest = partial_autocorrelations(law + 1e-6 * (lags == 0), 0.999)
        points.append([*np.arctanh(partial), noise + np.log(share * max(rest, 1e-8))])
    return np.array(points)


def periods(y: Float[np.ndarray, "time obs"], most: int = PERIODS) -> list[float]:
    """The periods, in steps, of the highest peaks of the periodograms of a series and of its steps."""
    candidates: list[tuple[float, float]] = []
    for z in (y[:, 0], np.diff(y[:, 0])):
        if len(z) < 8:
            continue
        count = 2 * len(z)  # interpolated once, so that a peak between two frequencies is seen
        power = np.abs(np.fft.rfft((z - z.mean()) * np.hanning(len(z)), count)) ** 2
        power = power / (power.sum() or 1.0)
        inner = np.flatnonzero((power[1:-1] >= power[:-2]) & (power[1:-1] > power[2:])) + 1
        candidates += [(float(power[i]), count / i) for i in inner if 2.02 * i < count]
    chosen: list[float] = []
    for _, period in sorted(candidates, reverse=True):
        if all(abs(np.log(period / other)) > 0.1 for other in chosen):
            chosen.append(period)
        if len(chosen) == most:
            break
    return chosen or [4.0]
