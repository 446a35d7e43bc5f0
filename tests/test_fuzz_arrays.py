"""Odd arrays through the public verbs, a few of the 2,000 of `fuzz/arrays.py`; and the watch over results."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
from finite import not_finite

import rekalman
from rekalman.evaluation.posterior import Predictions

SCRIPT = Path(__file__).parent / "fuzz" / "arrays.py"


def test_odd_arrays_get_a_right_answer_or_one_sentence():
    # In a process of its own, as a user runs it: the type checks of the tests would come before the refusals.
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--count", "60"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "0 faults in 60 cases" in done.stdout


def test_the_watch_sees_what_is_not_finite():
    data = rekalman.Sequences.from_arrays([1.0, np.nan, 3.0], targets=[1.0, 2.0, np.nan])
    assert not list(not_finite(data))
    made = Predictions.of(*(np.ones((1, 3, 1)),) * 2, np.zeros((1, 3)), data)
    assert np.isnan(made.white).any() and not list(not_finite(made))
    for bad in (
        [1.0, float("nan")],
        {"a": (jnp.array([jnp.inf]),)},
        pd.DataFrame({"x": [1.0, None]}),
        Predictions.of(np.full((1, 3, 1), np.inf), np.ones((1, 3, 1)), np.zeros((1, 3)), data),
    ):
        assert list(not_finite(bad))


def test_the_watch_is_on():
    for watched in (rekalman.filter, rekalman.fit, rekalman.Fit.forecast, rekalman.Stream.update):
        assert watched.__wrapped__ is not None
