"""Tables of every library come in, and results go out as the same kind, with the dates that pandas has."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray as xr
from hand_made import hand_made
from hypothesis import given
from hypothesis import strategies as st

import rekalman
from rekalman import RekalError, Sequences
from rekalman.data.numeric import holds_tables

N = 24
RNG = np.random.default_rng(0)
Y = RNG.normal(size=N)
MONTHS = pd.date_range("2023-01-31", periods=N, freq="ME")


def long(**columns: object) -> pd.DataFrame:
    """Two series of different lengths as one table."""
    whole = pd.DataFrame({"unique_id": "a", "ds": MONTHS, "y": Y})
    part = pd.DataFrame({"unique_id": "b", "ds": MONTHS[:15], "y": 3 - Y[:15]})
    return pd.concat([whole, part], ignore_index=True).assign(**columns)


def as_pandas(table: object) -> pd.DataFrame:
    """A table of any kind, its columns in pandas."""
    if isinstance(table, pd.DataFrame):
        return table.reset_index() if table.index.name or table.index.nlevels > 1 else table
    if isinstance(table, xr.Dataset):
        return table.to_dataframe().dropna().reset_index()
    return table.to_pandas()


KINDS = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "xarray": lambda frame: frame.set_index(["unique_id", "ds"]).to_xarray(),
}
TYPES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table, "xarray": xr.Dataset}


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_table_comes_in_and_its_forecast_goes_out_as_the_same_kind(kind):
    table = KINDS[kind](long())
    data = Sequences.from_pandas(table)
    assert data.series_names == ("a", "b") and data.names == ("y",)
    assert data.lengths.tolist() == ([N, N] if kind == "xarray" else [N, 15])
    np.testing.assert_array_equal(data.values[0, :, 0], Y)
    np.testing.assert_array_equal(data.values[1, :15, 0], 3 - Y[:15])
    out = data.to_frame()
    assert isinstance(out, TYPES[kind])
    pd.testing.assert_frame_equal(as_pandas(out), long(), check_dtype=False)
    fit = hand_made(data)
    made = fit.forecast(table, 3)
    ahead = made.to_frame(levels=0.9)
    assert isinstance(ahead, TYPES[kind])
    frame = as_pandas(ahead)
    assert {"unique_id", "ds", "column", "mean", "lower_90", "upper_90"} <= set(frame.columns)
    last = {"a": MONTHS[-1], "b": MONTHS[-1] if kind == "xarray" else MONTHS[14]}
    for name, end in last.items():
        mine = frame[frame["unique_id"] == name]
        expected = pd.date_range(end, periods=4, freq="ME")[1:]
        assert mine["ds"].tolist() == expected.tolist()
        np.testing.assert_allclose(mine["mean"], made.mean[data.series_names.index(name), :, 0])
    assert isinstance(fit.roll(table, 2).to_frame(), TYPES[kind])
    assert isinstance(fit.filter(table).to_frame(), TYPES[kind])


def test_numbers_as_names_of_series_stay_numbers():
    table = pl.from_pandas(long(unique_id=np.repeat([7, 3], [N, 15]).astype("int32")))
    data = Sequences.from_pandas(table)
    assert data.series_names == ("7", "3")
    ahead = hand_made(data).forecast(table, 2).to_frame()
    assert ahead["unique_id"].dtype == data.to_frame()["unique_id"].dtype == pl.Int32
    assert ahead["unique_id"].to_list() == [7, 7, 3, 3]


@pytest.mark.parametrize("name", ["unique_id", "UNIQUE_ID", "series_id", "item_id", "series"])
def test_the_column_of_the_series_is_known_by_its_name(name, tmp_path):
    table = long().rename(columns={"unique_id": name})
    table.to_csv(tmp_path / "long.csv", index=False)
    table.to_parquet(tmp_path / "long.parquet")
    for data in (
        Sequences.from_pandas(table),
        Sequences.from_csv(tmp_path / "long.csv"),
        Sequences.from_parquet(tmp_path / "long.parquet"),
    ):
        assert data.series_names == ("a", "b") and data.time_name == "ds"
        assert f"Column '{name}' was taken to tell the series apart." in data.notes
        assert data.frame_kind.series == name


def test_a_column_of_such_a_name_that_holds_measurements_is_observed():
    data = Sequences.from_pandas(pd.DataFrame({"series": Y}, index=MONTHS))
    assert data.names == ("series",) and data.batch == 1
    chosen = long(unique_id=np.repeat([7, 3], [N, 15])).iloc[:N].assign(y=Y)
    data = Sequences.from_pandas(chosen, columns=["unique_id", "y"], learnable=False)
    assert data.names == ("unique_id", "y") and data.batch == 1


def test_names_of_series_keep_their_zeros(tmp_path):
    for names, expected in ((["007", "012"], None), ([7, 12], "int64"), (["n", "s"], None)):
        table = long().assign(
            unique_id=lambda t, n=names: t["unique_id"].map({"a": n[0], "b": n[1]})
        )
        table.to_csv(tmp_path / "long.csv", index=False)
        data = Sequences.from_csv(tmp_path / "long.csv")
        assert data.series_names == tuple(map(str, names))
        assert data.frame_kind.series_type == expected
    renamed = table.assign(unique_id="007").iloc[:N].rename(columns={"unique_id": "shop"})
    renamed.to_csv(tmp_path / "long.csv", index=False)
    assert Sequences.from_csv(tmp_path / "long.csv", series="shop").series_names == ("007",)


@given(
    lengths=st.lists(st.integers(2, 9), min_size=1, max_size=4),
    whole=st.booleans(),
    kind=st.sampled_from(["pandas", "polars", "pyarrow"]),
    draw=st.randoms(use_true_random=False),
)
def test_rows_of_several_series_may_be_mixed(lengths, whole, kind, draw):
    names = [7 * i + 3 if whole else f"s{i}" for i in range(len(lengths))]
    rows = [name for name, length in zip(names, lengths, strict=True) for _ in range(length)]
    draw.shuffle(rows)
    table = pd.DataFrame({"unique_id": rows})
    place = table.groupby("unique_id").cumcount()
    table = table.assign(
        ds=MONTHS[0] + pd.to_timedelta(place, unit="D"), y=np.arange(len(rows)) / 7
    )
    data = Sequences.from_pandas(KINDS[kind](table), learnable=False)
    parts = [part for _, part in table.groupby("unique_id", sort=False)]
    expected = pd.concat(parts, ignore_index=True)
    out = as_pandas(data.to_frame())
    pd.testing.assert_frame_equal(out, expected, check_dtype=False)
    assert data.lengths.tolist() == [len(part) for part in parts]


@pytest.mark.parametrize("order", [["station", "month"], ["month", "station"]])
def test_an_index_of_two_levels_holds_series_and_dates(order):
    table = long().rename(columns={"unique_id": "station", "ds": "month"}).set_index(order)
    data = Sequences.from_pandas(table)
    assert data.series_names == ("a", "b") and data.frame_kind.series == "station"
    ahead = hand_made(data).forecast(table, 1).to_frame()
    assert ahead["station"].tolist() == ["a", "b"]
    assert ahead["month"].tolist() == [pd.Timestamp("2025-01-31"), pd.Timestamp("2024-04-30")]


def test_a_model_knows_the_column_of_the_series_it_was_trained_on(tmp_path):
    table = long().rename(columns={"unique_id": "shop"})
    fit = hand_made(Sequences.from_pandas(table, series="shop"))
    fit.save(tmp_path / "m.rekalman")
    loaded = rekalman.load(tmp_path / "m.rekalman")
    assert loaded.labels == fit.labels
    assert loaded.forecast(table, 1).to_frame()["shop"].tolist() == ["a", "b"]
    alone = loaded.forecast(table[:N].drop(columns="shop"), 1).to_frame()
    assert "shop" not in alone and alone["time"].tolist() == [pd.Timestamp("2025-01-31")]


def test_columns_that_are_called_as_the_index_is_keep_their_names():
    table = pl.DataFrame({"step": Y, "y": Y + 1})
    assert Sequences.from_pandas(table).to_frame().columns == ["step of the row", "step", "y"]
    several = Sequences.from_pandas([pl.DataFrame({"series": Y, "time": MONTHS})] * 2)
    assert several.to_frame().columns == ["series of the row", "time", "series"]


def test_names_that_a_forecast_has_itself_are_not_given_twice():
    table = long().rename(columns={"unique_id": "horizon"})
    data = Sequences.from_pandas(table, series="horizon")
    ahead = hand_made(data).forecast(data, 1).to_frame()
    assert ahead["series"].tolist() == ["a", "b"] and ahead["horizon"].tolist() == [1, 1]


FREQUENCIES = [
    *("D", "B", "W-WED", "MS", "ME", "QS-FEB", "QE-JAN", "YS", "YE-JUN", "2W", "2ME", "BME", "BMS"),
    *("BQS-FEB", "h", "15min", "s"),
]
PERIODS = ["D", "W-SUN", "W-WED", "M", "Q-DEC", "Q-JAN", "Y-DEC", "Y-JUN", "h", "min", "2M", "2Q"]


CHANGES = ["2024-03-09", "2024-03-30", "2024-10-26", "2024-11-02"]
"""Days before the clocks change in Europe or America."""


@given(
    freq=st.sampled_from(FREQUENCIES),
    first=st.one_of(
        st.dates(pd.Timestamp("1950-01-01").date(), pd.Timestamp("2090-01-01").date()),
        st.sampled_from(CHANGES),
    ),
    zone=st.sampled_from([None, "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
    unit=st.sampled_from(["s", "ms", "us", "ns"]),
)
def test_dates_go_on_as_those_of_pandas(freq, first, zone, unit):
    dates = pd.date_range(first, periods=40, freq=freq, tz=zone).as_unit(unit)
    past = pd.DataFrame({"x": Y}, index=dates[:N])
    made = hand_made(Sequences.from_pandas(past)).forecast(past, 40 - N).to_frame()
    pd.testing.assert_series_equal(
        made["time"], pd.Series(dates[N:]), check_names=False, check_freq=False
    )


@given(
    freq=st.sampled_from(PERIODS),
    first=st.dates(pd.Timestamp("1950-01-01").date(), pd.Timestamp("2090-01-01").date()),
)
def test_periods_go_on_as_those_of_pandas(freq, first):
    periods = pd.period_range(first, periods=40, freq=freq)
    past = pd.DataFrame({"x": Y}, index=periods[:N].rename("when"))
    data = Sequences.from_pandas(past)
    made = hand_made(data).forecast(past, 40 - N).to_frame()
    assert made["time"].dtype == past.index.dtype
    assert made["time"].tolist() == periods[N:].tolist()
    pd.testing.assert_frame_equal(data.to_frame(), past)


def test_periods_beside_arrays_stay_periods():
    periods = pd.period_range("2020Q1", periods=N + 1, freq="Q")
    data = Sequences.from_arrays(Y, times=periods[:N])
    assert hand_made(data).forecast(data, 1).to_frame()["time"].tolist() == [periods[N]]
    assert data.to_frame().index.equals(periods[:N])


def test_days_of_polars_and_arrow_stay_days():
    days = pd.date_range("2024-02-20", periods=N).date
    table = pl.DataFrame({"day": list(days), "y": Y})
    data = Sequences.from_pandas(table)
    ahead = hand_made(data).forecast(table, 2).to_frame()
    assert ahead["time"].dtype == data.to_frame()["day"].dtype == pl.Date
    assert ahead["time"].to_list() == [days[-1] + pd.Timedelta(days=i) for i in (1, 2)]
    arrow = Sequences.from_pandas(table.to_arrow()).to_frame()
    assert arrow.schema.field("day").type == pa.date32()


def test_a_zone_and_a_resolution_of_polars_stay():
    hours = pd.date_range("2024-10-26 12:00", periods=N, freq="h", tz="Europe/Berlin").as_unit("ms")
    table = pl.from_pandas(pd.DataFrame({"hour": hours, "y": Y}))
    ahead = hand_made(Sequences.from_pandas(table)).forecast(table, 2).to_frame()
    assert ahead["time"].dtype == table["hour"].dtype
    expected = pd.date_range(hours[-1], periods=3, freq="h")[1:]
    assert ahead["time"].to_list() == list(expected.to_pydatetime())


def test_queries_columns_and_streams_of_arrow():
    wide = pd.DataFrame({"t": np.arange(N) / 10, "y": Y})
    lazy = pl.from_pandas(wide).lazy()
    assert isinstance(Sequences.from_pandas(lazy).to_frame(), pl.DataFrame)
    column = Sequences.from_pandas(pl.Series("flow", Y))
    assert column.names == ("flow",) and isinstance(column.to_frame(), pl.DataFrame)
    batch = pa.RecordBatch.from_pandas(wide)
    assert isinstance(Sequences.from_pandas(batch).to_frame(), pa.Table)
    several = Sequences.from_pandas([pl.from_pandas(wide), pl.from_pandas(wide[:15])])
    assert several.to_frame().columns == ["series", "t", "y"]
    apart = Sequences.from_arrays(pl.from_pandas(wide), inputs=pl.DataFrame({"u": Y}))
    assert apart.to_frame().columns == ["t", "y", "u"]


def test_arrays_of_xarray():
    array = xr.DataArray(
        np.stack([Y, Y + 1], -1),
        coords={"time": MONTHS, "station": ["p", "q"], "height": ("station", [3.0, 4.0])},
        dims=("time", "station"),
        name="flow",
    )
    assert Sequences.from_pandas(array).names == ("p", "q")
    apart = Sequences.from_pandas(array, series="station")
    assert apart.series_names == ("p", "q") and apart.names == ("flow",)
    assert apart.to_frame()["flow"].dims == ("station", "time")
    ahead = hand_made(apart).forecast(array.to_dataset(), 2).to_frame(levels=0.9)
    assert ahead["mean"].dims == ("station", "time", "column")
    assert hand_made(apart).filter(apart).to_frame()["state 1"].dims == ("station", "time")
    rolled = hand_made(apart).roll(apart, [1, 2]).to_frame()
    assert rolled["mean"].dims == ("station", "origin", "horizon", "column")
    one = array.sel(station="p")
    assert Sequences.from_pandas(one).names == ("flow",)
    assert isinstance(Sequences.from_pandas(one).to_frame(), xr.Dataset)
    with pytest.raises(
        RekalError, match="dimensions 'run', 'time', 'station' is more than a table"
    ):
        Sequences.from_pandas(array.expand_dims(run=[1, 2]))
    with pytest.raises(RekalError, match="without dimensions is no table"):
        Sequences.from_pandas(xr.Dataset({"y": 1.0}))
    unlabelled = xr.DataArray(Y)
    assert not holds_tables(unlabelled) and Sequences.from_arrays(unlabelled).names == ("y",)


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "xarray"])
def test_future_inputs_of_every_kind_are_found_by_name(kind):
    past = long(a=np.arange(N + 15.0), b=np.arange(N + 15.0) % 4)
    data = Sequences.from_pandas(past, inputs=["a", "b"])
    fit = hand_made(data)
    rows = [
        pd.DataFrame({"unique_id": name, "ds": pd.date_range(end, periods=4, freq="ME")[1:]})
        for name, end in (("b", MONTHS[14]), ("a", MONTHS[-1]))
    ]
    future = pd.concat(rows, ignore_index=True).assign(a=[1.0, 2, 3, 10, 20, 30], b=7.0)
    expected = fit.forecast(past, 3, future).mean
    if kind == "xarray":  # a grid, in which each series would have the dates of the other
        given = [
            part[["ds", "a", "b"]].set_index("ds").to_xarray() for part in rows_of(future, "a", "b")
        ]
    else:
        given = KINDS[kind](future)
    made = fit.forecast(KINDS[kind](past) if kind != "xarray" else past, 3, given)
    np.testing.assert_array_equal(made.mean, expected)


def rows_of(table: pd.DataFrame, *names: str) -> list[pd.DataFrame]:
    return [table[table["unique_id"] == name] for name in names]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (5, "the table must be a frame of pandas, polars, Arrow or xarray, not a int"),
        (np.ones(3), "not a ndarray"),
        ([np.ones(3)], "not a ndarray"),
        (pl.DataFrame({"t": [], "y": []}), "there are no rows in it"),
        (pa.table([[1.0], [2.0]], names=["y", "y"]), "two columns are called 'y'"),
        (pl.DataFrame({"y": ["a", "b"]}), "no numeric column"),
    ],
)
def test_what_is_no_table_is_refused(table, message):
    with pytest.raises(RekalError, match=message):
        Sequences.from_pandas(table)


def test_a_fit_takes_a_frame_of_polars():
    table = pl.from_pandas(pd.DataFrame({"ds": MONTHS, "y": Y}))
    fit = rekalman.fit(table, "local-level", progress=False)
    assert isinstance(fit.smooth(table).to_frame(), pl.DataFrame)
    assert fit.forecast(table, 2).to_frame()["time"].to_list() == [
        pd.Timestamp("2025-01-31"),
        pd.Timestamp("2025-02-28"),
    ]


# Dates that cannot be


def with_date(row: int, date: str) -> pd.DataFrame:
    """The long table with another date in a row counted from 1."""
    table = long()
    table.loc[row - 1, "ds"] = pd.Timestamp(date)
    return table


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            pd.concat([long(), long().iloc[[3]]], ignore_index=True),
            r"series 'a': rows 4 and 40 have the same time stamp \(2023-04-30 00:00:00\); leave one of",
        ),
        (
            long().rename(columns={"unique_id": "shop"}),
            "rows 1 and 25 have the same time stamp .* name the column that separates several series",
        ),
        (
            with_date(3, "2023-03-10"),
            r"irregular at row 3 \(2023-03-10 00:00:00 after 2023-02-28 00:00:00, a step of 10 day",
        ),
        (with_date(5, "2023-04-20"), r"row 5 goes backwards \(2023-04-20 .* after 2023-04-30"),
        (
            long(ds=[*MONTHS, *pd.date_range("2023-01-01", periods=15)]),
            r"'a' has a sampling interval of 31 day \(2023-0.-.. .* to 2023-0.-.. .*\) where series 'b' "
            r"has 1 day \(2023-01-01 00:00:00 to 2023-01-02 00:00:00\); all series must share one",
        ),
        (
            long(unique_id=[None, *["a"] * (N + 14)]),
            "row 1 of the series column 'unique_id' is missing",
        ),
        (long(ds=[pd.NaT, *MONTHS[1:], *MONTHS[:15]]), "row 1 has no usable time stamp"),
    ],
)
def test_dates_and_names_that_disagree_are_named(table, message):
    for kind in (table, pl.from_pandas(table)):
        with pytest.raises(RekalError, match=message):
            Sequences.from_pandas(kind)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ([0, 1, 1, 2], r"rows 2 and 3 have the same time stamp \(2023-02-28 00:00:00\)"),
        ([0, 2, 1, 3], r"row 3 goes backwards \(2023-02-28 00:00:00 after 2023-03-31 00:00:00\)"),
    ],
)
def test_dates_beside_arrays_are_named_as_dates(places, message):
    with pytest.raises(RekalError, match=message):
        Sequences.from_arrays(np.ones(4), times=MONTHS[places])


def test_dates_that_are_nearly_regular_are_noted():
    data = Sequences.from_pandas(with_date(8, "2023-09-03"))
    assert data.notes[-1] == (
        "The dates of series 'a' are in steps of 31 day, but 2023-09-30 00:00:00 is 27 day after "
        "2023-09-03 00:00:00; dates to come are counted in equal steps."
    )
    assert len(Sequences.from_pandas(long()).notes) == 2


def test_a_model_knows_the_column_of_time_it_was_trained_on():
    table = pl.DataFrame({"cycle": np.arange(N) * 2, "y": Y})
    fit = hand_made(Sequences.from_pandas(table, time="cycle"))
    assert fit.forecast(table, 2).to_frame()["time"].to_list() == [2 * N, 2 * N + 2]


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_a_rolling_forecast_is_scored_against_the_same_table(kind):
    table = long().drop(index=[5, 6])  # a gap, which is filled with missing rows
    data = Sequences.from_pandas(table)
    made = hand_made(data).roll(data, [1, 2])
    values = np.where(data.mask, data.values, np.nan)
    expected = made.score(values)
    pd.testing.assert_frame_equal(made.score(KINDS[kind](table)), expected)
    turned = pd.concat([table[table["unique_id"] == name] for name in ("b", "a")])
    pd.testing.assert_frame_equal(made.score(KINDS[kind](turned)), expected)
