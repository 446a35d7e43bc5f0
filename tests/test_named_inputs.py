"""Frames and rows of frames are matched by name, never by position."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pyarrow
import pytest
from hand_made import hand_made

import rekalman
from rekalman import RekalError, Sequences
from rekalman.forecasting import Labels

DAYS = pd.date_range("2024-01-01", periods=40, freq="D")
AHEAD = pd.date_range("2024-02-10", periods=3, freq="D")


def table(who: str = "p", days: pd.DatetimeIndex = DAYS) -> pd.DataFrame:
    """A series that is 10 a + b."""
    drawn = np.random.default_rng(len(days)).normal(size=(len(days), 2))
    return pd.DataFrame(
        {"day": days, "who": who, "a": drawn[:, 0], "b": drawn[:, 1], "y": drawn @ [10.0, 1.0]}
    )


def read(*who: str, **options: object) -> Sequences:
    rows = pd.concat([table(name) for name in who])
    options = {"time": "day", "series": "who", **options}
    return Sequences.from_pandas(rows, columns=["y"], inputs=["a", "b"], **options)


DATA = read("p")
FIT = hand_made(DATA)
FUTURE = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [10.0, 20.0, 30.0]})
RIGHT = 10 * (FUTURE["a"] - 1) + FUTURE["b"] - 5


def means(future: object, data: Sequences = DATA) -> np.ndarray:
    return np.asarray(FIT.forecast(data, 3, future).mean)[..., 0]


@pytest.mark.parametrize(
    "future",
    [
        FUTURE,
        FUTURE[["b", "a"]],
        FUTURE[["b", "a"]].astype(str),
        FUTURE[["b", "a"]].set_index(AHEAD),
        FUTURE.assign(day=AHEAD, y=np.nan)[["y", "b", "day", "a"]],
        FUTURE.assign(when=AHEAD.strftime("%Y-%m-%d"))[["b", "when", "a"]],
        FUTURE.assign(who="p")[["who", "b", "a"]],
        FUTURE[["b", "a"]].set_axis([100, 101, 102]),
        [FUTURE[["b", "a"]]],
        pyarrow.table({"b": FUTURE["b"], "a": FUTURE["a"]}),
    ],
)
def test_columns_of_future_inputs_are_found_by_name(future):
    np.testing.assert_allclose(means(future)[0], RIGHT, atol=1e-5)


@pytest.mark.parametrize(
    ("future", "message"),
    [
        (FUTURE.rename(columns={"b": "B"}), "have no column 'b'.*is 'B' meant"),
        (FUTURE.assign(c=1.0), "a column 'c' that the model does not know"),
        (FUTURE.set_axis([0, 1], axis=1), "have no column 'a'"),
        (FUTURE.assign(a=["1", "x", "3"]), "row 2 of column 'a' holds 'x'"),
        (FUTURE["a"], "one column called 'a', but 'a', 'b' are wanted"),
        (FUTURE.assign(day=AHEAD + pd.Timedelta(days=1)), "row 1 .*2024-02-11.*is 2024-02-10"),
        (FUTURE.assign(day=AHEAD[[0, 2, 1]]), "row 2 of future_inputs is of 2024-02-12"),
        (FUTURE.assign(who=["p", "p", "q"]), "a column 'who' that the model does not know"),
        ([FUTURE, FUTURE], "do not fit 1 series"),
        (FUTURE.set_axis(["a", "a"], axis=1), "two columns called 'a'"),
        (FUTURE.assign(b=[1.0, np.nan, 2.0]), "input 'b' is unknown at step 41"),
    ],
)
def test_other_frames_are_refused(future, message):
    with pytest.raises(RekalError, match=message):
        means(future)


def test_rows_of_several_series_are_told_apart():
    data = read("p", "q")
    both = pd.concat([FUTURE.assign(who="q", day=AHEAD), 2 * FUTURE.assign(who="", day=0)])
    both.loc[both["who"] == "", "day"] = AHEAD
    both.loc[both["who"] == "", "who"] = "p"
    twice = 10 * (2 * FUTURE["a"] - 1) + 2 * FUTURE["b"] - 5
    np.testing.assert_allclose(means(both, data), [twice, RIGHT], atol=1e-5)
    np.testing.assert_allclose(means(FUTURE, data), [RIGHT, RIGHT], atol=1e-5)
    np.testing.assert_allclose(means([2 * FUTURE, FUTURE], data), [twice, RIGHT], atol=1e-5)
    with pytest.raises(RekalError, match="no row of the series 'p'"):
        means(both[both["who"] == "q"], data)
    with pytest.raises(RekalError, match="2 rows for one series and 3 for another"):
        means(both.iloc[1:], data)


def test_samples_of_a_stream_are_rows_by_name():
    stream, plain = FIT.stream(), FIT.stream()
    for _, row in table().iloc[:5].iterrows():
        stream.update(row[["y", "day"]], row[["b", "a"]])
        plain.update(row["y"], row[["a", "b"]].to_numpy())
    assert stream.log_likelihood == plain.log_likelihood
    np.testing.assert_allclose(
        stream.forecast(3, FUTURE[["b", "a"]]).mean, RIGHT.to_numpy()[None, :, None], atol=1e-5
    )
    with pytest.raises(RekalError, match="have no column 'y'"):
        stream.update(pd.Series({"z": 1.0}), [1.0, 2.0])
    with pytest.raises(RekalError, match="have no column 'b'"):
        stream.update(1.0, pd.Series({"a": 1.0, "c": 1.0}))
    assert stream.step == 5


def test_simulations_take_frames_by_name():
    many = pd.concat([FUTURE] * 10, ignore_index=True)
    np.testing.assert_array_equal(
        FIT.simulate(30, seed=1, inputs=many[["b", "a"]]).values,
        FIT.simulate(30, seed=1, inputs=many.to_numpy()).values,
    )
    with pytest.raises(RekalError, match="names of a DataFrame would be lost"):
        rekalman.simulate(FIT.model, 30, jax.random.key(0), inputs=many)


def test_scores_take_frames_by_name():
    broad = dataclasses.replace(
        FIT.roll(DATA, [1]), labels=Labels(("y",), (None,), time_name="day", time_kind="date")
    )
    values = table()
    frame = values[["y", "day"]]
    assert broad.score(frame).equals(broad.score(values[["y"]].to_numpy()))
    with pytest.raises(RekalError, match="no column 'y'"):
        broad.score(values[["a"]])


def test_none_is_a_sample_that_is_missing():
    model = rekalman.LinearGaussian(
        A=0.9 * jnp.eye(2), B=jnp.zeros((2, 0)), c=jnp.zeros(2), C=jnp.eye(2), D=jnp.zeros((2, 0)),
        d=jnp.zeros(2), Q=jnp.eye(2), R=jnp.eye(2), m=jnp.zeros(2), P=jnp.eye(2),
    )  # fmt: skip
    for algorithm in (rekalman.Kalman(model), rekalman.ParticleFilter(model, 50, seed=1)):
        belief = algorithm.predict(algorithm.init(jax.random.key(0)), None, None)
        after, gain = algorithm.update(belief, None)
        assert float(gain) == pytest.approx(0, abs=1e-6)
        same, _ = algorithm.update(belief, [np.nan, np.nan])
        hidden, _ = algorithm.update(belief, np.ma.array([1.0, 2.0], mask=True))
        for leaf, other, third in zip(*map(jax.tree.leaves, (after, same, hidden)), strict=True):
            if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                np.testing.assert_array_equal(leaf, other)
                np.testing.assert_array_equal(leaf, third)
    stream = rekalman.Stream(
        rekalman.Kalman(model), rekalman.Standardiser(np.zeros(2), np.ones(2)), Labels.plain(2)
    )
    for sample in ([1.0, 2.0], None, [2.0, np.nan]):
        stream.update(sample)
    data = Sequences.from_arrays([[1.0, 2.0], [np.nan, np.nan], [2.0, np.nan]])
    filtered = rekalman.filter(rekalman.Kalman(model), data)
    assert stream.log_likelihood == pytest.approx(float(np.sum(filtered.log_evidence)))
    with pytest.raises(RekalError, match="names of a Series would be lost"):
        algorithm.update(belief, pd.Series({"b": 1.0, "a": 2.0}))
