"""Evolino: subpopulations, the judgement of networks in one call, and the learner."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch
from rekalman.learners.evolution.evaluation import judge
from rekalman.learners.evolution.evolino import Evolino, in_double
from rekalman.learners.evolution.generations import Generations
from rekalman.learners.evolution.genes import genes_of, layer_of
from rekalman.learners.evolution.parts import parts_of, whole_series
from rekalman.learners.evolution.population import (
    burst,
    credit,
    crossed,
    next_generation,
    teams,
    with_elite,
)
from rekalman.networks.predictors.recurrent import RecurrentPredictor

KINDS = (rekalman.LSTM, rekalman.GRU, rekalman.Elman)


def network(kind=rekalman.LSTM, columns=1, units=3, **sizes):
    return RecurrentPredictor.create(kind, columns, units=units, key=jax.random.key(0), **sizes)


def waves(steps=90, columns=1, inputs=0, series=1, gap=False):
    rng = np.random.default_rng(0)
    t = np.arange(steps)[:, None] + rng.uniform(0, 9, (series, 1, columns))
    u = rng.normal(size=(series, steps, inputs))
    y = np.sin(0.3 * t) + 0.1 * rng.normal(size=(series, steps, columns))
    if inputs:
        y = y + 0.3 * u[..., :1]
    if gap:
        y[0, 30:34, 0] = np.nan
        y[0, 50] = np.nan
    return rekalman.Sequences.from_arrays(y, inputs=u if inputs else None)


QUICK = Evolino(population=8, generations=6, trials=1, washout=5, feedback=0.3)


@pytest.mark.parametrize("kind", KINDS)
def test_genes_are_the_weights_that_lead_to_a_unit(kind):
    layer = network(kind, inputs=2).layer
    genes = genes_of(layer)
    again = layer_of(layer, genes)
    for one, other in ((layer.into, again.into), (layer.across, again.across)):
        np.testing.assert_array_equal(one, other)
    moved = layer_of(layer, genes.at[1].add(1.0))
    columns = np.arange(kind.gates * layer.units) % layer.units
    np.testing.assert_array_equal(
        np.asarray(moved.across != layer.across).any(0), columns == 1
    )  # the gates of unit 1, and nothing else


def test_teams_take_each_vector_the_same_number_of_times():
    team = teams(np.random.default_rng(0), units=3, population=6, trials=4)
    assert (team[0] == 0).all()
    for unit in range(3):
        np.testing.assert_array_equal(np.bincount(team[1:, unit]), np.full(6, 4))


def test_a_vector_has_the_credit_of_its_best_network():
    team = np.array([[0, 0], [0, 1], [1, 2], [2, 0]])
    errors = np.array([3.0, 1.0, np.inf, 2.0])
    np.testing.assert_array_equal(credit(errors, team, 3), [[1, np.inf, 2], [2, 1, np.inf]])


def test_the_better_half_stays_and_children_are_of_the_best_quarter():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(2, 8, 5))
    errors = rng.permuted(np.tile(np.arange(8.0), (2, 1)), axis=1)
    made = next_generation(rng, vectors, errors, mutation=0.0, scale=1.0)
    for old, new, error in zip(vectors, made, errors, strict=True):
        np.testing.assert_array_equal(new[0], old[0])  # of the best network, whatever its error
        order = np.concatenate([[0], 1 + np.argsort(error[1:])])
        np.testing.assert_array_equal(new[:4], old[order[:4]])
        parents = old[order[:2]]
        for child in new[4:]:
            assert ((child == parents[0]) | (child == parents[1])).all()


def test_children_share_out_the_genes_of_their_parents():
    ranked = np.arange(8.0)[:, None] * np.ones(6)
    children = crossed(np.random.default_rng(1), ranked, 4)
    assert (children[0] + children[1] == 1).all() and 0 < children[0].sum() < 6


def test_a_burst_lies_around_the_best_network():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3, 400, 5))
    made = burst(rng, vectors, 0.1)
    np.testing.assert_array_equal(made[:, 0], vectors[:, 0])
    moves = np.abs(made[:, 1:] - vectors[:, :1])
    assert np.median(moves) == pytest.approx(
        0.1, rel=0.1
    )  # half of Cauchy moves are shorter than the scale


def test_the_elite_changes_places():
    vectors = np.arange(6.0).reshape(2, 3, 1)
    made = with_elite(vectors, np.array([2, 0]))
    np.testing.assert_array_equal(made[..., 0], [[2, 1, 0], [3, 4, 5]])


@pytest.mark.parametrize(
    ("kind", "direct", "horizon"),
    [(rekalman.LSTM, True, 6), (rekalman.LSTM, False, None), (rekalman.GRU, False, 1)],
)
def test_one_call_judges_all_networks_as_a_loop_over_steps_does(kind, direct, horizon):
    """Against the predictor itself, step by step, and NumPy's least squares."""
    data = waves(60, columns=2, inputs=1, series=2)
    with jax.enable_x64(True):
        start = in_double(network(kind, 2, inputs=1, direct=direct))
        rng = np.random.default_rng(2)
        genes = np.asarray(genes_of(start.layer)) + 0.3 * rng.normal(size=(2, 3, 1))
        parts = parts_of(as_batch(data), 0.25, horizon, 5)
        judged = judge(start, jnp.asarray(genes), parts, jnp.asarray(1e-6), False)
        for i in range(2):
            readout, error = naive(start, genes[i], data, horizon, 1e-6)
            np.testing.assert_allclose(judged.readout[i], readout, rtol=1e-6, atol=1e-8)
            assert float(judged.error[i]) == pytest.approx(error, rel=1e-6)


def naive(start, genes, data, horizon, penalty):
    """Readout and error of one network, with the steps of the predictor."""
    model = dataclasses.replace(start, layer=layer_of(start.layer, jnp.asarray(genes)))
    advance, features_of = (
        eqx.filter_jit(type(model).advance),
        eqx.filter_jit(type(model).features_of),
    )
    y, u = np.asarray(data.values, float), np.asarray(data.inputs, float)
    head, features, wanted, states = 45, [], [], []
    for rows, inputs in zip(y, u, strict=True):
        state, each = model.start(), []
        for t, row in enumerate(rows):
            each.append(state)
            if 5 <= t < head:
                features.append(np.asarray(features_of(model, state)))
                wanted.append(row)
            if t + 1 < len(rows):
                state = advance(model, state, jnp.asarray(row), jnp.asarray(inputs[t + 1]))
        states.append(each)
    X, Y = np.array(features), np.array(wanted)
    D = np.diag((X**2).mean(0))
    readout = np.linalg.solve(X.T @ X / len(X) + penalty * D, X.T @ Y / len(X))
    model = dataclasses.replace(model, readout=jnp.asarray(readout))
    squares, length = [], 15 if horizon is None else horizon
    stride = 15 if horizon is None else max(1, length // 2)
    for rows, inputs, each in zip(y, u, states, strict=True):
        for begin in range(head, len(rows), stride):
            state = each[begin]
            for t in range(begin, min(begin + length, len(rows))):
                said = features_of(model, state) @ model.readout
                squares.append((np.asarray(said) - rows[t]) ** 2)
                if t + 1 < len(rows):
                    state = advance(model, state, said, jnp.asarray(inputs[t + 1]))
    return readout, np.mean(squares)


def test_one_by_one_networks_have_the_same_figures():
    data = waves()
    with jax.enable_x64(True):
        start = in_double(network())
        parts = parts_of(as_batch(data), 0.25, None, 5)
        rng = np.random.default_rng(0)
        genes = jnp.asarray(genes_of(start.layer) + 0.3 * rng.normal(size=(6, 3, 1)))
        together = judge(start, genes, parts, jnp.asarray(1e-8), False)
        alone = [judge(start, each[None], parts, jnp.asarray(1e-8), False) for each in genes]
        np.testing.assert_allclose(
            together.error, [float(each.error[0]) for each in alone], rtol=1e-9
        )


def test_what_stands_behind_a_gap_is_never_seen():
    data = waves(gap=True)
    with jax.enable_x64(True):
        start = in_double(network())
        genes = genes_of(start.layer)[None]
        batch = as_batch(data)
        other = batch._replace(values=jnp.where(batch.mask, batch.values, 1e6))
        errors = []
        for each in (batch, other):
            parts = parts_of(each, 0.25, 10, 5)
            assert not whole_series(parts)
            assert not np.asarray(parts.fitted)[0, 30:34].any()  # rows with gaps do not count
            errors.append(float(judge(start, genes, parts, jnp.asarray(1e-6), True).error[0]))
        assert errors[0] == errors[1] and np.isfinite(errors[0])


def test_gaps_are_run_through_freely():
    """A clean wave that goes missing is filled by the network, so its state after the gap is nearly right."""
    y = np.sin(0.3 * np.arange(400))[:, None]
    missing = y.copy()
    missing[150:165] = np.nan
    errors = []
    start = network(units=6, direct=True)
    learner = Evolino(population=10, generations=15, trials=1, horizon=5)
    for each in (y, missing):
        data = rekalman.Sequences.from_arrays(each)
        result = learner.run(start, data, key=jax.random.key(0))
        errors.append(np.sqrt(result.history.values[-1]))
    assert errors[0] < 0.01 and errors[1] < 0.05


def test_the_best_error_never_rises_and_the_elite_keeps_it():
    with jax.enable_x64(True):
        parts = parts_of(as_batch(waves()), 0.25, None, 5)
        evolution = Generations(QUICK, in_double(network()), parts, jax.random.key(3))
        each = []
        for _ in range(12):
            evolution.step()
            elite = jnp.asarray(evolution.vectors[None, :, 0])
            each.append(float(evolution.judged(np.asarray(elite)).error[0]))
        assert (np.diff(evolution.errors) <= 0).all() and evolution.errors[-1] < evolution.errors[0]
        np.testing.assert_allclose(each, evolution.errors, rtol=1e-6)


def test_a_lull_ends_in_a_burst_and_bursts_without_gain_end_the_evolution():
    data = waves()
    still = Evolino(
        population=4, generations=50, trials=1, washout=5, spread=0.0, mutation=0.0, scale=1e-300,
        patience=3, bursts=2,
    )  # fmt: skip
    result = still.run(network(), data, key=jax.random.key(0))
    assert result.history.stopped == "patience"
    assert len(result.history.values) == 10  # the first, then three lulls of three generations


def test_the_same_key_gives_the_same_network():
    data = waves(inputs=1)
    one, again, other = (
        QUICK.run(network(inputs=1), data, key=jax.random.key(seed)).model for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.readout, again.readout)
    np.testing.assert_array_equal(one.layer.across, again.layer.across)
    assert not np.array_equal(one.layer.across, other.layer.across)


def test_without_feedback_inputs_alone_drive_the_units():
    data = waves(inputs=1)
    learner = Evolino(population=8, generations=3, feedback=0.0, drive=1.0, washout=5)
    made = learner.run(network(inputs=1), data, key=jax.random.key(0)).model
    assert (np.asarray(made.layer.into)[0] == 0).all() and (
        np.asarray(made.layer.into)[1] != 0
    ).any()


def test_the_error_of_the_history_is_that_of_the_network():
    data = waves()
    result = QUICK.run(network(), data, key=jax.random.key(0))
    with jax.enable_x64(True):
        model, advance = result.model, eqx.filter_jit(type(result.model).advance)
        state, y = model.start(), np.asarray(data.values, float)[0]
        cut = 90 - int(np.ceil(0.25 * 90))
        for row in y[:cut]:
            state = advance(model, state, jnp.asarray(row))
        squares = []
        for row in y[cut:]:
            said = model.output(state)
            squares.append((float(said[0]) - row[0]) ** 2)
            state = advance(model, state, said)
    assert np.mean(squares) == pytest.approx(result.history.values[-1], rel=1e-6)


def test_ctrl_c_leaves_the_best_so_far():
    def stop(progress):
        if progress.iteration == 3:
            raise KeyboardInterrupt

    result = QUICK.run(network(), waves(), key=jax.random.key(0), callback=stop)
    assert result.stopped == "interrupted" and len(result.history.values) == 3
    assert np.isfinite(np.asarray(result.model.readout)).all()


@pytest.mark.parametrize(
    ("sentence", "options"),
    [
        ("population must be at least 4, but is 1", {"population": 1}),
        ("generations must be at least 1", {"generations": 0}),
        ("trials must be at least 1", {"trials": 0}),
        ("horizon must be at least 1", {"horizon": 0}),
        ("penalty must be above 0", {"penalty": 0.0}),
        ("mutation must be at most 1", {"mutation": 1.5}),
        ("validation must be at most 0.9", {"validation": 1.0}),
        ("feedback must be at least 0", {"feedback": -1.0}),
        ("patience must be at least 1", {"patience": 0}),
    ],
)
def test_bad_options_are_refused(sentence, options):
    with pytest.raises(RekalError, match=sentence):
        Evolino(**options)


def test_bad_data_are_refused():
    with pytest.raises(RekalError, match="give run a key"):
        QUICK.run(network(), waves())
    with pytest.raises(RekalError, match="1 columns and 0 inputs, but the data have 2 and 0"):
        QUICK.run(network(), waves(columns=2), key=jax.random.key(0))
    with pytest.raises(RekalError, match="readout of 31 features cannot be fitted"):
        QUICK.run(network(units=30), waves(20), key=jax.random.key(0))
    empty = rekalman.Sequences.from_arrays(np.full((30, 1), np.nan))
    with pytest.raises(RekalError, match="too little is observed"):
        QUICK.run(network(), empty, key=jax.random.key(0))
