"""Models written as a function of parameters, against structures, statsmodels and closed forms.

The figures of statsmodels 0.15.0 are those of a `sm.tsa.statespace.MLEModel` of the same matrices, fitted by
BFGS (`gtol=1e-8`), with standard errors of `cov_type="approx"` (the numerical Hessian).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

import rekalman
from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch
from rekalman.learners.likelihood.likelihood import MaximumLikelihood
from rekalman.learners.likelihood.named_parameters import named_parameters
from rekalman.learners.likelihood.nuts import NUTS, own_priors
from rekalman.models.bounds import Bounds
from rekalman.models.parametric import ParametricModel

ONE = jnp.eye(1)
POSITIVE = (0, None)


def level(p):
    return rekalman.LinearGaussian.create(
        ONE, ONE, p["level"] * ONE, p["noise"] * ONE, initial="diffuse"
    )


def local_level() -> ParametricModel:
    return ParametricModel.create(
        level,
        start={"noise": 1e4, "level": 1e3},
        bounds={"noise": POSITIVE, "level": POSITIVE},
    )


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def nile():
    return rekalman.load_example("nile")


@pytest.fixture(scope="module")
def fitted(nile):
    return rekalman.fit(nile, local_level(), progress=False)


def told(fit):
    return {each.name: each for each in fit.parameters}


def test_a_local_level_is_what_the_structure_finds(fitted):
    """Durbin and Koopman (2012), section 2.10; standard errors by statsmodels (`test_likelihood.py`)."""
    result = told(fitted)
    assert fitted.history.log_likelihood[-1] == pytest.approx(-632.5456, abs=1e-4)
    assert result["noise"].value == pytest.approx(15098.52, rel=1e-5)
    assert result["level"].value == pytest.approx(1469.178, rel=1e-4)
    assert result["noise"].standard_error == pytest.approx(3145.55, rel=1e-3)
    assert result["level"].standard_error == pytest.approx(1280.38, rel=1e-3)
    assert "standard error 3.1e+03" in fitted.summary()


def test_forecasts_streams_and_files(fitted, nile, tmp_path):
    structure = rekalman.fit(nile, "local-level", progress=False)
    np.testing.assert_allclose(
        fitted.forecast(nile, 3).mean, structure.forecast(nile, 3).mean, rtol=1e-4
    )
    stream = fitted.stream()
    for row in np.asarray(nile.values)[0]:
        stream.update(row)
    np.testing.assert_allclose(stream.forecast(3).mean, fitted.forecast(nile, 3).mean, rtol=1e-9)
    fitted.save(tmp_path / "m.rekalman")
    again = rekalman.load(tmp_path / "m.rekalman")
    assert again.parameters == fitted.parameters
    np.testing.assert_array_equal(again.forecast(nile, 3).mean, fitted.forecast(nile, 3).mean)


def autoregression() -> np.ndarray:
    rng, x, rows = np.random.default_rng(0), 0.0, []
    for _ in range(200):
        x = 0.8 * x + rng.normal()
        rows.append(3 + x + 0.7 * rng.normal())
    return np.array(rows)


def noisy_ar(start: float = 0.5) -> ParametricModel:
    def build(p):
        A, Q, R = (p[name] * ONE for name in ("phi", "q", "r"))
        return rekalman.LinearGaussian.create(A, ONE, Q, R, d=p["mu"][None], initial="stationary")

    return ParametricModel.create(
        build,
        start={"phi": start, "q": 1.0, "r": 1.0, "mu": 0.0},
        bounds={"phi": (-1, 1), "q": POSITIVE, "r": POSITIVE},
        priors={"mu": (0.0, 10.0)},
    )


def test_bounds_of_every_kind():
    """statsmodels: `initialize_stationary`, `obs_intercept`, `phi = tanh`."""
    data = Sequences.from_arrays(autoregression())
    result = MaximumLikelihood().run(noisy_ar(), as_batch(data))
    assert result.value == pytest.approx(-345.0133985, abs=1e-5)
    np.testing.assert_allclose(
        result.estimates, [0.774908, 1.133632, 0.489595, 2.540108], rtol=2e-4
    )
    np.testing.assert_allclose(
        result.standard_errors, [0.0608297, 0.2821522, 0.1918732, 0.3330609], rtol=2e-3
    )
    assert result.stopped == "converged" and result.names == ("phi", "q", "r", "mu")
    low, high = result.interval()
    assert low[0] > -1 and high[0] < 1 and (low[1:3] > 0).all()
    assert low[3] == pytest.approx(result.estimates[3] - 1.959964 * result.standard_errors[3])
    assert result.aic == pytest.approx(2 * 345.0133985 + 8, abs=1e-4)
    frozen = MaximumLikelihood(freeze=("phi",)).run(noisy_ar(0.3), as_batch(data))
    assert frozen.names == ("q", "r", "mu")
    assert frozen.structure.values()["phi"] == pytest.approx(0.3)


def test_white_acceleration_is_one_parameter():
    """`Q = q G G'`; statsmodels: `selection = G`, `initialize_known(0, I)`."""
    dt, rng, x, rows = 0.1, np.random.default_rng(1), np.zeros(2), []
    A, G = np.array([[1.0, dt], [0.0, 1.0]]), np.array([[dt**2 / 2], [dt]])
    for _ in range(300):
        x = A @ x + G[:, 0] * 2 * rng.normal()
        rows.append(x[0] + 0.1 * rng.normal())
    data = Sequences.from_arrays(np.array(rows))
    C, figures = np.array([[1.0, 0.0]]), (171.98162065, 3.41483821, 0.0100167525)
    model = ParametricModel.create(
        lambda p: rekalman.LinearGaussian.create(A, C, p["q"] * G @ G.T, p["r"] * ONE),
        start={"q": 1.0, "r": 1.0},
        bounds={"q": POSITIVE, "r": POSITIVE},
    )
    result = MaximumLikelihood().run(model, as_batch(data))
    assert result.value == pytest.approx(figures[0], abs=1e-5)
    np.testing.assert_allclose(result.estimates, figures[1:], rtol=1e-4)
    np.testing.assert_allclose(result.standard_errors, [0.84816009, 0.00091644908], rtol=2e-3)
    # The same without a function: the range of Q is kept, by maximum likelihood and by EM.
    own = rekalman.LinearGaussian.create(A, C, G @ G.T, ONE)
    freeze = ("A", "B", "c", "C", "D", "d", "m", "P")
    for learner in (
        MaximumLikelihood(freeze=freeze),
        rekalman.EM(freeze=freeze, process_noise="scaled", iterations=500, tolerance=1e-9),
    ):
        fit = rekalman.fit(data, own, learner, progress=False)
        assert fit.history.log_likelihood[-1] == pytest.approx(figures[0], abs=1e-3)
        np.testing.assert_allclose(fit.model.Q, figures[1] * G @ G.T, rtol=2e-2)


def test_a_diffusion_that_drives_one_state():
    """`diag(0, q)` in continuous time, sampled irregularly, by a function and by its range alone."""
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.2, 1.5, 120))
    y = np.cumsum(np.cumsum(0.3 * rng.normal(size=120))) / 10 + 0.2 * rng.normal(size=120)
    data = Sequences.from_arrays(y, times=times, irregular=True)
    F, C = np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[1.0, 0.0]])
    options = {"interval": float(data.interval), "initial": "diffuse"}
    model = ParametricModel.create(
        lambda p: rekalman.LinearContinuous.create(
            F, C, jnp.diag(jnp.stack([0.0 * p["q"], p["q"]])), p["r"] * ONE, **options
        ),
        start={"q": 1.0, "r": 1.0},
        bounds={"q": POSITIVE, "r": POSITIVE},
    )
    one = rekalman.fit(data, model, progress=False)
    own = rekalman.LinearContinuous.create(F, C, np.diag([0.0, 1.0]), ONE, **options)
    learner = MaximumLikelihood(freeze=("F", "G", "g", "C", "D", "d"))
    other = rekalman.fit(data, own, learner, progress=False)
    values = [fit.history.log_likelihood[-1] for fit in (one, other)]
    assert values[0] == pytest.approx(values[1], abs=1e-4)
    assert told(one)["q"].value == pytest.approx(float(other.model.Q[1, 1]), rel=1e-3)
    assert np.isfinite(told(one)["q"].standard_error) and not np.asarray(other.model.Q)[0].any()
    assert np.isfinite(one.forecast(data, 2, dt=0.5).mean).all()


def test_matrices_that_change():
    """A regression whose weight drifts; statsmodels: `design = z`, `initialize_known(0, 10)`."""
    rng, b, rows = np.random.default_rng(2), 1.0, []
    z = rng.normal(size=150)
    for k in range(150):
        b += 0.2 * rng.normal() if k else 0.0
        rows.append(b * z[k] + 0.5 * rng.normal())
    data = Sequences.from_arrays(np.array(rows))
    C = jnp.asarray(np.append(z, [0.5, 2.0])[:, None, None])
    model = ParametricModel.create(
        lambda p: rekalman.LinearTimeVarying.create(
            ONE, C, p["q"] * ONE, p["r"] * ONE, P=10.0 * ONE, varying=("C",)
        ),
        start={"q": 0.1, "r": 1.0},
        bounds={"q": POSITIVE, "r": POSITIVE},
    )
    fit = rekalman.fit(data, model, progress=False)
    result = told(fit)
    assert fit.history.log_likelihood[-1] == pytest.approx(-137.0175622, abs=1e-5)
    assert result["q"].value == pytest.approx(0.030247328, rel=1e-3)
    assert result["r"].value == pytest.approx(0.263622101, rel=1e-3)
    assert result["q"].standard_error == pytest.approx(0.012364266, rel=3e-3)
    assert result["r"].standard_error == pytest.approx(0.034699739, rel=3e-3)
    ahead = np.asarray(fit.forecast(data, 2).mean).reshape(-1)
    assert ahead[1] / ahead[0] == pytest.approx(4.0)
    assert "q " in fit.summary() and "change from step to step" in fit.summary()
    with pytest.raises(RekalError, match="a LinearTimeVarying cannot be saved"):
        fit.save("nowhere.rekalman")


def test_a_variance_shared_by_two_columns_has_a_closed_form():
    """Two independent white columns of one variance: its estimate is the mean square."""
    y = np.random.default_rng(4).normal(size=(50, 2)) * 1.7
    zero = jnp.zeros((2, 2))

    def build(p):
        R = p["v"] ** 2 * jnp.eye(2)
        return rekalman.LinearGaussian.create(zero, jnp.eye(2), zero, R, d=p["mu"], P=zero)

    model = ParametricModel.create(
        build, start={"v": 1.0, "mu": np.zeros(2)}, bounds={"v": POSITIVE}
    )
    result = MaximumLikelihood().run(model, as_batch(Sequences.from_arrays(y)))
    assert result.names == ("v", "mu[1]", "mu[2]")
    spread = np.sqrt(((y - y.mean(0)) ** 2).mean())
    np.testing.assert_allclose(result.estimates, [spread, *y.mean(0)], rtol=1e-6)
    # Of a standard deviation from 100 numbers: v / sqrt(2 * 100); of a mean of 50: v / sqrt(50).
    wanted = spread / np.sqrt([200, 50, 50])
    np.testing.assert_allclose(result.standard_errors, wanted, rtol=1e-4)
    density = multivariate_normal(y.mean(0), spread**2 * np.eye(2)).logpdf(y).sum()
    assert result.value == pytest.approx(density)
    both = MaximumLikelihood(freeze=("mu",)).run(model, as_batch(Sequences.from_arrays(y)))
    assert both.names == ("v",)


def test_a_variance_at_zero_is_marked():
    """White noise around a constant: the level does not move."""
    y = np.random.default_rng(5).normal(size=80)
    y[1::2] = -y[::2]
    start = ParametricModel.create(
        level, start={"noise": 1.0, "level": 1.0}, bounds={"noise": POSITIVE, "level": POSITIVE}
    )
    fit = rekalman.fit(Sequences.from_arrays(y), start, progress=False)
    assert told(fit)["level"].boundary and told(fit)["level"].value < 1e-6
    assert np.isfinite(told(fit)["noise"].standard_error)


@pytest.mark.parametrize(
    "bounds", [Bounds(), Bounds(0.0), Bounds(-2.0), Bounds(None, 3.0), Bounds(-1.0, 4.0)]
)
def test_bounds_and_back(bounds):
    for theta in (0.25, 2.9):
        with jax.enable_x64(True):
            v = jnp.asarray(bounds.free(theta))
            assert float(bounds.inside(v)) == pytest.approx(theta, rel=1e-12)
            assert bounds.slope(theta) == pytest.approx(
                float(jax.grad(bounds.inside)(v)), rel=1e-12
            )


def test_nuts_samples_the_parameters(nile):
    """As for the structure (`test_nuts.py`): the maximum is 15,099 (3,146) and 1,469 (1,280)."""
    draws = NUTS(draws=200, warmup=150, chains=1).run(
        local_level(), as_batch(nile), key=jax.random.key(0)
    )
    middle = draws.quantile(0.5)
    assert middle["noise"] == pytest.approx(15099, abs=1800)
    assert middle["level"] == pytest.approx(1469, abs=800)
    assert draws.structure.names == ("noise", "level")
    ar = named_parameters(noisy_ar())
    np.testing.assert_allclose(own_priors(ar)[0], [0, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(own_priors(ar)[1], [1.5, 3, 3, 10])
    free = ParametricModel.create(level, start={"noise": 1.0, "level": 1.0})
    with pytest.raises(RekalError, match="'noise' has no bounds and no prior"):
        own_priors(named_parameters(free))


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"start": {}}, "at least one parameter"),
        ({"bounds": {"q": POSITIVE}}, "bounds name 'q', but the parameters are noise, level"),
        ({"priors": {"noise": 3}}, "the prior of 'noise' is a centre and a standard deviation"),
        ({"bounds": {"noise": (2, 1)}}, "the upper bound of 'noise' must lie above the lower"),
        ({"bounds": {"noise": 3}}, "the bounds of 'noise' are a pair"),
        ({"start": {"noise": -1.0, "level": 1.0}}, "start of 'noise' must be above 0, but is -1"),
        ({"start": {"noise": 1.0}, "bounds": {}}, "fails at their start values: KeyError: 'level'"),
        ({"function": lambda p: p["noise"]}, "must return one of LinearGaussian, LinearTimeV"),
        (
            {"function": lambda p: rekalman.LinearGaussian.create(*np.ones((4, 1, 1)) * float(p["noise"]))},
            "compute with jax.numpy",
        ),
        (
            {"function": lambda p: rekalman.LinearGaussian.create(ONE, ONE, -p["level"] * ONE, ONE)},
            "not positive semi-definite",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_a_parametric_model(how, sentence):
    usual = {
        "function": level,
        "start": {"noise": 1.0, "level": 1.0},
        "bounds": {"noise": POSITIVE, "level": POSITIVE},
    }
    with pytest.raises(RekalError, match=sentence):
        ParametricModel.create(**{**usual, **how})


def test_learners_that_do_not_fit(nile):
    with pytest.raises(RekalError, match="a ParametricModel has no closed-form M-step"):
        rekalman.fit(nile, local_level(), rekalman.EM(), progress=False)
    for learner, sentence in (
        (MaximumLikelihood(process_noise="full"), "process_noise is of no use"),
        (MaximumLikelihood(freeze=("q",)), "no parameter 'q': use one of noise, level"),
        (MaximumLikelihood(freeze=("noise", "level")), "every parameter is frozen"),
    ):
        with pytest.raises(RekalError, match=sentence):
            rekalman.fit(nile, local_level(), learner, progress=False)
    varying = rekalman.LinearTimeVarying.create(ONE, ONE, ONE, ONE[None], varying=("R",))
    with pytest.raises(RekalError, match="write it as a function of parameters"):
        rekalman.fit(nile, varying, progress=False)
