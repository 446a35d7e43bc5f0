"""The extended Kalman filter of state and weights: against the Kalman filter and real-time learning."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_innovations import linear

import rekalman
from rekalman.core.serial import arrays_of, described, rebuilt
from rekalman.filters.learning.joint import JointKalman
from rekalman.filters.learning.kalman_step import KalmanUpdate
from rekalman.filters.learning.network import LearningNetwork
from rekalman.filters.learning.snap import RTRL
from rekalman.networks.predictors.recurrent import RecurrentPredictor


def test_with_known_weights_of_a_linear_model_it_is_the_kalman_filter():
    """x' = (A - K C) x + K y + B u + w, y = C x + e: the row is an input of the next step."""
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        model = linear(rng)
        model = eqx.tree_at(lambda each: each.N, model, jnp.diag(jnp.array([0.8, 1.3])))
        y, u = rng.normal(size=(20, 2)), rng.normal(size=(20, 1))
        joint = JointKalman(model, prior=0.0, drift=0.0, process_noise=0.3, noise_rate=0.0)
        path = joint.run(jnp.asarray(y), jnp.ones(y.shape, bool), jnp.asarray(u))
        A, B, C, K, N = (np.asarray(each) for each in (model.A, model.B, model.C, model.K, model.N))
        # The first row says nothing of the state, which is known then.
        drive = np.concatenate([y[:-1], u[1:]], 1)
        known = K @ y[0] + B @ u[1]
        exact = rekalman.Kalman(
            rekalman.LinearGaussian.create(
                A=A - K @ C, B=np.hstack([K, B]), C=C, Q=0.3 * np.eye(3), R=N @ N.T,
                m=known, P=0.3 * np.eye(3),
            )
        )  # fmt: skip
        wanted = exact.run(jnp.asarray(y[1:]), jnp.ones((19, 2), bool), jnp.asarray(drive))
        np.testing.assert_allclose(path.log_evidence[1:], wanted.log_evidence, rtol=1e-9)


@pytest.mark.parametrize("kind", [rekalman.Elman, rekalman.GRU])
def test_without_process_noise_it_knows_the_influence_of_the_weights_on_the_state(kind):
    """While weights and state hardly move: `H P H'` is then that of exact real-time derivatives."""
    with jax.enable_x64(True):
        made = RecurrentPredictor.create(kind, 1, units=3, direct=True, key=jax.random.key(0))
        made = jax.tree.map(lambda leaf: leaf.astype(float), made)
        y = jnp.asarray(np.random.default_rng(0).normal(size=(12, 1)))
        mask = jnp.ones(y.shape, bool)
        small = 1e-6  # the prior: weights move by as little
        joint = JointKalman(made, prior=small, drift=0.0, noise_rate=0.0)
        update = KalmanUpdate(prior=small, drift=0.0, noise_rate=0.0)
        one = joint.run(y, mask)
        other = LearningNetwork.create(made, RTRL(), update).run(y, mask)
        parts = [np.asarray(each.predicted.var)[1:] - 1.0 for each in (one, other)]
        assert (parts[0] > 1e-7).all()
        np.testing.assert_allclose(*parts, rtol=1e-4)


def test_gaps_keep_covariances_positive_and_what_is_behind_a_mask_changes_nothing():
    made = RecurrentPredictor.create(rekalman.GRU, 2, units=4, direct=True, key=jax.random.key(0))
    joint = JointKalman(made, process_noise=0.01)
    rng = np.random.default_rng(0)
    y, mask = rng.normal(size=(60, 2)).astype(np.float32), rng.random((60, 2)) < 0.6
    one, other = (
        joint.run(jnp.asarray(np.where(mask, y, fill)), jnp.asarray(mask)) for fill in (0.0, 1e6)
    )
    np.testing.assert_array_equal(one.log_evidence, other.log_evidence)
    eigenvalues = np.linalg.eigvalsh(np.asarray(one.predicted.cov, np.float64))
    assert eigenvalues.min() > 0 and np.isfinite(one.log_evidence).all()
    last = jax.tree.map(lambda leaf: leaf[-1], one.belief)
    ahead = joint.forecast(last, 4)
    assert (np.asarray(ahead.var) > 0).all()
    moved = joint.learned(last).readout - made.readout
    assert float(jnp.abs(moved).max()) > 0


def test_a_file_holds_it_and_bad_options_are_refused():
    made = RecurrentPredictor.create(rekalman.Elman, 1, units=3, key=jax.random.key(0))
    joint = JointKalman(made, prior=0.5, process_noise=0.1)
    assert eqx.tree_equal(joint, rebuilt(described(joint, "filter"), arrays_of(joint)))
    for name in ("prior", "drift", "process_noise"):
        with pytest.raises(rekalman.RekalError, match=f"{name} must be at least 0"):
            JointKalman(made, **{name: -1.0})
    with pytest.raises(rekalman.RekalError, match="noise_rate must be at most 1"):
        JointKalman(made, noise_rate=2.0)
