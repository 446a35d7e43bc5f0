"""Films through `rekalman.fit`: trained, judged, forecast, followed frame by frame, saved, refused."""

from __future__ import annotations

import dataclasses
import json

import jax
import numpy as np
import pytest
from small_networks import small_frames, small_network, small_run
from typer.testing import CliRunner

import rekalman
from rekalman.cli.app import app
from rekalman.core.row import FilmRow
from rekalman.forecasting.binary import binary_log_density
from rekalman.foundation.errors import RekalError
from rekalman.learners.gradient.shuffling import held_out
from rekalman.methods.own.film import OwnFilm
from rekalman.methods.request import TrainingRequest
from rekalman.networks.film import FilmNetwork
from rekalman.networks.vision.patch_decoder import PatchDecoder
from rekalman.report import report_html
from rekalman.training.film_network import patches
from rekalman.training.films import split_films

LEARNER = rekalman.Backprop(epochs=30, batch=8, rate=1e-2, mask_probability=0.2)


def films(series: int = 8, steps: int = 24, seed: int = 0, scale: float = 30.0) -> rekalman.Frames:
    """Frames of 8 x 8 pixels whose brightness swings; the target is the swing in other units."""
    small = small_frames(series, steps, seed)
    pixels = np.repeat(np.repeat(np.asarray(small.values), 3, 2), 3, 3)[:, :, :8, :8]
    targets = 100 + scale * np.asarray(small.targets)
    targets[0, 3] = np.nan
    return rekalman.Frames.from_arrays(pixels, targets, mask=small.mask, names=("angle",))


@pytest.fixture(scope="module")
def fit() -> rekalman.Fit:
    return rekalman.fit(films(), "gru", LEARNER, states=3, units=6, progress=False)


def test_a_film_network_learns_in_the_units_of_the_targets(fit):
    test = films(seed=1)
    output, wanted = fit.filter(test), np.asarray(test.targets)
    known = np.isfinite(wanted)
    error = np.sqrt(np.mean((output.mean - wanted)[known] ** 2))
    assert error < 0.7 * wanted[known].std()
    assert fit.labels.names == ("angle",) and fit.kind == "gru"
    inside = np.abs(output.mean - wanted)[known] < 1.645 * np.sqrt(output.var)[known]
    assert 0.75 < inside.mean() < 0.99
    # Nats in raw units, over known targets alone.
    density = -0.5 * ((output.mean - wanted) ** 2 / output.var + np.log(2 * np.pi * output.var))
    np.testing.assert_allclose(output.log_evidence, np.where(known, density, 0)[..., 0], atol=2e-3)
    assert "estimated       from frames" in output.summary() and "white:" not in output.summary()
    assert dict(fit.history.criteria)["held-out RMSE of angle"] < 30


def test_the_recursion_is_what_a_run_says(fit):
    film: FilmNetwork = fit.algorithm
    data = fit.prepare(films(2, 12, 3))
    path = film.run_batch(
        FilmRow(data.frames, data.values.astype(np.float32)), FilmRow(data.seen, data.mask)
    )
    belief, total = film.init(), []
    for t in range(12):
        prior = film.predict(belief) if t else belief
        row = FilmRow(data.frames[0, t], data.values[0, t].astype(np.float32))
        belief, log_prob = film.update(prior, row, FilmRow(data.seen[0, t], data.mask[0, t]))
        np.testing.assert_allclose(film.observe(belief).mean, path.mean[0, t], atol=1e-5)
        total.append(float(log_prob))
    np.testing.assert_allclose(total, path.log_evidence[0], atol=1e-4)
    missing, _ = film.update(film.predict(belief), None, True)
    skipped = film.skip(film.predict(belief))
    np.testing.assert_array_equal(missing.hidden, skipped.hidden)
    ahead = film.forecast(belief, 2)
    np.testing.assert_allclose(ahead.mean[0], film.observe(skipped).mean, atol=1e-6)


def test_forecasts_do_not_look_ahead(fit):
    test = films(2, 12, 5)
    rolled = fit.roll(test, (1, 3))
    end = fit.forecast(test, 3)
    last = (np.asarray(rolled.series) == 1) & (np.asarray(rolled.origins) == 11)
    np.testing.assert_allclose(rolled.mean[last][0, 1], end.mean[1, 2], atol=1e-4)
    changed = np.array(test.values)
    changed[:, 6:] = 255 - changed[:, 6:]
    other = fit.roll(dataclasses.replace(test, values=changed), (1, 3))
    before = np.asarray(rolled.origins) < 6
    np.testing.assert_array_equal(rolled.mean[before], other.mean[before])
    assert not np.allclose(rolled.mean[~before], other.mean[~before])
    scores = rolled.score(np.asarray(test.targets))
    assert set(scores["horizon"]) == {1, 3} and scores["count"].min() > 0


def test_hidden_pixels_and_unknown_targets_change_nothing(fit):
    test = films(3, 10, 4)
    noisy = np.array(test.values)
    noisy[~np.asarray(test.mask)] = 77
    unknown = rekalman.Frames.from_arrays(noisy, mask=test.mask)
    np.testing.assert_array_equal(fit.filter(test).mean, fit.filter(unknown).mean)
    assert fit.filter(unknown).log_likelihood == 0
    assert fit.filter(unknown).summary().startswith("estimated       from frames, angle")
    np.testing.assert_array_equal(fit.forecast(test, 2).mean, fit.forecast(unknown, 2).mean)


def test_a_fit_and_its_stream_come_back_from_their_files(fit, tmp_path):
    test = films(1, 8, 2)
    fit.save(tmp_path / "f.rekalman")
    again = rekalman.load(tmp_path / "f.rekalman")
    np.testing.assert_array_equal(again.filter(test).mean, fit.filter(test).mean)
    stream = again.stream()
    for frame in test.values[0, :5]:
        stream.update(frame)
    stream.save(tmp_path / "s.rekalman")
    resumed = rekalman.load_stream(tmp_path / "s.rekalman")
    np.testing.assert_array_equal(resumed.forecast(3).mean, stream.forecast(3).mean)
    assert resumed.estimate().horizons == (0,)


def test_a_stream_says_what_a_filter_says(fit):
    test = films(1, 8, 2)
    output, stream = fit.filter(test), fit.stream()
    for t in range(8):
        stream.update(test.values[0, t] if test.mask[0, t] else None)
        np.testing.assert_allclose(stream.estimate().mean[0, 0], output.mean[0, t], rtol=1e-5)
        sd = stream.estimate().std[0, 0]
        np.testing.assert_allclose(sd, np.sqrt(output.var[0, t]), rtol=1e-4)


def test_networks_of_ones_own_are_trained_as_their_learner_says():
    frames = small_frames()
    own = rekalman.fit(frames, small_network(), small_run(), progress=False)
    alone = small_run().run(small_network(), frames)
    np.testing.assert_array_equal(own.history.trained, -alone.train)
    np.testing.assert_allclose(
        own.filter(frames).mean,
        rekalman.film_fit(alone.model).filter(frames).mean,
        atol=1e-6,
    )
    assert own.kind == "own" and "network" in own.summary()


def test_held_out_nats_are_those_of_the_known_values_of_held_out_films():
    small = small_frames()
    targets = np.concatenate([np.asarray(small.targets)] * 2, -1)
    targets[::2, :, 1] = np.nan  # of every other film one target is not known
    frames = rekalman.Frames.from_arrays(small.values, targets, mask=small.mask)
    learner = dataclasses.replace(small_run(), average=0.0)
    fit = rekalman.fit(frames, small_network(targets=2), learner, progress=False)
    _, apart = held_out(frames.batch, float(learner.hold_out), learner.seed)
    films = frames.take(apart)
    known = np.isfinite(np.asarray(films.targets)).sum()
    expected = fit.filter(films).log_likelihood / known
    assert max(fit.history.held_out) == pytest.approx(expected, rel=1e-4)


def test_images_are_told_as_probabilities():
    small = films(6, 12)
    frames = rekalman.Frames.from_arrays(small.values, small.values, mask=small.mask)
    learner = rekalman.Backprop(epochs=2, batch=4, rate=3e-3)
    fit = rekalman.fit(frames, "rkn", learner, states=3, progress=False)
    assert isinstance(fit.algorithm.network.decoder, PatchDecoder)
    output, data = fit.filter(frames), frames.as_sequences()
    assert output.mean.shape == (6, 12, 64) and data.names[9] == "pixel 1,1"
    assert output.mean.min() >= 0 and output.mean.max() <= 1 and output.pit is None
    entropy = data.values * np.log(output.mean) + (1 - data.values) * np.log1p(-output.mean)
    np.testing.assert_allclose(output.log_evidence, entropy.sum(-1), rtol=1e-4)
    ahead = fit.forecast(frames, 2)
    assert ahead.binary and set(np.unique(ahead.quantile(0.5))) <= {0.0, 1.0}
    p = np.asarray(ahead.mean)
    np.testing.assert_allclose(ahead.std, np.sqrt(p * (1 - p)), atol=1e-3)
    drawn = ahead.samples(jax.random.key(0), 400)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    np.testing.assert_allclose(np.asarray(drawn).mean(0), p, atol=0.12)
    y = np.asarray(data.values)[:, :2]
    np.testing.assert_allclose(
        ahead.crps(y), p * np.abs(1 - y) + (1 - p) * y - p * (1 - p), atol=1e-5
    )
    with pytest.raises(RekalError, match="innovations have a known law"):
        output.diagnose()
    page = report_html(fit, data)
    assert "64 pixels" in page and "not tested against one" in page
    assert "64 pixels" in fit.summary() and "pixel 0,1" not in fit.summary()


def test_irregular_films_take_times_and_inputs():
    random, small = np.random.default_rng(0), films(6, 16)
    timed = rekalman.Frames.from_arrays(
        small.values,
        small.targets,
        inputs=random.normal(size=(6, 16, 1)),
        dt=random.uniform(0.1, 0.3, (6, 16)),
        names=("angle",),
    )
    learner = rekalman.Backprop(epochs=1, batch=4)
    fit = rekalman.fit(timed, "lstm", learner, states=2, units=4, progress=False)
    assert fit.continuous and fit.input_names == ("u",)
    stream = fit.stream()
    for t in range(4):
        stream.update(timed.values[0, t], u=timed.inputs[0, t], dt=float(timed.dt[0, t]))
    output = fit.filter(timed)
    np.testing.assert_allclose(stream.estimate().mean[0, 0], output.mean[0, 3], rtol=1e-4)
    assert stream.forecast(2, np.zeros((2, 1)), dt=0.2).mean.shape == (1, 2, 1)


def test_irregular_networks_need_an_interval_and_others_take_none():
    keys = jax.random.split(jax.random.key(0), 3)
    layer = rekalman.Elman.create(2, units=4, timed=True, key=keys[0])
    encoder = rekalman.PatchEncoder((8, 8, 1), 2, key=keys[1])
    timed = rekalman.Network(encoder, layer, rekalman.GaussianHead(*layer.sizes, 1, key=keys[2]))
    assert rekalman.film_fit(timed, interval=0.5).continuous
    with pytest.raises(RekalError, match="made for time steps: give interval"):
        rekalman.film_fit(timed)
    with pytest.raises(RekalError, match="equal steps: leave interval out"):
        rekalman.film_fit(small_network(), interval=0.5)


def test_the_seed_of_a_fit_is_that_of_the_default_learner(monkeypatch):
    seen = []

    def train(network, request, learner, raw):
        seen.append(learner.seed)

    monkeypatch.setattr("rekalman.training.own_film.train_own_film", train)
    request = TrainingRequest(data=small_frames(6, 5).as_sequences(), seed=5)
    OwnFilm(model=small_network()).train(request)
    assert seen == [5]


def test_ctrl_c_in_the_calibration_leaves_the_network(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("rekalman.training.films.calibrated", interrupt)
    learner = rekalman.Backprop(epochs=1, batch=8)
    fit = rekalman.fit(films(6, 8), "elman", learner, states=2, units=4, progress=False)
    assert fit.algorithm.widening is None and not fit.history.criteria
    assert "calibration was interrupted" in fit.history.warnings[0]


def test_a_share_without_a_known_target_is_refused():
    small = films(2, 10)
    for known, sentence in ((slice(5), "epoch"), (slice(8, None), "left to learn from")):
        targets = np.full_like(small.targets, np.nan)
        targets[:, known] = small.targets[:, known]
        frames = rekalman.Frames.from_arrays(small.values, targets)
        with pytest.raises(RekalError, match=sentence):
            rekalman.fit(frames, "elman", states=2, units=4, progress=False)


def test_targets_are_selected_by_name():
    small = films(3, 8)
    both = np.concatenate([small.targets, -np.asarray(small.targets)], -1)
    data = rekalman.Frames.from_arrays(small.values, both, names=("angle", "other")).as_sequences()
    one = data.select(("other",))
    assert one.target_shape == (1,) and one.frame_shape == (8, 8, 1)
    images = rekalman.Frames.from_arrays(small.values, small.values).as_sequences()
    with pytest.raises(RekalError, match="single pixels cannot be selected"):
        images.select(("pixel 0,0",))


def test_an_estimate_of_several_targets_has_their_covariance():
    camera = rekalman.film_fit(small_network(targets=2), ("a", "b")).stream()
    camera.update(np.zeros((3, 3, 1), np.uint8))
    now = camera.estimate()
    assert now.cov.shape == (1, 1, 2, 2)
    ahead = camera.forecast(1)
    assert ahead.cov.shape == (1, 1, 2, 2) and now.to_frame().shape[0] == 2


def test_a_sure_pixel_that_is_wrong_has_a_finite_score():
    y, sure = np.array([0.0, 1.0, 0.2], np.float32), np.array([[1], [0], [1]], np.float32)
    scores = binary_log_density(y, sure, np.zeros_like(sure), np.zeros_like(sure))
    assert np.isfinite(scores).all() and scores.max() < -10


def test_few_films_hold_their_ends_out():
    data = films(3, 20).as_sequences()
    split = split_films(data, 0.2, seed=0)
    assert list(split.train.lengths) == [16, 16, 16]
    assert not split.judged.mask[:, :16].any() and split.judged.mask[:, 16:].all()
    many = split_films(films(10).as_sequences(), 0.2, seed=0)
    assert (many.train.batch, many.judged.batch) == (8, 2)


def test_the_report_speaks_of_estimates(fit):
    page = report_html(fit, fit.read(films(3, 24, 8)))
    assert "The targets, their estimates and the forecast" in page
    assert "errors of estimates, which need not be white" in page and "leaves over" not in page
    assert "Some whole films, or of a few films the end of each, were not trained on" in page


def test_refusals(fit):
    frames, nile = films(), rekalman.load_example("nile")
    for call, sentence in (
        (lambda: fit.simulate(5), "no law of the frames"),
        (lambda: fit.smooth(frames), "no state that could be smoothed"),
        (lambda: fit.identify(), "no state-space model"),
        (lambda: fit.filter(nile), r"frames of shape \(8, 8, 1\), but the data have none"),
        (lambda: fit.filter(small_frames()), r"but the data have frames of shape \(3, 3, 1\)"),
        (
            lambda: rekalman.fit(frames, "linear"),
            "takes rows of numbers, not frames: use one of rkn",
        ),
        (lambda: rekalman.fit(nile, small_network()), "learns from Frames"),
        (lambda: rekalman.fit(frames, "gru", backtest=0.2), "leave backtest out"),
        (lambda: rekalman.fit(frames, "gru", transform="log"), "leave transform out"),
        (lambda: rekalman.fit(rekalman.Frames.from_arrays(frames.values), "gru"), "give targets"),
        (lambda: rekalman.fit(frames, "gru", scale="series"), "share one scale, since frames"),
        (
            lambda: rekalman.filter(
                rekalman.fit(nile, "local-level", progress=False).algorithm, frames.as_sequences()
            ),
            "takes rows of numbers, not frames",
        ),
        (lambda: patches(7, 11), "crop or pad"),
        (lambda: FilmNetwork(small_network(), 3), r"shape \(1,\), which are not 3 numbers"),
        (lambda: FilmNetwork(small_network(), 1, widening=np.zeros(1)), "factors above 0"),
        (lambda: fit.stream().estimate(), "after its first frame"),
    ):
        with pytest.raises(RekalError, match=sentence):
            call()
    other = dataclasses.replace(frames, names=("force",))
    with pytest.raises(RekalError, match="tells of angle, but the targets of the frames are force"):
        fit.filter(other)
    table = rekalman.fit(nile, "local-level", progress=False)
    with pytest.raises(RekalError, match="takes rows of numbers, not frames"):
        table.filter(frames)


@pytest.mark.parametrize(
    "size", [(24, 24), (48, 48), (48, 64), (9, 12), (25, 35), (8, 8), (240, 320)]
)
def test_frames_of_many_sizes_are_cut_into_patches(size):
    side, merges, places = patches(*size)
    unit = side * 2**merges
    assert size[0] % unit == size[1] % unit == 0
    assert places == (size[0] // unit) * (size[1] // unit)


def test_the_command_line_fits_and_forecasts_films(tmp_path):
    small = films(6, 12)
    source = tmp_path / "film.npz"
    np.savez(source, frames=small.values, targets=small.targets, mask=small.mask, names=["angle"])
    model, runner = tmp_path / "film.rekalman", CliRunner()
    given = [str(source), "--model", "gru", "--states", "3", "--epochs", "2", "--out", str(model)]
    done = runner.invoke(app, ["fit", *given, "--quiet", "--json"])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["columns"] == ["angle"] and model.exists()
    assert "held-out RMSE of angle" in answer["criteria"]
    ahead = runner.invoke(app, ["forecast", str(model), str(source), "-n", "2", "--json"])
    assert ahead.exit_code == 0, ahead.output
    assert len(json.loads(ahead.stdout)["forecast"]) == 12
    comma = runner.invoke(app, ["forecast", str(model), str(source), "--decimal", ","])
    assert comma.exit_code == 2 and "decimal is an option of tables" in comma.output
    bad = tmp_path / "bad.npz"
    np.savez(bad, pixels=small.values)
    refused = runner.invoke(app, ["fit", str(bad), "--model", "gru", "--quiet"])
    assert refused.exit_code == 2 and "frames" in refused.output
