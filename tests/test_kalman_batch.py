"""Several series through one filter, and draws of whole paths."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from naive_linear import Joint, random_model, random_series

from rekalman.data import Sequences
from rekalman.filters.kalman.batch import filter_batch
from rekalman.filters.kalman.filter import Kalman
from rekalman.filters.kalman.gains import gains
from rekalman.filters.kalman.system import linear_system
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch
from rekalman.models.continuous import LinearContinuous
from rekalman.models.linear import LinearGaussian
from rekalman.models.time_varying import LinearTimeVarying
from rekalman.simulation.linear import simulate_linear
from rekalman.smoothers.simulation import Noise, path_given, simulation_smoother

STEPS = 6


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def several(model, batch: int, seed: int):
    rows = [random_series(model, STEPS, seed + i) for i in range(batch)]
    return (jnp.asarray(np.stack(leaves)) for leaves in zip(*rows, strict=True))


def assert_one_by_one(kalman, path, values, mask, inputs, lengths) -> None:
    for i, length in enumerate(lengths):
        seen = np.asarray(mask[i]) & (np.arange(STEPS) < length)[:, None]
        one = jax.tree.map(np.asarray, kalman.run(values[i], jnp.asarray(seen), inputs[i]))
        for name in ("mean", "cov", "prior_mean", "prior_cov", "log_evidence", "white"):
            whole = np.asarray(getattr(path, name))
            mine = whole[i if len(whole) > 1 else 0, :length]
            np.testing.assert_allclose(mine, getattr(one, name)[:length], atol=1e-9, rtol=1e-7)
        assert not np.asarray(path.log_evidence[i, length:]).any()
        assert not np.asarray(path.white[i, length:]).any()


@pytest.mark.parametrize("initial", ["given", "diffuse"])
@pytest.mark.parametrize("gaps", ["none", "shared", "own"])
def test_several_series_are_filtered_as_each_alone(gaps, initial):
    """Ragged, with inputs; what stands in the padding and behind the mask does not matter."""
    model = random_model(2, 2, 1, 1, initial=initial)
    values, mask, inputs = several(model, 3, 2)
    lengths = np.array([STEPS, 4, 5])
    if gaps == "none":
        mask = np.ones(mask.shape, bool)
    if gaps == "shared":
        mask = np.broadcast_to(np.array(mask[0]), mask.shape).copy()
        mask[:, :2] = True
        mask[1, 4:] = True  # in the padding only
    real = np.asarray(mask) & (np.arange(STEPS) < lengths[:, None])[..., None]
    hidden = jnp.where(real, values, jnp.nan)
    kalman = Kalman(model, "covariance")
    shown = None if gaps == "none" else jnp.asarray(mask)
    path = filter_batch(kalman, hidden, shown, inputs, jnp.asarray(lengths))
    assert path.cov.shape[0] == (3 if gaps == "own" else 1)
    assert_one_by_one(kalman, path, values, jnp.asarray(mask), inputs, lengths)


def test_a_mask_that_is_traced_keeps_the_series_apart():
    model = random_model(2, 2, 1, 1)
    values, mask, inputs = several(model, 3, 2)
    kalman = Kalman(model, "covariance")
    path = jax.jit(lambda mask: filter_batch(kalman, values, mask, inputs))(mask)
    assert_one_by_one(kalman, path, values, mask, inputs, [STEPS] * 3)


def test_lengths_that_are_traced_hide_what_lies_behind_them():
    model = random_model(2, 2, 1, 1)
    values, mask, inputs = several(model, 3, 2)
    kalman, lengths = Kalman(model, "covariance"), jnp.array([STEPS, 4, 5])
    run = jax.jit(lambda lengths: filter_batch(kalman, values, None, inputs, lengths))
    assert_one_by_one(kalman, run(lengths), values, jnp.ones_like(mask), inputs, np.array(lengths))


def test_a_batch_is_refused_with_its_reason():
    kalman = Kalman(random_model(2, 2, 1, 1))
    values, mask, inputs = several(kalman.model, 3, 2)
    with pytest.raises(RekalError, match="column 1 of series 2 holds nan at step 3"):
        filter_batch(kalman, values.at[2, 3, 1].set(jnp.nan), None, inputs)
    with pytest.raises(RekalError, match="has 1 inputs, which every step must bring"):
        filter_batch(kalman, values, mask)


@pytest.mark.parametrize("initial", ["given", "diffuse"])
def test_draws_have_exactly_the_law_of_the_states(initial):
    """A path is an affine function of standard normals: its Jacobian says all of its covariance."""
    model = random_model(2, 2, 1, 3, initial=initial)
    y, mask, u = random_series(model, STEPS, 4)
    system = linear_system(model, y, mask, u)
    result = gains(system)
    draw = lambda noise: path_given(system, result, noise).reshape(-1)  # noqa: E731
    nothing = Noise(jnp.zeros((STEPS, 2)), jnp.zeros((STEPS, 2)))
    mean, slope = jax.jit(lambda: (draw(nothing), jax.jacfwd(draw)(nothing)))()
    slope = np.concatenate([np.asarray(part).reshape(2 * STEPS, -1) for part in slope], 1)
    m, P = model.initial_moments()
    expected, cov = Joint(model.blocks(), m, P, y, mask, u, model.diffuse).given(STEPS)
    np.testing.assert_allclose(mean.reshape(STEPS, 2), expected, atol=1e-9)
    np.testing.assert_allclose(slope @ slope.T, cov.reshape(2 * STEPS, -1), atol=1e-9)


def test_draws_are_many_and_different():
    model = random_model(2, 2, 1, 3)
    y, mask, u = random_series(model, STEPS, 4)
    paths = np.asarray(simulation_smoother(model, y, mask, u, jax.random.key(0), 4000))
    assert paths.shape == (4000, STEPS, 2)
    _, smoothed = Kalman(model, "covariance").smooth(y, mask, u)
    error = np.sqrt(np.asarray(smoothed.cov).diagonal(axis1=1, axis2=2) / 4000)
    assert (np.abs(paths.mean(0) - smoothed.mean) < 5 * error).all()
    with pytest.raises(RekalError, match="draws must be at least 1"):
        simulation_smoother(model, y, mask, u, jax.random.key(0), 0)


def test_a_model_given_step_by_step_is_simulated_as_it_changes():
    """The noise is switched off after three steps; a singular covariance is fine."""
    one = np.ones((STEPS, 1, 1))
    Q = one * (np.arange(STEPS) < 3)[:, None, None]
    model = LinearTimeVarying.create(
        np.eye(1), np.eye(1), Q, np.zeros((1, 1)), varying=("Q",), P=np.zeros((1, 1))
    )
    x, y = simulate_linear(model, STEPS, jax.random.key(0), batch=2000)
    np.testing.assert_array_equal(x, y)
    np.testing.assert_allclose(x[:, 2:].var((0, 2)), [2.0] * 4, rtol=0.1)
    assert np.ptp(np.asarray(x)[:, 2:], axis=1).max() == 0


def test_irregular_series_reach_a_model_in_continuous_time_and_no_other():
    times = np.array([0.0, 1.0, 1.5, 4.0])
    data = Sequences.from_arrays(np.arange(4.0), times=times, irregular=True)
    one = np.eye(1)
    model = LinearContinuous.create(-one, one, one, one)
    batch = as_batch(data, model)
    np.testing.assert_allclose(batch.dt[0, 1:4], np.diff(times))
    for other in (None, LinearGaussian.create(one, one, one, one)):
        with pytest.raises(RekalError, match="runs in equal steps"):
            as_batch(data, other)
    regular = Sequences.from_arrays(np.arange(4.0), interval=0.5)
    assert as_batch(regular).dt is None
    with pytest.raises(RekalError, match=r"sampled every 0.5.*make it with interval=0.5"):
        as_batch(regular, model)


def test_series_of_a_model_given_step_by_step_are_not_padded():
    one = np.eye(1)
    long = LinearTimeVarying.create(np.ones((45, 1, 1)), one, one, one, varying=("A",))
    data = Sequences.from_arrays(np.arange(41.0))
    assert as_batch(data).values.shape[1] == 42
    assert as_batch(data, long).values.shape[1] == 41
    short = LinearTimeVarying.create(np.ones((40, 1, 1)), one, one, one, varying=("A",))
    with pytest.raises(RekalError, match="A has 40 steps, but the series has 41"):
        as_batch(data, short)
