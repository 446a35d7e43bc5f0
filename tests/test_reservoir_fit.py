"""The methods esn and nvar: fits, forecasts, files, streams, gaps and refusals."""

import numpy as np
import pytest

import rekalman
from rekalman.datasets.recurrent.chaotic import mackey_glass

SMALL = {
    "esn": {"units": 40, "search_seconds": 0.05, "horizon": 3},
    "nvar": {"taps": 4, "order": 2, "stride": 1},
}


def noisy_series(steps, seed=0, noise=0.05, series=1):
    rng = np.random.default_rng(seed)
    y = mackey_glass(steps, rng, tau=17, series=series)
    return y + noise * rng.normal(size=y.shape)


@pytest.fixture(scope="module", params=list(SMALL))
def fitted(request):
    data = rekalman.Sequences.from_arrays(noisy_series(700)[0])
    fit = rekalman.fit(data.window(0, 500), request.param, progress=False, **SMALL[request.param])
    return fit, data


def test_it_beats_holding_the_last_value_and_is_saved(fitted, tmp_path):
    fit, data = fitted
    assert fit.history.diagnostics is not None
    y = np.asarray(data.values)[0, :, 0]
    before = np.arange(499, 699)
    ahead = np.asarray(fit.roll(data, 1, before).mean)[:, 0, 0]
    own = np.mean((ahead - y[before + 1]) ** 2)
    assert own < 0.95 * np.mean((y[before] - y[before + 1]) ** 2)
    fit.save(tmp_path / "model.rekalman")
    again = rekalman.load(tmp_path / "model.rekalman")
    ahead, same = (each.forecast(data, 20) for each in (fit, again))
    np.testing.assert_allclose(ahead.mean, same.mean, rtol=1e-12)
    np.testing.assert_allclose(ahead.std, same.std, rtol=1e-12)
    assert np.isfinite(ahead.std).all() and (np.asarray(ahead.std) > 0).all()


def test_a_stream_is_the_filter_of_the_whole(fitted):
    fit, data = fitted
    stream = fit.stream()
    for row in np.asarray(data.values)[0]:
        stream.update(row)
    np.testing.assert_allclose(
        np.asarray(stream.forecast(5).mean).ravel(),
        np.asarray(fit.forecast(data, 5).mean).ravel(),
        rtol=1e-6,
        atol=1e-8,
    )


def test_the_report_says_what_it_is(fitted):
    fit, _ = fitted
    text = fit.summary()
    assert fit.kind in text and ("echo state" in text or "nonlinear autoregression" in text)
    assert np.isfinite(fit.history.log_likelihood).all()


@pytest.mark.parametrize("name", list(SMALL))
def test_intervals_hold_over_several_steps_on_noisy_data(name):
    rng = np.random.default_rng(1)
    y = np.zeros((1, 2600))
    for t in range(2, 2600):  # a nonlinear system that noise drives
        y[0, t] = 1.2 * np.tanh(y[0, t - 1]) - 0.5 * y[0, t - 2] + 0.3 * rng.normal()
    data = rekalman.Sequences.from_arrays(y[0])
    fit = rekalman.fit(data.window(0, 1000), name, progress=False, **SMALL[name])
    origins = np.arange(1000, 2590, 2)
    rolled = fit.roll(data, [1, 4, 10], origins)
    low, high = (np.asarray(each)[:, :, 0] for each in rolled.interval(0.9))
    for k, horizon in enumerate((1, 4, 10)):
        truth = y[0, origins + horizon]
        held = np.mean((low[:, k] <= truth) & (truth <= high[:, k]))
        assert 0.86 < held < 0.94, (horizon, held)


@pytest.mark.parametrize("name", list(SMALL))
def test_series_columns_inputs_and_gaps_go_together(name):
    rng = np.random.default_rng(0)
    u = rng.normal(size=(3, 150, 1))
    y = np.zeros((3, 150, 2))
    for t in range(1, 150):
        y[:, t] = 0.7 * y[:, t - 1, ::-1] + 0.5 * np.tanh(u[:, t]) + 0.05 * rng.normal(size=(3, 2))
    y[1, 40:45, 0] = np.nan
    y[2, 60, :] = np.nan
    data = rekalman.Sequences.from_arrays([y[0], y[1], y[2, :90]], inputs=[u[0], u[1], u[2, :90]])
    options = {**SMALL[name], **({"taps": 2} if name == "nvar" else {})}
    fit = rekalman.fit(data, name, progress=False, **options)
    ahead = fit.forecast(data, 4, future_inputs=np.zeros((3, 4, 1)))
    assert ahead.mean.shape == (3, 4, 2) and np.isfinite(ahead.std).all()
    rolled = np.asarray(fit.roll(data, 1, [np.arange(20, 149), [50], [50]]).mean)[:129, 0]
    assert np.abs(rolled - y[0, 21:150]).mean() < 0.15  # the input of the step ahead is known


def test_large_networks_forecast_quickly():
    """The linearised step of 1,000 units costs a product of each direction, not of each unit."""
    import time

    import jax
    import jax.numpy as jnp

    from rekalman.filters.innovations import Innovations
    from rekalman.networks.predictors.reservoir import Reservoir

    filtering = Innovations(Reservoir.create(1, units=1000))
    with jax.enable_x64(True):
        belief = filtering.update(filtering.init(), jnp.zeros(1))[0]
        ahead = jax.jit(lambda belief: filtering.forecast(belief, 200).var)
        ahead(belief).block_until_ready()
        since = time.process_time()
        ahead(belief).block_until_ready()
    assert time.process_time() - since < 2.0  # .15 s on an idle core; n x n covariances take 100 s


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("esn", {"spectral_radius": 2.5}, "spectral_radius must be at most 2"),
        ("esn", {"spectral_radius": -1}, "spectral_radius must be above 0"),
        ("esn", {"leak": 0}, "leak must be above 0"),
        ("esn", {"leak": 1.5}, "leak must be at most 1"),
        ("esn", {"density": 0}, "density must be above 0"),
        ("esn", {"density": 2}, "density must be at most 1"),
        ("esn", {"topology": "ring"}, "unknown topology 'ring'"),
        ("esn", {"washout": 95}, "a washout of 95 steps needs a series of 105 samples at least, "),
        (
            "nvar",
            {"taps": 50, "stride": 2},
            "needs a series of 109 samples at least, but .* has 100",
        ),
        ("nvar", {"order": 6}, "order must be at most 5"),
        ("esn", {"filtering": "kalman"}, "is its own filter: leave filtering out"),
    ],
)
def test_bad_input_is_one_sentence(name, options, message):
    data = rekalman.Sequences.from_arrays(noisy_series(100)[0])
    with pytest.raises(rekalman.RekalError, match=message):
        rekalman.fit(data, name, progress=False, **options)
