"""Standardising at the edges of double precision: right, or one sentence."""

from __future__ import annotations

import numpy as np
import pytest

import rekalman
from rekalman.data.scales.standardiser import Standardiser
from rekalman.foundation.errors import RekalError


def series(values, **more) -> rekalman.Sequences:
    return rekalman.Sequences.from_arrays(np.asarray(values, float), **more)


@pytest.mark.parametrize("exponent", [-460, -30, 0, 30, 460])
def test_a_power_of_two_changes_no_digit(exponent):
    raw = np.random.default_rng(0).normal(3.0, 2.0, size=(50, 2))
    one = Standardiser.of(series(raw))
    other = Standardiser.of(series(np.ldexp(raw, exponent)))
    np.testing.assert_array_equal(other.location, np.ldexp(np.asarray(one.location), exponent))
    np.testing.assert_array_equal(other.scale, np.ldexp(np.asarray(one.scale), exponent))
    np.testing.assert_allclose(one.location, raw.mean(0), rtol=1e-14)
    np.testing.assert_allclose(one.scale, raw.std(0), rtol=1e-14)


@pytest.mark.parametrize("scale", [1e160, 1e200, 1e300, 1e-160, 1e-200, 1e-310])
@pytest.mark.parametrize("method", ["em-rnn", "linear"])
def test_columns_whose_squares_are_no_numbers_are_refused(scale, method):
    y = scale * np.random.default_rng(0).normal(size=60)
    with pytest.raises(
        RekalError, match=r"column 'flow' .* beyond double precision: give it in another"
    ):
        rekalman.fit(series(y, names=["flow"]), method, progress=False)


@pytest.mark.parametrize("method", ["em-rnn", "linear"])
@pytest.mark.parametrize("level", [1.0, 1e-3, 1e12])
def test_a_column_that_varies_in_its_last_digit_alone_is_refused(method, level):
    y = np.where(np.arange(60) % 3 == 0, level, np.nextafter(level, 2 * level))
    with pytest.raises(
        RekalError, match=r"column 'flow' varies by .* the rounding of its last digit"
    ):
        rekalman.fit(series(y, names=["flow"]), method, progress=False)


def test_inputs_are_looked_at_as_well():
    y = np.random.default_rng(0).normal(size=60)
    with pytest.raises(RekalError, match=r"column 'push' .* beyond double precision"):
        Standardiser.of(series(y, inputs=1e200 * y[:, None], input_names=["push"]))


def test_columns_that_are_constant_or_far_from_zero_are_fine():
    y = np.stack([np.full(50, 1e17), 1e9 + np.arange(50.0), np.zeros(50)], 1)
    made = Standardiser.of(series(y))
    np.testing.assert_array_equal(made.scale[[0, 2]], 1.0)
    np.testing.assert_array_equal(made.location[[0, 2]], [1e17, 0.0])
    assert made.scale[1] == pytest.approx(np.arange(50.0).std(), rel=1e-12)
