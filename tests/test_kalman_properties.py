"""Any linear model, however singular and diffuse, in every form against the exact joint Gaussian."""

from __future__ import annotations

import dataclasses
import gc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from naive_diffuse import Exact, Moments
from random_linear import AHEAD, EVERY, FEW, STEPS, Case, Sizes, cases, make_cases

from rekalman.filters.gaussian import GaussianFilter
from rekalman.filters.kalman.batch import filter_batch
from rekalman.filters.kalman.filter import Kalman
from rekalman.filters.kalman.forms import CovarianceForm, RootForm
from rekalman.filters.kalman.gains import gains
from rekalman.filters.kalman.system import linear_system
from rekalman.numerics.precision import in_single, single_precision
from rekalman.smoothers.simulation import Noise, path_given

FORMS = ("covariance", "square-root", "parallel")
TOLERANCE, SINGLE = 1e-8, 1e-4
HUGE = {
    np.dtype(np.float32): 1e4,
    np.dtype(np.float64): 1e9,
}  # what an infinite variance is at least
NEAR = (
    1e-4  # nearer than this to being determined by others, an observation costs digits in any form
)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@eqx.filter_jit
def everything(kalman: Kalman, y, mask, u, length):
    """What the library says of one series: filter, smoother, streaming, forecasts, draws.

    The steps after `length` are not observed: what is predicted there is a forecast, too.
    """
    path, smoothed = kalman.smooth(y, mask, u, None, length)
    stepwise = None
    if kalman.form != "parallel":
        stepwise = GaussianFilter.run(kalman, y, mask, u)
    return path, smoothed, stepwise, forecasts(kalman, path, u, length), draws(kalman, y, mask, u)


def forecasts(kalman: Kalman, path, u, length):
    """Moments of the observations after the last, from the filtered moments."""
    belief = kalman.belief(path.mean[length - 1], path.cov[length - 1], length - 1)
    ahead = []
    for h in range(AHEAD):
        row = None if u is None else u[length + h]
        belief = kalman.predict(belief, row)
        predicted = kalman.observe(belief, row)
        ahead.append((predicted.mean, predicted.cov))
    return ahead


def draws(kalman: Kalman, y, mask, u):
    """A draw of the path as an affine function of standard normals: its value at zero, and its slopes."""
    if kalman.form == "parallel":
        return None
    system = linear_system(kalman.model, y, mask, u)
    form = CovarianceForm if kalman.form == "covariance" else RootForm
    result = gains(system, form)
    result = result._replace(prior=jax.vmap(form.leave)(result.prior))
    steps, n, p = len(y), kalman.model.states, kalman.model.observations

    def draw(normals):
        noise = Noise(
            normals[: steps * n].reshape(steps, n), normals[steps * n :].reshape(steps, p)
        )
        return path_given(system, result, noise).reshape(-1)

    mean = draw(jnp.zeros(steps * (n + p)))
    return mean, (jax.vmap(draw)(jnp.eye(steps * (n + p))) - mean).T


def assert_right(case: Case, form: str, exact: Exact) -> None:
    data = (None if part is None else jnp.asarray(part) for part in case[1:])
    result = everything(Kalman(case.model, form), *data)
    path, smoothed, stepwise, ahead, paths = jax.tree.map(np.asarray, result)
    assert_filtered("filter", case, path, exact)
    if stepwise is not None:
        assert_filtered("stream", case, stepwise, exact)
    scale = Scale(exact, case)
    for t in range(case.length):
        scale.moments(f"smoother, step {t}", smoothed.mean[t], smoothed.cov[t], exact.smoothed[t])
    if exact.filtered[case.length - 1].known.all():  # moments cannot hold an infinite variance
        for h, (mean, cov) in enumerate(ahead):
            scale.moments(f"forecast {h + 1}", mean, cov, exact.observed[case.length + h])
    n = case.model.states
    size, whole = case.length * n, exact.joint
    known = whole.known[:size]
    for t in range(1, case.length):
        at, before = slice(t * n, (t + 1) * n), slice((t - 1) * n, t * n)
        both = np.ix_(known[at], known[before])
        scale.close(f"lag {t}", smoothed.lag[t][both], whole.cov[at, before][both], scale.cov)
    if paths is not None:
        mean, slope = (part[:size][known] for part in paths)
        scale.close("draws, mean", mean, whole.mean[:size][known], scale.mean)
        cov = whole.cov[:size, :size][np.ix_(known, known)]
        scale.close("draws, covariance", slope @ slope.T, cov, scale.cov)


def assert_filtered(
    name: str, case: Case, run, exact: Exact, ahead: int = AHEAD, tolerance: float = TOLERANCE
) -> None:
    scale, length = Scale(exact, case, tolerance), case.length
    for t in range(min(length + ahead, len(run.mean))):
        scale.moments(
            f"{name}, prior, step {t}", run.prior_mean[t], run.prior_cov[t], exact.predicted[t]
        )
        if t < length:
            scale.moments(f"{name}, step {t}", run.mean[t], run.cov[t], exact.filtered[t])
    scale.close(f"{name}, log evidence", run.log_evidence[:length], exact.log_evidence[:length])
    white = exact.white[: len(run.white)]
    seen = np.isfinite(white)
    scale.close(f"{name}, white innovations", run.white[seen], white[seen])


class Scale:
    """Compares, every number measured by the largest of its kind."""

    def __init__(self, exact: Exact, case: Case, tolerance: float = TOLERANCE) -> None:
        self.tolerance = tolerance
        every = [*exact.predicted[: case.length], *exact.filtered[: case.length], exact.joint]
        largest = lambda parts: max([1.0, *(np.abs(v).max() for v in parts if v.size)])  # noqa: E731
        self.mean = largest([m.mean[m.known] for m in every])
        self.cov = largest([m.cov[np.ix_(m.known, m.known)] for m in every])
        self.evidence = largest([exact.white[np.isfinite(exact.white)] ** 2])

    def moments(self, what: str, mean: np.ndarray, cov: np.ndarray, right: Moments) -> None:
        known = right.known
        self.close(f"{what}, mean", mean[known], right.mean[known], self.mean)
        both = np.ix_(known, known)
        self.close(f"{what}, covariance", cov[both], right.cov[both], self.cov)
        assert not np.isnan(mean).any(), what
        huge = np.diagonal(cov)[~known] > HUGE[cov.dtype] * right.infinite[~known]
        assert huge.all(), f"{what}: variances {np.diagonal(cov)} where {~known} are infinite"

    def close(self, what: str, ours, right, scale: float | None = None) -> None:
        error = np.abs(np.asarray(ours) - right).max(initial=0.0)
        most = self.tolerance * (self.evidence if scale is None else scale)
        assert error <= most, f"{what}: off by {error}, {ours} where {right} is right"


def exact_law(case: Case) -> Exact:
    """The exact law of the series and of the steps after it; unlucky cases are not tried."""
    exact = Exact(case.model, case.y, case.mask, case.u)
    assume(exact.margin > NEAR)
    return exact


FOUND = [  # by earlier runs: rounding taken for a variance, a direction or a contradiction
    (FEW[2], 33577, "dense", (0, 0, 3), 0.0, 2),
    (FEW[2], 16789, "dense", (0, 1, 3), 0.0, 4),
    (FEW[2], 33578, "dense", (0, 1, 3), 0.0, 4),
    (FEW[2], 61, "walk", (1, 1, 3), 0.2, 6),
    (FEW[2], 406, "companion", (0, 0, 3), 0.2, 6),
    (FEW[4]._replace(diffuse=()), 1781, "walk", (1, 1, 3), 0.2, 6),
    (FEW[5], 8774, "walk", (0, 1, 0), 0.0, 6),
    (Sizes(3, 2, 1, (), True), 4671, "walk", (0, 1, 2), 0.0, 3),
    (Sizes(1, 3, 0, (0,), True), 10600, "dense", (1, 1, 0), 0.0, 5),
]


@pytest.mark.parametrize("case", FOUND)
def test_cases_that_were_wrong_once(case):
    for form in FORMS:
        (one,) = make_cases(*case)
        assert_right(one, form, exact_law(one))


@settings(max_examples=100)
@given(cases(FEW))
def test_every_form_is_the_exact_law(case):
    exact = exact_law(case)
    for form in FORMS:
        assert_right(case, form, exact)


@pytest.fixture
def forgetful():
    """Linux lets a process map so much memory; the functions of all sizes together would be more."""
    yield
    jax.clear_caches()
    gc.collect()


@pytest.mark.nightly
@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("sizes", EVERY, ids=lambda sizes: "-".join(map(str, sizes)))
@settings(max_examples=2000 // len(EVERY) + 1, derandomize=False)
@given(data=st.data())
def test_every_form_is_the_exact_law_for_models_of_all_sizes(sizes, data):
    case = data.draw(cases([sizes]))
    exact = exact_law(case)
    for form in FORMS:
        assert_right(case, form, exact)


@settings(max_examples=50)
@given(cases([FEW[1], FEW[3]]))
def test_single_precision_is_right_to_its_digits(case):
    exact = Exact(case.model, case.y, case.mask, case.u)
    assume(exact.margin > 0.05)
    for form in FORMS:
        with single_precision():
            single = in_single(jax.tree.map(jnp.asarray, case))
            path, smoothed = smooth_single(Kalman(single.model, form), *single[1:])
        path, smoothed = jax.tree.map(np.asarray, (path, smoothed))
        assert path.mean.dtype == np.float32
        assert_filtered(form, case, path, exact, tolerance=SINGLE)
        scale = Scale(exact, case, SINGLE)
        for t in range(case.length):
            name = f"{form}, smoother, step {t}"
            scale.moments(name, smoothed.mean[t], smoothed.cov[t], exact.smoothed[t])


@eqx.filter_jit
def smooth_single(kalman: Kalman, y, mask, u, length):
    return kalman.smooth(y, mask, u, None, length)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=6)
@given(
    several=cases(FEW[2:4], lambda *args, **more: make_cases(*args, **more, series=3)),
    same=st.booleans(),
)
def test_a_ragged_batch_is_the_exact_law_of_each_series(form, several, same):
    """With gaps of their own, and with the same ones, when the series share their covariances."""
    if same:
        lines = [np.arange(STEPS + AHEAD)[:, None] < case.length for case in several]
        several = [
            case._replace(mask=several[0].mask & line)
            for case, line in zip(several, lines, strict=True)
        ]
    exact = [exact_law(case) for case in several]
    y, mask, u = (
        np.stack([getattr(case, name) for case in several]) for name in ("y", "mask", "u")
    )
    lengths = np.array([case.length for case in several])
    shown = mask[:1] | np.zeros_like(mask) if same else mask
    path = filter_batch(Kalman(several[0].model, form), *map(jnp.asarray, (y, shown, u, lengths)))
    for i, case in enumerate(several):
        one = jax.tree.map(lambda leaf: np.asarray(leaf)[i if len(leaf) > 1 else 0], path)  # noqa: B023
        assert_filtered(f"series {i}", case, one, exact[i], ahead=0)  # padding means nothing


@pytest.mark.parametrize("seed", range(4))
def test_the_exact_law_is_the_limit_of_a_large_variance(seed):
    """With a variance of 2^120 in place of a diffuse start, by the branch that knows none."""
    rng = np.random.default_rng(seed)
    kind = ["dense", "walk", "companion", "forgetful"][seed]
    ranks = tuple(int(rng.integers(0, size)) for size in (5, 4, 5))
    case = make_cases(FEW[[0, 1, 3, 5][seed]], seed, kind, ranks, 0.3, STEPS)[0]
    exact = Exact(case.model, case.y, case.mask, case.u)
    P = np.asarray(case.model.P) + np.diag(
        [2.0**120 * (i in case.model.flat) for i in range(case.model.states)]
    )
    proper = dataclasses.replace(case.model, P=jnp.asarray(P), initial="given", flat=())
    large = Exact(proper, case.y, case.mask, case.u)
    for name in ("predicted", "filtered", "smoothed"):
        for one, other in zip(getattr(exact, name), getattr(large, name), strict=True):
            known = one.known
            np.testing.assert_allclose(other.mean[known], one.mean[known], atol=1e-9)
            np.testing.assert_allclose(
                other.cov[np.ix_(known, known)], one.cov[np.ix_(known, known)], atol=1e-9
            )
            np.testing.assert_allclose(
                np.diagonal(other.cov)[~known] / 2.0**120, one.infinite[~known]
            )
    infinite = np.isfinite(large.white) & ~np.isfinite(exact.white)
    constant = 0.5 * infinite.sum(1) * np.log(2 * np.pi * 2.0**120)
    np.testing.assert_allclose(large.log_evidence + constant, exact.log_evidence, atol=1e-9)
    seen = np.isfinite(exact.white)
    np.testing.assert_allclose(large.white[seen], exact.white[seen], atol=1e-9)
