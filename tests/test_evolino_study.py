"""The study of Evolino: its simulators, its baselines, and a quick run."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.datasets.recurrent.counting_language import (
    NEXT,
    SYMBOLS,
    accepted,
    counting_language,
    counting_string,
)
from rekalman.datasets.recurrent.delay_equation import mackey_glass_runs
from rekalman.datasets.recurrent.oscillators import oscillators
from rekalman.foundation.errors import RekalError
from rekalman.networks.predictors.recurrent import RecurrentPredictor
from rekalman.studies.base import StudyOptions
from rekalman.studies.evolino.baselines import Split, autoregression, echo_state
from rekalman.studies.evolino.free_runs import free_runs
from rekalman.studies.evolino.language import largest_accepted
from rekalman.studies.evolino.series import Task, sines_task


def test_sums_of_sines():
    t = np.arange(7, 12)
    np.testing.assert_allclose(oscillators(2, 5, 7), np.sin(0.2 * t) + np.sin(0.311 * t))
    with pytest.raises(RekalError, match="count must be at most 8, but is 9"):
        oscillators(9, 5)


def test_the_delay_equation_is_solved():
    """Against SciPy's interpolation of a finer solution: the slope of the samples obeys the equation."""
    x = mackey_glass_runs(2, 600, np.random.default_rng(0))
    again = mackey_glass_runs(2, 600, np.random.default_rng(0))
    np.testing.assert_array_equal(x, again)
    assert x.shape == (2, 600) and x.min() > 0.2 and x.max() < 1.5
    middle = x[:, 18:-1]
    slope = (x[:, 19:] - x[:, 17:-2]) / 2
    delayed = x[:, 1 : middle.shape[1] + 1]
    wanted = 0.2 * delayed / (1 + delayed**10) - 0.1 * middle
    assert np.sqrt(np.mean((slope - wanted) ** 2)) < 0.06 * wanted.std()
    assert np.abs(x[0, 300:] - x[1, 300:]).max() > 0.1  # other pasts, other solutions


def test_strings_say_what_may_follow():
    symbols, follow = counting_string(2)
    assert [SYMBOLS[i] for i in symbols.argmax(1)] == list("Saabbcc")
    sets = ["".join(np.array(NEXT)[row > 0]) for row in follow]
    assert sets == ["a", "ab", "ab", "b", "c", "c", "T"]
    data = counting_language([1, 3])
    assert data.lengths.tolist() == [5, 11] and data.n_inputs == 4


def test_a_string_is_accepted_where_every_set_is_right():
    strings = counting_language(range(1, 5))
    said = np.asarray(strings.values)[:, 1:].copy()
    assert largest_accepted(said, 4) == 4
    said[2, 5, 1] = 0.4  # of n = 3
    np.testing.assert_array_equal(accepted(said, np.arange(1, 5)), [True, True, False, True])
    assert largest_accepted(said, 4) == 2


def test_free_runs_are_those_of_the_predictor():
    network = RecurrentPredictor.create(
        rekalman.LSTM, 1, units=3, direct=True, key=jax.random.key(0)
    )
    rows = np.random.default_rng(0).normal(size=(12, 1))
    said = free_runs(network, rows, np.array([5, 12]), 3)
    for run, origin in zip(said, (5, 12), strict=True):
        state = network.start()
        for row in rows[:origin].astype(np.float32):
            state = network.advance(state, jnp.asarray(row))
        for value in run:
            output = network.output(state)
            np.testing.assert_allclose(value, output, rtol=1e-4, atol=1e-5)
            state = network.advance(state, output)


def test_an_autoregression_solves_sums_of_sines():
    task = sines_task(2)
    assert task.error(autoregression(task.train, task.split)) < 1e-6


def test_an_echo_state_network_runs_freely():
    task = sines_task(1)
    assert task.error(echo_state(task.train, task.split, 60, 0)) < 1e-2


def test_a_run_that_breaks_down_has_a_large_error():
    task = Task(np.ones(9), Split(0, 5, 2), 9, np.ones(9), np.array([4]), 3, False, np.eye(1, 3))
    assert task.error(lambda y, origins, steps: np.full((1, 3), np.nan)) > 1e5


def test_a_quick_run_has_all_rows_and_no_published_figure():
    result = rekalman.STUDIES["evolino"].run(StudyOptions(quick=True))
    systems = {row.system.rsplit(", ", 1)[1] for row in result.rows}
    assert systems == {"Evolino", "best random LSTM", "ESN", "GRU", "linear"}
    assert len(result.rows) == 15 and result.seeds == 2
    for row in result.rows:
        assert np.isfinite([row.ours, row.worst, row.spread]).all() and row.published is None
