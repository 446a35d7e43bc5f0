import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekalman import RekalError, Sequences
from rekalman.data.scales.volume import log_volume


@pytest.fixture
def ragged():
    """Two series of 12 and 8 steps, two observations, an input, three missing entries."""
    rng = np.random.default_rng(0)
    values = [rng.normal(5, 3, (12, 2)), rng.normal(-1, 2, (8, 2))]
    values[0][3, 1] = values[1][0, 0] = values[1][7] = np.nan
    inputs = [rng.normal(size=(12, 1)), rng.normal(size=(8, 1))]
    return Sequences.from_arrays(
        values, inputs=inputs, interval=0.5, names=["x_mm", "flow"], series_names=["a", "b"]
    )


def test_one_series_in_every_form():
    line = np.arange(12.0)
    for values in (line, line[:, None], line[None, :, None], [line], list(line), jnp.asarray(line)):
        data = Sequences.from_arrays(values)
        assert (data.batch, data.steps, data.observations, data.n_inputs) == (1, 12, 1, 0)
        np.testing.assert_array_equal(data.values[0, :, 0], line)
        assert data.values.dtype == np.float64 and data.mask.all()
    assert (data.names, data.series_names, data.units) == (("y",), ("1",), (None,))
    assert (data.times, data.interval, data.time_kind) == (None, None, "step")


def test_does_not_share_memory_with_its_source():
    source = np.zeros((2, 5, 1))
    data = Sequences.from_arrays(source)
    source[:] = 1
    assert not data.values.any()


def test_ragged_series_are_padded(ragged):
    assert ragged.values.shape == (2, 12, 2) and ragged.lengths.tolist() == [12, 8]
    assert ragged.valid().sum(1).tolist() == [12, 8]
    assert not ragged.mask[1, 8:].any() and not ragged.values[~ragged.mask].any()
    assert not ragged.inputs[1, 8:].any()
    np.testing.assert_allclose(ragged.times, np.tile(0.5 * np.arange(12), (2, 1)))
    assert ragged.fraction_missing == pytest.approx(4 / 40)
    assert ragged.units == ("mm", None) and ragged.input_names == ("u",)


def test_missing_is_nan_or_masked():
    data = Sequences.from_arrays([1.0, np.nan, 3.0, np.inf], mask=[True, True, False, False])
    assert data.mask[0, :, 0].tolist() == [True, False, False, False]
    assert data.values[0, :, 0].tolist() == [1, 0, 0, 0]


def test_names_of_several_columns():
    data = Sequences.from_arrays(np.ones((4, 2)), inputs=np.ones((4, 3)), targets=np.ones(4))
    assert (data.names, data.input_names) == (("y1", "y2"), ("u1", "u2", "u3"))
    assert data.targets.shape == (1, 4, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": [1.0, np.inf]}, "infinite value at step 1, column 0"),
        ({"values": "abc"}, "must be numbers"),
        ({"values": []}, "must not be empty"),
        ({"values": np.zeros((2, 2, 2, 2))}, "axes"),
        ({"values": [np.zeros((3, 2)), np.zeros((3, 1))]}, "same columns in every series"),
        ({"values": [np.zeros(3), np.zeros((2, 2, 2))]}, "series 1 has 3 axes"),
        ({"values": [1.0, 2.0], "inputs": [1.0]}, "inputs has 1 steps"),
        ({"values": [1.0, 2.0], "inputs": [1.0, np.nan]}, "missing or infinite input at step 1"),
        ({"values": np.ones((2, 3, 1)), "inputs": np.ones((3, 1))}, "1 series but values has 2"),
        ({"values": np.ones((3, 2)), "mask": np.ones(3)}, "mask has 1 columns"),
        ({"values": np.ones((3, 2)), "names": ["a"]}, "names must be 2 different names"),
        ({"values": np.ones((3, 2)), "names": ["a", "a"]}, "different names"),
        ({"values": np.ones((3, 1)), "units": ["m", "s"]}, "units must be 1"),
        ({"values": [1.0, 2.0, 3.0], "times": [0.0, 1.0, 0.5]}, "row 3 goes backwards"),
        (
            {"values": [1.0, 2.0, 3.0], "times": [0.0, 1.0, 1.0]},
            "rows 2 and 3 have the same time",
        ),
        ({"values": [1.0, 2.0, 3.0], "times": [0.0, np.nan, 1.0]}, "row 2 has no usable"),
        ({"values": np.ones(5), "times": [0, 1, 2, 3.5, 4.5]}, "irregular at row 4"),
        ({"values": np.ones(5), "times": [0, 1, 2, 3, 5000]}, "make two series"),
        ({"values": np.ones(3), "times": np.ones((3, 2))}, "one number for each step"),
        ({"values": np.ones(3), "dt": [1.0, 0.0, 1.0]}, "dt must be a positive"),
        ({"values": np.ones(3), "irregular": True}, "needs times or dt"),
        (
            {"values": np.ones((2, 3, 1)), "times": np.array([[0, 1, 2], [0, 2, 4]])},
            "must share one",
        ),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(RekalError, match=message):
        Sequences.from_arrays(**arguments)


def test_jitter_is_accepted_and_the_interval_is_the_median():
    times = np.arange(20) * 0.1
    times[7] += 0.02
    data = Sequences.from_arrays(np.zeros(20), times=times, time_unit="s")
    assert (data.interval, data.steps, data.notes) == (0.1, 20, ())
    np.testing.assert_array_equal(data.times[0], times)


def test_gaps_become_missing_rows_where_inputs_hold():
    data = Sequences.from_arrays(
        [np.array([1.0, 2, 3, 4]), np.array([5.0, 6, 7])],
        inputs=[np.array([1.0, 2, 3, 4]), np.zeros(3)],
        targets=[np.array([1.0, 2, 3, 4]), np.zeros(3)],
        times=[np.array([0.0, 2, 8, 10]), np.array([1.0, 3, 5])],
        series_names=["long", "short"],
    )
    assert data.lengths.tolist() == [6, 3] and data.interval == 2
    assert data.mask[0, :, 0].tolist() == [True, True, False, False, True, True]
    assert data.values[0, :, 0].tolist() == [1, 2, 0, 0, 3, 4]
    assert data.inputs[0, :, 0].tolist() == [1, 2, 2, 2, 3, 4]
    assert np.isnan(data.targets[0, 2:4, 0]).all() and data.targets[0, 4, 0] == 3
    assert data.times.tolist() == [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]
    assert data.notes == ("2 missing rows were put into gaps of series 'long'.",)


def test_irregular_sampling_where_it_is_asked_for():
    times = np.array([0.0, 1, 1.5, 4, 5])
    data = Sequences.from_arrays(np.zeros(5), times=times, irregular=True)
    assert data.dt.tolist() == [[1, 1, 0.5, 2.5, 1]] and data.interval == 1
    again = Sequences.from_arrays(np.zeros(5), dt=data.dt)
    assert again.times.tolist() == [times.tolist()] and again.dt.tolist() == data.dt.tolist()


def test_window_and_negative_steps(ragged):
    part = ragged.window(2, 6)
    assert part.lengths.tolist() == [4, 4]
    np.testing.assert_array_equal(part.values, ragged.values[:, 2:6])
    np.testing.assert_allclose(part.times[0], [1, 1.5, 2, 2.5])
    tail = ragged.window(-3)
    assert tail.lengths.tolist() == [3, 3]
    np.testing.assert_array_equal(tail.values[1], ragged.values[1, 5:8])
    assert ragged.window(4).lengths.tolist() == [8, 4]
    with pytest.raises(RekalError, match="Series 'b' has 8 steps"):
        ragged.window(8, 12)


@pytest.mark.parametrize(("at", "first"), [(5, [5, 5]), (0.5, [6, 4]), (0.25, [3, 2])])
def test_split(ragged, at, first):
    one, two = ragged.split(at)
    assert one.lengths.tolist() == first
    assert (one.lengths + two.lengths).tolist() == [12, 8]
    for i in range(2):
        joined = np.concatenate([one.series(i).values[0], two.series(i).values[0]])
        np.testing.assert_array_equal(joined, ragged.series(i).values[0])
        stamps = np.concatenate([one.series(i).times[0], two.series(i).times[0]])
        np.testing.assert_array_equal(stamps, ragged.series(i).times[0])


@pytest.mark.parametrize("at", [0, 8, 0.01, 1.5, -0.5])
def test_split_that_leaves_nothing(ragged, at):
    with pytest.raises(RekalError):
        ragged.split(at)


def test_series_by_number_and_name(ragged):
    one = ragged.series("b")
    assert (one.batch, one.steps, one.series_names) == (1, 8, ("b",))
    np.testing.assert_array_equal(one.values, ragged.series(-1).values)
    with pytest.raises(RekalError, match="no series 'c'; there are a, b"):
        ragged.series("c")
    with pytest.raises(RekalError, match="no series 2"):
        ragged.series(2)


def test_select(ragged):
    one = ragged.select(["flow"])
    assert (one.names, one.units, one.observations) == (("flow",), (None,), 1)
    np.testing.assert_array_equal(one.values[..., 0], ragged.values[..., 1])
    assert ragged.select(["flow", "x_mm"]).names == ("flow", "x_mm")
    with pytest.raises(RekalError, match="no observation 'z'; there are x_mm, flow"):
        ragged.select(["z"])


@given(fraction=st.floats(0, 0.99), seed=st.integers(0, 2**32 - 1))
def test_drop_random_removes_exactly_that_share(ragged, fraction, seed):
    left = ragged.drop_random(fraction, seed)
    before = int(ragged.mask.sum())
    assert before - int(left.mask.sum()) == round(fraction * before)
    assert not (left.mask & ~ragged.mask).any() and not left.values[~left.mask].any()
    np.testing.assert_array_equal(left.mask, ragged.drop_random(fraction, seed).mask)


def test_drop_random_refuses_all_and_differs_by_seed(ragged):
    with pytest.raises(RekalError, match="below 1"):
        ragged.drop_random(1.0, 0)
    assert (ragged.drop_random(0.5, 0).mask != ragged.drop_random(0.5, 1).mask).any()


def test_standardiser(ragged):
    scaler = ragged.standardiser()
    data = scaler.apply(ragged)
    for k in range(2):
        seen = data.values[..., k][data.mask[..., k]]
        assert seen.mean() == pytest.approx(0, abs=1e-12) and seen.std() == pytest.approx(1)
    driven = data.inputs[data.valid()]
    assert driven.mean() == pytest.approx(0, abs=1e-12) and driven.std() == pytest.approx(1)
    assert not data.values[~data.mask].any() and not data.inputs[~data.valid()].any()
    back = np.where(ragged.mask, scaler.invert(data.values), 0)
    np.testing.assert_allclose(back, ragged.values, rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(data.mask, ragged.mask)
    assert data.units == (None, None) and data.names == ragged.names


def test_standardiser_inverts_covariances_and_densities(ragged):
    scaler = ragged.standardiser()
    samples = np.random.default_rng(1).normal(size=(500, 2)) @ np.array([[1.0, 0.5], [0, 2]])
    raw = np.asarray(scaler.invert(samples))
    np.testing.assert_allclose(scaler.unscale_cov(np.cov(samples.T)), np.cov(raw.T))
    np.testing.assert_allclose(scaler.unscale_var(samples.var(0)), raw.var(0))
    counts = ragged.mask.sum((0, 1))
    assert log_volume(scaler, ragged).sum() == pytest.approx(counts @ np.log(scaler.scale))


def test_standardiser_of_a_constant_and_of_nothing():
    scaler = Sequences.from_arrays(np.array([[3.0, np.nan]] * 5)).standardiser()
    assert scaler.location.tolist() == [3, 0] and scaler.scale.tolist() == [1, 1]
    assert scaler.input_location is None


def test_to_frame_and_back(ragged):
    frame = ragged.to_frame()
    assert list(frame.columns) == ["x_mm", "flow", "u"] and len(frame) == 20
    assert frame.index.names == ["series", "time"]
    assert frame[["x_mm", "flow"]].isna().to_numpy().sum() == 4
    again = Sequences.from_pandas(
        frame, series="series", time="time", inputs=["u"], learnable=False
    )
    np.testing.assert_array_equal(again.values, ragged.values)
    np.testing.assert_array_equal(again.mask, ragged.mask)
    np.testing.assert_array_equal(again.inputs, ragged.inputs)
    np.testing.assert_array_equal(again.lengths, ragged.lengths)
    assert again.series_names == ("a", "b") and again.interval == 0.5


def test_index_goes_on_into_the_future(ragged):
    assert ragged.index(1, ahead=2).tolist() == pytest.approx((0.5 * np.arange(10)).tolist())
    steps = Sequences.from_arrays(np.ones(4)).index(ahead=2)
    assert steps.tolist() == [0, 1, 2, 3, 4, 5] and steps.name == "step"


@pytest.mark.parametrize(
    ("dates", "unit", "interval"),
    [
        (pd.date_range("1990-01-01", periods=30, freq="MS"), "month", 1),
        (pd.date_range("1990-01-31", periods=30, freq="ME"), "month", 1),
        (pd.date_range("1990-01-15", periods=30, freq=pd.DateOffset(months=3)), "month", 3),
        (pd.date_range("1900-01-01", periods=30, freq="YS"), "year", 1),
        (pd.date_range("2024-02-26", periods=30, freq="B"), "business day", 1),
        (pd.date_range("2024-02-26", periods=30, freq="D"), "day", 1),
        (pd.date_range("2024-02-26", periods=30, freq="7D"), "day", 7),
        (pd.date_range("2024-02-26", periods=30, freq="90min"), "min", 90),
        (pd.date_range("2024-02-26 12:00", periods=30, freq="100ms"), "ms", 100),
    ],
)
def test_dates_are_regular_by_the_calendar_and_come_back(dates, unit, interval):
    values = np.random.default_rng(0).normal(size=30)
    frame = pd.DataFrame({"v": values}, index=dates[:30])
    retained = frame.drop(frame.index[[4, 5]])
    data = Sequences.from_pandas(retained)
    assert (data.time_unit, data.interval, data.time_kind) == (unit, interval, "date")
    assert data.lengths.tolist() == [30] and not data.mask[0, 4:6].any()
    assert (data.index() == dates).all() and data.index().name == "time"
    ahead = data.window(0, 27).index(ahead=3)
    assert (ahead == dates).all()


def test_works_under_jit_and_grad(ragged):
    @eqx.filter_jit
    def score(data, slope):
        return jnp.sum(jnp.where(data.mask, (data.values - slope) ** 2, 0.0))

    expected = float(((ragged.values - 2.0) ** 2)[ragged.mask].sum())
    assert float(score(ragged, jnp.array(2.0))) == pytest.approx(expected, rel=1e-5)
    assert jax.grad(lambda slope: score(ragged, slope))(2.0) != 0
    assert len(jax.tree.leaves(ragged)) == 5
