"""Calendars: time zones, clocks of every form, sampling intervals with their units, cuts at dates."""

import datetime

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made

import rekalman
from rekalman import RekalError, Sequences
from rekalman.verbs.fit import read_data

N = 250
X = np.random.default_rng(0).normal(size=N)


def dated(freq: str, start: str = "2024-01-02", zone: str | None = None, n: int = N) -> Sequences:
    index = pd.date_range(start, periods=n, freq=freq, tz=zone)
    return Sequences.from_pandas(pd.DataFrame({"x": X[:n]}, index=index), learnable=False)


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Asia/Kolkata", None])
@pytest.mark.parametrize(
    ("freq", "unit", "interval"),
    [("B", "business day", 1), ("MS", "month", 1), ("YS", "year", 1), ("7D", "day", 7), ("D", "day", 1),
     ("h", "h", 1), ("6h", "h", 6), ("15min", "min", 15)],
)  # fmt: skip
def test_dates_of_a_time_zone_are_regular_and_come_back(zone, freq, unit, interval):
    start = "2024-11-01" if unit in ("h", "min") else "1990-01-01"  # the clocks change in both
    dates = pd.date_range(start, periods=N + 9, freq=freq, tz=zone)
    data = Sequences.from_pandas(pd.DataFrame({"x": X}, index=dates[:N]))
    assert (data.time_unit, data.interval, data.steps) == (unit, interval, N)
    assert data.fraction_missing == 0
    pd.testing.assert_index_equal(
        pd.DatetimeIndex(data.index(0, 9)), dates, check_names=False, exact=False
    )
    ahead = hand_made(data).forecast(data, 9).to_frame()["time"]
    assert list(ahead) == list(dates[N:]) and str(ahead.dt.tz) == str(dates.tz)
    assert list(data.split(-9)[1].index()) == list(dates[N - 9 : N])


def test_a_day_is_one_step_whether_it_has_23_or_25_hours():
    """2024-03-10 has 23 hours in New York, 2024-11-03 has 25."""
    days = pd.date_range("2024-03-01", "2024-12-01", freq="D", tz="America/New_York")
    data = Sequences.from_arrays(np.arange(len(days)), times=days)
    assert data.steps == len(days) and data.time_zone == "America/New_York"
    assert data.index(0, 3)[-1] == pd.Timestamp("2024-12-04", tz="America/New_York")
    hours = pd.date_range("2024-11-03", periods=26, freq="h", tz="America/New_York")
    data = Sequences.from_arrays(np.arange(26), times=hours)
    assert data.steps == 26 and list(data.index()) == list(hours)
    assert len(set(data.index())) == 26  # one o'clock comes twice


def test_days_counted_in_utc_are_hours_in_a_zone():
    days = pd.date_range("2024-03-01", periods=30, freq="D", tz="UTC").tz_convert(
        "America/New_York"
    )
    data = Sequences.from_arrays(np.arange(30), times=days)
    assert (data.time_unit, data.interval) == ("h", 24) and list(data.index()) == list(days)


def test_a_time_of_day_that_a_night_leaves_out():
    days = pd.date_range("2024-03-01 02:30", periods=9, freq="D", tz="America/New_York")
    data = Sequences.from_arrays(np.arange(9), times=days)
    assert data.index(0, 1)[-1] == pd.Timestamp("2024-03-10 03:00", tz="America/New_York")
    assert data.index(0, 2)[-1] == pd.Timestamp("2024-03-11 02:30", tz="America/New_York")


def test_offsets_in_text(tmp_path):
    def read(stamps):
        path = tmp_path / "x.csv"
        pd.DataFrame({"when": stamps, "x": X[: len(stamps)]}).to_csv(path, index=False)
        return Sequences.from_csv(path)

    zone = "America/New_York"
    winter = pd.date_range("2024-01-01", periods=30, freq="h", tz=zone)
    data = read(winter.map(lambda t: t.isoformat()))
    assert data.time_zone == "UTC-05:00" and list(data.index()) == list(winter)
    data = read(winter.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert data.time_zone == "UTC" and list(data.index()) == list(winter)
    march = pd.date_range("2024-03-01", periods=30, freq="B", tz=zone)
    data = read(march.map(lambda t: t.isoformat()))
    assert (data.time_unit, data.time_zone) == ("business day", None)
    assert (
        list(data.index()) == list(march.tz_localize(None)) and "dates are local" in data.notes[0]
    )
    march = pd.date_range("2024-03-10", periods=30, freq="h", tz=zone)
    data = read(march.map(lambda t: t.isoformat()))
    assert list(data.index()) == list(march) and "read in UTC" in data.notes[0]


def test_different_zones():
    berlin, utc = (
        pd.date_range("2024-01-01", periods=20, freq="h", tz=z) for z in ("Europe/Berlin", "UTC")
    )
    data = Sequences.from_arrays([X[:20], X[:20]], times=[berlin, utc])
    assert data.time_zone == "UTC" and "were read in UTC" in data.notes[0]
    assert [list(data.index(i)) for i in (0, 1)] == [list(berlin), list(utc)]
    with pytest.raises(RekalError, match="in the time zone UTC and others have none"):
        Sequences.from_arrays([X[:20], X[:20]], times=[utc, utc.tz_localize(None)])


def test_the_zone_is_kept_in_files(tmp_path):
    data = dated("B", zone="America/New_York")
    hand_made(data).save(tmp_path / "m.rekalman")
    loaded = rekalman.load(tmp_path / "m.rekalman")
    assert loaded.labels == hand_made(data).labels
    assert list(loaded.forecast(data, 2).to_frame()["time"]) == list(data.index(0, 2)[-2:])


@pytest.mark.parametrize(
    ("times", "unit", "last"),
    [
        (pd.date_range("2024-01-01", periods=30, freq="MS"), "month", pd.Timestamp("2026-06-01")),
        (pd.period_range("2024-01", periods=30, freq="M"), "month", pd.Timestamp("2026-06-01")),
        (pd.date_range("2024-01-01", periods=30).to_numpy(), "day", pd.Timestamp("2024-01-30")),
        (list(pd.date_range("2024-01-01", periods=30).date), "day", pd.Timestamp("2024-01-30")),
        ([f"2024-01-{d:02d}" for d in range(1, 31)], "day", pd.Timestamp("2024-01-30")),
        (pd.Series(pd.date_range("2024-01-01", periods=30)), "day", pd.Timestamp("2024-01-30")),
        (pd.timedelta_range("0s", periods=30, freq="h"), "s", 29 * 3600),
        (np.arange(30) * np.timedelta64(1, "m"), "s", 29 * 60),
        (np.arange(30) + 7, None, 36),
    ],
)
def test_clocks_of_every_form(times, unit, last):
    data = Sequences.from_arrays(X[:30], times=times)
    assert (data.time_unit, data.index()[-1], data.steps) == (unit, last, 30)
    both = Sequences.from_arrays([X[:30], X[:30]], times=[times, times])
    assert both.batch == 2 and both.index(1)[-1] == last
    if not isinstance(times, list):
        table = pd.DataFrame({"x": X[:30]}, index=times)
        if isinstance(times, pd.Series):
            table = pd.DataFrame({"x": X[:30], "when": times})
        for result in (Sequences.from_pandas(table), Sequences.from_arrays(table)):
            assert (result.time_unit, result.index()[-1], result.names) == (unit, last, ("x",))


def test_dates_bring_their_unit():
    with pytest.raises(RekalError, match="leave out time_unit"):
        Sequences.from_arrays(X, times=pd.date_range("2024-01-01", periods=N), time_unit="s")
    with pytest.raises(RekalError, match="row 2 of the time column 'times'"):
        Sequences.from_arrays(X[:3], times=["2024-01-01", "tomorrow", "2024-01-03"])
    with pytest.raises(RekalError, match="row 1 has no usable"):
        Sequences.from_arrays(X[:2], times=pd.DatetimeIndex([pd.NaT, "2024-01-03"]))


def test_an_index_that_says_nothing_gets_a_note():
    whole = pd.DataFrame({"x": X[:30]})
    assert Sequences.from_pandas(whole).times is None and not Sequences.from_pandas(whole).notes
    cut = Sequences.from_pandas(whole.iloc[10:])
    assert list(cut.index(0, 1)) == list(range(10, 31))
    gap = Sequences.from_pandas(whole.drop(index=[3, 4]))
    assert gap.steps == 30 and not gap.mask[0, 3:5].any()
    for index in (np.arange(30)[::-1], np.cumsum(np.arange(30) % 7 + 1)):
        data = Sequences.from_pandas(whole.set_axis(index))
        assert data.times is None and "no regular time axis and was ignored" in data.notes[0]
    other = pd.DataFrame({"t_s": np.arange(30) / 10, "x": X[:30]}, index=np.arange(30) + 5)
    assert Sequences.from_pandas(other).time_name == "t_s"
    with pytest.raises(RekalError, match="index and a column are both called 'x'"):
        Sequences.from_pandas(whole.rename_axis("x"))
    days = whole.assign(time=1.5 + X[:30]).set_axis(pd.date_range("2024", periods=30))
    assert Sequences.from_pandas(days).names == ("x", "time")


def test_frames_handed_over_as_arrays():
    days = pd.date_range("2024-01-01", periods=30)
    table = pd.DataFrame({"x": X[:30], "u": X[30:60]}, index=days)
    data = Sequences.from_arrays(table[["x"]], inputs=table[["u"]])
    assert (data.names, data.input_names, data.time_kind) == (("x",), ("u",), "date")
    np.testing.assert_array_equal(data.inputs[0, :, 0], table["u"])
    assert Sequences.from_arrays(table["x"]).names == ("x",)
    with pytest.raises(RekalError, match="must have the same index"):
        Sequences.from_arrays(table[["x"]], inputs=table[["u"]].iloc[::-1])
    with pytest.raises(RekalError, match="inputs must be frames, too"):
        Sequences.from_arrays(table[["x"]], inputs=X[:30])
    with pytest.raises(RekalError, match="leave out names"):
        Sequences.from_arrays(table[["x"]], names=["z"])
    with pytest.raises(RekalError, match="both have a column 'x'"):
        Sequences.from_arrays(table, inputs=table)


def test_a_series_of_pandas_is_a_column():
    days = pd.Series(X[:30], index=pd.date_range("2024-01-01", periods=30), name="level_m")
    data = Sequences.from_pandas(days)
    assert (data.names, data.units, data.time_kind) == (("level_m",), ("m",), "date")
    assert Sequences.from_pandas([days, days.iloc[:20]]).lengths.tolist() == [30, 20]


@pytest.mark.parametrize(
    ("name", "meant"), [("colums", "columns"), ("input", "inputs"), ("decimall", "decimal")]
)
def test_unknown_arguments_name_the_nearest(tmp_path, name, meant):
    table = pd.DataFrame({"z": X[:30]})
    table.to_csv(tmp_path / "z.csv")
    with pytest.raises(TypeError, match=f"no argument '{name}': did you mean '{meant}'"):
        Sequences.from_csv(tmp_path / "z.csv", **{name: ["z"]})
    with pytest.raises(TypeError, match=f"no argument '{name}'"):
        Sequences.from_pandas(table, **{name: ["z"]})
    with pytest.raises(TypeError, match=f"no argument '{name}'"):
        Sequences.from_parquet(tmp_path / "no.parquet", **{name: ["z"]})


def test_columns_by_number_and_a_single_one():
    table = pd.DataFrame(np.stack([X[:30], X[30:60]], 1))
    assert Sequences.from_pandas(table, columns=[1], inputs=0).names == ("1",)
    named = table.set_axis(["speed", "force"], axis=1)
    assert Sequences.from_pandas(named, columns="speed", inputs="force").input_names == ("force",)


@pytest.mark.parametrize(
    ("trained", "given", "fits"),
    [
        (dated("D"), dated("h"), False),
        (dated("D"), dated("D", zone="UTC"), True),
        (dated("D"), dated("24h", zone="America/New_York"), True),
        (dated("D"), dated("B"), False),
        (dated("B"), dated("D"), False),
        (dated("B"), dated("D", n=4), True),
        (dated("B"), dated("D", start="2024-01-05", n=3), False),
        (dated("MS"), dated("ME"), True),
        (dated("MS"), dated("YS"), False),
        (dated("h"), Sequences.from_arrays(X, times=np.arange(N), time_unit="hours", names=["x"]), True),
        (dated("D"), Sequences.from_arrays(X, times=np.arange(N), time_unit="hours", names=["x"]), False),
        (dated("D"), Sequences.from_arrays(X, times=np.arange(N), names=["x"]), False),
        (Sequences.from_arrays(X, times=np.arange(N), names=["x"]), dated("h"), False),
        (dated("D"), Sequences.from_arrays(X, names=["x"]), True),
        (dated("60s"), Sequences.from_arrays(X, interval=1, time_unit="minutes", names=["x"]), True),
    ],
)  # fmt: skip
def test_steps_are_compared_with_their_units(trained, given, fits):
    fit = hand_made(trained)
    if fits:
        assert np.asarray(fit.forecast(given, 1).mean).shape == (1, 1, 1)
        return
    with pytest.raises(RekalError, match=r"trained on a sampling interval of .* but the data have"):
        fit.forecast(given, 1)


def test_units_of_columns_are_compared():
    made = {unit: Sequences.from_arrays(X, names=["x"], units=[unit]) for unit in ("mm", "m", None)}
    fit = hand_made(made["mm"])
    fit.forecast(made[None], 1)
    with pytest.raises(RekalError, match="trained on 'x' in mm, but the data have it in m"):
        fit.forecast(made["m"], 1)


def test_series_with_different_units_of_time():
    tables = [
        pd.DataFrame({"t": [f"{i} {unit}" for i in range(30)], "x": X[:30]}) for unit in ("s", "ms")
    ]
    with pytest.raises(RekalError, match="time column 't' is in ms in table 2 and in s in table 1"):
        Sequences.from_pandas(tables)


@pytest.mark.parametrize("zone", ["Europe/Berlin", None])
def test_cuts_at_dates(zone):
    data = dated("D", "2020-01-01", zone)
    for at in ("2020-02-01", datetime.date(2020, 2, 1), np.datetime64("2020-02-01"), "2020-02",
               datetime.datetime(2020, 2, 1), pd.Timestamp("2020-02-01", tz=zone)):  # fmt: skip
        first, second = data.split(at)
        assert (first.steps, second.steps) == (31, N - 31)
        assert str(second.index()[0].date()) == "2020-02-01"
    assert data.window("2020-02-01", "2020-03-01").steps == 29
    assert [part.steps for part in data.split(-12)] == [N - 12, 12]
    with pytest.raises(RekalError, match="write it as 2016-02-01"):
        data.split("01.02.2020")
    with pytest.raises(RekalError, match="none of them from 0 to 0"):
        data.split("2019-01-01")
    with pytest.raises(
        RekalError, match="a step to split at must be a number where the time stamps are no dates"
    ):
        Sequences.from_arrays(X).split("2020-01-01")
    other = pd.Timestamp("2020-02-01", tz="UTC")
    if zone is None:
        with pytest.raises(RekalError, match="in no time zone"):
            data.split(other)
    else:  # midnight in London is one o'clock in Berlin
        assert data.split(other)[0].steps == 32


def test_dates_with_points_are_told_apart_or_noted():
    def read(dates):
        return Sequences.from_pandas(
            pd.DataFrame({"d": dates, "x": X[: len(dates)]}), learnable=False
        )

    open_dates = read(["01.02.2016", "01.03.2016", "01.04.2016"])
    assert (
        str(open_dates.index()[0].date()) == "2016-02-01"
        and "day-month-year" in open_dates.notes[0]
    )
    assert open_dates.time_unit == "month"
    days = read([f"{d:02d}.02.2016" for d in range(1, 30)])
    assert days.time_unit == "day" and not any("format" in note for note in days.notes)
    table = pd.DataFrame({"d": [f"{d:02d} 02 2016" for d in range(1, 13)], "x": X[:12]})
    spaced = Sequences.from_pandas(table, time="d")
    assert "say the format" in spaced.notes[0], spaced.notes
    times = Sequences.from_arrays(X[:12], times=[f"{d:02d}.02.2016" for d in range(1, 13)])
    assert times.time_unit == "day" and "day-month-year" in times.notes[0]


def test_length_series_and_iteration():
    data = Sequences.from_arrays([X[:30], X[:20]], series_names=["a", "b"])
    assert len(data) == 2 and [each.steps for each in data] == [30, 20]
    assert data["b"].steps == data[1].steps == data[-1].steps == 20
    with pytest.raises(RekalError, match="no series 2"):
        data[2]
    with pytest.raises(RekalError, match="must be arrays of numbers, not Sequences"):
        Sequences.from_arrays(data)


def test_figure_of_the_data():
    values = np.stack([X[:30], X[30:60]], 1)
    values[5, 0] = np.nan
    days = pd.date_range("2024-01-01", periods=30, tz="Asia/Tokyo")
    data = Sequences.from_arrays([values, values[:20]], inputs=[X[:30], X[:20]], times=[days, days[:20]],
                                 names=["a", "b"], units=["mm", None])  # fmt: skip
    figure = data.plot()
    assert len(figure.data) == 6 and figure.layout.yaxis.title.text == "a (mm)"
    first = figure.data[0]
    assert np.isnan(first.y[5]) and first.x[0] == days[0]
    assert len(data.plot("2").data) == len(data.plot(0).data) == 3
    np.testing.assert_array_equal(data.plot(1).data[1].y, values[:20, 1])


def test_frames_are_learned_from_and_forecast():
    days = pd.date_range("2020-01-01", periods=60, freq="B")
    table = pd.DataFrame({"x": np.cumsum(X[:60])}, index=days)
    fit = rekalman.fit(table, "local-level", progress=False)
    direct = rekalman.fit(Sequences.from_pandas(table), "local-level", progress=False)
    assert fit.history.log_likelihood[-1] == direct.history.log_likelihood[-1]
    made, same = fit.forecast(table, 3), fit.forecast(Sequences.from_pandas(table), 3)
    np.testing.assert_array_equal(made.mean, same.mean)
    assert made.to_frame()["time"].iloc[0] == days[-1] + pd.offsets.BDay()
    assert fit.filter(table).log_evidence.shape == (1, 60)
    with pytest.raises(RekalError, match="no column 'x'"):
        fit.forecast(table.rename(columns={"x": "z"}), 3)
    with pytest.raises(RekalError, match="tables or Frames, not from ndarray"):
        read_data(table.to_numpy())
