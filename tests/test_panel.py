"""Several series on scales of their own: two of levels 5 and 500, with noise .5 and 50."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import norm

import rekalman
from rekalman import Backprop, RekalError, Sequences
from rekalman.data.scales.panel import Panel
from rekalman.evaluation.holding import scores
from rekalman.report import report_html
from rekalman.report.tables import scale_given

SIZES = np.array([0.5, 50.0])
LEVELS = np.array([5.0, 500.0])


def walks(steps: int = 150, seed: int = 0) -> np.ndarray:
    """Levels that walk, seen with noise: `(steps, 2)`, the second a hundred times the size."""
    rng = np.random.default_rng(seed)
    z = np.cumsum(0.3 * rng.normal(size=(steps, 2)), 0) + rng.normal(size=(steps, 2))
    return LEVELS + SIZES * z


@pytest.fixture(scope="module")
def panel() -> Sequences:
    return Sequences.from_arrays(walks().T[..., None], series_names=("small", "large"))


@pytest.fixture(scope="module")
def fitted(panel):
    return rekalman.fit(panel, "local-level", progress=False)


@pytest.fixture(scope="module")
def apart(panel):
    return [rekalman.fit(one, "local-level", progress=False) for one in panel]


def width(forecast) -> np.ndarray:
    low, high = forecast.interval(0.9)
    return np.asarray(high - low)[:, :, 0]


def test_intervals_have_the_size_of_each_series(fitted, apart, panel):
    together = width(fitted.forecast(panel, 3))
    for i, alone in enumerate(apart):
        separate = width(alone.forecast(panel.series(i), 3))[0]
        np.testing.assert_allclose(together[i], separate, rtol=0.15)
        np.testing.assert_allclose(width(fitted.forecast(panel.series(i), 3))[0], together[i])
    shared = rekalman.fit(panel, "local-level", scale="shared", progress=False)
    assert width(shared.forecast(panel, 3))[0, 0] > 5 * together[0, 0]


def brute_force(fit, name: str, y: np.ndarray) -> float:
    """The diffuse log-likelihood of one series in raw units: the joint normal law of its moves."""
    at = fit.standardiser.names.index(name)
    s = float(fit.standardiser.scale[at, 0])
    q, r = (each.value * s**2 for each in fit.parameters)
    n = len(y)
    walk = q * np.minimum.outer(np.arange(n), np.arange(n))
    cov = walk + r * np.eye(n)
    D = np.diff(np.eye(n), axis=0)  # the first value is the flat law of the level
    moves, C = D @ y, D @ cov @ D.T
    _, logdet = np.linalg.slogdet(C)
    return -0.5 * (logdet + moves @ np.linalg.solve(C, moves) + len(moves) * np.log(2 * np.pi))


def test_the_likelihood_is_the_sum_of_the_series_in_raw_units(fitted, apart, panel):
    y = walks()
    exact = [brute_force(fitted, name, y[:, i]) for i, name in enumerate(("small", "large"))]
    posterior = fitted.filter(panel)
    np.testing.assert_allclose(posterior.log_evidence.sum(1), exact, rtol=1e-9)
    assert posterior.log_likelihood == pytest.approx(sum(exact), rel=1e-9)
    assert fitted.history.log_likelihood[-1] == pytest.approx(sum(exact), rel=1e-7)
    separate = sum(alone.history.log_likelihood[-1] for alone in apart)
    assert separate - 4 < posterior.log_likelihood <= separate + 1e-3
    k, n = (
        5,
        300,
    )  # two variances, a diffuse coordinate in each of the two models, a second scale: less one
    assert dict(fitted.history.criteria)["AIC"] == pytest.approx(-2 * sum(exact) + 2 * (k - 1))
    assert dict(fitted.history.criteria)["BIC"] == pytest.approx(
        -2 * sum(exact) + (k - 1) * np.log(n)
    )


def test_the_scales_are_the_likeliest(fitted, panel):
    """Moving one of them by a percent gains nothing."""
    y = walks()
    best = brute_force(fitted, "small", y[:, 0])
    for factor in (0.97, 1.03):
        scale = fitted.standardiser.scale * np.array([[factor], [1.0]])
        moved = dataclasses.replace(
            fitted, standardiser=dataclasses.replace(fitted.standardiser, scale=scale)
        )
        assert brute_force(moved, "small", y[:, 0]) < best


def test_one_series_is_as_before(panel):
    one = panel.series(0)
    plain = rekalman.fit(one, "local-level", progress=False)
    shared = rekalman.fit(one, "local-level", scale="shared", progress=False)
    by_series = rekalman.fit(one, "local-level", scale="series", progress=False)
    for other in (shared, by_series):
        assert isinstance(other.standardiser, rekalman.Standardiser)
        assert other.filter(one).log_likelihood == plain.filter(one).log_likelihood


def test_a_stream_and_a_simulation_are_of_one_series(fitted, panel):
    stream = fitted.stream("large")
    for value in walks()[:, 1]:
        stream.update(value)
    alone = fitted.filter(panel.series("large"))
    assert stream.log_likelihood == pytest.approx(alone.log_likelihood, rel=1e-9)
    np.testing.assert_allclose(
        stream.forecast(3).mean, fitted.forecast(panel.series("large"), 3).mean
    )
    drawn = {
        name: np.asarray(fitted.simulate(100, 50, series=name).values)[..., 0]
        for name in ("small", "large")
    }
    for name, size in zip(drawn, SIZES, strict=True):
        moves = np.diff(drawn[name], axis=1)
        assert moves.std() == pytest.approx(size * np.sqrt(2 + 0.09), rel=0.15)
    for i, name in enumerate(drawn):  # where the series began
        assert drawn[name][:, 0].mean() == pytest.approx(walks()[:20, i].mean(), abs=2 * SIZES[i])
    for refused in (fitted.stream, lambda: fitted.simulate(5)):
        with pytest.raises(RekalError, match="so say which with series: small, large"):
            refused()
    with pytest.raises(RekalError, match="there is no series 'smal'"):
        fitted.stream("smal")


def test_files_keep_the_scales(fitted, panel, tmp_path):
    fitted.save(tmp_path / "m.rekalman")
    again = rekalman.load(tmp_path / "m.rekalman")
    assert again.standardiser.names == ("small", "large")
    assert again.filter(panel).log_likelihood == fitted.filter(panel).log_likelihood
    drawn = [f.simulate(4, seed=1, series="large").values for f in (fitted, again)]
    np.testing.assert_array_equal(*drawn)
    stream = fitted.stream("large")
    stream.update(480.0)
    stream.save(tmp_path / "s.rekalman")
    resumed = rekalman.load_stream(tmp_path / "s.rekalman")
    for each in (stream, resumed):
        each.update(520.0)
    np.testing.assert_array_equal(stream.forecast(3).mean, resumed.forecast(3).mean)
    assert stream.log_likelihood == resumed.log_likelihood


def test_a_file_of_one_scale_is_written_as_before(apart, tmp_path):
    config, arrays = apart[0].stored()
    assert "scales" not in config
    assert arrays["standardiser.scale"].shape == (1,)
    apart[0].save(tmp_path / "m.rekalman")
    assert isinstance(rekalman.load(tmp_path / "m.rekalman").standardiser, rekalman.Standardiser)


def test_a_new_series_has_the_scale_of_its_own_past(fitted):
    rng = np.random.default_rng(5)
    y = 7e4 + 2e3 * (np.cumsum(0.3 * rng.normal(size=150)) + rng.normal(size=150))
    new = Sequences.from_arrays(y, series_names=["new"])
    alone = rekalman.fit(new, "local-level", progress=False)
    ends = fitted.forecast(new, 3)
    np.testing.assert_allclose(width(ends), width(alone.forecast(new, 3)), rtol=0.15)
    with pytest.raises(RekalError, match=r"no scale of the series new, only of small, large"):
        fitted.roll(new, 1)
    past, later = new.split(50)
    able = fitted.with_series(past)
    assert able.standardiser.names == ("small", "large", "new")
    np.testing.assert_array_equal(able.standardiser.scale[:2], fitted.standardiser.scale)
    assert able.roll(later, 1).score(later.values)["coverage_90"][0] == pytest.approx(0.9, abs=0.08)
    changed = Sequences.from_arrays(np.r_[y[:50], 3 * y[50:]], series_names=["new"])
    first = changed.split(50)[0]
    np.testing.assert_array_equal(
        fitted.with_series(first).standardiser.scale, able.standardiser.scale
    )
    with pytest.raises(
        RekalError, match="series 'new' has 4 values in column 'y', and 5 are needed"
    ):
        fitted.with_series(new.window(0, 4))
    with pytest.raises(RekalError, match="all series of the model share one scale"):
        alone.with_series(past)


def test_what_the_model_says_names_its_unit(fitted):
    output = fitted.summary()
    assert "series small" in output and "in units of the scale of each series" in output
    units = fitted.identify()
    small, large = (fitted.identify(series=name) for name in ("small", "large"))
    scale = fitted.standardiser.scale[:, 0]
    assert any("scale of its own" in each for each in units.warnings)
    for result, size, s in ((small, 0.5, scale[0]), (large, 50.0, scale[1])):
        assert result.observation_std[0] == pytest.approx(size, rel=0.2)
        assert result.observation_std[0] == pytest.approx(units.observation_std[0] * s)
        assert result.process_std[0] == pytest.approx(units.process_std[0] * s)
    with pytest.raises(RekalError, match="leave series out"):
        rekalman.fit(Sequences.from_arrays(walks()[:, 0]), "local-level", progress=False).identify(
            series="small"
        )


def test_scores_are_by_series(fitted, panel):
    made = fitted.roll(panel, [1, 2])
    table = made.score(panel.values)
    assert list(table.columns[:3]) == ["series", "horizon", "column"]
    for name, size in zip(("small", "large"), SIZES, strict=True):
        mine = table[table["series"] == name].reset_index(drop=True)
        alone = fitted.roll(panel.series(name), [1, 2]).score(panel.series(name).values)
        np.testing.assert_allclose(mine["rmse"], alone["rmse"])
        np.testing.assert_allclose(mine["log_score"], alone["log_score"])
        assert size < mine["rmse"][0] < 2 * size
    assert "series" not in made.score(panel.values, pooled=True)


def test_holding_the_last_value_has_a_variance_for_each_series(panel):
    y = walks()
    moves = np.diff(y, axis=0)
    expected = norm.logpdf(moves, scale=np.sqrt((moves**2).mean(0))).mean()
    judged = np.ones((2, len(y), 1), bool)
    result = scores(panel, np.zeros((2, len(y))), judged)
    assert result.hold_score == pytest.approx(expected)
    # Four moves are too few: that series takes the variance of both.
    short = Sequences.from_arrays([y[:, :1], y[:5, 1:]])
    result = scores(short, np.zeros((2, len(y))), judged)
    squares = moves[:, 0] ** 2, moves[:4, 1] ** 2
    both = np.concatenate(squares).mean()
    total = norm.logpdf(moves[:, 0], scale=np.sqrt(squares[0].mean())).sum()
    total += norm.logpdf(moves[:4, 1], scale=np.sqrt(both)).sum()
    assert result.hold_score == pytest.approx(total / (len(moves) + 4))


def test_linear_models_and_networks_take_scales_of_their_own(panel):
    linear = rekalman.fit(panel, "linear", states=1, progress=False)
    small = linear.roll(panel, 1).score(panel.values).set_index("series")
    assert 0.8 * 0.9 < small.loc["small", "coverage_90"] <= 1
    assert small.loc["small", "width_90"] < 5 * SIZES[0]
    assert small.loc["large", "width_90"] == pytest.approx(
        small.loc["small", "width_90"]
        * linear.standardiser.scale[1, 0]
        / linear.standardiser.scale[0, 0]
    )
    network = rekalman.fit(panel, "gru", Backprop(epochs=2), states=2, progress=False)
    output = network.filter(panel)
    mask = np.asarray(panel.mask)[..., 0]
    density = norm.logpdf(
        np.asarray(panel.values)[..., 0], output.mean[..., 0], np.sqrt(output.var[..., 0])
    )
    np.testing.assert_allclose(output.log_likelihood, density[mask].sum(), rtol=1e-4)
    assert np.all(np.asarray(network.simulate(20, series="large").values) > 50)
    # The last epoch's held-out nats are those of raw values: about the entropy of both series.
    assert network.history.held_out[-1] == pytest.approx(density[:, 120:].mean(), abs=1.0)


def test_runs_with_inputs_share_a_scale(panel):
    u = np.random.default_rng(1).normal(size=(2, 150, 1))
    y = walks().T[..., None] + 3 * u
    data = Sequences.from_arrays(y, inputs=u)
    fit = rekalman.fit(data, "local-level", progress=False)
    assert isinstance(fit.standardiser, rekalman.Standardiser)
    by_series = rekalman.fit(data, "local-level", scale="series", progress=False)
    assert isinstance(by_series.standardiser, Panel)


def test_what_has_no_scale_of_its_own_is_refused(panel):
    flat = Sequences.from_arrays(np.stack([walks()[:, 0], np.full(150, 3.0)])[..., None])
    with pytest.raises(RekalError, match=r"series '2' never varies in column 'y' for a scale"):
        rekalman.fit(flat, "local-level", progress=False)
    rekalman.fit(flat, "local-level", scale="shared", progress=False)
    with pytest.raises(RekalError, match="unknown scale 'each'"):
        rekalman.fit(panel, "local-level", scale="each", progress=False)
    own = rekalman.LinearGaussian.create(*4 * [np.eye(1)], P=np.eye(1))
    with pytest.raises(RekalError, match="in the raw units of the data"):
        rekalman.fit(panel, own, scale="series", progress=False)


def test_the_report_is_by_series(fitted, panel):
    page = report_html(fitted, panel)
    for words in ("Series small.", "Series large.", "Scales of the series", "units of series"):
        assert words in page
    assert "scale=&quot;shared&quot;" not in page
    shared = dataclasses.replace(fitted, standardiser=panel.standardiser().with_one_scale())
    assert scale_given(shared) == ['scale="shared"'] and scale_given(fitted) == []


def test_a_series_without_a_name_is_not_taken_for_another():
    rng = np.random.default_rng(0)
    small, large = 5 + 0.5 * rng.normal(size=60), 500 + 50 * rng.normal(size=60)
    fit = rekalman.fit(Sequences.from_arrays([small, large]), "local-level", progress=False)
    alone = Sequences.from_arrays(large)  # called "1", as the small one was
    for use in (fit.filter, lambda data: fit.forecast(data, 2), fit.diagnose):
        with pytest.raises(RekalError, match="series 1 has no name, and its column 'y' lies more"):
            use(alone)
    assert np.isfinite(fit.filter(fit.read(Sequences.from_arrays([small, large]))).log_likelihood)
    named = Sequences.from_arrays(large, series_names=["2"])
    assert float(np.asarray(fit.forecast(named, 1).mean)[0, 0, 0]) > 300
