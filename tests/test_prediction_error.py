"""Prediction-error training: its loss against the filter's likelihood, gaps, several networks at once."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_innovations import linear

import rekalman
from rekalman.filters.innovations import Innovations
from rekalman.foundation.errors import RekalError
from rekalman.learners.gradient.one_step import Rows, log_densities
from rekalman.learners.gradient.prediction_error import PredictionError, rows_of
from rekalman.networks.predictors.recurrent import RecurrentPredictor
from rekalman.studies.rnn_or_kalman.systems import draw, exact, excess

QUICK = PredictionError(epochs=4, batch=8, rate=0.02)


def network(seed=0, columns=1, **options):
    return RecurrentPredictor.create(
        rekalman.GRU, columns, units=4, key=jax.random.key(seed), **options
    )


def waves(count=12, steps=40, seed=0, inputs=False):
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(count, steps, 1))
    phase = rng.uniform(0, 6, (count, 1))
    y = np.sin(0.4 * np.arange(steps) + phase)[..., None] + 0.2 * rng.normal(size=(count, steps, 1))
    if inputs:
        y = y + 0.5 * u
    return rekalman.Sequences.from_arrays(y, inputs=u if inputs else None)


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_the_likelihood_of_the_filter(seed):
    rng = np.random.default_rng(seed)
    with jax.enable_x64(True):
        made = linear(rng)
        y, u = jnp.asarray(rng.normal(size=(10, 2))), jnp.asarray(rng.normal(size=(10, 1)))
        path = Innovations(made).run(y, jnp.ones((10, 2), bool), u)
        for washout in (1, 4):
            tally = log_densities(made, Rows(y, None, u), washout)
            assert float(tally.total) == pytest.approx(float(path.log_evidence[washout:].sum()))
            assert int(tally.steps) == 10 - washout


def test_the_gradient_is_that_of_finite_differences():
    with jax.enable_x64(True):
        made = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), network())
        y = jnp.asarray(np.random.default_rng(0).normal(size=(15, 1)))
        seen = jnp.asarray(np.random.default_rng(1).random((15, 1)) < 0.8)
        rows = Rows(jnp.where(seen, y, 0.0), seen)
        arrays, rest = eqx.partition(made, eqx.is_inexact_array)
        total = lambda some: log_densities(eqx.combine(some, rest), rows).total  # noqa: E731
        gradient = jax.grad(total)(arrays)
        rng = np.random.default_rng(2)
        way = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), arrays)
        slope = sum(jax.tree.leaves(jax.tree.map(lambda a, b: (a * b).sum(), gradient, way)))
        ahead = lambda h: total(jax.tree.map(lambda a, b: a + h * b, arrays, way))  # noqa: E731
        assert float(slope) == pytest.approx(float(ahead(1e-6) - ahead(-1e-6)) / 2e-6, rel=1e-6)


def test_what_stands_behind_a_gap_changes_nothing():
    data = waves()
    mask = np.random.default_rng(0).random(data.values.shape) < 0.8
    results = []
    for junk in (0.0, 1e6):
        gaps = dataclasses.replace(data, values=np.where(mask, data.values, junk), mask=mask)
        results.append(QUICK.run(network(), gaps))
    assert eqx.tree_equal(results[0].model, results[1].model)
    assert np.isfinite(results[0].history.values).all()


def test_networks_side_by_side_learn_what_each_learns_alone():
    data = [waves(seed=seed) for seed in (1, 2)]
    starts = [network(seed) for seed in (3, 4)]
    stack = lambda trees: jax.tree.map(  # noqa: E731
        lambda *leaves: jnp.stack(leaves) if eqx.is_array(leaves[0]) else leaves[0], *trees
    )
    rows = [rows_of(start, one) for start, one in zip(starts, data, strict=True)]
    part = lambda a, b: [Rows(each.values[a:b]) for each in rows]  # noqa: E731
    train, held = part(0, 9), part(9, 12)
    both = QUICK.run_many(stack(starts), stack(train), stack(held), (5, 6))
    for i in range(2):
        alone = QUICK.run_many(stack([starts[i]]), stack([train[i]]), stack([held[i]]), (5 + i,))
        np.testing.assert_allclose(both.validation[:, i], alone.validation[:, 0], rtol=2e-4)


def test_a_linear_system_is_learned_to_near_the_kalman_filter():
    one = np.eye(1)
    model = rekalman.LinearGaussian.create(A=0.9 * one, C=one, Q=0.19 * one, R=0.5 * one)
    data = rekalman.Sequences.from_arrays(draw(model, 150, 0, steps=60).values)
    result = PredictionError(epochs=120, batch=24, rate=0.02).run(network(), data)
    test = draw(model, 100, 1, steps=60)
    best = exact(model, test).forecast
    path = Innovations(result.model).run_batch(
        jnp.asarray(test.values, jnp.float32), jnp.ones(test.values.shape, bool)
    )
    assert excess(np.asarray(path.predicted.mean), best, test.values) < 0.03
    error = np.square(test.values - best)[:, 10:].mean()
    noise = float(np.asarray(result.model.noise_factor)[0, 0]) ** 2
    assert noise == pytest.approx(error, rel=0.05)  # the noise is learned, too


def test_the_noise_stays_where_it_is_not_learned():
    start = network()
    made = dataclasses.replace(QUICK, learn_noise=False).run(start, waves()).model
    np.testing.assert_array_equal(made.noise_factor, start.noise_factor)
    assert not np.array_equal(made.readout, start.readout)


def test_training_stops_when_nothing_gets_better():
    learner = dataclasses.replace(QUICK, epochs=200, rate=0.1, patience=3, average=0.0)
    result = learner.run(network(), waves(count=4, steps=12))
    assert result.stopped == "patience" and len(result.history.values) < 200


def test_bad_input_is_refused():
    data = waves()
    for wrong, said in (
        ({"rate": 0.0}, "rate"),
        ({"batch": 0}, "batch"),
        ({"average": 1.0}, "average is a share"),
        ({"washout": -1}, "washout"),
    ):
        with pytest.raises(RekalError, match=said):
            PredictionError(**wrong)
    with pytest.raises(RekalError, match="2 columns, but the data have 1"):
        QUICK.run(network(columns=2), data)
    with pytest.raises(RekalError, match="1 inputs, but the data have 0"):
        QUICK.run(network(inputs=1), data)
    with pytest.raises(RekalError, match="none to hold out"):
        QUICK.run(network(), waves(count=1))
    with pytest.raises(RekalError, match="after the first 40 steps"):
        dataclasses.replace(QUICK, washout=40).run(network(), data)
    huge = dataclasses.replace(data, values=1e30 * np.asarray(data.values))
    with pytest.raises(RekalError, match="not finite in epoch 1"):
        QUICK.run(network(), huge)
