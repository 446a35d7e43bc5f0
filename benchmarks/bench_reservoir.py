"""Echo state networks, training and a one-step run over new data, ours against `reservoirpy`.

Both have a leaky network with ten weights for each unit and a readout by ridge regression with the same
penalty, in double precision, and both make the network anew: what is timed is all that a user waits for, but
for ours the compilation of the first call.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import FIGURES, fact, ratio

from rekalman.datasets.recurrent.chaotic import mackey_glass
from rekalman.learners.reservoir.harvest import harvest
from rekalman.learners.reservoir.learned import with_weights
from rekalman.learners.reservoir.ridge import ridge
from rekalman.networks.predictors.reservoir import Reservoir

UNITS = (100, 300, 1000, 2000)
STEPS, WASHOUT, PENALTY = 2000, 100, 1e-8
SERIES = mackey_glass(2 * STEPS, np.random.default_rng(0))[0]
SERIES = (SERIES - SERIES.mean()) / SERIES.std()


def group_of(units: int) -> str:
    return f"echo state network, {units} units, T = {STEPS}: training and one-step run, float64"


def ours(units: int) -> float:
    """The mean square of the one-step errors on new data."""
    with jax.enable_x64(True):
        network = Reservoir.create(1, units=units, leak=0.3, input_scale=0.5, seed=1)
        train, test = jnp.asarray(SERIES[:STEPS]), jnp.asarray(SERIES[STEPS:])
        rows = harvest(network, train[None, :, None])
        X, Y = (np.asarray(each[0, WASHOUT:]) for each in rows)
        trained = with_weights(network, ridge(X, Y, penalty=PENALTY).weights)
        rows = harvest(trained, test[None, :, None])
        ahead = np.asarray(rows.features[0]) @ np.asarray(trained.readout)
        return float(np.mean(np.square(ahead - np.asarray(rows.targets[0]))[WASHOUT:]))


def theirs(units: int) -> float:
    """The same by reservoirpy."""
    nodes: Any = pytest.importorskip("reservoirpy.nodes")
    network = nodes.Reservoir(
        units, lr=0.3, sr=0.9, rc_connectivity=10 / units, input_scaling=0.5, seed=1
    )
    model = network >> nodes.Ridge(ridge=PENALTY * STEPS)
    train, test = SERIES[:STEPS, None], SERIES[STEPS:, None]
    model.fit(train[:-1], train[1:], warmup=WASHOUT)
    return float(np.mean(np.square(model.run(test[:-1]) - test[1:])[WASHOUT:]))


@pytest.mark.parametrize("units", UNITS)
def test_ours(comparison, units: int) -> None:
    error = comparison(group_of(units), "rekalman", lambda: ours(units), rounds=5)
    fact(group_of(units), "rekalman", rmse=float(np.sqrt(error)))


@pytest.mark.parametrize("units", UNITS)
def test_reservoirpy(comparison, units: int) -> None:
    pytest.importorskip("reservoirpy")
    group = group_of(units)
    error = comparison(group, "reservoirpy", lambda: theirs(units), rounds=3)
    fact(group, "reservoirpy", rmse=float(np.sqrt(error)))
    ours_error = FIGURES[group]["rekalman"]["rmse"]
    assert np.sqrt(error) / 3 < ours_error < 3 * np.sqrt(error)  # the same problem is solved
    ratio("reservoirpy / rekalman", group, "reservoirpy", "rekalman", ">= 5")
