"""The filter of the innovations form, against brute force, the general recursion and a Kalman filter."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.core.filter import Filter
from rekalman.core.serial import arrays_of, described, rebuilt
from rekalman.filters.innovations import Innovations, largest
from rekalman.networks.predictors.predictor import Predictor
from rekalman.networks.predictors.recurrent import RecurrentPredictor

KINDS = (rekalman.Elman, rekalman.GRU, rekalman.LSTM)


class Linear(Predictor):
    """x' = A x + K (y - C x) + B u, y = C x + e."""

    A: jax.Array
    B: jax.Array
    C: jax.Array
    K: jax.Array
    N: jax.Array

    @property
    def observations(self):
        return self.C.shape[0]

    @property
    def n_inputs(self):
        return self.B.shape[1]

    @property
    def states(self):
        return self.A.shape[0]

    @property
    def described(self):
        return "linear"

    def start(self):
        return jnp.zeros(self.states)

    def advance(self, state, y, u=None):
        driven = 0.0 if u is None else self.B @ u
        return self.A @ state + self.K @ (y - self.C @ state) + driven

    def output(self, state):
        return self.C @ state

    def noise(self, state):
        return self.N


def linear(rng, n=3, p=2, k=1):
    A = 0.5 * rng.normal(size=(n, n))
    return Linear(
        *map(
            jnp.asarray,
            (
                A,
                rng.normal(size=(n, k)),
                rng.normal(size=(p, n)),
                0.4 * rng.normal(size=(n, p)),
                np.tril(rng.normal(size=(p, p))) + 1.5 * np.eye(p),
            ),
        )
    )


def joint_law(model, steps, u):
    """Mean and covariance of all rows, written out: rows are linear in the innovations e_1 ... e_T."""
    n, p = model.states, model.observations
    size = steps * p
    A, B, C, K, N = (np.asarray(each) for each in (model.A, model.B, model.C, model.K, model.N))
    mean_x, in_x = np.zeros(n), np.zeros((n, size))
    mean, in_y, roots = [], [], []
    for t in range(steps):
        own = np.zeros((p, size))
        own[:, t * p : (t + 1) * p] = np.eye(p)
        mean.append(C @ mean_x)
        in_y.append(C @ in_x + own)
        roots.append(np.eye(p) if t == 0 else N)  # the first row is standard normal
        if t + 1 < steps:
            mean_x, in_x = A @ mean_x + B @ u[t + 1], A @ in_x + K @ own
    G, root = np.concatenate(in_y), np.zeros((size, size))
    for t in range(steps):
        root[t * p : (t + 1) * p, t * p : (t + 1) * p] = roots[t]
    return np.concatenate(mean), G @ root @ root.T @ G.T


@pytest.mark.parametrize("seed", range(4))
def test_a_linear_predictor_with_gaps_has_the_likelihood_and_forecasts_of_the_joint_law(seed):
    rng = np.random.default_rng(seed)
    with jax.enable_x64(True):
        model, steps, ahead = linear(rng), 9, 4
        filtering = Innovations(model)
        y, u = rng.normal(size=(steps, 2)), rng.normal(size=(steps + ahead, 1))
        mask = rng.random((steps, 2)) < 0.6
        mask[-1] = False, True
        path = filtering.run(jnp.asarray(y), jnp.asarray(mask), jnp.asarray(u[:steps]))
        mean, cov = joint_law(model, steps + ahead, u)
        seen = np.concatenate([mask.ravel(), np.zeros(2 * ahead, bool)])
        error, S = y.ravel()[mask.ravel()] - mean[seen], cov[np.ix_(seen, seen)]
        wanted = -0.5 * (error @ np.linalg.solve(S, error) + np.linalg.slogdet(2 * np.pi * S)[1])
        assert float(path.log_likelihood) == pytest.approx(wanted, rel=1e-9)
        future = np.arange(len(mean)) >= 2 * steps
        gain = np.linalg.solve(S, cov[np.ix_(seen, future)]).T
        law = filtering.forecast(
            jax.tree.map(lambda leaf: leaf[-1], path.belief), ahead, jnp.asarray(u[steps:])
        )
        np.testing.assert_allclose(
            np.asarray(law.mean).ravel(), mean[future] + gain @ error, rtol=1e-8, atol=1e-9
        )
        exact = cov[np.ix_(future, future)] - gain @ cov[np.ix_(seen, future)]
        for t in range(ahead):
            block = exact[2 * t : 2 * t + 2, 2 * t : 2 * t + 2]
            np.testing.assert_allclose(np.asarray(law.cov)[t], block, rtol=1e-8, atol=1e-9)


def network(kind, dtype=float, **sizes):
    made = RecurrentPredictor.create(kind, 2, units=5, key=jax.random.key(1), **sizes)
    return jax.tree.map(lambda leaf: leaf.astype(dtype), made)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direct", [False, True])
def test_complete_series_have_the_numbers_of_the_general_recursion(kind, direct):
    with jax.enable_x64(True):
        filtering = Innovations(network(kind, inputs=1, direct=direct))
        rng = np.random.default_rng(0)
        y, u = jnp.asarray(rng.normal(size=(3, 12, 2))), jnp.asarray(rng.normal(size=(3, 12, 1)))
        mask = jnp.ones((3, 12, 2), bool)
        quick = filtering.run_batch(y, mask, u)
        general = jax.vmap(lambda *row: Filter.run(filtering, *row))(y, mask, u)
        assert quick.belief.factor is None
        np.testing.assert_allclose(quick.log_evidence, general.log_evidence, rtol=1e-12)
        np.testing.assert_allclose(quick.predicted.cov, general.predicted.cov, atol=1e-12)
        assert float(jnp.abs(general.belief.factor).max()) == 0.0
        short = filtering.run_batch(y, mask.at[1, 8:].set(False), u, lengths=jnp.array([12, 8, 12]))
        assert short.belief.factor is None
        np.testing.assert_allclose(short.log_evidence[1, :8], general.log_evidence[1, :8])
        assert (np.asarray(short.log_evidence[1, 8:]) == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_behind_a_mask_changes_nothing(kind):
    filtering = Innovations(network(kind, jnp.float32))
    rng = np.random.default_rng(3)
    y = rng.normal(size=(1, 20, 2)).astype(np.float32)
    mask = rng.random(y.shape) < 0.7
    one = filtering.run_batch(jnp.asarray(np.where(mask, y, np.nan)), jnp.asarray(mask))
    other = filtering.run_batch(jnp.asarray(np.where(mask, y, 1e6)), jnp.asarray(mask))
    np.testing.assert_array_equal(one.log_evidence, other.log_evidence)
    eigenvalues = np.linalg.eigvalsh(np.asarray(one.predicted.cov))
    assert eigenvalues.min() > 0
    assert one.log_evidence.dtype == jnp.float32


def test_a_forecast_by_linearisation_is_near_one_by_simulation():
    with jax.enable_x64(True):
        made = network(rekalman.GRU)
        made = eqx.tree_at(lambda each: each.noise_factor, made, 0.2 * jnp.eye(2))
        filtering = Innovations(made)
        path = filtering.run(jnp.full((10, 2), 0.3), jnp.ones((10, 2), bool))
        belief = filtering.restore(jax.tree.map(lambda leaf: leaf[-1], path.belief), jnp.array(9))
        law = filtering.forecast(belief, 6)

        def drawn(key):
            def step(carry, key):
                state = made.advance(*carry)
                y = made.output(state) + 0.2 * jax.random.normal(key, (2,))
                return (state, y), y

            return jax.lax.scan(step, (belief.state, belief.row), jax.random.split(key, 6))[1]

        many = jax.vmap(drawn)(jax.random.split(jax.random.key(0), 20_000))
        np.testing.assert_allclose(law.mean, many.mean(0), atol=0.01)
        np.testing.assert_allclose(law.var, many.var(0), rtol=0.05)
        law = Innovations(made, draws=4000).forecast(belief, 6)
        np.testing.assert_allclose(law.mean, many.mean(0), atol=0.01)
        np.testing.assert_allclose(law.var, many.var(0), rtol=0.05)


def test_drawn_forecasts_of_a_linear_predictor_have_the_moments_of_the_filter():
    with jax.enable_x64(True):
        model = linear(np.random.default_rng(2))
        exact, drawn = Innovations(model), Innovations(model, draws=60)
        y, mask = np.zeros((5, 2)), np.ones((5, 2), bool)
        path = exact.run(jnp.asarray(y), jnp.asarray(mask), jnp.zeros((5, 1)))
        belief = jax.tree.map(lambda leaf: leaf[-1], path.belief)
        belief = exact.restore(belief, jnp.array(4))
        one, other = (each.forecast(belief, 12, jnp.ones((12, 1))) for each in (exact, drawn))
        np.testing.assert_allclose(one.mean, other.mean, rtol=1e-9)  # pairs cancel
        np.testing.assert_allclose(one.cov, other.cov, rtol=1e-8, atol=1e-10)


def test_few_directions_keep_the_largest_variances():
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        columns = jnp.asarray(rng.normal(size=(8, 6)) * np.array([5, 4, 3, 1e-3, 1e-4, 1e-5]))
        cov = columns @ columns.T
        np.testing.assert_allclose(largest(columns, 8) @ largest(columns, 8).T, cov, atol=1e-12)
        kept = largest(columns, 3)
        np.testing.assert_allclose(kept @ kept.T, cov, atol=1e-5)
        assert kept.shape == (8, 3)


def test_a_file_holds_the_filter():
    filtering = Innovations(network(rekalman.LSTM, jnp.float32, inputs=2, direct=True), rank=3)
    again = rebuilt(described(filtering, "filter"), arrays_of(filtering))
    assert eqx.tree_equal(filtering, again)


def test_bad_arguments_are_refused():
    with pytest.raises(rekalman.RekalError, match="rank must be at least 1"):
        Innovations(network(rekalman.Elman, jnp.float32), rank=0)
    with pytest.raises(rekalman.RekalError, match="draws must be even, but is 3"):
        Innovations(network(rekalman.Elman, jnp.float32), draws=3)
    with pytest.raises(rekalman.RekalError, match="columns >= 1"):
        RecurrentPredictor.create(rekalman.Elman, 0, units=3, key=jax.random.key(0))
    made = network(rekalman.Elman, jnp.float32)
    with pytest.raises(rekalman.RekalError, match="readout of 6 features"):
        RecurrentPredictor(made.layer, made.readout[1:], made.noise_factor)
    with pytest.raises(rekalman.RekalError, match="noise_factor has shape"):
        RecurrentPredictor(made.layer, made.readout, jnp.eye(3))
