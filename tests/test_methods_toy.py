"""A method from outside the package gets everything that the others have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import answer, call, refused

import rekalman
from rekalman import methods
from rekalman.foundation.errors import RekalError

pytest_plugins = ["cli_fixtures"]

NAME = "exponential-smoothing"


@pytest.fixture(scope="module", autouse=True)
def toy() -> Iterator[type[methods.Method]]:
    """The method, registered while these tests run."""
    from toy_method import ExponentialSmoothing

    if NAME not in methods.names():
        methods.register(NAME)(ExponentialSmoothing)
    yield ExponentialSmoothing
    methods.unregister(NAME)


@pytest.fixture(scope="module")
def fit() -> rekalman.Fit:
    """The method on the flow of the Nile."""
    fit = rekalman.fit(rekalman.load_example("nile"), NAME, alpha=0.25, progress=False)
    assert isinstance(fit, rekalman.Fit)
    return fit


def test_it_is_short():
    assert len(Path(__file__).with_name("toy_method.py").read_text().splitlines()) <= 40


def test_it_forecasts_as_exponential_smoothing_does(fit: rekalman.Fit):
    nile = rekalman.load_example("nile")
    y = np.asarray(nile.values)[0, :, 0]
    level = y.mean()
    for value in y:
        level += 0.25 * (value - level)
    forecast = fit.forecast(nile, 3)
    assert np.asarray(forecast.mean)[0, :, 0] == pytest.approx(level, rel=1e-6)
    assert fit.kind == NAME and fit.history.diagnostics is not None
    assert fit.roll(nile, [1]) is not None and fit.simulate(5).values.shape == (1, 5, 1)
    assert NAME in fit.summary()


def test_it_streams_and_is_saved(fit: rekalman.Fit, tmp_path: Path):
    stream = fit.stream()
    stream.update([1000.0])
    fit.save(tmp_path / "toy.rekalman")
    methods_before = methods.names()
    again = rekalman.load(tmp_path / "toy.rekalman")
    assert again.kind == NAME and methods.names() == methods_before
    nile = rekalman.load_example("nile")
    assert np.array_equal(fit.forecast(nile, 2).mean, again.forecast(nile, 2).mean)


def test_it_refuses_what_it_does_not_take():
    data = rekalman.load_example("nile")
    with pytest.raises(RekalError, match="not the model exponential-smoothing: leave learner out"):
        rekalman.fit(data, NAME, rekalman.EM(), progress=False)
    with pytest.raises(RekalError, match="alpha must lie between 0 and 1, but is 2"):
        rekalman.fit(data, NAME, alpha=2)


def test_it_has_the_command_line(here: Path):
    output = answer(call("fit", "y.csv", "--model", NAME, "--set", "alpha=0.5", "--json", "-q"))
    assert output["kind"] == NAME
    page = (here / f"y-{NAME}.html").read_text()
    assert NAME in page
    rows = answer(call("forecast", f"y-{NAME}.rekalman", "y.csv", "-n", 3, "--json", "-q"))
    assert len(rows["forecast"]) == 3
    assert NAME in call("models").stdout
    assert "Share of an error" in call("models", NAME).stdout
    refused(call("fit", "y.csv", "--model", NAME, "--set", "alfa=0.5", "-q"), "mean 'alpha'")
    refused(call("fit", "y.csv", "--model", NAME, "--iterations", 3, "-q"), "iterations is of no")
