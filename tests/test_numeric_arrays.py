"""Arrays that callers hand over: what is missing stays missing, what is no real number is refused."""

import datetime
import decimal
import fractions

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from rekalman import RekalError, Sequences
from rekalman.data.numeric import numeric_array
from rekalman.models.structures.structural import local_level

FILL = 9.96921e36
"""What netCDF writes where a float is missing."""

HIDDEN = np.ma.masked_array([1.0, FILL, 3.0], mask=[False, True, False])


@pytest.mark.parametrize(
    "data",
    [
        HIDDEN,
        HIDDEN.astype(np.float32),
        np.ma.masked_array([1, -999, 3], mask=[False, True, False]),
        np.ma.masked_array([True, True, 3], mask=[0, 1, 0]),
        [1.0, np.ma.masked, 3.0],
        (1, None, 3),
        [1.0, pd.NA, decimal.Decimal(3)],
        [fractions.Fraction(1), float("nan"), 3],
        pd.array([1, None, 3], dtype="Int64"),
        pd.Series([1.0, None, 3.0], dtype="Float64"),
        pd.Series([1.0, None, 3.0]),
        jnp.array([1.0, jnp.nan, 3.0]),
        np.array([1.0, np.nan, 3.0], dtype=">f4"),
        np.array([1.0, np.nan, 3.0], dtype=np.longdouble),
    ],
    ids=lambda data: type(data).__name__,
)
def test_missing_entries_of_all_kinds(data):
    array = numeric_array(data, "values")
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, [1.0, np.nan, 3.0])
    sequences = Sequences.from_arrays(data)
    assert sequences.mask[0, :, 0].tolist() == [True, False, True]
    assert sequences.values[0, :, 0].tolist() == [1.0, 0.0, 3.0]


def test_masks_of_several_series_and_of_inputs():
    table = np.ma.masked_array(np.arange(6.0).reshape(3, 2), mask=[[0, 0], [0, 1], [1, 0]])
    for values in (table, [table, table], np.ma.stack([table, table])):
        data = Sequences.from_arrays(values)
        assert data.mask[0].tolist() == [[True, True], [True, False], [False, True]]
    assert Sequences.from_arrays([[*row] for row in table]).mask.sum() == 4
    with pytest.raises(RekalError, match="missing or infinite input at step 1"):
        Sequences.from_arrays(np.zeros(3), inputs=HIDDEN)
    with pytest.raises(RekalError, match="row 2 has no usable time stamp"):
        Sequences.from_arrays(np.zeros(3), times=np.ma.masked_array([0, 1, 2], mask=[0, 1, 0]))
    with pytest.raises(RekalError, match="dt must be a positive number"):
        Sequences.from_arrays(np.zeros(3), dt=HIDDEN)
    with pytest.raises(RekalError, match="mask is missing itself in series 0 at step 1"):
        Sequences.from_arrays(np.zeros(3), mask=np.ma.masked_array([1, 1, 1], mask=[0, 1, 0]))
    unknown = Sequences.from_arrays(np.zeros(3), targets=HIDDEN).targets
    np.testing.assert_array_equal(unknown[0, :, 0], [1, np.nan, 3])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.array([1 + 2j, 3]), "must be real numbers, not complex ones"),
        ([1.0, 2 + 0j], "not complex ones"),
        (np.array([1 + 2j, None]), "not complex ones"),
        (["1.0", "2.0"], "must be numbers, not text"),
        ([b"1.0", b"2.0"], "not text"),
        (np.array([1.0, "2.0"], dtype=object), "not text"),
        (np.array(["2020-01-01", "2020-01-02"], "M8[D]"), "not dates"),
        (pd.date_range("2020-01-01", periods=2), "not dates"),
        ([datetime.date(2020, 1, 1), 2.0], "not dates"),
        (np.array([1, 2], "m8[s]"), "not time spans"),
        ([1, 10**400], "must be numbers in a rectangular array"),
        ([[1.0, 2.0], [3.0]], "rectangular"),
        ([{}, 1.0], "rectangular"),
    ],
    ids=lambda item: str(item)[:30],
)
def test_what_is_no_real_number_is_refused(data, message):
    with pytest.raises(RekalError, match=message) as caught:
        Sequences.from_arrays(data)
    assert "\n" not in str(caught.value)


def test_never_a_view():
    source = np.zeros((2, 3))
    for data in (source, np.ma.masked_array(source), [source, source]):
        array = numeric_array(data, "values")
        assert not np.shares_memory(array, source)


def test_structures_start_from_masked_series():
    y = np.ma.masked_array(np.random.default_rng(0).normal(size=30), np.arange(30) == 4)
    y.data[4] = FILL
    assert all(value < 10 for value in local_level().start(y).values().values())
