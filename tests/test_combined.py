"""Combinations: the average of several filters against its definition, by each way of running it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import rekalman
from rekalman.core.filter import Filter
from rekalman.core.gaussian import DiagonalGaussian, Gaussian
from rekalman.data import Sequences
from rekalman.filters.averaged import averaged
from rekalman.filters.combined import Combined
from rekalman.forecasting import rolling_forecast
from rekalman.foundation.errors import RekalError
from rekalman.methods.members import read_methods, written


def kalman(A, obs=1, Q=0.5, R=0.3):
    """A filter of `obs` independent columns."""
    one = np.eye(obs)
    model = rekalman.LinearGaussian.create(A=A * one, C=one, Q=Q * one, R=R * one)
    return rekalman.Kalman(model)


def gappy(steps, obs, seed=0):
    """Random rows, a fifth of their entries missing."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(steps, obs))
    return jnp.asarray(values), jnp.asarray(rng.random((steps, obs)) > 0.2)


def test_quantiles_are_averaged():
    means, stds = np.array([0.0, 1.0, -2.0]), np.array([1.0, 3.0, 0.5])
    weights = np.array([0.2, 0.3, 0.5])
    members = tuple(
        DiagonalGaussian(jnp.array([m]), jnp.array([s * s]))
        for m, s in zip(means, stds, strict=True)
    )
    both = averaged(members, jnp.asarray(weights))
    for q in (0.05, 0.5, 0.9):
        expected = (weights * norm.ppf(q, means, stds)).sum()
        assert float(both.quantile(q)[0]) == pytest.approx(expected, abs=1e-5)


def test_covariances_of_several_columns_have_averaged_deviations_and_correlations():
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(3, 4, 4))
    covs = roots @ roots.swapaxes(1, 2) + 0.1 * np.eye(4)
    weights = np.array([0.5, 0.3, 0.2])
    both = averaged(
        tuple(Gaussian(jnp.asarray(rng.normal(size=4)), jnp.asarray(cov)) for cov in covs),
        jnp.asarray(weights),
    )
    stds = np.sqrt(np.diagonal(covs, axis1=1, axis2=2))
    correlations = covs / (stds[:, :, None] * stds[:, None, :])
    s = weights @ stds
    expected = np.outer(s, s) * np.tensordot(weights, correlations, 1)
    np.testing.assert_allclose(both.cov, expected, rtol=1e-5)
    assert np.linalg.eigvalsh(np.asarray(both.cov)).min() > 0


def test_a_member_that_knows_nothing_has_no_say():
    members = (
        DiagonalGaussian(jnp.array([3.0, 5.0]), jnp.array([1e20, 1e20])),
        DiagonalGaussian(jnp.array([1.0, 5.0]), jnp.array([4.0, 1e20])),
    )
    both = averaged(members, jnp.array([0.5, 0.5]))
    np.testing.assert_allclose(both.mean, [1.0, 0.0])
    np.testing.assert_allclose(both.var, [4.0, 1.0])
    assert np.isfinite(both.log_prob(jnp.zeros(2)))


def test_a_column_that_is_not_known_yet_leaves_a_positive_definite_covariance():
    pairs = np.array([[1.0, 0.9, 0.9], [0.9, 1.0, 0.9], [0.9, 0.9, 1.0]])
    late = np.array([[1.0, -0.9, 0.0], [-0.9, 1.0, 0.0], [0.0, 0.0, 1e20]])
    members = tuple(Gaussian(jnp.zeros(3), jnp.asarray(cov)) for cov in (pairs, late))
    both = averaged(members, jnp.array([0.5, 0.5]))
    assert np.linalg.eigvalsh(np.asarray(both.cov)).min() > 0
    assert np.isfinite(both.log_prob(jnp.ones(3)))


@pytest.mark.parametrize("turned", [False, True])
def test_members_of_two_precisions(turned):
    network = rekalman.StochasticRNN.init(2, 1, key=jax.random.key(0), inputs=1)
    with jax.enable_x64(True):
        one = np.eye(1)
        model = rekalman.LinearGaussian.create(A=0.9 * one, C=one, Q=one, R=one, B=one)
        linear = rekalman.Kalman(model)
    members = (linear, rekalman.ExtendedKalman(network))
    both = Combined.of(members[::-1] if turned else members)
    values, mask = gappy(20, 1)
    u = jnp.ones((1, 20, 1))
    path = both.run_batch(values[None], mask[None], u)
    assert np.isfinite(path.log_evidence).all()
    ahead = rolling_forecast(
        both, path, 3, jax.random.key(0), inputs=np.ones((1, 20, 1)), origins=[5, 9]
    )
    assert np.isfinite(ahead.mean).all()


def test_adaptive_forecasters_are_no_members():
    rng = np.random.default_rng(0)
    data = Sequences.from_arrays(rng.normal(size=(120, 1)))
    with pytest.raises(RekalError, match="does not go on from its moments"):
        members = "adaptive(over=local-level, horizon=3), local-level"
        rekalman.fit(data, "combination", members=members, progress=False)


@pytest.mark.parametrize("obs", [1, 3])
def test_running_is_the_recursion(obs):
    both = Combined.of((kalman(0.9, obs), kalman(0.3, obs, Q=2.0)), [1.0, 3.0])
    values, mask = gappy(40, obs)
    slow = Filter.run(both, values, mask)
    fast = both.run_batch(values[None], mask[None])
    np.testing.assert_allclose(fast.log_evidence[0], slow.log_evidence, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(fast.predicted.mean[0], slow.predicted.mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(fast.predicted.cov[0], slow.predicted.cov, rtol=1e-4, atol=1e-5)


def test_log_density_is_that_of_the_average():
    members = (kalman(0.9), kalman(0.3, Q=2.0))
    both = Combined.of(members)
    values, mask = gappy(25, 1, 3)
    path = both.run_batch(values[None], mask[None])
    each = [Filter.run(member, values, mask).predicted for member in members]
    mean = np.mean([np.asarray(one.mean) for one in each], 0)[:, 0]
    std = np.mean([np.sqrt(np.asarray(one.var)) for one in each], 0)[:, 0]
    expected = np.where(np.asarray(mask)[:, 0], norm.logpdf(np.asarray(values)[:, 0], mean, std), 0)
    np.testing.assert_allclose(path.log_evidence[0], expected, rtol=1e-4, atol=1e-5)


def test_missing_entries_change_nothing():
    both = Combined.of((kalman(0.9, 2), kalman(0.3, 2)))
    values, mask = gappy(30, 2, 5)
    other = jnp.where(mask, values, 1e3)
    one, two = (both.run_batch(v[None], mask[None]).log_evidence for v in (values, other))
    np.testing.assert_array_equal(one, two)


def test_forecasts_are_averaged_and_the_stream_agrees():
    nile = rekalman.load_example("nile")
    members = [rekalman.fit(nile, name, progress=False) for name in ("ridge-ar", "local-level")]
    fit = rekalman.fit(nile, "combination", members="ridge-ar, local-level", progress=False)
    ahead, each = fit.forecast(nile, 4), [one.forecast(nile, 4) for one in members]
    for q in (0.05, 0.5, 0.95):
        expected = np.mean([np.asarray(one.quantile(q)) for one in each], 0)
        np.testing.assert_allclose(ahead.quantile(q), expected, rtol=1e-5)
    stream = fit.stream()
    for y in np.asarray(nile.values)[0]:
        stream.update(y)
    np.testing.assert_allclose(stream.forecast(4).mean, ahead.mean, rtol=1e-5)
    with pytest.raises(RekalError, match="no state that could be smoothed"):
        fit.smooth(nile)


def test_it_is_saved_and_combines_with_a_network(tmp_path):
    rng = np.random.default_rng(0)
    data = Sequences.from_arrays(np.cumsum(rng.normal(size=(80, 2)), 0))
    learner = rekalman.Backprop(epochs=1)
    gru = rekalman.fit(data, "gru", learner, progress=False)
    ridge = rekalman.fit(data, "ridge-ar", progress=False)
    both = Combined.of((gru.algorithm, ridge.algorithm))
    path = both.run_batch(*[jnp.asarray(v) for v in (ridge.prepare(data).values, data.mask)])
    assert np.isfinite(path.log_evidence).all()
    fit = rekalman.fit(data, "combination", members="ridge-ar, naive", progress=False)
    fit.save(tmp_path / "both.rekalman")
    again = rekalman.load(tmp_path / "both.rekalman")
    np.testing.assert_array_equal(again.forecast(data, 3).mean, fit.forecast(data, 3).mean)


def test_a_method_that_is_named_again_starts_from_another_seed(monkeypatch):
    from rekalman.methods import train

    seeds, real = [], train.train_on

    def recording(method, request):
        if not isinstance(method, rekalman.methods.Combination):
            seeds.append((method.title(), request.seed))
        return real(method, request)

    monkeypatch.setattr(train, "train_on", recording)
    members = "ridge-ar, local-level, ridge-ar, ridge-ar(lags=2)"
    nile = rekalman.load_example("nile")
    rekalman.fit(nile, "combination", members=members, seed=5, progress=False)
    assert seeds == [("ridge-ar", 5), ("local-level", 5), ("ridge-ar", 6), ("ridge-ar", 5)]


def test_many_members_do_not_wait_for_each_other():
    """In one program the loops of these five hung for ever on two cores."""
    rng = np.random.default_rng(0)
    season = np.tile(rng.normal(size=12), 9)
    data = rekalman.Sequences.from_arrays(3 * season + 0.3 * rng.normal(size=108))
    members = "seasonal(period=12), ridge-ar, seasonal-naive(period=12), rls, linear(states=4)"
    fit = rekalman.fit(data, "combination", members=members, progress=False)
    each = [one.fit.forecast(data, 3).mean for one in fit.members]
    np.testing.assert_allclose(fit.forecast(data, 3).mean, np.mean(each, 0), rtol=1e-5)
    assert np.isfinite(fit.filter(data).log_likelihood)


def test_what_does_not_go_together_is_refused():
    with pytest.raises(RekalError, match="same observations"):
        Combined.of((kalman(0.9), kalman(0.9, 2)))
    with pytest.raises(RekalError, match="above 0"):
        Combined.of((kalman(0.9), kalman(0.5)), [1.0, -1.0])
    with pytest.raises(RekalError, match="two members"):
        rekalman.methods.Combination(members="linear")
    with pytest.raises(RekalError, match="member of another"):
        rekalman.methods.Combination(members="linear, combination")
    with pytest.raises(RekalError, match="unknown model 'lineer'"):
        rekalman.methods.Combination(members="lineer, naive")
    with pytest.raises(RekalError, match="no list of methods"):
        rekalman.methods.Combination(members="linear; naive")
    for weights in ("0.5", "1, 0", "1, -1", "1, x", "1, inf", "1, 1, 1"):
        with pytest.raises(RekalError, match="as many weights above 0"):
            rekalman.methods.Combination(members="linear, naive", weights=weights)


def test_members_have_names_and_weights_and_explain_the_combination(tmp_path):
    nile = rekalman.load_example("nile")
    members = "naive, ridge-ar(lags=2)"
    fit = rekalman.fit(nile, "combination", members=members, weights="3, 1", progress=False)
    heavy, light = fit.members
    assert (heavy.name, heavy.weight) == ("naive", 0.75)
    assert (light.name, light.fit.kind) == ("ridge-ar(lags=2)", "ridge-ar")
    alone = rekalman.fit(nile, "ridge-ar", lags=2, progress=False)
    np.testing.assert_allclose(light.fit.forecast(nile, 3).mean, alone.forecast(nile, 3).mean)
    mixed = 0.75 * heavy.fit.forecast(nile, 3).mean + 0.25 * light.fit.forecast(nile, 3).mean
    np.testing.assert_allclose(fit.forecast(nile, 3).mean, mixed, rtol=1e-6)
    found = fit.identify()
    assert "dynamics of ridge-ar(lags=2), which has 25 % of the weight" in found.warnings[0]
    np.testing.assert_allclose(found.spectral_radius, alone.identify().spectral_radius)
    assert "25 %" in fit.summary()
    fit.save(tmp_path / "both.rekalman")
    loaded = rekalman.load(tmp_path / "both.rekalman")
    assert [each[:2] for each in loaded.members] == [each[:2] for each in fit.members]
    assert alone.members == ()


def test_methods_as_text_and_back():
    text = "linear(states=3), seasonal(period=12, trend=true), naive"
    methods = read_methods(text)
    assert (
        ", ".join(map(written, methods))
        == "linear(states=3), seasonal(period=12, trend=true), naive"
    )
    assert methods[1].options["trend"] is True
    with pytest.raises(RekalError, match="seasonal: "):
        read_methods("seasonal(period=x)")


def test_draws_have_the_predicted_law():
    both = Combined.of((kalman(0.0, Q=1.0, R=0.0001), kalman(0.0, Q=4.0, R=0.0001)))
    drawn = both.draw_series(jax.random.key(0), 4000)
    assert float(jnp.std(drawn[1:])) == pytest.approx(1.5, rel=0.05)
