"""Intervals of what a linear model does, against short computations of their own."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cli_helpers import answer, call

import rekalman
from rekalman.data import Sequences
from rekalman.identification.confidence import Z
from rekalman.learners.batch import as_batch
from rekalman.learners.likelihood.uncertainty import Uncertainty, model_uncertainty
from rekalman.models.linear import LinearGaussian


@pytest.fixture(scope="module")
def driven() -> Sequences:
    """A damped oscillation of period 12 that an input drives."""
    rng = np.random.default_rng(1)
    u, x, y = rng.normal(size=(800, 1)), np.zeros(2), []
    A = np.array([[1.5, -0.75], [1.0, 0.0]])
    for now in u[:, 0]:
        x = A @ x + np.array([0.5 * now + 0.3 * rng.normal(), 0.0])
        y.append(x[0] + 0.2 * rng.normal())
    return Sequences.from_arrays(np.array(y), inputs=u)


@pytest.fixture(scope="module")
def fitted(driven):
    return rekalman.fit(driven, "linear", states=2, progress=False)


@pytest.fixture(scope="module")
def found(fitted, driven):
    return fitted.identify(driven)


def test_an_autoregression_has_its_textbook_errors():
    """Var phi = [1 - phi2^2, -phi1 (1 + phi2)] / T (Box and Jenkins), through the roots by differences."""
    phi, steps = np.array([1.5, -0.75]), 400
    off = -phi[0] * (1 + phi[1])
    cov = np.array([[1 - phi[1] ** 2, off], [off, 1 - phi[1] ** 2]]) / steps
    values, vectors = np.linalg.eigh(np.linalg.inv(cov))
    still = {"B": (2, 0), "C": (1, 2), "D": (1, 0), "Q": (2, 2), "R": (1, 1)}
    ways = {name: np.zeros((2, *shape)) for name, shape in still.items()}
    A = np.array([phi, [1.0, 0.0]])
    ways["A"] = np.stack([np.array([way, [0.0, 0.0]]) for way in vectors.T])
    model = LinearGaussian.create(A, np.array([[1.0, 0.0]]), np.eye(2), np.eye(1))
    with jax.enable_x64(True):
        output = rekalman.identify(
            model, interval=0.5, uncertainty=Uncertainty(ways, values)
        ).linear
    root = lambda p: max(np.roots([1, *-p]), key=np.imag)  # noqa: E731
    numbers = {
        "frequency": lambda p: np.angle(root(p)) / np.pi,
        "natural_frequency": lambda p: abs(np.log(root(p))) / np.pi,
        "damping_ratio": lambda p: -np.log(root(p)).real / abs(np.log(root(p))),
    }
    mode = output.intervals.modes[0]
    for name, number in numbers.items():
        low, high = getattr(mode, name)
        assert (low + high) / 2 == pytest.approx(number(phi), rel=1e-5)
        assert (high - low) / 2 / Z == pytest.approx(_delta(number, phi, cov), rel=1e-3)
    assert mode.period == pytest.approx(tuple(1 / f for f in mode.frequency[::-1]))
    parts = [_delta(lambda p, k=k: (root(p).real, root(p).imag)[k], phi, cov) for k in (0, 1)]
    np.testing.assert_allclose(output.intervals.poles[0], parts, rtol=1e-3)


def _delta(number, at, cov) -> float:
    steps = 1e-6 * np.eye(len(at))
    slope = np.array([(number(at + h) - number(at - h)) / 2e-6 for h in steps])
    return float(np.sqrt(slope @ cov @ slope))


def test_they_are_those_of_the_observed_information(fitted, driven):
    """At the maximum two ways agree: the Hessian of the exact gradient, and innovations by differences."""
    learner = rekalman.MaximumLikelihood(freeze=("m", "P"))
    best = learner.run(fitted.model, as_batch(fitted.prepare(driven)))

    def numbers(m):
        eye = jnp.eye(2)
        gain = m.D + m.C @ jnp.linalg.solve(eye - m.A, m.B)
        turn = m.D + m.C @ jnp.linalg.solve(1j * eye - m.A, m.B) * 1j
        return jnp.stack([gain[0, 0], (m.D + m.C @ m.B)[0, 0], jnp.log(jnp.abs(turn[0, 0]))])

    _, errors = best.standard_error_of(numbers)
    fit = dataclasses.replace(fitted, algorithm=rekalman.Kalman(best.model))
    known = fit.identify(driven).linear.intervals
    scale = float(fit.standardiser.scale[0] / fit.standardiser.input_scale[0])
    half = lambda ends: (ends[1] - ends[0]) / 2 / Z  # noqa: E731
    assert half(known.gain)[0, 0] == pytest.approx(scale * errors[0], rel=0.1)
    assert half(known.step)[0, 0, 0] == pytest.approx(scale * errors[1], rel=0.1)
    between = half(np.log(known.magnitude))[31:33, 0, 0].mean()  # a quarter of a cycle a step
    assert between == pytest.approx(errors[2], rel=0.1)


def test_what_is_true_lies_inside(found):
    mode, known = found.linear.intervals.modes[0], found.linear.intervals
    period = 2 * np.pi / np.angle(np.roots([1, -1.5, 0.75])[0])
    assert mode.period[0] < abs(period) < mode.period[1]
    assert known.gain[0, 0, 0] < 2.0 < known.gain[1, 0, 0]
    assert mode.frequency[0] < found.fixed_points[0].modes[0].frequency < mode.frequency[1]
    natural = found.fixed_points[0].modes[0].natural_frequency
    assert sum(mode.natural_frequency) / 2 == pytest.approx(natural)
    assert "95 % interval" in found.summary()


def test_a_change_of_basis_changes_nothing(fitted, driven, found):
    model, T = fitted.model, np.array([[2.0, 0.3], [-0.4, 0.7]])
    inverse = np.linalg.inv(T)
    turned = LinearGaussian.create(
        T @ model.A @ inverse, model.C @ inverse, T @ model.Q @ T.T, model.R, B=T @ model.B,
        c=T @ model.c, D=model.D, d=model.d, m=T @ model.m, P=T @ model.P @ T.T,
    )  # fmt: skip
    other = (
        dataclasses.replace(fitted, algorithm=rekalman.Kalman(turned))
        .identify(driven)
        .linear.intervals
    )
    np.testing.assert_allclose(other.poles, found.linear.intervals.poles, rtol=0.02)
    np.testing.assert_allclose(other.gain, found.linear.intervals.gain, rtol=0.02)


def test_rounding_beside_the_real_line_takes_no_interval_away():
    """A change of basis, which the data do not determine, moves a real pole by rounding alone."""
    rng = np.random.default_rng(0)
    T, G = rng.normal(size=(2, 3, 3))
    turn = np.array([[0.8, 0.5, 0.0], [-0.5, 0.8, 0.0], [0.0, 0.0, 0.9]])
    A = T @ turn @ np.linalg.inv(T)
    shapes = {"B": (3, 0), "C": (1, 3), "D": (1, 0), "Q": (3, 3), "R": (1, 1)}
    ways = {name: np.zeros((2, *shape)) for name, shape in shapes.items()}
    ways["A"] = np.stack([A @ G - G @ A, rng.normal(size=(3, 3))])
    with jax.enable_x64(True):
        model = LinearGaussian.create(A, np.ones((1, 3)), np.eye(3), np.eye(1))
        sure = Uncertainty(ways, np.array([0.0, 1.0]))
        output = rekalman.identify(model, uncertainty=sure).linear.intervals
    assert np.isfinite(output.poles).all()
    assert not [note for note in output.notes if "no interval: the data" in note]


def test_what_is_not_determined_is_said_in_words():
    y = np.random.default_rng(0).normal(size=(100, 1))
    model = LinearGaussian.create(
        np.diag([0.9, 0.5]), np.array([[1.0, 0.0]]), np.diag([0.1, 0.1]), np.eye(1)
    )
    sure = model_uncertainty(model, Sequences.from_arrays(y))
    output = rekalman.identify(model, uncertainty=sure)
    said = "The mode with pole 0.5 has no interval: the data do not determine it."
    assert said in output.linear.intervals.notes
    assert output.linear.intervals.modes[1].modulus is None
    assert "nan" not in output.summary()


def test_too_many_parameters_are_said_in_a_sentence(fitted, driven):
    n = 10
    big = LinearGaussian.create(
        0.5 * np.eye(n),
        np.ones((1, n)),
        np.eye(n) + 0.1,
        np.eye(1),
        B=np.ones((n, 1)),
        D=np.zeros((1, 1)),
    )
    output = dataclasses.replace(fitted, algorithm=rekalman.Kalman(big)).identify(driven)
    assert output.linear.intervals is None
    assert "at most 150 parameters, but the model has 188" in output.warnings[-1]


def test_the_command_tells_them_and_a_file_keeps_them(tmp_path):
    nile = rekalman.load_example("nile")
    level = rekalman.fit(nile, "ar", states=1, progress=False)
    level.save(tmp_path / "ar.rekalman")
    again = rekalman.load(tmp_path / "ar.rekalman")
    assert again.identify().summary() == level.identify().summary()
    output = answer(call("identify", tmp_path / "ar.rekalman", "--json"))
    assert output["linear"]["intervals"]["modes"][0]["modulus"] is not None
    dataclasses.replace(level, uncertainty=None).save(tmp_path / "bare.rekalman")
    output = answer(call("identify", tmp_path / "bare.rekalman", "--json"))
    assert "intervals" not in output["linear"]
    output = call("identify", tmp_path / "bare.rekalman", "--data", "nile").stdout
    assert "95 % interval" in output
