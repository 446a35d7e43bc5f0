"""Diagnostics: right models pass, wrong ones are told apart, the statistics are the published ones."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest, kstwo, norm
from volatility import StochasticVolatility

import rekalman
from rekalman.evaluation.diagnostics import Diagnostics, diagnose
from rekalman.evaluation.innovations import LjungBox, autocorrelation, ljung_box, nees, nis
from rekalman.evaluation.kolmogorov import probability_beyond, uniform_test
from rekalman.fitting.history import History

BLOCKS = {
    "A": np.array([[0.9, 0.3], [-0.3, 0.9]]),
    "C": np.array([[1.0, 0.0], [0.5, 1.0]]),
    "Q": 0.1 * np.eye(2),
    "R": np.array([[0.3, 0.1], [0.1, 0.2]]),
}
SERIES, STEPS = 40, 200


@pytest.fixture(scope="module", autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def model(**changed) -> rekalman.LinearGaussian:
    return rekalman.LinearGaussian.create(**{**BLOCKS, **changed}, initial="stationary")


def filtered(data, **changed) -> rekalman.Posterior:
    return rekalman.filter(rekalman.Kalman(model(**changed)), data)


@pytest.fixture(scope="module")
def simulated():
    """Many series with gaps, and their states."""
    x, y = rekalman.simulate(model(), STEPS, jax.random.key(3), batch=SERIES)
    y = np.array(y)
    y[np.random.default_rng(0).random(y.shape) < 0.1] = np.nan
    y[3, 20:40] = np.nan
    y[5, 150:] = np.nan
    return np.asarray(x), rekalman.Sequences.from_arrays(y, names=("left", "right"))


@pytest.fixture(scope="module")
def right(simulated):
    return filtered(simulated[1])


def test_a_right_model_is_consistent(right, simulated):
    """Over 40 series the share inside a 95 % band has a standard error of 3.4 %."""
    each = [diagnose(right.white[i : i + 1], right.pit[i : i + 1], "ab") for i in range(SERIES)]
    assert np.mean([result.consistent for result in each]) > 0.85
    for column in range(2):
        p = [result.columns[column].whiteness_p for result in each]
        assert kstest(p, "uniform").pvalue > 0.01
        p = [result.columns[column].uniformity_p for result in each]
        assert kstest(p, "uniform").pvalue > 0.01
    whole = right.diagnose()
    assert whole.entries == int(simulated[1].mask.sum())
    assert whole.consistent
    assert whole.white
    assert whole.uniform
    assert whole.coverage(50) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(whole.entries))
    assert whole.coverage(90) == pytest.approx(0.9, abs=4 * 0.3 / np.sqrt(whole.entries))
    assert whole.nis_inside == pytest.approx(0.95, abs=0.01)
    assert abs(whole.columns[0].mean) < 4 / np.sqrt(whole.columns[0].entries)
    output = right.summary()
    assert "white: yes (Ljung-Box p = " in output
    assert "the filter is consistent" in output
    assert list(whole.to_frame().index) == ["left", "right"]


def test_pit_and_innovations_are_those_of_a_naive_filter(right, simulated):
    """A textbook filter of the first series, written out; the scaling by a Cholesky factor of `S`."""
    (A, C, Q, R), data = BLOCKS.values(), simulated[1]
    m, P = np.zeros(2), np.asarray(model().initial_moments()[1])
    for t in range(STEPS):
        seen = data.mask[0, t]
        S, e = C @ P @ C.T + R, data.values[0, t] - C @ m
        pit = norm.cdf(e / np.sqrt(np.diag(S)))
        np.testing.assert_allclose(right.pit[0, t], np.where(seen, pit, np.nan), atol=1e-9)
        Cs, Ss = C[seen], S[np.ix_(seen, seen)]
        white = np.linalg.solve(np.linalg.cholesky(Ss), e[seen])
        np.testing.assert_allclose(right.white[0, t, seen], white, atol=1e-9)
        assert np.isnan(right.white[0, t, ~seen]).all()
        K = P @ Cs.T @ np.linalg.inv(Ss)
        m, P = m + K @ e[seen], P - K @ Cs @ P
        np.testing.assert_allclose(right.cov[0, t], P, atol=1e-9)
        m, P = A @ m, A @ P @ A.T + Q


@pytest.mark.parametrize(
    ("changed", "word", "white"),
    [
        ({"R": 0.5 * BLOCKS["R"]}, "overconfident", None),
        ({"R": 2.0 * BLOCKS["R"]}, "too careful", None),
        ({"A": 0.5 * BLOCKS["A"], "Q": 0.5 * np.eye(2)}, None, False),
    ],
)
def test_a_wrong_model_is_told(simulated, changed, word, white):
    result = filtered(simulated[1], **changed).diagnose()
    if word is not None:
        assert f"the filter is {word}" in result.summary()
        assert not result.consistent
        assert not result.uniform
    if white is not None:
        assert result.white is white
        assert "white: no (Ljung-Box p < 0.001" in result.summary()


def test_what_stands_in_a_missing_entry_changes_nothing(right, simulated):
    data = simulated[1]
    odd = dataclasses.replace(data, values=np.where(data.mask, data.values, 1e3))
    assert filtered(odd).diagnose() == right.diagnose()


def test_many_particles_agree_with_kalman(simulated):
    data = rekalman.Sequences.from_arrays(
        np.where(simulated[1].mask, simulated[1].values, np.nan)[:1, :60]
    )
    exact = filtered(data)
    result = rekalman.filter(rekalman.ParticleFilter(model(), 10_000), data)
    for name, tolerance in (("white", 0.08), ("pit", 0.02), ("cov", 0.02)):
        np.testing.assert_allclose(
            getattr(result, name), getattr(exact, name), atol=tolerance, err_msg=name
        )


def test_models_that_vary_in_time_go_through_the_verbs():
    """Unequal steps of a continuous model, and matrices given for 45 steps, which are not padded."""
    rng = np.random.default_rng(0)
    one, y = np.ones((1, 1)), rng.normal(size=(45, 1))
    steps = rng.uniform(0.5, 1.5, 45)
    continuous = rekalman.LinearContinuous.create(-0.3 * one, one, one, one)
    irregular = rekalman.Sequences.from_arrays(y, dt=steps, irregular=True)
    result = rekalman.filter(rekalman.Kalman(continuous), irregular)
    run = rekalman.Kalman(continuous).run(jnp.asarray(y), None, None, jnp.asarray(steps))
    np.testing.assert_allclose(result.mean[0], run.mean, atol=1e-9)
    np.testing.assert_allclose(
        result.pit, norm.cdf(result.white), atol=1e-9
    )  # one column: the same
    cloud = rekalman.filter(rekalman.ParticleFilter(continuous, 5000), irregular)
    np.testing.assert_allclose(cloud.pit, result.pit, atol=0.03)
    R = np.linspace(0.5, 2, 45)[:, None, None]
    varying = rekalman.LinearTimeVarying.create(0.9 * one, one, one, R, varying=("R",))
    made = rekalman.smooth(rekalman.Kalman(varying), rekalman.Sequences.from_arrays(y))
    np.testing.assert_allclose(made.pit, norm.cdf(made.white), atol=1e-9)
    np.testing.assert_allclose(made.observed_mean, made.mean, atol=1e-9)


def test_known_states_are_judged(right, simulated):
    x, data = simulated
    result = right.nees(x)
    assert result.low < result.mean < result.high
    assert result.inside == pytest.approx(0.95, abs=0.02)
    assert result.steps == int(data.lengths.sum())
    assert "consistent" in result.summary()
    wrong = filtered(data, R=0.25 * BLOCKS["R"]).nees(x)
    assert "overconfident" in wrong.summary()
    with pytest.raises(rekalman.RekalError, match="truth has shape"):
        right.nees(x[:, :10])
    with pytest.raises(rekalman.RekalError, match="known at no step"):
        right.nees(np.full(x.shape, np.nan))


def test_directions_without_variance_do_not_count():
    rng = np.random.default_rng(0)
    error = np.concatenate([rng.normal(size=(1, 4000, 1)), np.zeros((1, 4000, 1))], -1)
    result = nees(error, np.broadcast_to(np.diag([1.0, 0.0]), (1, 4000, 2, 2)))
    assert result.mean == pytest.approx(1, abs=0.1)
    width = 2 * 1.96 * np.sqrt(2 / 4000)  # independent errors: hardly any autocorrelation time
    assert result.high - result.low == pytest.approx(width, rel=0.2)


def test_ljung_box_is_that_of_statsmodels():
    """Numbers by `statsmodels.stats.diagnostic.acorr_ljungbox`, statsmodels 0.14."""
    wave = np.sin(np.arange(1, 41) ** 1.3)
    assert ljung_box(wave[None], 6) == LjungBox(
        pytest.approx(35.29272231), 6, pytest.approx(3.7817e-6, rel=1e-4)
    )


def test_ljung_box_looks_at_the_pairs_that_are_there():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(2, 50))
    values[rng.random(values.shape) < 0.3] = np.nan
    centred = values - np.nanmean(values)
    r, N = autocorrelation(values, 3)
    for h in (1, 2, 3):
        products = [
            row[t] * row[t - h]
            for row in centred
            for t in range(h, 50)
            if np.isfinite(row[t] * row[t - h])
        ]
        assert N[h - 1] == len(products)
        assert r[h - 1] == pytest.approx(np.mean(products) / np.nanmean(centred**2))
    n = np.isfinite(values).sum()
    assert ljung_box(values, 3).statistic == pytest.approx((n + 2) / n * (N * r**2).sum())


def test_too_little_to_judge_is_said():
    white = np.array([[[0.1], [np.nan], [0.3]]])
    result = diagnose(white, norm.cdf(white), ("y",))
    assert "white: too few entries to say" in result.summary()
    assert nis(white)[0, 0] == pytest.approx(0.01)
    with pytest.raises(rekalman.RekalError, match="no innovation to judge"):
        diagnose(np.full((1, 3, 1), np.nan), white, ("y",))


def test_other_noise_has_no_innovations():
    data = rekalman.Sequences.from_arrays(np.random.default_rng(0).normal(size=(20, 1)))
    algorithm = rekalman.ParticleFilter(StochasticVolatility(), 50, "bootstrap")
    result = rekalman.filter(algorithm, data)
    assert result.white is None
    assert "log-likelihood" in result.summary()
    with pytest.raises(rekalman.RekalError, match="additive Gaussian noise"):
        result.diagnose()


def test_a_diffuse_start_is_left_out_and_files_keep_the_rest(tmp_path):
    """Q(9) of the Nile by Durbin and Koopman (2012), section 2.12.3: 8.84."""
    nile = rekalman.load_example("nile")
    trained = rekalman.fit(nile, "local-level", progress=False)
    retained = trained.history.diagnostics
    assert isinstance(retained, Diagnostics)
    assert retained.entries == 99
    test = ljung_box(trained.filter(nile).white[..., 0], 9)
    assert test.statistic == pytest.approx(8.84, abs=0.01)
    assert retained == trained.diagnose(nile)
    assert "mean NIS" in trained.summary()
    trained.save(tmp_path / "m.rekalman")
    again = rekalman.load(tmp_path / "m.rekalman")
    assert again.history.diagnostics == retained
    assert again.summary() == trained.summary()
    settings = trained.history.settings()
    del settings["diagnostics"]  # as written before there were any
    assert History.of(settings, {"log_likelihood": np.zeros(1)}).diagnostics is None


@pytest.mark.parametrize("n", [1, 3, 10, 100, 140, 141, 1000, 50_000])
def test_probability_of_a_distance_is_that_of_scipy(n: int) -> None:
    for z in (0.3, 0.55, 0.8, 1.0, 1.3, 1.7, 2.1, 3.0):
        distance = z / np.sqrt(n)
        if 0.5 / n < distance < 1:
            expected = kstwo.sf(distance, n)
            np.testing.assert_allclose(probability_beyond(distance, n), expected, rtol=1e-8)


def test_test_for_uniformity_is_that_of_scipy() -> None:
    u = np.random.default_rng(0).beta(1.2, 1, size=97)
    np.testing.assert_allclose(uniform_test(u), kstest(u, "uniform"), rtol=1e-9)
