r"""Mackey-Glass by the protocol of Jaeger (2001), section 6.3.

The series passes through $\tanh(y - 1)$; the first 1,000 of 3,000 or 21,000 training steps are a washout. A
test run gives 1,000 steps of another series and lets the network run freely. NRMSE84 is the root mean square
error after 84 steps over all runs, in units of the standard deviation of the series.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.datasets.recurrent.chaotic import mackey_glass
from rekalman.filters.innovations import Innovations
from rekalman.learners.reservoir.search import Settings
from rekalman.networks.predictors.linear_readout import LinearReadout
from rekalman.networks.predictors.nvar import NVAR
from rekalman.networks.predictors.reservoir import Reservoir
from rekalman.studies.base import Row, StudyOptions
from rekalman.studies.reservoirs.common import figure, free_runs, learned

JAEGER = "Jaeger 2001, section 6.3"
HEAD, AHEAD = 1000, 120
SCALES = Settings(spectral_radius=0.95, leak=0.5, input_scale=0.3, bias_scale=0.5)
LEVEL = 0.9


class Setting(NamedTuple):
    """A network and its training.

    Attributes:
        tau: delay of the series.
        steps: of the training.
        units: of the network.
        squares: whether its readout sees the squares of the units.
        penalty: of the readout.
        nrmse: published NRMSE84.
    """

    tau: int
    steps: int
    units: int
    squares: bool
    penalty: float
    nrmse: float


SETTINGS = (
    Setting(17, 3000, 400, True, 1e-18, 0.00028),
    Setting(17, 21_000, 400, True, 1e-18, 0.00012),
    Setting(30, 3000, 1000, False, 1e-9, 0.11),
    Setting(30, 21_000, 1000, False, 1e-9, 0.032),
)


class Series(NamedTuple):
    """A series in Jaeger's units, and its scale."""

    values: Float[np.ndarray, "series steps"]
    level: float
    scale: float

    def standardised(self, other: np.ndarray | None = None) -> np.ndarray:
        """The series, or another, with mean 0 and variance 1."""
        return ((self.values if other is None else other) - self.level) / self.scale


def mackey_glass_rows(options: StudyOptions) -> tuple[list[Row], dict[str, Any]]:
    """Both delays, both lengths."""
    rows: list[Row] = []
    runs = 5 if options.quick else 50
    for setting in SETTINGS[:: 2 if options.quick else 1]:
        if options.quick:
            setting = setting._replace(steps=1200, units=60, penalty=1e-9)
        outcomes = [one_seed(setting, runs, seed) for seed in options.all_seeds]
        name = f"Mackey-Glass {setting.tau}, {setting.steps} training steps"
        kind = f"esn of {setting.units} units" + (" and their squares" if setting.squares else "")
        take = lambda key, outcomes=outcomes: [each[key] for each in outcomes]  # noqa: E731
        rows += [
            figure(f"{name}: {kind}", "nrmse", take("nrmse84"), horizon=84,
                   published=setting.nrmse, source=f"{JAEGER}, 400 units"),
            figure(f"{name}: ridge autoregression of 50 lags", "nrmse", take("linear84"), horizon=84),
        ]  # fmt: skip
        if setting.tau == 30:
            rows += [
                figure(f"{name}: {kind}", "rmse", take("rmse120"), horizon=120,
                       published=0.048, source=f"{JAEGER} (multistream EKF: .040)"),
                figure(f"{name}: {kind}", "coverage_90", take("coverage"), better="higher",
                       horizon=120, oracle=LEVEL),
                figure(f"{name}: ridge autoregression of 50 lags", "rmse", take("linear120"), horizon=120),
            ]  # fmt: skip
    config = {"settings": [each._asdict() for each in SETTINGS], "scales": SCALES._asdict()}
    return rows, {**config, "runs": runs, "washout": HEAD}


def drawn(steps: int, tau: int, series: int, seed: int) -> np.ndarray:
    """Series after the tangent."""
    rng = np.random.default_rng([seed, tau])
    return np.tanh(mackey_glass(steps, rng, tau=tau, series=series) - 1)


def one_seed(setting: Setting, runs: int, seed: int) -> dict[str, float]:
    """One network on one series, and a linear model on the same."""
    values = drawn(setting.steps, setting.tau, 1, seed)
    series = Series(values, float(values.mean()), float(values.std()))
    tests = drawn(HEAD + AHEAD, setting.tau, 2 * runs, 10_000 + seed)
    z = series.standardised()[0][:, None]
    network = learned(
        Reservoir.create(
            1,
            units=setting.units,
            squares=setting.squares,
            bound=1.5 * float(np.abs(z).max()),
            seed=seed,
            **SCALES._asdict(),
        ),
        z,
        HEAD,
        setting.penalty,
    )
    linear = learned(NVAR.create(1, taps=50, order=1), z, HEAD, None)
    heads = series.standardised(tests[:, :HEAD])[..., None]
    result: dict[str, float] = {}
    for name, predictor in (("nrmse", network), ("linear", linear)):
        ahead = np.asarray(free_runs(predictor, jnp.asarray(heads[:runs]), AHEAD))[..., 0]
        ahead = series.level + series.scale * ahead
        error = (ahead - tests[:runs, HEAD:])[:, 83]
        result[f"{name}84"] = float(np.sqrt(np.mean(error**2)) / tests[:runs].std())
        raw = untransformed(ahead[:, 119]) - untransformed(tests[:runs, HEAD + 119])
        result["rmse120" if name == "nrmse" else "linear120"] = float(np.sqrt(np.mean(raw**2)))
    if setting.tau == 30:
        result["coverage"] = coverage(network, heads, series.standardised(tests[:, HEAD:]), runs)
    return result


def untransformed(values: np.ndarray) -> np.ndarray:
    """From Jaeger's units to those of the equation."""
    return 1 + np.arctanh(np.clip(values, -0.9999, 0.9999))


def coverage(network: LinearReadout, heads: np.ndarray, ahead: np.ndarray, runs: int) -> float:
    """Share of values after 120 steps within their 90 % interval.

    The second half of the runs says by which factor deviations of forecasts are multiplied: that under which
    their intervals hold 90 %. The first half is judged.
    """
    filtering = Innovations(network)
    path = filtering.run_batch(
        jnp.asarray(heads), jnp.ones(heads.shape, bool), lengths=jnp.full(len(heads), HEAD)
    )
    mean, var = moments_ahead(filtering, path)
    error = ahead[:, AHEAD - 1] - mean
    size = np.abs(error) / np.sqrt(var)
    return float(np.mean(size[:runs] <= np.quantile(size[runs:], LEVEL, method="higher")))


def moments_ahead(filtering: Innovations, path: Any) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance 120 steps after the end of each series."""
    last = jax.tree.map(lambda leaf: leaf[:, -1], path.belief)

    mean, var = _moments_ahead(filtering, last)
    return np.asarray(mean), np.asarray(var)


@eqx.filter_jit
def _moments_ahead(filtering: Innovations, last: Any) -> tuple[Array, Array]:
    def one(moments: Any) -> tuple[Array, Array]:
        belief = filtering.restore(moments, jnp.array(HEAD - 1))
        law: Any = filtering.forecast(belief, AHEAD)
        return law.mean[-1, 0], law.var[-1, 0]

    return jax.lax.map(one, last)
