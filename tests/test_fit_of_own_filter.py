"""A filter from outside the package in a `Fit`: all that needs no state works, the rest is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.core.filter import Filter
from rekalman.core.gaussian import DiagonalGaussian
from rekalman.core.row import observation_row
from rekalman.core.serial import storable
from rekalman.data.scales.standardiser import Standardiser
from rekalman.fitting.history import History
from rekalman.forecasting import Labels
from rekalman.foundation.errors import RekalError
from rekalman.report import report_html


@storable
class Level(Filter):
    """Exponential smoothing: the level moves by a share of each error of variance `var`."""

    share: Any
    var: Any
    observations: int = eqx.field(static=True, default=1)
    n_inputs: int = eqx.field(static=True, default=0)

    def init(self, key=None):
        return jnp.zeros(1)

    def predict(self, belief, u=None, dt=None):
        return belief

    def observe(self, belief, u=None):
        return DiagonalGaussian(belief, jnp.full(1, self.var))

    def update(self, belief, y, mask=None, u=None):
        values, seen, _ = observation_row(1, 0, jnp.float32, y, mask, u)
        log_prob = self.observe(belief).log_prob(jnp.where(seen[0], values[0], jnp.nan))
        return jnp.where(seen[0], belief + self.share * (values[0] - belief), belief), log_prob


def nile() -> rekalman.Sequences:
    return rekalman.load_example("nile")


@pytest.fixture(scope="module")
def fit() -> rekalman.Fit:
    data = nile()
    return rekalman.Fit(
        algorithm=Level(jnp.float32(0.25), jnp.float32(0.8)),
        standardiser=Standardiser.of(data),
        history=History(np.zeros(0), (), "iterations", 0.0, 100),
        seed=0,
        labels=Labels.of(data),
        input_names=(),
        kind="level",
    )


def levels(fit: rekalman.Fit) -> np.ndarray:
    """The level before each observation, and after the last."""
    y = np.asarray(nile().values)[0, :, 0]
    level, made = float(np.asarray(fit.standardiser.location)[0]), []
    for value in y:
        made.append(level)
        level += 0.25 * (value - level)
    return np.array([*made, level])


def test_it_predicts_forecasts_rolls_and_streams(fit: rekalman.Fit):
    data, expected = nile(), levels(fit)
    predicted = fit.filter(data)
    assert isinstance(predicted, rekalman.Predictions)
    np.testing.assert_allclose(predicted.mean[0, :, 0], expected[:-1], rtol=1e-5)
    scale = float(np.asarray(fit.standardiser.scale)[0])
    y = np.asarray(data.values)[0, :, 0]
    density = -0.5 * (
        (y - expected[:-1]) ** 2 / (0.8 * scale**2) + np.log(2 * np.pi * 0.8 * scale**2)
    )
    assert predicted.log_likelihood == pytest.approx(density.sum(), rel=1e-5)
    assert fit.diagnose(data).verdict
    np.testing.assert_allclose(fit.forecast(data, 3).mean[0, :, 0], expected[-1], rtol=1e-5)
    rolled = fit.roll(data, 1, origins=[49])
    np.testing.assert_allclose(rolled.mean[0, 0, 0], expected[50], rtol=1e-5)
    stream = fit.stream()
    for value in y:
        stream.update(value)
    assert stream.log_likelihood == pytest.approx(density.sum(), rel=1e-5)
    assert fit.simulate(20, 2).values.shape == (2, 20, 1)


def test_it_is_saved_and_read(fit: rekalman.Fit, tmp_path: Path):
    fit.save(tmp_path / "own.rekalman")
    again = rekalman.load(tmp_path / "own.rekalman")
    assert isinstance(again.algorithm, Level) and again.kind == "level"
    np.testing.assert_array_equal(again.forecast(nile(), 2).mean, fit.forecast(nile(), 2).mean)


def test_it_is_described(fit: rekalman.Fit):
    assert "level, flow" in fit.summary() and "Level" in fit.summary()
    page = report_html(fit, nile())
    assert "the model level" in page and "Calibration" in page


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda fit: fit.smooth(nile()), "level has no state that could be smoothed"),
        (lambda fit: fit.identify(), "level has no state-space model"),
        (lambda fit: fit.free_run(nile()), "level has no state-space model"),
        (lambda fit: fit.simulate(3, start=[1.0]), "start is a state of a state-space model"),
        (lambda fit: rekalman.smooth(fit.algorithm, nile()), "a Level has no smoother"),
    ],
)
def test_what_it_cannot_do_is_refused(fit: rekalman.Fit, ask: Any, sentence: str):
    with pytest.raises(RekalError, match=sentence):
        ask(fit)


def test_numbers_that_break_down_are_refused(fit: rekalman.Fit):
    broken = Level(jnp.float32(0.25), jnp.float32(np.nan))
    with pytest.raises(
        RekalError, match=r"the log density of the observation at step 0 .*not finite"
    ):
        rekalman.filter(broken, nile())
