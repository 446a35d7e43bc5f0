"""`rekal.fit(data, "driven-rnn")`: free simulation, then the noise, as one trained model."""

from __future__ import annotations

import numpy as np
import pytest

import rekal
from rekal.errors import RekalError
from rekal.learning.simulation_error import SimulationError


def tank(steps: int, seed: int) -> rekal.Sequences:
    """A level that drains by the square root of its height, filled by a stepwise pump."""
    random = np.random.default_rng(seed)
    u = np.repeat(random.uniform(0, 1, -(-steps // 10)), 10)[:steps]
    level, levels = 1.0, []
    for each in u:
        level += 0.2 * each - 0.1 * np.sqrt(level)
        levels.append(level)
    y = np.array(levels) + 0.01 * random.normal(size=steps)
    return rekal.Sequences.from_arrays(
        y[None, :, None], inputs=u[None, :, None], names=("level",), input_names=("pump",)
    )


@pytest.fixture(scope="module")
def trained() -> rekal.Fit:
    return rekal.fit(
        tank(240, 0), "driven-rnn", SimulationError(iterations=25), states=1, units=3, restarts=2,
        progress=False,
    )  # fmt: skip


def test_it_simulates_a_fresh_series_and_knows_how_sure_it_is(trained):
    test = tank(200, 1)
    run = trained.free_run(test, warm_up=5)
    error = np.sqrt(np.mean((run - np.asarray(test.values))[:, 5:] ** 2))
    assert error < 0.12 * np.asarray(test.values).std()
    assert 0.8 < trained.diagnose(tank(240, 0)).coverage(90) < 0.99
    assert trained.kind == "driven-rnn"
    assert trained.model.linear_units == 1


def test_it_is_a_fit_like_any_other(trained, tmp_path):
    test = tank(60, 2)
    trained.save(tmp_path / "tank.rekal")
    again = rekal.load(tmp_path / "tank.rekal")
    np.testing.assert_array_equal(again.free_run(test), trained.free_run(test))
    ahead = again.forecast(test, 5, np.full((5, 1), 0.5))
    assert np.isfinite(ahead.mean).all()
    assert "driven-rnn" in again.summary()


def test_what_it_cannot_do_is_refused():
    data = tank(100, 0)
    alone = rekal.Sequences.from_arrays(np.asarray(data.values))
    with pytest.raises(RekalError, match="runs by its inputs, but the data have none"):
        rekal.fit(alone, "driven-rnn", progress=False)
    with pytest.raises(RekalError, match="SimulationError trains the model driven-rnn"):
        rekal.fit(data, "linear", SimulationError(), progress=False)
    with pytest.raises(RekalError, match="SimulationError trains the model driven-rnn"):
        rekal.fit(data, "driven-rnn", rekal.EM(), progress=False)
    with pytest.raises(RekalError, match="units must be at least 1, but is 0"):
        rekal.fit(data, "driven-rnn", units=0, progress=False)
    with pytest.raises(RekalError, match="units is of no use to the model em-rnn"):
        rekal.fit(data, "em-rnn", units=3, progress=False)
