"""Training on free simulation, and the benchmarks of system identification that need it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.datasets.sysid import WARM_UP, load_benchmark
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch
from rekalman.learners.driven.simulation_error import SimulationError, simulated
from rekalman.models.stochastic_rnn import StochasticRNN


def driven(seed: int) -> tuple[StochasticRNN, Batch]:
    """A stable network with one input, and two ragged series of it with little noise and some gaps."""
    rng = np.random.default_rng(seed)
    true = StochasticRNN.create(
        jnp.array([[0.9, 0.2], [-0.2, 0.7]]), jnp.array([[1.0, 0.5]]),
        1e-8 * jnp.eye(2), 1e-4 * jnp.eye(1), B=jnp.array([[0.3], [0.4]]),
        linear_observation=True, P=0.1 * jnp.eye(2),
    )  # fmt: skip
    u = rng.normal(size=(2, 120, 1))
    _, y = rekalman.simulate(true, 120, jax.random.key(seed), batch=2, inputs=u)
    mask = rng.random((2, 120, 1)) > 0.1
    valid = np.arange(120)[None, :] < np.array([[120], [80]])
    mask &= valid[..., None]
    return true, Batch(y, jnp.asarray(mask), jnp.asarray(u, y.dtype), jnp.asarray(valid))


def test_it_finds_a_network_that_simulates_the_data():
    _, batch = driven(0)
    keys = [jax.random.key(seed) for seed in (1, 2, 3)]
    starts = [StochasticRNN.init(2, 1, key=key, inputs=1, linear_observation=True) for key in keys]
    result = SimulationError(ridge=0.0).search(starts, batch)[0]
    assert (np.diff(result.history.values) <= 0).all()
    assert np.sqrt(result.history.values[-1]) < 0.03
    assert np.linalg.eigvalsh(result.model.P).min() > 0
    assert float(result.model.R[0, 0]) < 2e-3
    # A fresh input is simulated as well: the dynamics were learned, not the series.
    true, fresh = driven(7)
    zero = jnp.zeros((2, 2), fresh.values.dtype)
    seen = [
        np.asarray(model.observation_mean(simulated(model, zero, fresh.inputs, 120)[0, 60:]))
        for model in (true, result.model)
    ]
    assert np.std(seen[0] - seen[1]) < 0.1 * np.std(seen[0])


def test_what_is_masked_changes_nothing():
    _, batch = driven(0)
    start = StochasticRNN.init(2, 1, key=jax.random.key(1), inputs=1, linear_observation=True)
    learner = SimulationError(iterations=3)
    spoiled = batch._replace(values=jnp.where(batch.mask, batch.values, 1e3))
    one, other = (learner.run(start, b).history.values for b in (batch, spoiled))
    np.testing.assert_array_equal(one, other)


def test_a_start_that_explodes_is_refused():
    _, batch = driven(0)
    start = StochasticRNN.create(
        50 * jnp.eye(2), jnp.ones((1, 2)), jnp.eye(2), jnp.eye(1), B=jnp.ones((2, 1)),
        m=jnp.ones(2), activation="identity", linear_observation=True,
    )  # fmt: skip
    with pytest.raises(RekalError, match="begin from a stable model"):
        SimulationError().run(start, batch)


@pytest.mark.parametrize("what", [{"iterations": 0}, {"ridge": -1.0}, {"warm_up": -1}])
def test_settings_out_of_range_are_refused(what):
    with pytest.raises(RekalError, match=f"{next(iter(what))} must"):
        SimulationError(**what)


def test_the_benchmarks_have_their_official_splits(data_root):
    drives, tanks = (load_benchmark(name, data_root) for name in ("drives", "tanks"))
    assert drives.train.values.shape == (2, 400, 1)
    assert drives.test.values.shape == (2, 100, 1)
    assert tanks.train.values.shape == tanks.test.values.shape == (1, 1024, 1)
    assert drives.train.inputs is not None
    # Standard deviations of the test outputs as the field prints them.
    spread = np.asarray(drives.test.values).std(1)[:, 0]
    np.testing.assert_allclose(spread, [0.422, 0.662], atol=2e-3)
    assert np.asarray(tanks.test.values).std() == pytest.approx(2.099, abs=2e-3)
    assert WARM_UP == 4


def test_a_folder_without_the_benchmarks_is_refused(tmp_path):
    with pytest.raises(RekalError, match=r"DATAUNIF\.csv"):
        load_benchmark("drives", tmp_path)
    (tmp_path / "sysid_ced").mkdir()
    (tmp_path / "sysid_ced" / "DATAUNIF.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RekalError, match="no column 'z11'"):
        load_benchmark("drives", tmp_path)
