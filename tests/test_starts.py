"""Maximum likelihood from several starts: no poor optimum, over decades of signal to noise."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman import Sequences
from rekalman.learners.batch import as_batch
from rekalman.learners.likelihood.likelihood import in_double
from rekalman.learners.likelihood.total import groups_of, total_log_likelihood
from rekalman.models.structures.structures import Structure

TRUE = {  # log variances beside unit noise at a signal to noise of one; other parameters as they are
    "local-level": (rekalman.local_level(), [0.0]),
    "local-linear-trend": (rekalman.local_linear_trend(), [0.0, -4.0]),
    "seasonal": (rekalman.local_level() + rekalman.seasonal(4), [0.0, -2.0]),
    "oscillator": (rekalman.oscillator(), [np.log(2 / (12 - 2)), np.log(0.95 / 0.05), 0.0]),
    "constant-velocity": (rekalman.constant_velocity(), [-2.0]),
    "constant-acceleration": (rekalman.constant_acceleration(), [-4.0]),
    "ar": (rekalman.autoregression(2), [np.arctanh(0.75), np.arctanh(-0.7), 0.0]),
}


def simulated(name: str, ratio: float, steps: int, seed: int) -> tuple[np.ndarray, Structure]:
    """A series of a structure whose process noise is `ratio` times that of `TRUE`, and that structure."""
    structure, free = TRUE[name]
    marks = np.array(structure.variances[: len(free)])
    vector = np.zeros(len(structure.names))
    vector[: len(free)] = np.array(free) + 2 * np.log(ratio) * marks
    with jax.enable_x64(True):
        structure = structure.replaced(jnp.asarray(vector))
        model = structure.build()
    A, C, Q, P = (np.asarray(getattr(model, block), float) for block in "ACQP")
    rng = np.random.default_rng(seed)
    x = rng.multivariate_normal(np.zeros(len(A)), P, method="eigh")
    values = []
    for _ in range(steps):
        values.append(float((C @ x)[0]) + rng.normal())
        x = A @ x + rng.multivariate_normal(np.zeros(len(A)), Q, method="eigh")
    return np.array(values), structure


def likelihood_of(structure: Structure, data: Sequences) -> float:
    """The log-likelihood of known parameters."""
    with jax.enable_x64(True):
        model = in_double(structure).build()
        groups = groups_of(in_double(as_batch(data, model)))
        return float(eqx.filter_jit(total_log_likelihood)(model, groups))


def behind_the_truth(name: str, ratio: float, steps: int, seed: int) -> float:
    """By how much the likelihood of the true parameters is above that of the fitted ones, in nats."""
    values, structure = simulated(name, ratio, steps, seed)
    data = Sequences.from_arrays(values)
    options = {"period": 4} if name == "seasonal" else {}
    fit = rekalman.fit(data, name, progress=False, **options)
    return likelihood_of(structure, data) - float(fit.history.log_likelihood[-1])


@pytest.mark.nightly
@pytest.mark.parametrize("name", TRUE)
def test_the_likelihood_of_the_truth_is_reached_at_every_signal_to_noise(name):
    behind = [
        behind_the_truth(name, ratio, 200, seed)
        for seed, ratio in enumerate(np.logspace(-2, 2, 20))
    ]
    assert max(behind) <= 1e-6, [f"{each:.3f}" for each in behind]


@pytest.mark.parametrize(
    ("name", "ratio"),
    [
        ("local-level", 100.0),
        ("constant-velocity", 0.01),
        ("constant-velocity", 100.0),
        ("oscillator", 0.1),
    ],
)
def test_the_likelihood_of_the_truth_is_reached(name, ratio):
    assert behind_the_truth(name, ratio, 100, seed=3) <= 1e-6


ISSUE = [
    ("constant-velocity", -764.7),
    ("local-linear-trend", -832.1),
    ("constant-acceleration", -695.0),
]


@pytest.mark.parametrize(("name", "reached"), ISSUE)
def test_a_wave_of_high_signal_to_noise_is_no_poor_optimum(name, reached):
    t = np.arange(400) * 0.4
    y = 7 * np.sin(t * np.pi / 2) + 0.2 * np.random.default_rng(0).normal(size=400)
    fit = rekalman.fit(Sequences.from_arrays(y, times=t), name, progress=False)
    assert fit.history.stopped == "converged"
    assert fit.history.log_likelihood[-1] > reached - 0.05
    values = [value for _, value in fit.history.starts]
    assert len(values) == 4
    assert values == sorted(values, reverse=True)
    assert "given" in [each for each, _ in fit.history.starts]
    assert fit.history.log_likelihood[-1] >= values[0] - 1e-6
    assert "starts " in fit.summary()


def test_starts_are_saved_and_read(tmp_path):
    data = rekalman.load_example("nile")
    fit = rekalman.fit(data, "local-level", progress=False)
    fit.save(tmp_path / "nile.rekalman")
    assert rekalman.load(tmp_path / "nile.rekalman").history.starts == fit.history.starts
    alone = rekalman.fit(data, "local-level", rekalman.MaximumLikelihood(starts=1), progress=False)
    assert [name for name, _ in alone.history.starts] == ["given"]
    assert "starts " not in alone.summary()


@pytest.mark.parametrize("kind", ["parametric", "linear", "frozen"])
def test_models_of_ones_own_are_climbed_from_several_starts(kind):
    y = np.cumsum(np.random.default_rng(1).normal(size=80)) * 30
    data, one = Sequences.from_arrays(y), np.eye(1)
    best = rekalman.fit(data, "local-level", progress=False).history.log_likelihood[-1]
    poor = rekalman.LinearGaussian.create(one, one, 1e-12 * one, 100 * one, initial="diffuse")
    if kind == "parametric":
        model = rekalman.ParametricModel.create(
            lambda p: rekalman.LinearGaussian.create(
                jnp.eye(1), jnp.eye(1), p["q"] * jnp.eye(1), p["r"] * jnp.eye(1), initial="diffuse"
            ),
            start={"q": 1e-2, "r": 1e4},
            bounds={"q": (0, None), "r": (0, None)},
        )
        learner = rekalman.MaximumLikelihood()
    else:
        frozen = ("A", "c", "C", "d") if kind == "linear" else ("A", "c", "C", "d", "R")
        model, learner = poor, rekalman.MaximumLikelihood(freeze=frozen)
    fit = rekalman.fit(data, model, learner, progress=False)
    if kind == "frozen":
        assert float(fit.model.R[0, 0]) == 100.0
        assert float(fit.model.Q[0, 0]) == pytest.approx(900, rel=0.6)
    else:
        assert fit.history.log_likelihood[-1] == pytest.approx(best, abs=1e-3)


PEERS = {"nile": ("llevel", None), "co2": ("lltrend", 12), "elnino": ("llevel", 12)}
NAMES = {
    "sigma2.irregular": "noise variance",
    "sigma2.level": "level variance",
    "sigma2.trend": "slope variance",
    "sigma2.seasonal": "seasonal(12) variance",
}


def real_series(name: str) -> np.ndarray:
    """A series of those that come with statsmodels."""
    datasets = pytest.importorskip("statsmodels.api").datasets
    table = getattr(datasets, name).load_pandas().data
    if name == "nile":
        return table["volume"].to_numpy()
    if name == "co2":
        return table["co2"].resample("MS").mean().interpolate().to_numpy()[:240]
    return table.iloc[:, 1:].to_numpy().ravel()[:240]


@pytest.mark.parametrize("name", PEERS)
def test_no_maximum_of_statsmodels_is_higher(name):
    y = real_series(name)
    from statsmodels.tsa.api import UnobservedComponents

    kind, season = PEERS[name]
    structure = rekalman.local_level() if kind == "llevel" else rekalman.local_linear_trend()
    if season:
        structure = structure + rekalman.seasonal(season)
    fit = rekalman.fit(Sequences.from_arrays(y), structure, progress=False)
    peer = UnobservedComponents(y, kind, seasonal=season, use_exact_diffuse=True)
    result = peer.fit(disp=False, maxiter=500)
    values = {each.name: each.value for each in fit.parameters}
    ours = peer.loglike([values[NAMES[each]] for each in peer.param_names])
    assert ours >= result.llf - 1e-3
    assert ours == pytest.approx(result.llf, abs=60)
