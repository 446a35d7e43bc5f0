"""Models of one's own functions in `rekalman.fit`: parameters recovered, likelihood above the truth's."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

import rekalman
from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch
from rekalman.learners.likelihood.function_arrays import function_arrays
from rekalman.learners.likelihood.function_parameters import function_parameters
from rekalman.learners.likelihood.likelihood import MaximumLikelihood
from rekalman.learners.likelihood.total import groups_of, value_and_gradient

STEP = 0.1


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


class VanDerPol(eqx.Module):
    """An oscillator of position and velocity whose damping changes its sign."""

    mu: Float[Array, ""]
    stiffness: Float[Array, ""]

    def __call__(self, x, u, dt):
        push = self.mu * (1 - x[0] ** 2) * x[1] - self.stiffness * x[0]
        return jnp.stack([x[0] + STEP * x[1], x[1] + STEP * push])


def oscillator(mu, stiffness, q, r) -> rekalman.NonlinearGaussian:
    return rekalman.NonlinearGaussian.create(
        VanDerPol(jnp.asarray(mu), jnp.asarray(stiffness)),
        lambda x, u: x[:1],
        Q=np.diag([0.0, q]),
        R=r * np.eye(1),
        m=np.array([1.0, 0.0]),
        P=0.01 * np.eye(2),
    )


TRUTH = {
    "f.mu": 1.0,
    "f.stiffness": 1.5,
    "m[1]": 1.0,
    "m[2]": 0.0,
    "Q[2, 2]": 0.01,
    "R[1, 1]": 0.05,
}


def truth() -> rekalman.NonlinearGaussian:
    return oscillator(1.0, 1.5, 0.01, 0.05)


@pytest.fixture(scope="module")
def data() -> Sequences:
    with jax.enable_x64(True):
        y = np.array(rekalman.simulate(truth(), 300, jax.random.key(1))[1][0])
    y[40:50] = np.nan
    return Sequences.from_arrays(y)


@pytest.fixture(scope="module", params=["unscented", "extended"])
def fitted(request, data):
    return rekalman.fit(
        data, oscillator(0.5, 1.0, 0.1, 0.2), filtering=request.param, progress=False
    )


def told(fit):
    return {each.name: each for each in fit.parameters}


def test_parameters_are_recovered(fitted, data):
    result = told(fitted)
    assert list(result) == list(TRUTH)
    for name, value in TRUTH.items():
        assert abs(result[name].value - value) < 3 * result[name].standard_error, name
    assert result["f.mu"].standard_error < 0.15 and result["R[1, 1]"].standard_error < 0.01
    best = fitted.history.log_likelihood[-1]
    assert (
        best
        >= rekalman.filter(
            dataclasses.replace(fitted.algorithm, model=truth()), data
        ).log_likelihood
    )
    assert best == pytest.approx(rekalman.filter(fitted.algorithm, data).log_likelihood, abs=1e-6)
    assert fitted.history.stopped == "converged"
    assert float(fitted.model.f.mu) == result["f.mu"].value
    assert not np.asarray(fitted.model.Q)[0].any()


def test_forecasts_and_streams_work_and_files_are_refused(fitted, data, tmp_path):
    ahead = fitted.forecast(data, 5)
    stream = fitted.stream()
    for row in np.asarray(np.where(data.mask, data.values, np.nan))[0]:
        stream.update(row)
    np.testing.assert_allclose(stream.forecast(5).mean, ahead.mean, rtol=1e-9)
    for save in (fitted.save, stream.save):
        with pytest.raises(RekalError, match="its functions are code, and model files hold none"):
            save(tmp_path / "m.rekalman")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["unscented", "extended"])
def test_the_gradient_is_that_of_the_filter(data, kind):
    """Against central differences, of all parameters, with gaps and series of several lengths."""
    model = truth()
    y = np.where(data.mask, data.values, np.nan)[0]
    batch = as_batch(Sequences.from_arrays([y[:30], y[100:130], y[30:50]]))
    groups = groups_of(batch, by_length=True)
    assert [g.values.shape[:2] for g in groups] == [(2, 30), (1, 20)]
    parameters = function_parameters(model, process_noise="full")
    at, options = parameters.vector, rekalman.Filtering(kind)
    slope = np.asarray(value_and_gradient(parameters, at, groups, options)[1])
    way = np.random.default_rng(0).normal(size=at.size)
    up, down = (
        value_and_gradient(parameters, at + e * way, groups, options)[0] for e in (1e-5, -1e-5)
    )
    assert slope @ way == pytest.approx((float(up) - float(down)) / 2e-5, rel=1e-6)


def test_a_linear_model_in_functions_is_learned_as_the_linear_model_is():
    """Both filters are exact there: the same maximum, the same standard errors."""
    rng, x, rows = np.random.default_rng(0), 0.0, []
    for _ in range(150):
        x = 0.8 * x + rng.normal()
        rows.append(x + 0.7 * rng.normal())
    series = Sequences.from_arrays(np.array(rows))
    one = np.eye(1)
    own = rekalman.NonlinearGaussian.create(
        jax.tree_util.Partial(lambda a, x, u, dt: a @ x, jnp.asarray(0.5 * one)),
        lambda x, u: x,
        one,
        one,
        np.zeros(1),
        one,
    )
    linear = rekalman.LinearGaussian.create(0.5 * one, one, one, one, m=np.zeros(1), P=one)
    learner = MaximumLikelihood(freeze=("B", "c", "C", "D", "d", "m", "P"))
    same = learner.run(linear, as_batch(series))
    fit = rekalman.fit(series, own, MaximumLikelihood(freeze=("m", "P")), progress=False)
    assert fit.history.log_likelihood[-1] == pytest.approx(same.value, abs=1e-6)
    assert [each.name for each in fit.parameters] == ["f.args[0][1, 1]", "Q[1, 1]", "R[1, 1]"]
    values = [each.value for each in fit.parameters]
    errors = [each.standard_error for each in fit.parameters]
    np.testing.assert_allclose(values, same.estimates, rtol=1e-3)
    np.testing.assert_allclose(errors, same.standard_errors, rtol=1e-3)


def test_a_function_of_parameters_may_return_two_functions(data):
    """Bounds and ties for a nonlinear model."""

    def build(p):
        return oscillator(p["mu"], 1.5, p["noise"] / 5, p["noise"])

    def own(mu, noise):
        Q, R = jnp.diag(jnp.stack([0.0 * noise, noise / 5])), noise * jnp.eye(1)
        f = VanDerPol(mu, jnp.asarray(1.5))
        return rekalman.NonlinearGaussian.create(
            f, lambda x, u: x[:1], Q, R, jnp.array([1.0, 0.0]), 0.01 * jnp.eye(2)
        )

    with pytest.raises(RekalError, match=r"compute with jax\.numpy"):
        rekalman.ParametricModel.create(build, start={"mu": 0.6, "noise": 0.2})
    model = rekalman.ParametricModel.create(
        lambda p: own(p["mu"], p["noise"]),
        start={"mu": 0.6, "noise": 0.2},
        bounds={"mu": (0, None), "noise": (0, None)},
    )
    fit = rekalman.fit(data, model, filtering="extended", progress=False)
    result = told(fit)
    assert abs(result["mu"].value - 1) < 3 * result["mu"].standard_error
    assert abs(result["noise"].value - 0.05) < 3 * result["noise"].standard_error
    assert (
        fit.history.log_likelihood[-1]
        >= rekalman.filter(dataclasses.replace(fit.algorithm, model=truth()), data).log_likelihood
    )
    assert fit.algorithm.short_name == "extended" and np.isfinite(fit.forecast(data, 3).mean).all()


def test_a_search_that_gets_nowhere_says_so():
    """A filter that chases noise: slopes beyond all use, no step upwards. It ended in NaN, "converged"."""

    def spun(x, u, dt):
        velocity = x[1] - STEP * (4 * jnp.sin(x[0]) + 0.1 * x[1])
        return jnp.stack([x[0] + STEP * x[1], velocity])

    rng = np.random.default_rng(1)
    y = Sequences.from_arrays(np.sin(np.cumsum(rng.normal(size=300))))
    start = rekalman.NonlinearGaussian.create(
        spun, lambda x, u: jnp.sin(x[:1]), np.diag([1e-6, 1.0]) * 10, 0.01 * np.eye(1),
        np.array([1.2, 0.0]), 0.01 * np.eye(2),
    )  # fmt: skip
    for errors in (False, True):
        result = MaximumLikelihood(errors=errors, starts=1).run(start, as_batch(y))
        assert result.stopped == "no better point" and len(result.log_likelihood) == 1
        assert np.isfinite(result.value) and np.isnan(result.standard_errors).all()


def test_what_is_free():
    model = oscillator(0.5, 1.0, 0.1, 0.2)
    assert list(function_arrays(model)) == ["f.mu", "f.stiffness"]
    names = lambda **options: function_parameters(model, **options).names  # noqa: E731
    assert names(freeze=("f", "m", "P")) == ("Q[2, 2]", "R[1, 1]")
    assert names(freeze=("f.mu", "Q", "R", "P")) == ("f.stiffness", "m[1]", "m[2]")
    assert names(freeze=("f", "Q", "R", "P"), fixed={"m": [True, False]}) == ("m[2]",)
    learned = MaximumLikelihood(freeze=("f.mu",)).parameters(model).names
    assert "f.mu" not in learned and "P[1, 1]" in learned
    layers = eqx.tree_at(lambda m: m.f, model, eqx.nn.MLP(2, 2, 3, 1, key=jax.random.key(0)))
    inside = function_parameters(layers, ("m", "P", "Q", "R", "f.layers[0]")).names
    assert inside[:2] == ("f.layers[1].weight[1, 1]", "f.layers[1].weight[1, 2]")


def test_what_is_refused(data):
    start = oscillator(0.5, 1.0, 0.1, 0.2)
    for learner, sentence in (
        (
            MaximumLikelihood(freeze=("mu",)),
            "no parameter 'mu': use one of f.mu, f.stiffness, m, Q",
        ),
        (MaximumLikelihood(fixed={"Q": [[True]]}), "entries of 'Q' cannot be fixed"),
        (
            MaximumLikelihood(fixed={"m": [True]}),
            r"fixed\['m'\] has shape \(1,\), but m has \(2,\)",
        ),
        (MaximumLikelihood(freeze=("f", "h", "m", "Q", "R", "P")), "every block is frozen"),
        (rekalman.EM(), "a NonlinearGaussian has no closed-form M-step: use MaximumLikelihood"),
    ):
        with pytest.raises(RekalError, match=sentence):
            rekalman.fit(data, start, learner, progress=False)
    with pytest.raises(RekalError, match="likelihood of a particle filter has no gradient"):
        rekalman.fit(data, start, filtering="particles", progress=False)
    with pytest.raises(RekalError, match="sampled irregularly"):
        times = np.cumsum(np.random.default_rng(0).uniform(0.5, 2, 40))
        uneven = Sequences.from_arrays(np.ones(40).cumsum(), times=times, irregular=True)
        rekalman.fit(uneven, start, progress=False)
