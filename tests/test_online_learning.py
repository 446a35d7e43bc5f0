"""Networks that learn while they filter: against regression in closed form, and through files and streams."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from cli_helpers import call, refused

import rekalman
from rekalman.filters.innovations import Innovations
from rekalman.filters.learning.adam import Adam
from rekalman.filters.learning.kalman_step import KalmanUpdate
from rekalman.filters.learning.local_rules import SyntheticGradient
from rekalman.filters.learning.network import LearningNetwork
from rekalman.filters.learning.random_rules import UORO
from rekalman.filters.learning.snap import RTRL, SnAp
from rekalman.filters.learning.truncated import TBPTT
from rekalman.filters.learning.weights import weights_of, with_weights
from rekalman.learners.online.lanes import learn_from_lanes
from rekalman.learners.online.learner import NAMED, Online
from rekalman.methods.learners import ONLINE
from rekalman.networks.predictors.recurrent import RecurrentPredictor


def network(kind=rekalman.Elman, columns=1, dtype=float, **sizes):
    sizes = {"units": 4, "direct": True, **sizes}
    made = RecurrentPredictor.create(kind, columns, key=jax.random.key(0), **sizes)
    return jax.tree.map(lambda leaf: leaf.astype(dtype), made)


def linear(columns=1):
    """A network of which only the readout of the last row and the constant have any effect."""
    made = network(columns=columns)
    return jax.tree.map(jnp.zeros_like, made)


def series(seed, steps, columns=1, lanes=1):
    rng = np.random.default_rng(seed)
    y = np.zeros((lanes, steps, columns))
    for t in range(1, steps):
        y[:, t] = 0.5 + 0.6 * y[:, t - 1] + 0.3 * rng.normal(size=(lanes, columns))
    return y


def regression(y, prior, noise):
    """Mean and covariance of the weights of the last row and 1, given all lanes, in closed form."""
    x = np.concatenate([np.append(lane[:-1], np.ones((len(lane) - 1, 1)), 1) for lane in y])
    target = np.concatenate([lane[1:] for lane in y])
    cov = np.linalg.inv(x.T @ x / noise + np.eye(x.shape[1]) / prior)
    return cov @ x.T @ target / noise, cov


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("lanes", [1, 3])
def test_a_kalman_filter_of_weights_that_enter_linearly_is_least_squares(decoupled, lanes):
    with jax.enable_x64(True):
        y = series(0, 30, lanes=lanes)
        update = KalmanUpdate(decoupled=decoupled, prior=2.0, drift=0.0, noise=0.09, noise_rate=0.0)
        learning = LearningNetwork.create(linear(), RTRL(), update)
        done = learn_from_lanes(
            learning, jnp.asarray(y), jnp.ones(y.shape, bool), key=jax.random.key(0)
        )
        mean, cov = regression(y, 2.0, 0.09)
        np.testing.assert_allclose(done.weights.readout[-2:], mean, rtol=1e-8)
        block = np.asarray(done.update.blocks[-1][0])[-2:, -2:]
        np.testing.assert_allclose(block, cov, rtol=1e-8)
        assert float(jnp.abs(done.weights.units).max()) == 0.0


def test_its_predictive_law_holds_what_is_not_known_of_the_weights():
    with jax.enable_x64(True):
        y = series(1, 25, columns=2)[0]
        update = KalmanUpdate(prior=2.0, drift=0.0, noise=0.09, noise_rate=0.0)
        start = eqx.tree_at(lambda each: each.noise_factor, linear(2), 0.3 * jnp.eye(2))
        path = LearningNetwork.create(start, RTRL(), update).run(
            jnp.asarray(y), jnp.ones(y.shape, bool)
        )
        mean, cov = regression(y[None, :-1], 2.0, 0.09)
        x = np.append(y[-2], 1.0)
        np.testing.assert_allclose(path.predicted.mean[-1], x @ mean, rtol=1e-8)
        wanted = (0.09 + x @ cov @ x) * np.eye(2)  # columns are independent
        np.testing.assert_allclose(path.predicted.cov[-1], wanted, rtol=1e-7, atol=1e-12)


def test_the_noise_follows_the_errors_and_weights_may_forget():
    with jax.enable_x64(True):
        y = jnp.asarray(series(2, 3000))
        mask = jnp.ones(y.shape, bool)
        learning = LearningNetwork.create(linear(), RTRL(), KalmanUpdate())
        done = learn_from_lanes(learning, y, mask, key=jax.random.key(0))
        assert float(done.update.noise[0]) == pytest.approx(0.09, rel=0.3)
        jump = jnp.where(jnp.arange(3000)[:, None] < 1500, y, 3.0 - y)
        errors = []
        for forgetting in (1.0, 0.98):
            update = KalmanUpdate(forgetting=forgetting)
            learning = LearningNetwork.create(linear(), RTRL(), update)
            done = learn_from_lanes(learning, jump, mask, key=jax.random.key(0))
            errors.append(float(jnp.square(done.errors[1550:]).mean()))
        assert errors[1] < errors[0]


@pytest.mark.parametrize("loss", ["likelihood", "squared"])
def test_a_step_of_adam_goes_down_the_gradient_of_the_loss(loss):
    with jax.enable_x64(True):
        made = network(rekalman.GRU, 2, inputs=1)
        rng = np.random.default_rng(0)
        y, u = jnp.asarray(rng.normal(size=(5, 2))), jnp.asarray(rng.normal(size=(5, 1)))
        update = Adam(rate=0.01, clip=None, loss=loss)
        learning = LearningNetwork.create(made, RTRL(), update)
        belief = learning.update(learning.init(), y[0], u=u[0])[0]
        belief = learning.update(learning.predict(belief, u[1]), y[1], u=u[1])[0]

        def of(weights):
            moved = with_weights(made, weights)
            error = y[1] - moved.output(moved.advance(moved.start(), y[0], u[1]))
            var = jax.lax.stop_gradient(jnp.exp(2 * weights.log_deviation))
            return 0.5 * (error**2 if loss == "squared" else error**2 / var).sum()

        start = weights_of(made)
        optimiser = optax.adam(0.01)
        change = optimiser.update(jax.grad(of)(start), optimiser.init(start))[0]
        for got, old, step in zip(
            jax.tree.leaves(belief.weights),
            jax.tree.leaves(start),
            jax.tree.leaves(change),
            strict=True,
        ):
            if got is not belief.weights.log_deviation:
                np.testing.assert_allclose(got, old + step, rtol=1e-9, atol=1e-12)
        error = y[1] - made.output(made.advance(made.start(), y[0], u[1]))
        np.testing.assert_allclose(
            jnp.exp(2 * belief.weights.log_deviation), 1 + 0.01 * (error**2 - 1), rtol=1e-9
        )


def test_the_variance_of_adam_settles_at_that_of_the_errors_though_gradients_are_clipped():
    rng = np.random.default_rng(0)
    y = jnp.asarray(0.5 * rng.normal(size=(1, 4000, 1)))
    with jax.enable_x64(True):
        start = eqx.tree_at(lambda each: each.noise_factor, linear(), jnp.eye(1))
        learning = LearningNetwork.create(start, RTRL(), Adam(rate=1e-6, clip=0.1))
        done = learn_from_lanes(
            learning, y.astype(float), jnp.ones(y.shape, bool), key=jax.random.key(0)
        )
        assert float(jnp.exp(2 * done.weights.log_deviation[0])) == pytest.approx(0.25, rel=0.3)


@pytest.mark.parametrize("update", [Adam(rate=0.01), KalmanUpdate(), KalmanUpdate(decoupled=True)])
@pytest.mark.parametrize("rule", [RTRL(), SnAp(1), TBPTT(5, 1)])
def test_a_stream_learns_as_a_pass_over_one_lane_does(rule, update):
    with jax.enable_x64(True):
        y = jnp.asarray(series(4, 15, columns=2))
        learning = LearningNetwork.create(network(columns=2), rule, update)
        done = learn_from_lanes(learning, y, jnp.ones(y.shape, bool), key=jax.random.key(0))
        path = learning.run(y[0], jnp.ones(y[0].shape, bool))
        last = jax.tree.map(lambda leaf: leaf[-1], path.belief)
        for one, other in zip(
            jax.tree.leaves(done.weights), jax.tree.leaves(last.weights), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            y[0, 1:] - path.predicted.mean[1:], done.errors[1:, 0], rtol=1e-9, atol=1e-12
        )


def test_covariances_stay_positive_and_masked_entries_change_nothing():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(1, 200, 2)).astype(np.float32)
    mask = rng.random(y.shape) < 0.7
    learning = LearningNetwork.create(
        network(rekalman.GRU, 2, jnp.float32), RTRL(), KalmanUpdate(prior=10.0)
    )
    one, other = (
        learn_from_lanes(
            learning,
            jnp.asarray(np.where(mask, y, fill)),
            jnp.asarray(mask),
            key=jax.random.key(0),
        )
        for fill in (0.0, 1e6)
    )
    np.testing.assert_array_equal(one.weights.units, other.weights.units)
    np.testing.assert_array_equal(one.errors, other.errors)
    P = np.asarray(one.update.blocks[0][0], np.float64)
    assert np.linalg.eigvalsh(P).min() > 0 and one.finite.all()


def test_weights_that_are_zero_between_units_stay_zero():
    made = network(dtype=jnp.float32, units=6)
    there = np.random.default_rng(0).random((6, 6)) < 0.4
    made = eqx.tree_at(lambda each: each.layer.across, made, made.layer.across * there)
    y = jnp.asarray(series(0, 50), jnp.float32)
    for update in (Adam(rate=0.01), KalmanUpdate()):
        learning = LearningNetwork.create(made, SnAp(2), update)
        done = learn_from_lanes(learning, y, jnp.ones(y.shape, bool), key=jax.random.key(0))
        across = np.asarray(done.weights.units)[1:-1, 0]
        assert (across[~there] == 0).all() and (across[there] != 0).all()


def henon(steps=3000):
    x, y, out = 0.1, 0.0, []
    for _ in range(steps):
        out.append(x)
        x, y = 1 - 1.4 * x * x + y, 0.3 * x
    return np.array(out)


def test_a_kalman_filter_of_the_weights_learns_the_henon_map_in_one_pass():
    data = rekalman.Sequences.from_arrays(henon()[None, :, None])
    prepared = data.standardiser().apply(data)
    with jax.enable_x64(True):
        start = network(units=8, direct=False)
        result, _ = Online.named("ekf").training(start, prepared)
        slow, _ = Online.named("rtrl").training(start, prepared)
    assert result.history.values[-1] > slow.history.values[-1] + 0.5
    assert result.history.values[-1] > 0.5


@pytest.fixture(scope="module")
def learned():
    data = rekalman.Sequences.from_arrays(series(0, 120))
    return data, rekalman.fit(data, "elman", learner="ekf", units=4, progress=False)


def test_a_fit_forecasts_with_intervals_and_says_how_it_learned(learned):
    data, fit = learned
    forecast = fit.forecast(data, 5)
    # The stationary deviation of this autoregression is 0.375, that of its innovations 0.3.
    assert 0.2 < float(np.sqrt(forecast.var[0, 0, 0])) < 0.45
    assert float(forecast.var[0, 4, 0]) > float(forecast.var[0, 0, 0])
    assert "passes" in fit.summary() and isinstance(fit.algorithm, Innovations)


def test_a_stream_that_learns_resumes_exactly(learned, tmp_path):
    fit = learned[1]
    fit.save(tmp_path / "fit.rekalman")
    again = rekalman.load(tmp_path / "fit.rekalman")
    values = series(7, 60)[0]
    stream, still = again.stream(learn=True), again.stream()
    for y in values[:30]:
        stream.update(y)
        still.update(y)
    stream.save(tmp_path / "stream.rekalman")
    resumed = rekalman.load_stream(tmp_path / "stream.rekalman")
    for y in values[30:]:
        stream.update(y)
        resumed.update(y)
    assert stream.log_likelihood == resumed.log_likelihood
    np.testing.assert_array_equal(stream.forecast(3).mean, resumed.forecast(3).mean)
    learnt, start = stream.belief.weights.readout, again.algorithm.predictor.readout
    assert float(jnp.abs(learnt - start).max()) > 0
    assert not hasattr(still.belief, "weights")


def test_several_series_with_gaps_and_inputs_are_learned_side_by_side():
    rng = np.random.default_rng(0)
    y, u = series(3, 60, columns=2, lanes=3), rng.normal(size=(3, 60, 1))
    y[:, 1:] += u[:, 1:]
    y[0, 20:24] = np.nan
    y[1, 10, 0] = np.nan
    data = rekalman.Sequences.from_arrays(y, inputs=u)
    fit = rekalman.fit(data, "gru", learner="snap1", units=4, progress=False)
    ahead = fit.forecast(data, 3, future_inputs=np.zeros((3, 3, 1)))
    assert np.isfinite(ahead.mean).all() and (ahead.var > 0).all()


def test_bad_input_is_refused_in_a_sentence(learned):
    data = learned[0]
    refusals = (
        ("unknown learner 'ekff'", lambda: rekalman.fit(data, "gru", learner="ekff")),
        ("states is of no use", lambda: rekalman.fit(data, "gru", learner="ekf", states=3)),
        ("Online trains lstm, gru, elman", lambda: rekalman.fit(data, "linear", learner="ekf")),
        ("defined for elman units", lambda: rekalman.fit(data, "lstm", learner="kf-rtrl")),
        ("rate must be above 0", lambda: Adam(rate=0.0)),
        ("loss is 'likelihood' or 'squared'", lambda: Adam(loss="absolute")),
        ("forgetting must be at most 1", lambda: KalmanUpdate(forgetting=1.1)),
        ("passes must be at least 1", lambda: Online(passes=0)),
        ("not random", lambda: Online(rule=UORO(), update=KalmanUpdate())),
        ("not random", lambda: Online(rule=SyntheticGradient(), update=KalmanUpdate())),
        ("leave every at 1", lambda: Online(rule=TBPTT(5, 5), update=KalmanUpdate())),
    )
    for sentence, wrong in refusals:
        with pytest.raises(rekalman.RekalError, match=sentence):
            wrong()
    plain = rekalman.fit(data, "naive", progress=False)
    with pytest.raises(rekalman.RekalError, match="was not trained online"):
        plain.stream(learn=True)


def test_the_command_line_learns_online(tmp_path):
    model = tmp_path / "nile.rekalman"
    done = call(
        "fit", "nile", "--model", "elman", "--learner", "snap1", "--units", 3, "--backtest", 0,
        "--no-report", "--out", model,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert rekalman.load(model).stream(learn=True).step == 0
    for wrong, sentence in (
        (("--learner", "bptt"), "unknown learner 'bptt'"),
        (("--learner", "ekf", "--epochs", "3"), "--epochs is of no use beside --learner ekf"),
    ):
        refused(call("fit", "nile", "--model", "elman", *wrong, "--out", tmp_path / "x"), sentence)
        assert not (tmp_path / "x").exists()


def test_the_names_of_the_command_line_are_those_of_the_learner():
    assert tuple(NAMED) == ONLINE


def test_weights_that_become_infinite_are_named_with_their_row():
    data = rekalman.Sequences.from_arrays(series(0, 50))
    prepared = dataclasses.replace(data, values=np.asarray(data.values) * 1e200)
    with jax.enable_x64(True):
        learner = Online(update=Adam(rate=1e300, clip=None), passes=1)
        with pytest.raises(rekalman.RekalError, match=r"infinite at row \d+ "):
            learner.run(network(direct=False), prepared)


@pytest.mark.parametrize("name", NAMED)
def test_every_named_learner_learns(name):
    data = rekalman.Sequences.from_arrays(series(0, 300))
    prepared = data.standardiser().apply(data)
    learner = dataclasses.replace(Online.named(name), passes=4)
    values = learner.run(network(dtype=jnp.float32), prepared).history.values
    assert values[-1] > values[0]
