import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from rekalman import RekalError, Sequences
from rekalman.core.metrics import crps_ensemble
from rekalman.filters.kalman.filter import Kalman
from rekalman.filters.particle import ParticleFilter
from rekalman.forecasting import Forecast, Labels, forecast_from, rolling_forecast
from rekalman.forecasting.drive import check_horizons
from rekalman.models.linear import LinearGaussian
from rekalman.models.stochastic_rnn import StochasticRNN
from rekalman.simulation.models import simulate

KEY = jax.random.key(7)
run = eqx.filter_jit(ParticleFilter.run)


def paper():
    return StochasticRNN.create(
        A=jnp.array([[1.0, 1.0], [-0.05, 0.98]]),
        C=jnp.array([[1.0, 0.0]]),
        Q=0.001 * jnp.eye(2),
        R=jnp.array([[0.01]]),
    )


def linear(inputs=0):
    return StochasticRNN.create(
        A=jnp.array([[0.9, 0.3], [-0.3, 0.8]]),
        C=jnp.array([[1.0, 0.0], [0.5, -1.0]]),
        Q=jnp.array([[0.2, 0.05], [0.05, 0.1]]),
        R=jnp.array([[0.3, 0.1], [0.1, 0.2]]),
        B=jnp.ones((2, 1)) if inputs else None,
        D=jnp.array([[0.5], [0.0]]) if inputs else None,
        c=jnp.array([0.1, -0.2]),
        d=jnp.array([1.0, 0.0]),
        m=jnp.array([0.5, 0.5]),
        activation="identity",
    )


def filtered(model, y, mask=None, inputs=None, particles=2000):
    y = jnp.asarray(y)
    mask = jnp.ones(y.shape, bool) if mask is None else jnp.asarray(mask)
    return run(ParticleFilter(model, particles), y, mask, inputs, None, KEY)


def joint(model, steps, u=None):
    """Mean and covariance of all observations of a linear model, stacked."""
    A, C, Q, R, P = (np.asarray(v, float) for v in (model.A, model.C, model.Q, model.R, model.P))
    n = len(A)
    mean, transfer = np.zeros((steps, n)), np.zeros((steps, n, steps * n))
    mean[0], transfer[0, :, :n] = model.m, np.linalg.cholesky(P)
    for t in range(1, steps):
        drive = 0 if u is None else model.B @ u[t]
        mean[t] = A @ mean[t - 1] + np.asarray(model.c) + drive
        transfer[t] = A @ transfer[t - 1]
        transfer[t, :, t * n : (t + 1) * n] = np.linalg.cholesky(Q)
    direct = 0 if u is None else u @ np.asarray(model.D).T
    y = mean @ C.T + np.asarray(model.d) + direct
    G = np.concatenate([C @ block for block in transfer])
    return y.ravel(), G @ G.T + np.kron(np.eye(steps), R)


def conditional(model, y, mask, t, h, u=None):
    """Law of y_{t+h} given the observed entries up to t."""
    steps, p = len(y), y.shape[1]
    mean, cov = joint(model, steps, u)
    seen = np.flatnonzero(mask[: t + 1].ravel())
    want = (t + h) * p + np.arange(p)
    gain = np.linalg.solve(cov[np.ix_(seen, seen)], cov[np.ix_(seen, want)]).T
    return (
        mean[want] + gain @ (y.ravel()[seen] - mean[seen]),
        cov[np.ix_(want, want)] - gain @ cov[np.ix_(seen, want)],
    )


@pytest.mark.parametrize(("inputs", "missing"), [(0, False), (0, True), (1, True)])
def test_against_the_joint_gaussian(inputs, missing):
    model = linear(inputs)
    rng = np.random.default_rng(0)
    u = rng.normal(size=(20, 1)).astype(np.float32) if inputs else None
    y = np.asarray(simulate(model, 20, KEY, inputs=u)[1][0])
    mask = rng.random(y.shape) > 0.3 if missing else np.ones(y.shape, bool)
    driven = None if u is None else jnp.asarray(u)
    path = filtered(model, y, mask, driven)
    made = rolling_forecast(
        ParticleFilter(model), path, [1, 3], KEY, inputs=u, origins=[0, 4, 8] * 3
    )
    for i, t in enumerate((0, 4, 8)):
        for j, h in enumerate((1, 3)):
            mean, cov = conditional(model, y, mask, t, h, u)
            sd = np.sqrt(np.diagonal(cov))
            np.testing.assert_allclose(
                made.mean[i, j], mean, atol=float(5 * sd.max() / np.sqrt(2000))
            )
            np.testing.assert_allclose(
                made.path[i, j], mean, atol=float(5 * sd.max() / np.sqrt(2000))
            )
            np.testing.assert_allclose(made.std[i, j], sd, rtol=5 / np.sqrt(4000))
            low, high = made.interval(0.9)
            np.testing.assert_allclose((high - low)[i, j], 2 * 1.6449 * sd, rtol=0.1)


@pytest.fixture(scope="module")
def rolled():
    model = paper()
    y = np.asarray(simulate(model, 2000, KEY, burn_in=200)[1][0])
    path = filtered(model, y, particles=100)
    return model, y, path, rolling_forecast(ParticleFilter(model), path, [1, 5, 10], KEY)


def test_path_is_the_noise_free_run_from_the_filter_mean(rolled):
    model, _, path, made = rolled
    x = path.mean[10][None]
    for h in range(1, 11):
        x = model.transition_mean(x)
        if h in made.horizons:
            expected = model.observation_mean(x)[0]
            result = made.path[10, made.horizons.index(h)]
            np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-6)


def test_errors_of_the_papers_true_system_and_coverage(rolled):
    _, y, _, made = rolled
    table = made.score(y)
    assert list(table["count"]) == [1999, 1995, 1990]
    # Unkelbach et al. 2009, footnote 6 (root mean squared errors).
    np.testing.assert_allclose(table["rmse"], [0.142, 0.240, 0.307], rtol=0.08)
    np.testing.assert_allclose(table["rmse_mean"], table["rmse"], rtol=0.03)
    np.testing.assert_allclose(table["coverage_90"], 0.9, atol=0.03)
    np.testing.assert_allclose(table["coverage_50"], 0.5, atol=0.05)
    assert (np.diff(table["width_90"]) > 0).all() and (table["width_50"] < table["width_90"]).all()
    # For a Gaussian of that size CRPS is about 0.564 of the error.
    np.testing.assert_allclose(table["crps"], 0.564 * table["rmse"], rtol=0.05)


def test_masked_observations_are_not_scored(rolled):
    _, y, _, made = rolled
    mask = np.ones(y.shape, bool)
    mask[::2] = False
    spoiled = np.where(mask, y, 1e6)
    part = made.score(spoiled, mask)
    pd.testing.assert_frame_equal(part, made.score(np.where(mask, y, np.nan)))
    assert part["count"][0] == 1000 and part["rmse"][0] < 0.2
    empty = made.score(y, np.zeros(y.shape, bool))
    assert (empty["count"] == 0).all() and empty["crps"].isna().all()


def test_later_data_change_nothing(rolled):
    model, y, _, one = rolled
    changed = y.copy()
    changed[40:] += 5
    two = rolling_forecast(
        ParticleFilter(model), filtered(model, changed, particles=100), one.horizons, KEY
    )
    for name in ("means", "path", "log_weights"):
        np.testing.assert_array_equal(getattr(one, name)[:40], getattr(two, name)[:40])
    assert np.abs(one.path[40:] - two.path[40:]).max() > 0.1


def test_masked_entries_change_nothing():
    model, y = linear(), np.asarray(simulate(linear(), 20, KEY)[1][0])
    mask = np.random.default_rng(0).random(y.shape) > 0.3
    one, two = (
        rolling_forecast(ParticleFilter(model), filtered(model, v, mask), [1, 3], KEY)
        for v in (y, np.where(mask, y, 1e9).astype(y.dtype))
    )
    np.testing.assert_array_equal(one.means, two.means)


def test_an_origin_does_not_depend_on_the_others(rolled):
    model, _, path, made = rolled
    few = rolling_forecast(
        ParticleFilter(model), path, [1, 5, 10], KEY, origins=[3, -1] + 20 * [700]
    )
    assert few.origins.tolist()[:3] == [3, 1999, 700]
    np.testing.assert_allclose(few.means, made.means[few.origins], rtol=1e-5, atol=1e-6)
    end = forecast_from(ParticleFilter(model), path, 10, KEY)
    assert end.horizons == tuple(range(1, 11)) and end.origins.tolist() == [1999]
    np.testing.assert_allclose(end.means[0, 9], made.means[1999, 2], rtol=1e-5, atol=1e-6)


def test_from_a_belief():
    model = paper()
    belief = ParticleFilter(model, 100).init(KEY)
    made = forecast_from(ParticleFilter(model), belief, [10, 1, 10], KEY, origin=17)
    assert made.horizons == (1, 10) and made.means.shape == (1, 2, 100, 1)
    assert made.to_frame()["time"].tolist() == [18, 27]


def test_quantiles_cdf_samples_and_scores_agree(rolled):
    made = dataclasses.replace(
        rolled[3],
        **{
            k: getattr(rolled[3], k)[:3]
            for k in ("means", "log_weights", "path", "origins", "series")
        },
    )
    levels = [0.01, 0.3, 0.9]
    quantiles = made.quantile(levels)
    assert quantiles.shape == (3, 3, 3, 1)
    for q, values in zip(levels, quantiles, strict=True):
        np.testing.assert_allclose(made.cdf(values), q, atol=1e-5)
    drawn = np.asarray(made.samples(KEY, 20000))
    np.testing.assert_allclose(drawn.mean(0), made.mean, atol=5 * float(made.std.max()) / 141)
    np.testing.assert_allclose(drawn.std(0), made.std, rtol=0.05)
    y = np.asarray(made.mean) + 0.1
    slope = (np.asarray(made.cdf(y + 1e-2)) - np.asarray(made.cdf(y - 1e-2))) / 2e-2
    np.testing.assert_allclose(np.exp(made.log_score(y)), slope, rtol=0.01)
    ensemble = crps_ensemble(jnp.asarray(y), jnp.moveaxis(jnp.asarray(drawn), 0, -1))
    np.testing.assert_allclose(made.crps(y), ensemble, rtol=0.05)


def test_columns_of_a_sample_share_their_noise():
    model = linear()
    still = eqx.tree_at(lambda m: (m.Q, m.P), model, (1e-8 * jnp.eye(2), 1e-8 * jnp.eye(2)))
    made = forecast_from(ParticleFilter(still), ParticleFilter(still, 2000).init(KEY), 3, KEY)
    drawn = np.asarray(made.samples(KEY, 20000))[:, 0, 0]
    np.testing.assert_allclose(np.cov(drawn.T), model.R, atol=0.015)


def test_rescaling_is_exact(rolled):
    made = rolled[3]
    raw = made.rescale([10.0], [3.0])
    for name in ("mean", "path"):
        np.testing.assert_allclose(getattr(raw, name), 3 * getattr(made, name) + 10, rtol=1e-5)
    np.testing.assert_allclose(raw.std, 3 * made.std, rtol=1e-4)
    y = rolled[1]
    before, after = made.score(y), raw.score(3 * y + 10)
    for name, factor in (("rmse", 3), ("crps", 3), ("width_90", 3), ("coverage_90", 1)):
        np.testing.assert_allclose(after[name], factor * before[name], rtol=2e-3)
    np.testing.assert_allclose(after["log_score"], before["log_score"] - np.log(3), atol=1e-3)


def test_ragged_series_in_one_call():
    model = linear()
    y = np.asarray(simulate(model, 20, KEY, batch=2)[1])
    lengths = np.array([20, 12])
    mask = np.repeat((np.arange(20) < lengths[:, None])[:, :, None], 2, axis=2)
    paths = [filtered(model, *both) for both in zip(y, mask, strict=True)]
    path = jax.tree.map(lambda *leaves: jnp.stack(leaves), *paths)
    made = rolling_forecast(ParticleFilter(model), path, [1, 3], KEY, lengths=lengths)
    assert np.bincount(made.series).tolist() == [20, 12]
    table = made.score(y, mask)
    assert table["count"].tolist() == [19, 19, 17, 17, 11, 11, 9, 9]  # by series, then horizon
    assert table["series"].tolist() == ["1"] * 4 + ["2"] * 4
    pooled = made.score(y, mask, pooled=True)
    total = (table["count"] * table["rmse"] ** 2).groupby(table["horizon"]).sum().to_numpy()
    np.testing.assert_allclose(pooled["rmse"] ** 2, total / np.array([60, 52]), rtol=1e-5)
    end = forecast_from(ParticleFilter(model), path, 3, KEY, lengths=lengths)
    assert end.origins.tolist() == [19, 11] and end.series.tolist() == [0, 1]
    np.testing.assert_allclose(end.path[1, 0], made.path[20 + 11, 0], rtol=1e-5)
    frame = end.to_frame()
    assert frame["series"].unique().tolist() == ["1", "2"] and len(frame) == 2 * 3 * 2


def test_labels_frame_and_figure():
    model = linear()
    y = np.asarray(simulate(model, 20, KEY)[1][0])
    table = pd.DataFrame(y, columns=["a_mm", "b"])
    table.insert(0, "day", pd.date_range("2024-01-30", periods=20, freq="D"))
    data = Sequences.from_pandas(table, time="day")
    made = forecast_from(ParticleFilter(model), filtered(model, y), 3, KEY).label(data)
    frame = made.to_frame()
    assert list(frame.columns) == [
        "origin", "horizon", "time", "column", "mean", "path", "q05", "q25", "q50", "q75", "q95",
    ]  # fmt: skip
    assert frame["column"].tolist() == ["a_mm", "b"] * 3
    assert frame["time"].iloc[0] == pd.Timestamp("2024-02-19")
    assert (np.diff(frame[["q05", "q25", "q50", "q75", "q95"]], axis=1) > 0).all()
    np.testing.assert_allclose(frame["mean"], np.asarray(made.mean).ravel())
    fan = made.plot(data)
    assert {trace.name for trace in fan.data} >= {"median", "noise-free", "90 %", "observed"}
    rolling = rolling_forecast(ParticleFilter(model), filtered(model, y), [1, 3], KEY).label(data)
    band = rolling.plot(data, horizon=3)
    assert band.layout.title.text == "Forecast, 3 steps ahead"
    assert len(next(t for t in band.data if t.name == "median").x) == 20
    for wrong, words in (({"horizon": 7}, "no horizon 7"), ({"series": 3}, "no series 3")):
        with pytest.raises(RekalError, match=words):
            rolling.plot(**wrong)


def test_particles_may_be_resampled():
    model, y = linear(), np.asarray(simulate(linear(), 20, KEY)[1][0])
    path = filtered(model, y)
    few = rolling_forecast(ParticleFilter(model), path, 3, KEY, particles=400, origins=[19])
    all_of_them = rolling_forecast(ParticleFilter(model), path, 3, KEY, origins=[19])
    assert few.means.shape == (1, 1, 400, 2)
    np.testing.assert_array_equal(few.path, all_of_them.path)
    np.testing.assert_allclose(few.mean, all_of_them.mean, atol=5 * float(few.std.max()) / 20)


@pytest.mark.parametrize("horizons", [0, -1, 1.0, 2.5, "3", True, [1, 0], []])
def test_wrong_horizons_are_refused(horizons):
    with pytest.raises(RekalError, match="horizon"):
        check_horizons(horizons)


@pytest.mark.parametrize("horizons", [0, -1, [1, 0], []])
def test_forecasts_check_their_horizons(rolled, horizons):
    model, _, path, _ = rolled
    with pytest.raises(RekalError, match="horizon"):
        rolling_forecast(ParticleFilter(model), path, horizons, KEY)
    with pytest.raises(RekalError, match="horizon"):
        forecast_from(ParticleFilter(model), path, horizons, KEY)


def test_unknown_inputs_are_refused_by_name():
    model = linear(inputs=1)
    u = np.random.default_rng(1).normal(size=(20, 1)).astype(np.float32)
    y = np.asarray(simulate(model, 20, KEY, inputs=u)[1][0])
    path = filtered(model, y, inputs=jnp.asarray(u))
    default = rolling_forecast(ParticleFilter(model), path, [1, 3], KEY, inputs=u)
    assert default.origins.tolist() == list(range(17))
    named = {"input_names": ("valve",)}
    with pytest.raises(RekalError, match="input 'valve' is unknown at step 20"):
        rolling_forecast(ParticleFilter(model), path, 3, KEY, inputs=u, origins=[18], **named)
    with pytest.raises(RekalError, match="input 'valve' is unknown at step 22"):
        forecast_from(ParticleFilter(model), path, 3, KEY, future_inputs=u[:2], **named)
    with pytest.raises(RekalError, match="input 'valve' is unknown at step 20"):
        forecast_from(ParticleFilter(model), path, 3, KEY, **named)
    future = np.ones((3, 1), np.float32)
    whole = rolling_forecast(
        ParticleFilter(model), path, [1, 3], KEY, inputs=u, future_inputs=future
    )
    end = forecast_from(ParticleFilter(model), path, 3, KEY, future_inputs=future)
    assert len(whole.origins) == 20
    np.testing.assert_allclose(whole.means[19, 1], end.means[0, 2], rtol=1e-5)
    other = forecast_from(ParticleFilter(model), path, 3, KEY, future_inputs=2 * future)
    assert np.abs(other.path - end.path).min() > 0.1
    with pytest.raises(RekalError, match="do not fit"):
        rolling_forecast(ParticleFilter(model), path, 3, KEY, inputs=u[:, [0, 0]])
    with pytest.raises(RekalError, match="takes no inputs"):
        rolling_forecast(ParticleFilter(linear()), path, 3, KEY, inputs=u)
    with pytest.raises(RekalError, match="no step whose future inputs"):
        rolling_forecast(ParticleFilter(model), path, 3, KEY)
    with pytest.raises(RekalError, match="give the inputs as well"):
        rolling_forecast(ParticleFilter(model), path, 3, KEY, future_inputs=future)


def test_what_else_is_refused(rolled):
    model, _, path, made = rolled
    with pytest.raises(RekalError, match="origin 2000 is no step"):
        rolling_forecast(ParticleFilter(model), path, 1, KEY, origins=[2000])
    with pytest.raises(RekalError, match="empty list"):
        rolling_forecast(ParticleFilter(model), path, 1, KEY, origins=[])
    with pytest.raises(RekalError, match="particles must be"):
        rolling_forecast(ParticleFilter(model), path, 1, KEY, particles=0)
    with pytest.raises(RekalError, match="do not fit a forecast of 1 columns"):
        made.score(np.zeros((2000, 2)))
    for q in (0, 1, -0.1, 2):
        with pytest.raises(RekalError, match="between 0 and 1"):
            made.quantile(q)
        with pytest.raises(RekalError, match="between 0 and 1"):
            made.interval(q)
    with pytest.raises(RekalError, match="the data 2"):
        made.label(Sequences.from_arrays(np.ones((20, 2))))


def test_a_forecast_may_be_one_gaussian_for_each_step():
    var = np.array([1.0, 4.0], np.float32).reshape(1, 2, 1, 1)
    made = Forecast(
        means=np.zeros((1, 2, 1, 1), np.float32),
        log_weights=np.zeros((1, 1), np.float32),
        cov=var,
        path=np.zeros((1, 2, 1), np.float32),
        origins=np.array([4]),
        series=np.array([0]),
        horizons=(1, 2),
        labels=Labels.plain(1),
    )
    np.testing.assert_allclose(made.std[0, :, 0], [1, 2])
    np.testing.assert_allclose(made.quantile(0.975)[0, :, 0], [1.95996, 3.91993], rtol=1e-4)
    np.testing.assert_allclose(
        np.asarray(made.samples(KEY, 9000)).std(0)[0, :, 0], [1, 2], rtol=0.05
    )


@pytest.mark.parametrize(
    ("location", "scale"), [(0.0, 1e90), (0.0, 1e-90), (1e9, 1.0), (-3e130, 1e120), (1e-20, 1e-21)]
)
def test_units_far_from_one_and_data_far_from_zero_round_nothing_off(rolled, location, scale):
    _, y, _, made = rolled
    raw = made.rescale([location], [scale])
    np.testing.assert_allclose(raw.std / scale, made.std, rtol=1e-5)
    for q in (0.05, [0.5, 0.9]):
        ours = (np.asarray(raw.quantile(q), float) - location) / scale
        np.testing.assert_allclose(ours, made.quantile(q), rtol=1e-5, atol=1e-4)
    broad = np.asarray(y, float) * scale + location
    before, after = made.score(y), raw.score(broad)
    for name in ("rmse", "crps", "width_90"):
        np.testing.assert_allclose(after[name] / scale, before[name], rtol=2e-3)
    np.testing.assert_allclose(after["coverage_90"], before["coverage_90"], atol=2e-3)
    assert np.isfinite(np.asarray(raw.samples(KEY, 5))).all()


def test_units_beyond_all_numbers_are_refused(rolled):
    for scale in (1e200, 1e-200):
        with pytest.raises(RekalError, match="beyond the numbers of float64"):
            rolled[3].rescale([0.0], [scale])


def test_draws_of_a_column_that_is_there_twice_are_equal():
    twice = Kalman(LinearGaussian.create(np.eye(2), np.ones((2, 2)), np.eye(2), np.zeros((2, 2))))
    made = forecast_from(twice, twice.init(), 2, KEY)
    drawn = np.asarray(made.samples(KEY, 7))
    assert np.isfinite(drawn).all()
    np.testing.assert_allclose(drawn[..., 0], drawn[..., 1])


def test_values_that_cannot_be_scored_are_refused(rolled):
    made = rolled[3]
    for values, sentence in (
        (np.full((5, 1), np.inf), "beyond those of float32"),
        (np.full((5, 1), 1e100), "beyond those of float32"),
        (np.full((5, 1), "1"), "values must be numbers, not text"),
    ):
        with pytest.raises(RekalError, match=sentence):
            made.score(values)
    with pytest.raises(RekalError, match="mask is of booleans"):
        made.score(np.zeros((5, 1)), np.ones((5, 1)))
    assert made.score(np.ma.masked_all((2000, 1)))["count"].sum() == 0
