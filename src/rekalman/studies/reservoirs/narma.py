"""NARMA10: 1,500 training steps, then the output is told from the input alone over 1,500 more.

In training the output is known and enters the next step (teacher forcing); in the test the predictor runs
freely, and its own output enters. The published rows are of networks that are never given the output.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from rekalman.datasets.recurrent.chaotic import narma10
from rekalman.networks.predictors.linear_readout import LinearReadout
from rekalman.networks.predictors.nvar import NVAR
from rekalman.networks.predictors.reservoir import Reservoir
from rekalman.studies.base import Row, StudyOptions
from rekalman.studies.reservoirs.common import figure, free_runs, learned

TRAINED, HEAD, TESTED = 1500, 200, 1500
SOURCE = "measured for this project: esn without output feedback"
WAY = "free run on the input, learned with teacher forcing"


def narma_rows(options: StudyOptions) -> tuple[list[Row], dict[str, Any]]:
    """NMSE of two reservoirs and of a linear model."""
    outcomes = [one_seed(seed, options.quick) for seed in options.all_seeds]
    take = lambda key: [each[key] for each in outcomes]  # noqa: E731
    rows = [
        figure(f"NARMA10: nvar of 10 taps, order 2 ({WAY})", "nmse", take("nvar"),
               published=0.0130, source="measured for this project: quadratic regression on 30 inputs"),
        figure(f"NARMA10: ES2N of 200 units and their squares ({WAY})", "nmse", take("esn"),
               published=0.068, source=f"{SOURCE}, 200 units"),
        figure(f"NARMA10: linear autoregression with inputs, 30 lags ({WAY})", "nmse", take("linear"),
               published=0.150, source="measured for this project: linear regression on inputs"),
    ]  # fmt: skip
    return rows, {"trained": TRAINED, "tested": TESTED, "head": HEAD}


def one_seed(seed: int, quick: bool) -> dict[str, float]:
    """All predictors on one pair of series."""
    rng = np.random.default_rng([seed, 10])
    u, y = narma10(TRAINED, rng)
    u_test, y_test = narma10(HEAD + TESTED, rng)
    scale = lambda a, b: (a - b.mean()) / b.std()  # noqa: E731
    # The input that drives a step is that of the step before in the equation.
    z, v = scale(y, y)[:, None], scale(np.concatenate([[0.25], u[:-1]]), u)[:, None]
    z_test = scale(y_test, y)[:, None]
    v_test = scale(np.concatenate([[0.25], u_test[:-1]]), u)[:, None]
    units = 50 if quick else 200
    predictors: dict[str, tuple[LinearReadout, float | None]] = {
        "nvar": (NVAR.create(1, taps=10, order=2, inputs=1), None),
        "esn": (
            Reservoir.create(
                1,
                units=units,
                inputs=1,
                squares=True,
                topology="es2n",
                spectral_radius=0.95,
                leak=0.3,
                input_scale=0.1,
                bias_scale=0.5,
                bound=6.0,
                seed=seed,
            ),
            1e-9,
        ),
        "linear": (NVAR.create(1, taps=30, order=1, inputs=1), None),
    }
    result = {}
    for name, (predictor, penalty) in predictors.items():
        trained = learned(predictor, z, 100, penalty, v)
        heads, inputs = jnp.asarray(z_test[None, :HEAD]), jnp.asarray(v_test[None])
        ahead = np.asarray(free_runs(trained, heads, TESTED, inputs))[0]
        error = np.mean(np.square(ahead - z_test[HEAD:]))
        result[name] = float(error / z_test[HEAD:].var())
    return result
