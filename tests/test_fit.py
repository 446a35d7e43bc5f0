"""`rekalman.fit` end to end: learn, save, load, forecast, stream."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.learners.em.em import EM
from rekalman.training.stochastic.network import rotate

QUICK = EM(particles=30, iterations=8, average=3)


@pytest.fixture(scope="module")
def wave():
    rng = np.random.default_rng(0)
    t = np.arange(160)
    y = 5 + 2 * np.sin(t / 4)[:, None] + 0.4 * rng.normal(size=(160, 1))
    y[rng.uniform(size=y.shape) < 0.1] = np.nan
    return rekalman.Sequences.from_arrays(y, names=("height_mm",), interval=0.1, time_unit="s")


@pytest.fixture(scope="module")
def trained(wave):
    return rekalman.fit(
        wave, "em-rnn", learner=QUICK, states=3, restarts=2, trial_iterations=4, progress=False
    )


def test_the_same_seed_gives_the_same_fit(wave, trained):
    again = rekalman.fit(
        wave, "em-rnn", learner=QUICK, states=3, restarts=2, trial_iterations=4, progress=False
    )
    np.testing.assert_array_equal(again.model.A, trained.model.A)
    assert len(trained.history.trials) == 2
    assert trained.history.trials[0][1] >= trained.history.trials[1][1]


def test_an_interrupt_during_the_trials_ends_the_fit(wave):
    def stop(stage, progress):
        if stage == "random 2" and progress.iteration == 2:
            raise KeyboardInterrupt

    cut = rekalman.fit(
        wave, "em-rnn", learner=QUICK, states=3, restarts=3, trial_iterations=4, progress=stop
    )
    assert cut.history.stopped == "interrupted"
    assert len(cut.history.trials) == 2
    assert np.isfinite(cut.filter(wave).log_likelihood)


def test_held_out_likelihood_is_in_raw_units(wave, trained):
    # About half a nat per value less than the entropy of noise of standard deviation 0.4.
    assert -4 < trained.history.trials[0][1] < -0.5


def test_a_saved_fit_comes_back(wave, trained, tmp_path):
    path = tmp_path / "wave.rekalman"
    trained.save(path)
    loaded = rekalman.load(path)
    assert loaded.labels == trained.labels
    assert loaded.history.trials == trained.history.trials
    a, b = trained.forecast(wave, 4), loaded.forecast(wave, 4)
    np.testing.assert_array_equal(a.mean, b.mean)
    assert "log-likelihood" in loaded.summary()


def test_likelihood_is_in_raw_units(wave, trained):
    scaled = rekalman.Sequences.from_arrays(
        np.where(wave.mask[0], wave.values[0] * 10, np.nan), names=wave.names, interval=0.1
    )
    other = rekalman.fit(
        scaled, "em-rnn", learner=QUICK, states=3, restarts=2, trial_iterations=4, progress=False
    )
    seen = int(wave.mask.sum())
    shift = trained.filter(wave).log_likelihood - other.filter(scaled).log_likelihood
    assert shift == pytest.approx(seen * np.log(10), abs=0.5)


def test_forecasts_and_filter_are_in_raw_units(wave, trained):
    assert 2 < float(trained.forecast(wave, 1).mean[0, 0, 0]) < 8
    assert np.abs(trained.filter(wave).observed_mean.mean() - 5) < 0.5
    rolled = trained.roll(wave, (1, 3))
    score = rolled.score(wave.values, wave.mask, pooled=True).set_index("horizon")
    assert score.loc[1, "rmse"] < 1.8


def test_a_stream_follows_the_filter(wave, trained):
    stream = trained.stream()
    for y in np.where(wave.mask[0], wave.values[0], np.nan):
        stream.update(y)
    exact = trained.filter(wave).log_likelihood
    assert stream.log_likelihood == pytest.approx(exact, abs=8)
    assert stream.step == 160
    ahead = stream.forecast(3)
    np.testing.assert_allclose(
        ahead.mean[0, :, 0], trained.forecast(wave, 3).mean[0, :, 0], atol=0.6
    )
    with pytest.raises(rekalman.RekalError, match="1 columns"):
        stream.update([1.0, 2.0])


def test_other_data_are_refused(wave, trained):
    with pytest.raises(rekalman.RekalError, match="trained on the columns height_mm"):
        trained.filter(rekalman.Sequences.from_arrays(np.zeros((20, 1)), names=("other",)))
    slow = rekalman.Sequences.from_arrays(np.zeros((20, 1)), names=wave.names, interval=1.0)
    with pytest.raises(rekalman.RekalError, match="sampling interval"):
        trained.filter(slow)


def test_a_model_of_ones_own_keeps_its_units(wave):
    own = rekalman.StochasticRNN.create(
        A=0.9 * jnp.eye(2), C=jnp.ones((1, 2)), Q=0.1 * jnp.eye(2), R=jnp.eye(1), d=jnp.array([5.0])
    )
    learner = EM(particles=30, iterations=2, average=1, freeze=("d", "C"))
    result = rekalman.fit(wave, own, learner, progress=False)
    np.testing.assert_allclose(result.model.d, [5.0])
    np.testing.assert_allclose(result.standardiser.scale, 1.0)


def test_inputs_several_columns_and_series():
    rng = np.random.default_rng(1)
    u = [rng.normal(size=(n, 1)) for n in (90, 60)]
    y = []
    for drive in u:
        x, rows = 0.0, []
        for value in drive[:, 0]:
            x = 0.8 * x + value
            rows.append([x, -x])
        y.append(np.array(rows) + 0.1 * rng.normal(size=(len(drive), 2)))
    data = rekalman.Sequences.from_arrays(y, inputs=u, names=("a", "b"), input_names=("u",))
    result = rekalman.fit(
        data, "em-rnn", learner=QUICK, states=2, restarts=2, trial_iterations=6, progress=False
    )
    driven = result.forecast(data, 3, future_inputs=np.zeros((2, 3, 1)))
    assert driven.mean.shape == (2, 3, 2)
    with pytest.raises(rekalman.RekalError, match="u"):
        result.forecast(data, 3)
    one_step = result.roll(data, 1).score(data.values, data.mask, pooled=True)["rmse"].iloc[0]
    spread = np.concatenate(y).std()
    assert one_step < 0.7 * spread


def test_a_rotated_network_is_the_same_while_linear():
    model = rekalman.StochasticRNN.init(3, 2, key=jax.random.key(0), activation="identity")
    U = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turned = rotate(model, jnp.asarray(U, jnp.float32))
    x = jnp.ones((1, 3))
    moved = model.observation_mean(model.transition_mean(x))
    again = turned.observation_mean(turned.transition_mean(x @ jnp.asarray(U.T, jnp.float32)))
    np.testing.assert_allclose(moved, again, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"states": 0}, "states"),
        ({"states": 200}, "200 states"),
        ({"restarts": 0}, "restarts"),
        ({"hold_out": 1.0}, "hold_out"),
        ({"model": "oracle"}, "oracle"),
    ],
)
def test_bad_arguments_are_refused(wave, changes, word):
    with pytest.raises(rekalman.RekalError, match=word):
        rekalman.fit(wave, **({"model": "em-rnn", "learner": QUICK, "progress": False} | changes))


def test_smoothing_knows_more_than_filtering(trained, wave):
    prepared = trained.prepare(wave)
    algorithm = rekalman.ParticleFilter(trained.model, 200)
    filtered, smoothed = rekalman.filter(algorithm, prepared), rekalman.smooth(algorithm, prepared)
    assert smoothed.var.mean() < 0.95 * filtered.var.mean()
    np.testing.assert_allclose(smoothed.mean[:, -1], filtered.mean[:, -1], atol=1e-4)
    assert smoothed.log_likelihood == filtered.log_likelihood
    assert len(smoothed.to_frame()) == wave.steps


@pytest.mark.parametrize("scale", [1e120, 1e-120])
def test_units_far_from_one_change_no_forecast(scale):
    y = np.cumsum(np.random.default_rng(0).normal(size=30)) + 3.0
    for model, learner, extra in (
        ("local-level", rekalman.MaximumLikelihood(iterations=3), {}),
        ("linear", rekalman.EM(iterations=2), {"states": 1}),
    ):
        made = []
        for unit in (1.0, scale):
            data = rekalman.Sequences.from_arrays(y * unit)
            fit = rekalman.fit(data, model, learner, progress=False, **extra)
            forecast = fit.forecast(data, 3)
            made.append((np.asarray(forecast.mean) / unit, np.asarray(forecast.std) / unit))
        np.testing.assert_allclose(made[0], made[1], rtol=1e-4)


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_units_whose_square_is_no_number_are_refused(scale):
    y = np.cumsum(np.random.default_rng(0).normal(size=30)) + 3.0
    data = rekalman.Sequences.from_arrays(y * scale)
    with pytest.raises(rekalman.RekalError, match="give it in another unit"):
        rekalman.fit(data, "local-level", progress=False)
    with pytest.raises(rekalman.RekalError, match="squares are beyond double precision"):
        data.standardiser()


def test_an_infinite_target_is_refused():
    with pytest.raises(rekalman.RekalError, match="a target is infinite"):
        rekalman.Sequences.from_arrays([1.0, 2.0], targets=[1.0, np.inf])
