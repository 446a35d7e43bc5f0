"""Numbers of the wrong kind, and sizes that no memory holds, are refused by name before anything is done."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import TINY, answer, call, oscillation, refused, write_csv

from rekalman.foundation.arguments import real, seed_of, whole
from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices, nearest
from rekalman.numerics.memory import check_memory, memory_of_machine

pytest_plugins = ["cli_fixtures"]

VERBS = """
import warnings
warnings.simplefilter("error")
import numpy as np, rekalman
from cli_helpers import make_model
nan = float("nan")
y = np.cumsum(np.random.default_rng(0).normal(size=40))
data = rekalman.Sequences.from_arrays(y)
fitted = make_model(data)
linear = rekalman.LinearGaussian.create(np.eye(1) / 2, np.eye(1), np.eye(1), np.eye(1))
particles = rekalman.ParticleFilter(fitted.model, 20)
fit, arrays = rekalman.fit, rekalman.Sequences.from_arrays
REFUSED = {
    "seed must be a whole number, but is 1.5": lambda: fit(data, seed=1.5),
    "seed must be at least 0": lambda: fit(data, seed=-1),
    "seed must be at most 4294967295": lambda: fit(data, seed=2**32),
    "states must be a whole number, but is '3'": lambda: fit(data, states="3"),
    "states must be a whole number, but is 2.0": lambda: fit(data, states=2.0),
    "hold_out must be a number": lambda: fit(data, hold_out="x"),
    "restarts must be a whole number, but is True": lambda: fit(data, restarts=True),
    "kernels must be at most 10000": lambda: fit(data, "rbf", kernels=10**9),
    "a learner is an EM": lambda: fit(data, "linear", "em"),
    "period must be a finite number": lambda: fit(data, "seasonal", period=nan),
    "a period of 1e+09 steps cannot be seen in 40": lambda: fit(data, "seasonal", period=1e9),
    "1000000000000 particles would take": lambda: fit(data, learner=rekalman.EM(particles=10**12)),
    "an E-step with 500000 particles": lambda: fit(data, learner=rekalman.EM(particles=500_000)),
    "particles must be a whole number": lambda: rekalman.EM(particles="3"),
    "iterations must be at most": lambda: rekalman.EM(iterations=10**12),
    "tolerance must be a finite": lambda: rekalman.EM(tolerance=nan),
    "iterations must be a whole": lambda: rekalman.MaximumLikelihood(iterations="x"),
    "warm_up must be a whole": lambda: rekalman.SimulationError(warm_up=1.5),
    "rate must be a number": lambda: rekalman.Backprop(rate="x"),
    "seed must be a whole": lambda: rekalman.Backprop(seed=1.5),
    "interval must be a finite number": lambda: arrays(y, interval=nan),
    "interval must be above 0": lambda: arrays(y, interval=0),
    "interval must be a number": lambda: arrays(y, interval="x"),
    "seed must be at least 0, ": lambda: data.drop_random(0.1, seed=-1),
    "fraction must be a number": lambda: data.drop_random("x", seed=1),
    "a step to split at": lambda: data.split("x"),
    "a step must be": lambda: data.window("x"),
    "a forecast of 1000000000 steps would take": lambda: fitted.forecast(data, 10**9),
    "a forecast of 1000000000000 steps": lambda: fitted.roll(data, 10**12),
    "with 2000 particles would take": lambda: fitted.forecast(data, 3 * 10**6),
    "a horizon is a whole number": lambda: fitted.forecast(data, "3"),
    "a trained model works on Sequences": lambda: fitted.forecast(y, 3),
    "origins are whole numbers of steps": lambda: fitted.roll(data, 1, origins="x"),
    "the level of an interval must lie": lambda: fitted.forecast(data, 2).interval("x"),
    "1 series of 1000000000000 steps": lambda: fitted.simulate(10**12),
    "1000000000000 series of 10 steps": lambda: fitted.simulate(10, 10**12),
    "steps must be a whole number": lambda: fitted.simulate(2.5),
    "seed must be a whole number, but is '1'": lambda: fitted.simulate(3, seed="1"),
    "warm_up must be a whole number": lambda: fitted.free_run(data, warm_up=1.5),
    "seed must be a whole number, but is 2.5": lambda: rekalman.smooth(particles, data, seed=2.5),
    "seed must be a whole number, but is 3.5": lambda: rekalman.filter(particles, data, seed=3.5),
    "10000000000000 particles": lambda: rekalman.ParticleFilter(fitted.model, 10**13),
    "filtering 40 steps with 1000000000": lambda: rekalman.filter(
        rekalman.ParticleFilter(fitted.model, 10**9), data),
    "threshold must be a number": lambda: rekalman.ParticleFilter(fitted.model, threshold="x"),
    "unknown model 'locallevel': did you mean 'local-level'?": lambda: fit(data, "locallevel"),
}
for sentence, act in REFUSED.items():
    try:
        act()
    except rekalman.RekalError as error:
        assert sentence in str(error), (sentence, str(error))
    else:
        raise AssertionError(f"not refused: {sentence}")
"""


def test_every_verb_refuses_by_name():
    """In a process without checks of types, as users run it."""
    path = [str(Path(__file__).parent), *filter(None, sys.path)]
    program = f"import sys; sys.path[:0] = {path!r}\nimport rekalman.numerics.memory\n"
    program += (
        "rekalman.numerics.memory.memory_of_machine = lambda: 2.0**34\n" + VERBS
    )  # on any machine alike
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr


@pytest.mark.parametrize("value", [3, np.int32(3), np.array(3), np.uint8(3)])
def test_whole_numbers_of_every_make(value):
    assert whole("n", value) == 3 and isinstance(whole("n", value), int)
    assert real("x", value) == 3.0 and seed_of(value) == 3


@pytest.mark.parametrize("value", [3.0, "3", None, True, np.bool_(True), np.array([3]), 3j])
def test_what_is_no_whole_number(value):
    with pytest.raises(RekalError, match="n must be a whole number"):
        whole("n", value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, "1", None, True, 1j])
def test_what_is_no_finite_number(value):
    with pytest.raises(RekalError, match="x must be a"):
        real("x", value)


def test_memory_is_that_of_the_machine():
    assert memory_of_machine() > 2**28
    check_memory(1e6, "a megabyte", "none")
    with pytest.raises(RekalError, match=r"^this would take .* GiB of memory at least.*: less$"):
        check_memory(1e20, "this", "less")


def test_the_nearest_name():
    known = ("fit", "forecast", "local-level", "local-linear-trend")
    assert nearest("forcast", known) == "forecast" and nearest("zzz", known) is None
    assert nearest("LocalLevel", known) == nearest("local_level", known) == "local-level"
    assert choices("zzz", known).startswith("use one of fit, forecast")


def test_the_command_line_bounds_memory_and_names_the_nearest(here):
    big = "1000000000000"
    before = sorted(path.name for path in here.iterdir())
    refused(
        call("fit", "y.csv", *TINY, "--particles", big, "-q"), "particles would take", "use fewer"
    )
    refused(call("forecast", "y.rekalman", "y.csv", "-n", big), "would take", "fewer steps")
    refused(
        call("forecast", "y.rekalman", "y.csv", "-n", 20_000), "too long to be printed", "--out"
    )
    refused(call("simulate", "y.rekalman", "--steps", big), "would take")
    refused(call("forcast"), "there is no command 'forcast': did you mean 'forecast'?")
    refused(call("nonsense"), "there is no command 'nonsense': use one of fit")
    refused(call("study", "pendulun"), "did you mean 'pendulum'?")
    refused(call("fit", "y.csv", "--model", "lokal-level", "-q"), "did you mean 'local-level'?")
    out = call("fit", "y.csv", "--modle", "x")
    assert out.exit_code == 2 and "--model" in out.stderr and "Usage: rekalman fit" in out.stderr
    assert sorted(path.name for path in here.iterdir()) == before


def test_a_structure_of_an_example_knows_its_data(here):
    refused(call("forecast", "y.rekalman"), "was not trained on an example")
    answer(call("fit", "nile", "--model", "local-level", "--no-report", "--json", "-q"))
    out = call("forecast", "nile-local-level.rekalman", "-n", 2, "--json")
    assert answer(out)["source"] == "nile"
    assert "trained on the example 'nile'" in out.stderr
    np.testing.assert_allclose(
        [row["mean"] for row in answer(out)["forecast"]], 798.37, atol=0.05
    )  # Durbin and Koopman 2012, section 2.5: the level of 1970
    out = call("forecast", "nile-local-level.rekalman", "nile", "--rolling", "-n", 1, "--json")
    assert "trained on these data" in out.stderr
    table = oscillation(100).rename(columns={"y_mm": "flow", "t_s": "year"})
    write_csv(here / "other.csv", table.assign(year=range(1871, 1971)))
    out = call("forecast", "nile-local-level.rekalman", "other.csv", "--rolling", "-n", 1, "--json")
    assert "trained on these data" not in out.stderr and out.exit_code == 0
