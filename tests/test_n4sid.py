"""Subspace identification: consistent dynamics, any units, a start from which EM is done in no time."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from naive import random_linear, simulate_linear

from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch
from rekalman.learners.em.linear_em import linear_em
from rekalman.learners.start.n4sid import autoregressive_order, n4sid
from rekalman.learners.start.subspace import subspace_start
from rekalman.models.linear import LinearGaussian

BLOCKS = ("A", "B", "c", "C", "D", "d", "Q", "R", "m", "P")


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def markov(model, count=6):
    """What one unit of input does `0 ... count - 1` steps later."""
    A, B, C, D = (np.asarray(getattr(model, name)) for name in "ABCD")
    effect = [C @ np.linalg.matrix_power(A, h) @ B for h in range(count)]
    return np.stack([effect[0] + D, *effect[1:]])


def poles(model):
    values = np.linalg.eigvals(np.asarray(model.A))
    return values[np.lexsort((values.imag, values.real))]


@pytest.mark.parametrize("weighting", ["cva", "none"])
def test_finds_the_dynamics(weighting):
    truth = random_linear(3, 2, 1, seed=5)
    y, _, u = (np.asarray(leaf) for leaf in simulate_linear(truth, 20_000, seed=2))
    model = n4sid(y, np.ones_like(y, bool), 3, inputs=u, weighting=weighting)
    np.testing.assert_allclose(poles(model), poles(truth), atol=0.03)
    np.testing.assert_allclose(markov(model), markov(truth), atol=0.06)


def test_units_change_the_model_but_not_what_it_says():
    truth = random_linear(2, 2, 1, seed=3)
    y, mask, u = (np.asarray(leaf) for leaf in simulate_linear(truth, 500, seed=4))
    one = n4sid(y, mask, 2, inputs=u)
    other = n4sid(1000 * y + 7, mask, 2, inputs=u / 50 + 3)
    np.testing.assert_allclose(poles(other), poles(one), atol=1e-6)
    np.testing.assert_allclose(markov(other), 50_000 * markov(one), rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(other.R, 1e6 * one.R, rtol=1e-4)


def test_em_from_it_reaches_the_likelihood_of_the_truth():
    truth = random_linear(4, 2, 1, seed=5)
    y, mask, u = (np.asarray(leaf) for leaf in simulate_linear(truth, 1000, seed=6))
    data = Sequences.from_arrays(np.where(mask, y, np.nan)[None], inputs=u[None])
    batch = as_batch(data)
    start = n4sid(y, mask, 4, inputs=u)
    known = LinearGaussian.create(**{name: getattr(truth, name) for name in BLOCKS})
    target = linear_em(known, batch, iterations=1).log_likelihood[0]
    assert linear_em(start, batch, iterations=21, tolerance=0).log_likelihood[-1] > target


def test_several_series_of_different_lengths():
    truth = random_linear(2, 1, 0, seed=9)
    lengths = [900, 15, 600, 3]
    rows = [np.asarray(simulate_linear(truth, n, seed=n)[0]) for n in lengths]
    data = Sequences.from_arrays(rows)
    model = n4sid(
        np.asarray(data.values), np.asarray(data.mask), 2, lengths=np.asarray(data.lengths)
    )
    np.testing.assert_allclose(poles(model), poles(truth), atol=0.15)


def test_more_states_than_the_data_have_directions():
    y = np.random.default_rng(0).normal(size=(200, 1))
    model = n4sid(np.stack([np.ones(200), y[:, 0]], 1), np.ones((200, 2), bool), 5)
    assert model.A.shape == (5, 5)
    for leaf in jax.tree.leaves(model):
        assert bool(jnp.isfinite(leaf).all())
    assert np.abs(poles(model)).max() <= 1 + 1e-12


def test_the_order_of_an_autoregression():
    rng = np.random.default_rng(1)
    y = np.zeros(3000)
    for t in range(3, 3000):
        y[t] = 0.5 * y[t - 1] + 0.4 * y[t - 3] + rng.normal()
    assert autoregressive_order([(y[:, None], np.zeros((3000, 0)))], 6) in (3, 4)


def test_what_is_refused():
    y, seen = np.zeros((20, 1)), np.ones((20, 1), bool)
    with pytest.raises(RekalError, match="15 states need more data: the series hold only 11"):
        n4sid(y, seen, 15)
    with pytest.raises(RekalError, match="states must be at least 1"):
        n4sid(y, seen, 0)
    with pytest.raises(RekalError, match="window must be at least 1"):
        n4sid(y, seen, 1, window=0)


@pytest.mark.parametrize("start", [n4sid, subspace_start])
@pytest.mark.parametrize("size", [1e160, 1e200, 1e-200])
def test_squares_beyond_double_precision_are_refused(start, size):
    """They were singular values that did not converge."""
    y = size * np.sin(0.4 * np.arange(80))[:, None]
    with pytest.raises(RekalError, match=r"column 0 holds values up to .* beyond double precision"):
        start(y, np.ones(y.shape, bool), 2)


def test_a_series_that_does_not_change_yet_has_a_start():
    """The part that is trained on may be constant where the held-out part is not."""
    for y in (np.ones((60, 1)), np.where(np.arange(60) % 7 > 3, 1.0, np.nextafter(1, 2))[:, None]):
        model = n4sid(y, np.ones(y.shape, bool), 2)
        assert all(np.isfinite(np.asarray(block)).all() for block in (model.A, model.C, model.Q))
