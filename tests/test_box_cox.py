"""The power transform: inverse and slope, the likeliest power; forecasts and streams in raw units."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from cli_helpers import answer, call, refused
from scipy import special, stats
from test_networks_on_records import co2, gas

import rekalman
from rekalman import Backprop, Forecast, RekalError, Sequences
from rekalman.data.scales.box_cox import BoxCox
from rekalman.fitting.backtesting import backtest
from rekalman.forecasting import Labels
from rekalman.report import report_html

POWERS = (0.0, 1e-12, 1e-3, 0.25, 0.5, 0.75)


def one(power: float) -> BoxCox:
    return BoxCox(np.array([power]))


@pytest.mark.parametrize("power", POWERS)
def test_the_transform_is_that_of_scipy_and_comes_back(power):
    y = np.geomspace(1e-3, 1e5, 50)[:, None]
    z = one(power).apply(y)
    np.testing.assert_allclose(z, special.boxcox(y, power), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(one(power).invert(z), y, rtol=1e-9)
    step = 1e-6 * y
    slope = (one(power).apply(y + step) - one(power).apply(y - step)) / (2 * step)
    np.testing.assert_allclose(one(power).log_derivative(y), np.log(slope), rtol=1e-6, atol=1e-6)


def test_beyond_the_domain_there_is_zero_and_a_power_of_one_changes_nothing():
    assert one(0.5).invert(np.array([[-2.0], [-5.0]])).tolist() == [[0.0], [0.0]]
    values = np.array([[-3.0], [0.0], [4.0]])
    assert one(1.0).apply(values).tolist() == one(1.0).invert(values).tolist() == values.tolist()
    assert one(1.0).log_derivative(values).tolist() == [[0.0]] * 3
    assert one(0.0).apply(values).tolist() == [[-np.inf], [-np.inf], [np.log(4.0)]]


def swings(seed: int, steps: int = 160) -> np.ndarray:
    """A level with a season of 12 steps and correlated noise, all of one size everywhere."""
    rng = np.random.default_rng(seed)
    noise = np.zeros(steps)
    for t in range(1, steps):
        noise[t] = 0.6 * noise[t - 1] + rng.normal()
    return 2 * np.sin(2 * np.pi * np.arange(steps) / 12) + 0.7 * noise


def test_the_logarithm_is_chosen_where_noise_grows_with_the_level_and_nothing_where_it_does_not():
    rise = 0.01 * np.arange(160)
    chosen = [
        float(BoxCox.likeliest(Sequences.from_arrays(np.exp(rise + 0.3 * swings(s)))).power[0])
        for s in range(8)
    ]
    assert chosen.count(0.0) >= 7
    chosen = [
        float(BoxCox.likeliest(Sequences.from_arrays(20 + 3 * rise + swings(s))).power[0])
        for s in range(8)
    ]
    assert chosen.count(1.0) >= 7


def test_the_gas_of_a_growing_country_has_a_power_near_the_logarithm():
    assert BoxCox.likeliest(gas()).power[0] <= 0.25  # 17 nats before no transform, the log 15


def test_the_carbon_dioxide_of_the_air_has_no_transform():
    assert BoxCox.likeliest(co2()).power.tolist() == [1.0]


def test_a_power_is_shared_by_series_and_a_column_with_a_zero_has_none():
    each = np.exp(np.stack([0.3 * swings(s) + s for s in range(3)]))[..., None]
    values = np.concatenate([each, each], -1)
    values[1, 5, 1] = 0.0
    values[2, 100:] = np.nan
    assert BoxCox.likeliest(Sequences.from_arrays(values)).power.tolist() == [0.0, 1.0]
    few = Sequences.from_arrays(values[0, :12])
    assert BoxCox.likeliest(few).power.tolist() == [1.0, 1.0]


def made(power: float, means: np.ndarray, sd: float, log_weights: np.ndarray | None = None):
    """A forecast of one origin, horizon and column."""
    count = len(means)
    weights = np.full(count, -np.log(count)) if log_weights is None else log_weights
    before = Forecast(
        means=np.asarray(means, np.float32)[None, None, :, None],
        log_weights=weights[None].astype(np.float32),
        cov=np.array([[sd**2]]),
        path=np.array([[[means.mean()]]]),
        origins=np.array([0]),
        series=np.array([0]),
        horizons=(1,),
        labels=Labels.plain(1),
    )
    return before.inverted(one(power))


def number(table) -> float:
    return float(np.asarray(table).item())


@pytest.mark.parametrize("sd", [0.02, 0.4, 1.5])
def test_a_log_normal_forecast_is_that_of_scipy(sd):
    forecast, law = made(0.0, np.array([1.5]), sd), stats.lognorm(sd, scale=np.exp(1.5))
    y = np.array([[[5.3]]])
    assert number(forecast.mean) == pytest.approx(law.mean(), rel=1e-6)
    assert number(forecast.std) == pytest.approx(law.std(), rel=1e-6)
    assert number(forecast.path) == pytest.approx(np.exp(1.5))
    assert number(forecast.quantile(0.93)) == pytest.approx(law.ppf(0.93), rel=1e-6)
    assert number(forecast.cdf(y)) == pytest.approx(law.cdf(5.3), abs=1e-6)
    assert number(forecast.log_score(y)) == pytest.approx(law.logpdf(5.3), rel=1e-5)
    for value in (0.01, 4.0, 5.3, 60.0, -2.0):
        # Baran and Lerch (2015), Q. J. R. Meteorol. Soc. 141, for a log-normal law.
        z = (np.log(max(value, 1e-300)) - 1.5) / sd
        inner = stats.norm.cdf(z - sd) + stats.norm.cdf(sd / np.sqrt(2)) - 1
        exact = value * (2 * stats.norm.cdf(z) - 1) - 2 * law.mean() * inner
        assert number(forecast.crps(np.full((1, 1, 1), value))) == pytest.approx(exact, rel=2e-6)
    assert number(forecast.log_score(0 * y)) == -np.inf
    assert number(forecast.cdf(-y)) == 0


@pytest.mark.parametrize("power", [0.0, 0.25, 0.5, 0.6, 1.0])
@pytest.mark.parametrize("centre", [3.0, -1.0])
def test_a_mixture_is_what_sampling_says(power, centre):
    """Of the second a part lies beyond the domain of the inverse, where the values are zero."""
    rng = np.random.default_rng(0)
    means = centre + 0.5 * rng.normal(size=40)
    weights = np.log(rng.dirichlet(np.ones(40)))
    forecast = made(power, means, 0.7, weights)
    draws = np.asarray(forecast.samples(jax.random.key(1), 200_000))[:, 0, 0, 0]
    error = draws.std() / np.sqrt(len(draws))
    rank = 2 * np.arange(len(draws)) - len(draws) + 1
    apart = 2 * np.mean(rank / len(draws) * np.sort(draws))  # mean distance of two draws
    assert number(forecast.mean) == pytest.approx(draws.mean(), abs=5 * error)
    assert number(forecast.std) == pytest.approx(draws.std(), rel=0.02)
    for q in (0.05, 0.5, 0.95):
        expected = np.quantile(draws, q)
        assert number(forecast.quantile(q)) == pytest.approx(expected, rel=0.02, abs=0.02)
    for y in (0.0, float(np.quantile(draws, 0.3)), float(draws.max())):
        at = np.full((1, 1, 1), y)
        expected = np.abs(draws - y).mean() - apart / 2
        assert number(forecast.crps(at)) == pytest.approx(expected, abs=6 * error)
        assert number(forecast.cdf(at)) == pytest.approx(np.mean(draws <= y), abs=0.005)
    y = float(np.quantile(draws, 0.6)) + 0.1
    low, high = (number(forecast.cdf(np.full((1, 1, 1), v))) for v in (y - 1e-4, y + 1e-4))
    score = number(forecast.log_score(np.full((1, 1, 1), y)))
    assert score == pytest.approx(np.log((high - low) / 2e-4), abs=1e-4)


def test_columns_have_powers_of_their_own_and_numbers_beyond_all_are_refused():
    forecast = made(0.0, np.array([1.0]), 0.3)
    two = dataclasses.replace(
        forecast,
        means=np.array([[[[1.0, 7.0]]]]),
        cov=np.diag([0.09, 4.0]),
        path=np.array([[[np.e, 7.0]]]),
        labels=Labels.plain(2),
        transform=BoxCox(np.array([0.0, 1.0])),
    )
    mean, spread = np.asarray(two.mean)[0, 0], np.asarray(two.std)[0, 0]
    assert mean == pytest.approx([stats.lognorm(0.3, scale=np.e).mean(), 7.0])
    assert spread == pytest.approx([stats.lognorm(0.3, scale=np.e).std(), 2.0])
    gaussian = dataclasses.replace(two, transform=None)
    y = np.array([[[2.5, 8.0]]])
    assert np.asarray(two.crps(y))[0, 0, 1] == pytest.approx(gaussian.crps(y)[0, 0, 1])
    far = dataclasses.replace(forecast, means=np.full((1, 1, 1, 1), 800.0))
    for ask in (lambda: far.mean, lambda: far.std, lambda: far.quantile(0.5)):
        with pytest.raises(RekalError, match="beyond all numbers"):
            ask()
    with pytest.raises(RekalError, match="raw units already"):
        forecast.rescale([0.0], [1.0])
    plain = dataclasses.replace(far, transform=None, path=np.full((1, 1, 1), 800.0))
    with pytest.raises(RekalError, match="noise-free path of the forecast is beyond all numbers"):
        plain.inverted(one(0.0))


@pytest.fixture(scope="module")
def growing() -> Sequences:
    rng = np.random.default_rng(3)
    y = np.exp(3 + np.cumsum(0.1 * rng.normal(size=80)) + 0.1 * rng.normal(size=80))
    y[[7, 40]] = np.nan
    return Sequences.from_arrays(y, names=("sales",))


@pytest.fixture(scope="module")
def fitted(growing):
    return rekalman.fit(growing, "local-level", transform="log", progress=False)


def test_the_likelihood_is_that_of_logs_less_their_sum(growing, fitted):
    logs = Sequences.from_arrays(
        np.where(growing.mask, np.log(growing.values + ~growing.mask), np.nan)[0]
    )
    plain = rekalman.fit(logs, "local-level", progress=False)
    total = np.log(np.asarray(growing.values)[np.asarray(growing.mask)]).sum()
    assert fitted.filter(growing).log_likelihood == pytest.approx(
        plain.filter(logs).log_likelihood - total, abs=1e-6
    )
    assert fitted.history.log_likelihood[-1] == pytest.approx(
        plain.history.log_likelihood[-1] - total, abs=1e-6
    )
    criteria = dict(plain.history.criteria)
    for name, value in fitted.history.criteria:
        assert value == pytest.approx(criteria[name] + 2 * total, abs=1e-5)
    ours, theirs = fitted.diagnose(growing), plain.diagnose(logs)
    assert ours.nis == pytest.approx(theirs.nis)
    assert ours.uniformity_p == pytest.approx(theirs.uniformity_p)
    np.testing.assert_allclose(
        fitted.filter(growing).observed_mean, np.exp(plain.filter(logs).observed_mean)
    )
    ahead, inner = fitted.forecast(growing, 4), plain.forecast(logs, 4)
    np.testing.assert_allclose(ahead.quantile(0.9), np.exp(inner.quantile(0.9)), rtol=1e-5)
    expected = np.exp(np.asarray(inner.mean) + np.asarray(inner.std) ** 2 / 2)
    np.testing.assert_allclose(ahead.mean, expected, rtol=1e-5)
    frame = ahead.to_frame(levels=0.9)
    np.testing.assert_allclose(frame["upper_90"], np.ravel(ahead.quantile(0.95)))
    assert "the logarithm of sales" in fitted.summary()


def test_scores_of_a_rolling_forecast_add_up_to_the_likelihood(growing, fitted):
    rolled = fitted.roll(growing, 1)
    row = rolled.score(growing.values, growing.mask).iloc[0]
    evidence = np.asarray(fitted.filter(growing).log_evidence)[0, 1:]
    assert row["log_score"] * row["count"] == pytest.approx(evidence.sum(), rel=1e-6)


def test_a_stream_says_what_the_batch_says(growing, fitted, tmp_path):
    fitted.save(tmp_path / "sales.rekalman")
    again = rekalman.load(tmp_path / "sales.rekalman")
    assert again.standardiser.transform.power.tolist() == [0.0]
    stream = again.stream()
    for t in range(growing.steps):
        seen = bool(growing.mask[0, t, 0])
        stream.update(growing.values[0, t] if seen else None)
    assert stream.log_likelihood == pytest.approx(fitted.filter(growing).log_likelihood)
    wanted, given = fitted.forecast(growing, 3), stream.forecast(3)
    np.testing.assert_allclose(given.quantile(0.7), wanted.quantile(0.7), rtol=1e-6)
    np.testing.assert_allclose(given.mean, wanted.mean, rtol=1e-6)
    with pytest.raises(RekalError, match=r"sample 81 holds -1 in column 'sales'.*transform='none'"):
        stream.update(-1.0)
    assert stream.step == growing.steps
    drawn = fitted.simulate(50, batch=3)
    assert (drawn.values > 0).all()


def test_series_on_scales_of_their_own(growing):
    first = growing.values[0] + ~growing.mask[0]
    values = np.stack([first, 50 * np.exp(0.3 * swings(1)[:80, None])])
    panel, logs = (
        Sequences.from_arrays(v, series_names=("small", "large")) for v in (values, np.log(values))
    )
    fit = rekalman.fit(panel, "local-level", transform="log", progress=False)
    scaling = dataclasses.replace(fit.standardiser, transform=None)
    inner = dataclasses.replace(fit, standardiser=scaling)
    total = np.log(values).sum()
    expected = inner.filter(logs).log_likelihood - total
    assert fit.filter(panel).log_likelihood == pytest.approx(expected, abs=1e-5)
    together, alone = fit.forecast(panel, 2), fit.forecast(panel["large"], 2)
    np.testing.assert_allclose(together.quantile(0.8)[1], alone.quantile(0.8)[0], rtol=1e-6)
    np.testing.assert_allclose(
        together.quantile(0.8), np.exp(inner.forecast(logs, 2).quantile(0.8)), rtol=1e-4
    )
    new = Sequences.from_arrays(7 * values[0], series_names=("new",))
    beside = fit.with_series(new).filter(new).log_likelihood
    assert beside == pytest.approx(
        fit.filter(panel["small"]).log_likelihood - 80 * np.log(7), abs=1
    )


def test_what_is_not_positive_is_refused_and_so_are_unknown_transforms(growing):
    values = np.array(growing.values[0])
    values[12] = 0.0
    data = Sequences.from_arrays(values, mask=np.array(growing.mask[0]), names=("sales",))
    with pytest.raises(RekalError, match="row 13 of series '1' holds 0 in column 'sales'"):
        rekalman.fit(data, "local-level", transform="log", progress=False)
    model = rekalman.LinearGaussian.create(
        A=np.eye(1), C=np.eye(1), Q=np.eye(1), R=np.eye(1), P=np.eye(1)
    )
    with pytest.raises(RekalError, match="row 13"):
        rekalman.fit(data, model, transform="log", progress=False)
    for wrong in ("logs", 0, 1.0, -0.5, True, float("nan")):
        with pytest.raises(RekalError, match="transform"):
            rekalman.fit(growing, "local-level", transform=wrong, progress=False)


def test_held_out_data_are_judged_in_raw_units(growing, fitted):
    """Beside the same naive forecasts as without a transform."""
    plain = rekalman.fit(growing, "local-level", transform="none", progress=False)
    ours, theirs = (backtest(lambda _, fit=fit: fit, growing, 0.3) for fit in (fitted, plain))
    for score, beside in zip(ours.scores, theirs.scores, strict=True):
        assert score.hold_crps == pytest.approx(beside.hold_crps)
        assert score.crps == pytest.approx(beside.crps, rel=0.3)
    assert "the logarithm of sales" in report_html(fitted, growing)


SMALL = {"learner": Backprop(epochs=2, batch=8, rate=1e-2), "states": 2, "units": 4}


@pytest.fixture(scope="module")
def network() -> tuple[np.ndarray, rekalman.Fit]:
    y = np.exp(3 + 0.3 * swings(0, 100))
    return y, rekalman.fit(Sequences.from_arrays(y), "elman", **SMALL, progress=False)


def test_a_network_takes_the_likeliest_power_by_itself(network, tmp_path):
    """Its predictions are those of the same network on logarithms."""
    y, fit = network
    data, logs = Sequences.from_arrays(y), Sequences.from_arrays(np.log(y))
    assert fit.standardiser.transform.power.tolist() == [0.0]
    assert "the logarithm of y" in fit.summary()
    scaling = dataclasses.replace(fit.standardiser, transform=None)
    ours, theirs = fit.filter(data), dataclasses.replace(fit, standardiser=scaling).filter(logs)
    expected = theirs.log_likelihood - np.log(y).sum()
    assert ours.log_likelihood == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(ours.pit, theirs.pit, atol=1e-6)
    np.testing.assert_allclose(ours.mean, np.exp(theirs.mean + theirs.var / 2), rtol=1e-6)
    spread = np.expm1(theirs.var) * np.exp(2 * theirs.mean + theirs.var)
    np.testing.assert_allclose(ours.var, spread, rtol=1e-5)
    fit.save(tmp_path / "net.rekalman")
    again = rekalman.load(tmp_path / "net.rekalman")
    np.testing.assert_array_equal(again.forecast(data, 2).mean, fit.forecast(data, 2).mean)


@pytest.mark.nightly
def test_the_training_of_a_network_is_told_in_raw_units(network):
    y, fit = network
    logs = Sequences.from_arrays(np.log(y))
    inner = rekalman.fit(logs, "elman", **SMALL, transform="none", progress=False)
    assert inner.standardiser.transform is None
    tail = np.log(y[80:]).mean()
    np.testing.assert_allclose(fit.history.held_out, inner.history.held_out - tail, atol=1e-4)
    assert fit.history.linear_score == pytest.approx(inner.history.linear_score - tail, abs=1e-4)


def test_the_command_line_takes_a_transform(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    y = np.exp(1 + 0.3 * swings(0)[:40])
    (tmp_path / "y.csv").write_text("y\n" + "\n".join(f"{v:.6f}" for v in y))
    command = ("fit", "y.csv", "--model", "local-level", "--no-report", "--json")
    assert answer(call(*command, "--transform", "0.5"))["transform"] == [0.5]
    assert rekalman.load("y-local-level.rekalman").standardiser.transform.power.tolist() == [0.5]
    refused(call(*command, "--transform", "logg"), "did you mean 'log'")


def test_models_without_a_transform_advise_one_where_the_noise_grows(growing):
    """Nobody who decided about the transform is advised, nor whose noise does not grow."""
    (sentence,) = rekalman.fit(growing, "local-level", progress=False).history.warnings
    assert "transform='auto'" in sentence and growing.names[0] in sentence
    decided = rekalman.fit(growing, "local-level", transform="none", progress=False)
    assert decided.history.warnings == ()
    even = dataclasses.replace(
        growing, values=np.log(np.where(growing.mask, growing.values, 1)) + 9
    )
    assert rekalman.fit(even, "local-level", progress=False).history.warnings == ()
