r"""What a noise-free trajectory settles to: its kind, its period, its amplitude.

Period. The normalised autocorrelation of the whole state, `rho(tau)`, is 1 where the trajectory
repeats itself. It is worked out from the power spectrum, which defines it at lags between the steps as
well (the period of a cycle is no whole number of steps in general), and divided by that of the window.
The period is the first peak as high as the highest; counting peaks on to long lags makes it precise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

FINE = 16
"""Lags of the autocorrelation per step."""


SAME = 0.998
"""A limit cycle repeats itself at least this well; two incommensurate cycles hardly ever do."""


@dataclass(frozen=True)
class Attractor:
    """Where the noise-free dynamics end.

    Attributes:
        kind: "fixed point", "limit cycle", "quasi-periodic or chaotic", or "diverges".
        period: steps per cycle of a limit cycle, else None.
        amplitude: half the peak-to-peak range of each output `(obs,)`.
        mean: mean of each output over the attractor `(obs,)`.
        harmonic_share: share of the outputs' variance in the fundamental sine of a limit cycle.
        outputs: a stretch of the outputs on the attractor `(steps, obs)`.
    """

    kind: str
    period: float | None
    amplitude: np.ndarray
    mean: np.ndarray
    harmonic_share: float | None
    outputs: np.ndarray


def attractor(
    states: Float[np.ndarray, "steps states"],
    outputs: Float[np.ndarray, "steps obs"],
    level: int | float,
    tolerance: float = 1e-3,
) -> Attractor:
    """Classify the end of a noise-free trajectory.

    Args:
        states: the trajectory after a transient.
        outputs: its outputs.
        level: what counts as a normal size of the state, for instance its standard deviation under
            noise; 1e6 times that is divergence.
        tolerance: a range below this share of `level`, or one that shrinks, is rest.
    """
    x, y = np.asarray(states, np.float64), np.asarray(outputs, np.float64)
    unknown = np.full(y.shape[1], np.nan)
    if not np.isfinite(x).all() or np.abs(x).max() > 1e6 * level:
        return Attractor("diverges", None, unknown, unknown, None, y)
    quarter = len(x) // 4
    early, late = (np.ptp(part, axis=0).max() for part in (x[:quarter], x[-quarter:]))
    y = y[-2 * quarter :]
    amplitude, mean = np.ptp(y, axis=0) / 2, y.mean(0)
    if late < tolerance * level or late < 0.8 * early:
        return Attractor("fixed point", None, np.zeros_like(amplitude), y[-1], None, y)
    if late > 1.25 * early:
        return Attractor("diverges", None, unknown, unknown, None, y)
    period, height = find_period(x)
    if period is None or height < SAME:
        return Attractor("quasi-periodic or chaotic", None, amplitude, mean, None, y)
    return Attractor("limit cycle", period, amplitude, mean, _harmonic_share(y, period), y)


def find_period(x: Float[np.ndarray, "steps states"]) -> tuple[float | None, float]:
    """Period of a trajectory in steps, and how well it repeats (1 = exactly).

    None where the autocorrelation has no peak up to a quarter of the trajectory.
    """
    steps = len(x)
    window = np.hanning(steps)
    centred = (x - x.mean(0)) * window[:, None]
    lags = steps // 4 * FINE
    rho = _autocorrelation(centred)[:lags] / _autocorrelation(window[:, None])[:lags]
    inner = rho[1:-1]
    peaks = 1 + np.flatnonzero((inner > rho[:-2]) & (inner >= rho[2:]))
    peaks = peaks[peaks >= 3 * FINE // 2]
    if len(peaks) == 0 or rho[peaks].max() <= 0:
        return None, 0.0
    high = peaks[rho[peaks] >= 0.98 * rho[peaks].max()]
    period, height = _summit(rho, int(high[0]))
    cycles = 1
    while (cycles + 1) * period + FINE < lags:
        # Doubling the number of cycles halves the error that a rounded summit leaves.
        cycles = min(2 * cycles, int((lags - FINE) / period))
        guess, reach = cycles * period, max(2, round(period / 8))
        first = max(1, round(guess) - reach)
        part = rho[first : round(guess) + reach + 1]
        where, _ = _summit(rho, min(first + int(np.argmax(part)), len(rho) - 2))
        period = where / cycles
    return period / FINE, height


def _autocorrelation(x: np.ndarray) -> np.ndarray:
    """Of all columns together, at `FINE` lags per step, 1 at lag 0."""
    double = 2 * len(x)
    power = (np.abs(np.fft.rfft(x, double, axis=0)) ** 2).sum(1)
    rho = np.fft.irfft(power, double * FINE)
    return rho / rho[0]


def _summit(rho: np.ndarray, k: int) -> tuple[float, float]:
    """Place and height of the parabola through a maximum and its neighbours."""
    a, b, c = rho[k - 1], rho[k], rho[k + 1]
    bend = a - 2 * b + c
    shift = 0.0 if bend >= 0 else float(np.clip(0.5 * (a - c) / bend, -1, 1))
    return k + shift, float(b - 0.25 * (a - c) * shift)


def _harmonic_share(y: np.ndarray, period: float) -> float:
    angle = 2 * np.pi * np.arange(len(y)) / period
    waves = np.stack([np.ones(len(y)), np.cos(angle), np.sin(angle)], 1)
    left = y - waves @ np.linalg.lstsq(waves, y, rcond=None)[0]
    total = ((y - y.mean(0)) ** 2).sum()
    return float(1 - (left**2).sum() / total) if total > 0 else 0.0
