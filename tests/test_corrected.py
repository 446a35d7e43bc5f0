"""A linear filter with a network beside it: without a correction it is the filter, with one it is one too."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.filters.corrected import GROUPS, CorrectedTable, group_of, leads
from rekalman.filters.kalman.batch import filter_batch
from rekalman.filters.kalman.filter import Kalman
from rekalman.forecasting import rolling_forecast
from rekalman.learners.gradient.spans import every_lead
from rekalman.models.structures.side_by_side import random_walk, side_by_side, with_idle_states
from rekalman.training.calibration import calibrate
from rekalman.training.warnings import leaves_range

BATCH, STEPS = 2, 21


def tanks() -> rekalman.Sequences:
    """Two short series of two columns with gaps, hidden rows and an input; the second ends earlier."""
    random = np.random.default_rng(3)
    series, inputs = [], []
    for steps in (STEPS, STEPS - 6):
        y = np.cumsum(random.normal(size=(steps, 2)), 0)
        y[random.random(y.shape) < 0.2] = np.nan
        y[6:8] = np.nan
        series.append(y)
        inputs.append(random.normal(size=(steps, 1)))
    return rekalman.Sequences.from_arrays(series, inputs=inputs)


def model() -> rekalman.LinearGaussian:
    blocks = {
        "A": [[0.9, 0.2, 0.0], [0.0, 0.8, 0.1], [0.0, 0.0, 1.0]],
        "C": [[1.0, 0.0, 0.5], [0.3, 1.0, 0.0]],
        "Q": np.diag([0.3, 0.2, 0.1]),
        "R": [[0.2, 0.1], [0.1, 0.3]],
        "B": [[0.4], [0.0], [0.1]],
        "D": [[0.0], [0.2]],
        "P": 4 * np.eye(3),
    }
    return rekalman.LinearGaussian.create(
        **{name: np.array(block) for name, block in blocks.items()}
    )


def table(kind: str, corrected: bool) -> CorrectedTable:
    """An untrained network beside the model: silent as it starts, or with a random last layer."""
    method = rekalman.methods.get(kind)(states=2, **({} if kind == "rkn" else {"units": 4}))
    network = method.network(tanks(), jax.random.key(0))
    gate = factor = None
    if corrected:
        random = np.random.default_rng(0)
        last = lambda net: (net.decoder.mean.weight, net.decoder.var.weight)  # noqa: E731
        drawn = [jnp.asarray(0.3 * random.normal(size=w.shape), w.dtype) for w in last(network)]
        network = eqx.tree_at(last, network, tuple(drawn))
        gate = random.choice([0.5, 1.0], size=(GROUPS, 2))
        factor = random.uniform(0.5, 2.0, (GROUPS, 2))
    bounds = np.array([[-2.0, 0.0], [2.0, 0.0]])
    return CorrectedTable.of(network, model(), None, bounds, gate, factor)


def arrays(data: rekalman.Sequences) -> tuple[Any, Any, Any]:
    with jax.enable_x64(True):
        return jnp.asarray(data.values), jnp.asarray(data.mask), jnp.asarray(data.inputs)


def forecasts(source: Any, path: Any, data: rekalman.Sequences) -> Any:
    key = jax.random.key(0)
    return rolling_forecast(
        source, path, (1, 3, 5), key, inputs=data.inputs, lengths=data.lengths, origins=[4, 6, 9]
    )


@pytest.mark.parametrize("kind", ["rkn", "lstm", "gru", "elman"])
def test_without_correction_it_is_the_linear_filter(kind):
    data, silent, kalman = tanks(), table(kind, corrected=False), Kalman(model())
    y, mask, u = arrays(data)
    path, expected = silent.run_batch(y, mask, u), filter_batch(kalman, y, mask, u)
    np.testing.assert_allclose(path.log_evidence, expected.log_evidence, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(path.posterior.linear.mean, expected.mean, rtol=1e-12)
    mine, theirs = forecasts(silent, path, data), forecasts(kalman, expected, data)
    np.testing.assert_allclose(mine.means, theirs.means, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(mine.cov, theirs.cov, rtol=1e-10)


@pytest.mark.parametrize("kind", ["rkn", "gru"])
def test_steps_one_by_one_are_those_of_the_whole_series(kind):
    data, filter = tanks(), table(kind, corrected=True)
    y, mask, u = arrays(data)
    path = filter.run_batch(y, mask, u)
    assert (
        np.abs(path.log_evidence - table(kind, False).run_batch(y, mask, u).log_evidence).max()
        > 0.01
    )

    @eqx.filter_jit
    def step(belief: Any, t: Any, first: bool) -> Any:
        drive = u[0, t]
        belief = belief if first else filter.predict(belief, drive)
        said = filter.observe(belief, drive)
        return *filter.update(belief, y[0, t], mask[0, t], drive), said

    with jax.enable_x64(True):
        belief = filter.init()
        for t in range(12):
            belief, density, said = step(belief, jnp.asarray(t), t == 0)
            np.testing.assert_allclose(density, path.log_evidence[0, t], rtol=2e-5, atol=2e-5)
            np.testing.assert_allclose(said.mean, path.mean[0, t], rtol=2e-5, atol=2e-5)
            np.testing.assert_allclose(said.var, path.var[0, t], rtol=2e-5)
            np.testing.assert_array_equal(belief.lead, path.posterior.lead[0, t])


def test_what_is_missing_changes_nothing():
    data, filter = tanks(), table("gru", corrected=True)
    y, mask, u = arrays(data)
    with jax.enable_x64(True):
        other = jnp.where(mask, y, 1e6)
    for one, two in zip(
        jax.tree.leaves(filter.run_batch(y, mask, u)),
        jax.tree.leaves(filter.run_batch(other, mask, u)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)


def test_a_correction_is_what_the_module_text_says():
    """One row against the formula, by the dense covariance of its observed entries."""
    filter, kalman = table("gru", corrected=True), Kalman(model())
    with jax.enable_x64(True):
        u = jnp.zeros(1)
        belief = filter.init()
        linear = kalman.observe(belief.linear, u)
        mean, cov = np.asarray(linear.mean), np.asarray(linear.cov)
        said = filter.network.observe(belief.network)
        a, v = (np.asarray(each, float) for each in (said.mean, said.var))
        gate, factor, root = (
            np.asarray(filter.gate)[0],
            np.asarray(filter.factor)[0],
            np.linalg.cholesky(cov),
        )
        expected = mean + root @ (gate * a)
        spread = root @ np.diag(factor * v**gate) @ root.T
        result = filter.observe(belief, u)
        np.testing.assert_allclose(result.mean, expected, rtol=1e-6)
        np.testing.assert_allclose(result.cov, spread, rtol=1e-6)
        y, mask = jnp.array([0.0, 1.5]), jnp.array([False, True])
        density = filter.update(belief, y, mask, u)[1]
        error, var = 1.5 - expected[1], spread[1, 1]
        assert float(density) == pytest.approx(
            -0.5 * (np.log(2 * np.pi * var) + error**2 / var), rel=1e-5
        )


def test_leads_count_steps_since_a_column_was_seen():
    before, after = leads(jnp.array([[True, False], [False, False], [True, True]]))
    np.testing.assert_array_equal(before, [[1, 1], [1, 2], [2, 3]])
    np.testing.assert_array_equal(after, [[0, 1], [1, 2], [0, 0]])
    np.testing.assert_array_equal(
        group_of(np.array([1, 2, 3, 4, 7, 8, 16, 32, 99])), [0, 1, 1, 2, 2, 3, 4, 5, 5]
    )


def test_every_step_is_hidden_from_every_lead():
    part = np.zeros((1, 40), bool)
    part[0, 10:] = True
    seen: dict[int, set[int]] = {lead: set() for lead in range(1, 5)}
    for hidden in every_lead(part, 4):
        assert not hidden[0, :10].any()
        before = np.asarray(leads(jnp.asarray(~hidden[0])[:, None])[0])[:, 0]
        for t in range(14, 40):
            seen[int(before[t])].add(t)
    assert all(steps == set(range(14, 40)) for steps in seen.values())


def test_calibration_finds_variances_that_are_wrong():
    """Observations three times as far off as the model says: factors near nine; no correction, so no gate."""
    random = np.random.default_rng(1)
    y = 3 * np.cumsum(random.normal(size=(1, 600, 1)), 1)
    data = rekalman.Sequences.from_arrays(y)
    network = rekalman.methods.GRU(states=2, units=4).network(data, jax.random.key(0))
    filter = CorrectedTable.of(network, random_walk(np.ones(1), 1, 0, None), None, np.zeros((2, 1)))
    part = np.zeros((1, 600), bool)
    part[:, 300:] = True
    with jax.enable_x64(True):
        from rekalman.learners.batch import as_batch

        batch = as_batch(data)
        grown = np.pad(part, [(0, 0), (0, batch.values.shape[1] - 600)])
        result = calibrate(filter, batch, grown, np.full(1, 9.0))
    assert (result.gate == 0).all()
    assert result.factor[0, 0] == pytest.approx(9, rel=0.25)
    assert all(0.75 < each.coverage < 0.98 for each in result.horizons[:3])
    assert all(abs(each.crps / each.hold - 1) < 0.02 for each in result.horizons[:3])
    assert result.horizons[0].crps < result.horizons[0].linear


def test_models_side_by_side_and_with_idle_states_have_the_same_likelihood():
    random = np.random.default_rng(5)
    parts = [random_walk(np.array([0.5]), 1, 1, None), random_walk(np.array([2.0]), 4, 1, None)]
    y, u = random.normal(size=(1, 20, 2)), random.normal(size=(1, 20, 1))
    with jax.enable_x64(True):
        y, u = jnp.asarray(y), jnp.asarray(u)
        apart = sum(
            filter_batch(Kalman(part), y[..., j : j + 1], None, u).log_evidence
            for j, part in enumerate(parts)
        )
        whole = side_by_side(parts)
        np.testing.assert_allclose(filter_batch(Kalman(whole), y, None, u).log_evidence, apart)
        more = with_idle_states(whole, 9)
        np.testing.assert_allclose(filter_batch(Kalman(more), y, None, u).log_evidence, apart)


def test_values_that_leave_the_range_are_counted():
    values = np.concatenate([np.linspace(0, 1, 11), [0.5, 1.04, 1.2, -0.2]])[None, :, None]
    part = np.arange(15)[None] > 10
    mask = np.ones(values.shape, bool)
    assert leaves_range(values, mask, part)[0] == pytest.approx(0.5)
    mask[0, 13] = False
    assert leaves_range(values, mask, part)[0] == pytest.approx(1 / 3)


def test_the_verbs_work_on_copies():
    filter = table("gru", corrected=True)
    again = dataclasses.replace(filter, factor=jnp.asarray(2 * np.asarray(filter.factor)))
    belief = filter.init()
    u = jnp.zeros(1)
    np.testing.assert_allclose(
        again.observe(belief, u).cov, 2 * filter.observe(belief, u).cov, rtol=1e-6
    )
