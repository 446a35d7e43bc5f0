"""The number of states: the true one is found, and the table says what it should."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
import pytest
from naive import random_linear, simulate_linear

from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch
from rekalman.learners.em.linear_em import linear_em
from rekalman.learners.em.priors import SAFEGUARD
from rekalman.learners.start.n4sid import n4sid
from rekalman.learners.start.order import (
    Orders,
    choose_order,
    counted,
    leading_states,
    with_idle_states,
)


def test_finds_the_number_of_states():
    with jax.enable_x64(True):
        truth = random_linear(2, 2, 0, seed=6)
        y = np.asarray(simulate_linear(truth, 1500, seed=1)[0])
        result = choose_order(as_batch(Sequences.from_arrays(y)), (1, 2), iterations=30)
    assert [order.states for order in result.candidates] == [1, 2]
    assert result.by_bic.states == 2
    assert result.by_held_out.states == 2
    frame = result.to_frame()
    assert frame.loc[2, "aic"] < frame.loc[1, "aic"]
    np.testing.assert_allclose(
        frame["aic"], 2 * frame["parameters"] - 2 * frame["log_likelihood"], rtol=1e-12
    )
    assert result.summary().count("*") == 3


def test_models_that_explode_are_left_out():
    """A level in noise of which 56 samples were fitted by a state that grows by 3 % a step."""
    with jax.enable_x64(True):
        truth = random_linear(1, 1, 0, seed=1)
        y = np.asarray(simulate_linear(truth, 60, seed=1)[0])
        result = choose_order(as_batch(Sequences.from_arrays(y)), (1, 2), iterations=5)
    calm, wild = result.candidates
    model = eqx.tree_at(lambda m: m.A, wild.model, 1.03 * np.eye(2))
    wild = wild._replace(model=model, bic=calm.bic - 10)
    both = Orders((calm, wild))
    assert wild.spectral_radius == pytest.approx(1.03) and both.by_bic is wild
    assert both.bounded(60) is calm  # 1.03 ** 60 = 5.9
    assert both.bounded(40) is wild  # 1.03 ** 40 = 3.3
    assert Orders((wild,)).bounded(60) is wild


def test_the_parameters_that_count():
    # One state, one output: a pole, the gain, the innovation's variance, the mean.
    assert counted(1, 1, 0) == 4
    # A scalar input adds its effect on the state and on the output.
    assert counted(1, 1, 1) == 6
    # More outputs than states: the noise of the states has no more entries than Q.
    assert counted(1, 3, 0) == 3 + 1 + 6 + 3


def test_what_is_refused():
    batch = as_batch(Sequences.from_arrays(np.random.default_rng(0).normal(size=(12, 1))))
    with pytest.raises(RekalError, match="numbers of states to try must be at least 1"):
        choose_order(batch, (0, 1))
    with pytest.raises(RekalError, match="hold_out must lie between 0 and 1"):
        choose_order(batch, (1,), hold_out=1.0)
    with pytest.raises(RekalError, match="9 states need more data"):
        choose_order(batch, (9,))


def test_idle_states_change_nothing_that_is_learned():
    with jax.enable_x64(True):
        y, mask, u = simulate_linear(random_linear(2, 2, 1, seed=4), 60, seed=4)
        data = Sequences.from_arrays(np.where(mask, y, np.nan)[None], inputs=u[None])
        batch = as_batch(data, None)
        start = n4sid(
            np.asarray(batch.values), np.asarray(batch.mask), 2, inputs=np.asarray(u)[None]
        )
        alone = linear_em(start, batch, iterations=30, tolerance=0, strength=SAFEGUARD)
        among = linear_em(
            with_idle_states(start, 5), batch, iterations=30, tolerance=0, strength=SAFEGUARD
        )
    np.testing.assert_allclose(among.log_likelihood, alone.log_likelihood, rtol=1e-10)
    learned = leading_states(among.model, 2)
    for name in "ABcCDdQRmP":
        block = np.asarray(getattr(alone.model, name))
        np.testing.assert_allclose(np.asarray(getattr(learned, name)), block, atol=1e-9)
    assert not np.asarray(among.model.A)[2:].any()
    assert not np.asarray(among.model.A)[:2, 2:].any()
    assert not np.asarray(among.model.C)[:, 2:].any()
