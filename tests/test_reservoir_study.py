"""The study of reservoirs: a small run, and what is checked of its parts."""

import json

import numpy as np
import pytest

from rekalman.datasets.recurrent.oscillators import FREQUENCIES
from rekalman.datasets.recurrent.oscillators import oscillators as superimposed
from rekalman.studies import STUDIES
from rekalman.studies.base import StudyOptions
from rekalman.studies.reservoirs import lorenz, oscillators
from rekalman.studies.reservoirs.common import figure


@pytest.fixture(scope="module")
def result():
    return STUDIES["reservoirs"].run(StudyOptions(seeds=1, quick=True))


def test_every_part_has_its_rows_beside_a_linear_model(result):
    for part in ("Mackey-Glass", "NARMA10", "oscillators", "Lorenz"):
        rows = [row for row in result.rows if row.system.startswith(part)]
        assert any(row.published is not None and row.source for row in rows)
        assert any("autoregression" in row.system for row in rows)
    assert json.loads(result.to_json())["config"]["quick"] is True


def test_figures_that_hold_even_in_a_small_run(result):
    ours = {row.system: row.ours for row in result.rows}
    exact = next(value for name, value in ours.items() if "nvar of 10 taps" in name)
    assert exact < 1e-10  # the system is a quadratic autoregression
    clean = next(value for name, value in ours.items() if "60 taps, order 1" in name)
    assert clean < 1e-8
    lorenz_rows = {name: value for name, value in ours.items() if name.startswith("Lorenz, 400")}
    noise_free = next(value for name, value in lorenz_rows.items() if "order 4" in name)
    linear = max(value for name, value in lorenz_rows.items() if "ridge" in name)
    assert noise_free > 5 > 1 > linear


def test_frequencies_are_estimated_near_the_floor():
    wave = superimposed(8, 700)
    seen = wave[:400] / wave.std() + 0.1 * np.random.default_rng(0).normal(size=400)
    found = np.sort(oscillators.likeliest_frequencies(seen))
    np.testing.assert_allclose(found, FREQUENCIES, atol=1e-3)


def test_the_valid_time_ends_where_the_error_is_too_large():
    truth = np.zeros((3, 800, 3))
    ahead = truth.copy()
    ahead[0, 40:] = 1.0
    ahead[1, 80:] = np.nan
    assert lorenz.valid(ahead, truth) == pytest.approx(80 * 0.025 * 0.9056)


def test_what_diverges_is_the_worst():
    row = figure("a", "b", [0.1, np.nan, 0.2])
    assert row.ours == 0.2 and row.worst == np.inf
