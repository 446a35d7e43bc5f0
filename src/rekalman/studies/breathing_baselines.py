r"""Linear forecasters of the breathing records, all causal.

One model for each horizon h maps the last k samples of all nine coordinates and a one to the sample h
steps ahead. The published online methods update with a label before it can be known (for h > 1);
here the pair (u_s, z_{s+h}) enters at step s + h and not before.

* no prediction: the last sample.
* OLS (published protocol): least squares on the first 54 s, k chosen on 54-60 s, never refitted.
* LMS: gradient steps from zero, gradient clipped at norm 100 (grid of Pohl et al. 2025,
  arXiv 2403.01607).
* RLS: recursive least squares (Haykin, Adaptive Filter Theory, ch. 10). Its gains do not depend on
  labels, so they are computed once for all horizons.

LMS and RLS see data standardised by the first 30 s; their settings are chosen for each record and
horizon by the RMSE of the forecasts of 30-60 s, and they keep learning through the test.

All functions return forecasts issued at each step `(time, horizons, obs)`, NaN where there are none.
"""

from __future__ import annotations

import numpy as np

from rekalman.studies.breathing_scores import HORIZONS, TRAIN, VALIDATED, rmse_3d

OLS_TRAIN = 540
OLS_LAGS = (12, 24, 36, 48, 60)
LMS_GRID = [(k, rate) for k in (12, 24, 36, 48, 60) for rate in (1e-4, 2e-4, 5e-4)]
RLS_GRID = [(k, f, r) for k in (12, 24) for f in (1.0, 0.999, 0.997) for r in (1.0, 10.0)]


def no_prediction(values: np.ndarray) -> np.ndarray:
    """The last sample, for every horizon."""
    return np.repeat(values[:, None], len(HORIZONS), axis=1)


def least_squares(values: np.ndarray) -> np.ndarray:
    """OLS by the published protocol."""
    candidates = []
    for k in OLS_LAGS:
        lags = _lags(values, k)
        issued = np.full((len(values), len(HORIZONS), values.shape[1]), np.nan)
        for j, h in enumerate(HORIZONS):
            used = np.arange(k - 1, OLS_TRAIN - h)
            weights = np.linalg.lstsq(lags[used], values[used + h], rcond=None)[0]
            issued[k - 1 :, j] = lags[k - 1 :] @ weights
        candidates.append(issued)
    return _choose(candidates, values, OLS_TRAIN, VALIDATED)


def lms(values: np.ndarray) -> np.ndarray:
    """LMS, its setting chosen on 30-60 s."""
    z, mean, scale = _standardised(values)
    candidates = [_lms_one(z, k, rate) * scale + mean for k, rate in LMS_GRID]
    return _choose(candidates, values, TRAIN, VALIDATED)


def rls(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """RLS, its setting chosen on 30-60 s; and the mean of all settings, clipped.

    The second is stronger at long horizons and as free of choices as the adaptive network: every
    setting's forecast is held within the past range widened by 5 %, then all are averaged.
    """
    z, mean, scale = _standardised(values)
    candidates = [_rls_one(z, *setting) * scale + mean for setting in RLS_GRID]
    low = np.minimum.accumulate(values)[:, None]
    high = np.maximum.accumulate(values)[:, None]
    reach = 0.05 * (high - low)
    clipped = [np.clip(c, low - reach, high + reach) for c in candidates]
    return _choose(candidates, values, TRAIN, VALIDATED), np.mean(clipped, axis=0)


def _standardised(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean, scale = values[:TRAIN].mean(0), values[:TRAIN].std(0)
    scale = np.where(scale < 1e-6, 1.0, scale)
    return (values - mean) / scale, mean, scale


def _lags(z: np.ndarray, k: int) -> np.ndarray:
    """Row t: the samples t, t-1, ..., t-k+1 and a one; zeros before step k-1."""
    steps, d = z.shape
    lags = np.zeros((steps, k * d + 1))
    lags[:, -1] = 1.0
    for j in range(k):
        lags[k - 1 :, j * d : (j + 1) * d] = z[k - 1 - j : steps - j]
    return lags


def _choose(candidates: list[np.ndarray], values: np.ndarray, start: int, stop: int) -> np.ndarray:
    """For each horizon the candidate with the smallest RMSE on the targets start ... stop - 1."""
    scores = np.array([rmse_3d(c, values, start, stop) for c in candidates])
    best = scores.argmin(0)
    return np.stack([candidates[i][:, j] for j, i in enumerate(best)], axis=1)


def _lms_one(z: np.ndarray, k: int, rate: float) -> np.ndarray:
    lags, (steps, d) = _lags(z, k), z.shape
    issued = np.full((steps, len(HORIZONS), d), np.nan)
    for j, h in enumerate(HORIZONS):
        weights = np.zeros((lags.shape[1], d))
        for t in range(k - 1, steps):
            if t - h >= k - 1:
                u = lags[t - h]
                gradient = np.outer(u, z[t] - u @ weights)
                norm = np.sqrt((gradient * gradient).sum())
                weights += rate * gradient * min(1.0, 100.0 / max(norm, 1e-12))
            issued[t, j] = lags[t] @ weights
    return issued


def _rls_one(z: np.ndarray, k: int, forgetting: float, ridge: float) -> np.ndarray:
    lags, (steps, d) = _lags(z, k), z.shape
    p = lags.shape[1]
    P, gains = np.eye(p) / ridge, np.zeros((steps, p))
    for s in range(k - 1, steps):
        u = lags[s]
        Pu = P @ u
        gains[s] = Pu / (forgetting + u @ Pu)
        P = (P - np.outer(gains[s], Pu)) / forgetting
        if s % 50 == 0:
            P = 0.5 * (P + P.T)
    issued = np.full((steps, len(HORIZONS), d), np.nan)
    for j, h in enumerate(HORIZONS):
        weights = np.zeros((p, d))
        for t in range(k - 1, steps):
            if t - h >= k - 1:
                weights += np.outer(gains[t - h], z[t] - lags[t - h] @ weights)
            issued[t, j] = lags[t] @ weights
    return issued
