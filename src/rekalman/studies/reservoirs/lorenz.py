"""Noisy Lorenz: how long a forecast is valid when training and test rows are seen with 1 % noise.

All three coordinates are seen every 0.025 units of time, with noise of 1 % of their deviations. A forecast
starts after 200 rows of another series, seen with the same noise, and is valid until its error exceeds 0.4
standard deviations (root mean square over coordinates). The median over 15 starts, in Lyapunov times, is the
figure of a seed.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from rekalman.datasets.recurrent.chaotic import LORENZ_TIME, lorenz
from rekalman.learners.reservoir.smoothed import (
    NoisyDynamics,
    learn_noisy_dynamics,
    next_row,
    smoothed_path,
)
from rekalman.networks.predictors.nvar import NVAR
from rekalman.studies.base import Row, StudyOptions
from rekalman.studies.reservoirs.common import figure, free_runs, learned

INTERVAL, NOISE, ERROR = 0.025, 0.01, 0.4
STARTS, HEAD, AHEAD = 15, 200, 800
PENALTY = 1e-10, 1e-12
"""Of the two autoregressions where there is no noise; with noise it is chosen by cross-validation."""
ORDERS = {400: 3, 2000: 4}
"""Order of the polynomial by the number of training rows."""
PUBLISHED = {400: (3.10, 2.38), 2000: (5.09, 3.33)}
SOURCE = "measured for this project: quantinfo/ng-rc-paper-code, two taps, order 2"


def lorenz_rows(options: StudyOptions) -> tuple[list[Row], dict[str, Any]]:
    """Without noise and with it, from few and from many rows."""
    rows: list[Row] = []
    lengths = (400,) if options.quick else tuple(ORDERS)
    for steps in lengths:
        for noise, published in zip((0.0, NOISE), PUBLISHED[steps], strict=True):
            outcomes = [one_seed(steps, noise, seed, options.quick) for seed in options.all_seeds]
            name = f"Lorenz, {steps} rows, noise {100 * noise:g} %"
            kinds = {
                "smoothed": f"polynomial of order {ORDERS[steps]} learned from smoothed rows",
                "nvar": "nvar of 2 taps, order 2, learned from the rows as they are",
                "linear": "ridge autoregression of 10 lags",
            }
            if not noise:
                kinds["smoothed"] = "nvar of 2 taps, order 4"
            for key, kind in kinds.items():
                rest: dict[str, Any] = {}
                if key != "linear":
                    rest = {"published": published, "source": SOURCE}
                values = [each[key] for each in outcomes]
                rows.append(
                    figure(
                        f"{name}: {kind}", "valid_lyapunov_times", values, better="higher", **rest
                    )
                )
    return rows, {"starts": STARTS, "head": HEAD, "orders": ORDERS, "error": ERROR}


def one_seed(steps: int, noise: float, seed: int, quick: bool) -> dict[str, float]:
    """All models on one training series and 15 starts."""
    rng = np.random.default_rng([seed, steps])
    truth = lorenz(steps, rng, interval=INTERVAL)[0]
    tests = lorenz(HEAD + AHEAD, rng, series=STARTS, interval=INTERVAL)
    level, scale = truth.mean(0), truth.std(0)
    z, tests = (truth - level) / scale, (tests - level) / scale
    y = z + noise * rng.normal(size=z.shape)
    heads = tests[:, :HEAD] + noise * rng.normal(size=(STARTS, HEAD, 3))
    after = tests[:, HEAD:]
    bound = 1.5 * float(np.abs(y).max())
    nvar = NVAR.create(3, taps=2, order=2, bound=bound)
    linear = NVAR.create(3, taps=10, order=1, bound=bound)
    result = {
        "nvar": valid(runs(learned(nvar, y, 2, None if noise else PENALTY[0]), heads), after),
        "linear": valid(runs(learned(linear, y, 10, None), heads), after),
    }
    if noise:
        rounds = 2 if quick else 12
        dynamics = learn_noisy_dynamics(y, order=ORDERS[steps], rounds=rounds)
        result["smoothed"] = valid(filtered_runs(dynamics, heads), after)
    else:
        own = NVAR.create(3, taps=2, order=4, bound=bound)
        result["smoothed"] = valid(runs(learned(own, y, 2, PENALTY[1]), heads), after)
    return result


def runs(predictor: NVAR, heads: np.ndarray) -> np.ndarray:
    """Free runs after the heads."""
    return np.asarray(free_runs(predictor, jnp.asarray(heads), AHEAD))


def filtered_runs(dynamics: NoisyDynamics, heads: np.ndarray) -> np.ndarray:
    """Free runs from the filtered last rows of the heads."""
    Q, R = jnp.asarray(dynamics.Q), jnp.asarray(dynamics.R)
    return np.asarray(_filtered_runs(dynamics.predictor, jnp.asarray(heads), Q, R))


@eqx.filter_jit
def _filtered_runs(predictor: NVAR, heads: Array, Q: Array, R: Array) -> Array:
    def one(head: Array) -> Array:
        start = smoothed_path(predictor, head, Q, R).filtered[-1]

        def step(x: Array, _: None) -> tuple[Array, Array]:
            x = jnp.clip(next_row(predictor, x), -10.0, 10.0)
            return x, x

        return jax.lax.scan(step, start, None, length=AHEAD)[1]

    return jax.vmap(one)(heads)


def valid(ahead: np.ndarray, truth: np.ndarray) -> float:
    """Median time until the error is too large, in Lyapunov times."""
    error = np.sqrt(np.mean(np.square(ahead - truth), -1))
    beyond = ~(error <= ERROR)
    first = np.where(beyond.any(1), beyond.argmax(1), AHEAD)
    return float(np.median(first) * INTERVAL / LORENZ_TIME)
