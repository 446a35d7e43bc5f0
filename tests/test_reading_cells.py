"""Cells of tables: thousands, decimal commas, units, true and false, dates, and what is none of them."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekalman import RekalError, Sequences
from rekalman.data.padding import padding_note

N = 12
T = [str(i) for i in range(N)]


def read(tmp_path, columns, sep=";", **options):
    """Write columns of text as a CSV file and read it."""
    rows = [sep.join(columns), *(sep.join(row) for row in zip(*columns.values(), strict=True))]
    path = tmp_path / "data.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return Sequences.from_csv(path, **options)


def column(tmp_path, cells, **options):
    """The values read from the cells, NaN where missing, with the sequences."""
    data = read(tmp_path, {"t": T, "x": cells}, time="t", **options)
    assert data.names == ("x",), data.notes
    return np.where(data.mask[0, :, 0], data.values[0, :, 0], np.nan), data


NUMBERS = np.array([1234.5, 7, 1234567, 0.25, -4321, 12, 99, 1000, 5, 6, 7, 8])
GROUPED = ["1{}234{}5", "7", "1{}234{}567", "0{}25", "-4{}321", "12", "99", "1{}000", *"5678"]


def grouped(thousands, mark):
    """The numbers above with these marks."""
    cells = [f"{n:,.2f}".rstrip("0").rstrip(".") for n in NUMBERS]
    return [cell.replace(",", "T").replace(".", mark).replace("T", thousands) for cell in cells]


@pytest.mark.parametrize(
    ("thousands", "mark"),
    [
        (".", ","),
        (" ", ","),
        ("\u202f", ","),
        ("'", "."),
        ("\u2019", "."),
        (" ", "."),
        ("\u00a0", "."),
        (",", "."),
    ],
)
def test_thousands(tmp_path, thousands, mark):
    values, data = column(tmp_path, grouped(thousands, mark), decimal=mark)
    np.testing.assert_array_equal(values, NUMBERS)
    assert "between thousands, which were left out" in data.notes[0] and "'x'" in data.notes[0]


def test_a_point_in_a_file_with_decimal_commas_stands_between_thousands(tmp_path):
    cells = ["1.234", "5.678", *["9"] * 9, "7,5"]
    values, data = column(tmp_path, cells, decimal=",")
    assert values[:2].tolist() == [1234, 5678] and values[-1] == 7.5
    assert data.notes[0] == "Column 'x' has points between thousands, which were left out."
    values, _ = column(tmp_path, ["1.234"] * 6 + ["5.678"] * 6, decimal=",")
    assert set(values) == {1234, 5678}
    with pytest.raises(RekalError, match=r"row 2 of column 'x' holds '0.5', which is not a number"):
        column(tmp_path, ["1,5", "0.5", *T[2:]], decimal=",")
    with pytest.raises(
        RekalError, match=r"row 1 of column 'x' holds '1.23', which is not a number"
    ):
        column(tmp_path, ["1.23", "0,5", *T[2:]], decimal=",")
    values, data = column(tmp_path, ["0.5", "1.25", *T[2:]], decimal=",")
    assert (
        values[:2].tolist() == [0.5, 1.25]
        and "its points were read as decimal marks" in data.notes[0]
    )


def test_a_comma_is_refused_where_it_is_not_settled(tmp_path):
    for cells in (["1,234", *T[1:]], ["0,5", *T[1:]], [f"1,{i}" for i in range(N)]):
        with pytest.raises(
            RekalError, match=r"row 1 of column 'x' .*say so \(decimal=',' or --decimal ,\)"
        ):
            column(tmp_path, cells)


@pytest.mark.parametrize("mark", [" ", "'"])
def test_numbers_in_groups_are_no_years(tmp_path, mark):
    cells = [f"1{mark}{200 + i}" for i in range(N)]
    data = read(tmp_path, {"x": cells, "z": T[::-1]})
    assert data.names == ("x", "z") and data.times is None
    assert data.values[0, :, 0].tolist() == [1200 + i for i in range(N)]


@pytest.mark.parametrize("unit", ["%", " %", "mm", " mm", " °C", "kPa"])
def test_units_and_percent_signs_in_cells(tmp_path, unit):
    cells = [f"{i % 5 + 0.5}{unit}" for i in range(N)]
    values, data = column(tmp_path, [*cells[:3], "", *cells[4:]])
    assert values[0] == 0.5 and np.isnan(values[3]) and data.units == (unit.strip(),)
    assert f"carries the unit '{unit.strip()}' in its cells" in data.notes[0]
    with pytest.raises(
        RekalError, match=r"row 2 of column 'x' holds '3 cm', which is not a number in"
    ):
        column(tmp_path, [cells[0], "3 cm", *cells[2:]])
    with pytest.raises(RekalError, match="row 2 of column 'x' holds '3', which is not a number in"):
        column(tmp_path, [cells[0], "3", *cells[2:]])


@given(
    numbers=st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=2, max_size=20),
    unit=st.sampled_from(["", " mm", "%", " EUR"]),
    marks=st.sampled_from([(",", "."), (" ", "."), ("'", "."), (".", ",")]),
)
def test_what_is_written_with_thousands_is_what_pandas_reads(tmp_path, numbers, unit, marks):
    cells = [
        f"{n:,.2f}".translate(str.maketrans(dict(zip(",.", marks, strict=True)))) for n in numbers
    ]
    plain = tmp_path / "plain.csv"
    plain.write_text("x;t\n" + "\n".join(f"{cell};{i}" for i, cell in enumerate(cells)))
    expected = pd.read_csv(plain, sep=";", thousands=marks[0], decimal=marks[1])["x"]
    path = tmp_path / "data.csv"
    path.write_text("x;t\n" + "\n".join(f"{cell}{unit};{i}" for i, cell in enumerate(cells)))
    data = Sequences.from_csv(path, time="t", decimal=marks[1], learnable=False)
    np.testing.assert_array_equal(data.values[0, :, 0], expected)
    assert data.units == (unit.strip() or None,)


@pytest.mark.parametrize(
    ("cells", "number", "unit"),
    [
        (["$1,234.50", "$2"], 1234.5, "$"),
        (["-$1,234.50", "$2"], -1234.5, "$"),
        (["$-1,234.50", "$2"], -1234.5, "$"),
        (["USD 12.5", "USD 2"], 12.5, "USD"),
        (["12.5 CHF", "2 CHF"], 12.5, "CHF"),
        (["CHF 1'200.50", "CHF 2"], 1200.5, "CHF"),
        (["\u00a51200", "\u00a52"], 1200, "\u00a5"),
        (["1.234,50 \u20ac", "2,00 \u20ac"], 1234.5, "\u20ac"),
        (["12,34,567.5", "2"], 1234567.5, None),
        (["12 m\u00b2", "2 m\u00b2"], 12, "m\u00b2"),
        (["1e3 kg/m3", "2 kg/m3"], 1000, "kg/m3"),
        (["7 \u00b5g/m\u00b3", "2 \u00b5g/m\u00b3"], 7, "\u00b5g/m\u00b3"),
    ],
)
def test_currencies_and_compound_units(cells, number, unit):
    frame = pd.DataFrame({"t": np.arange(12), "x": [cells[0], *cells[1:] * 11]})
    data = Sequences.from_pandas(frame, learnable=False)
    assert data.values[0, :2, 0].tolist() == [number, 2] and data.units == (unit,)


@pytest.mark.parametrize(
    "cell", ["(1,234.50)", "1.2k", "5*", "5 [1]", "~5", "<5", "1/2", "5 00", "1,23,4", "#DIV/0!"]
)
def test_a_cell_that_no_notation_settles_is_refused_with_its_place(tmp_path, cell):
    with pytest.raises(RekalError, match="row 3 of column 'x' holds '") as caught:
        column(tmp_path, [*T[:2], cell, *T[3:]])
    assert f"'{cell}', which is not a number" in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "data.csv"))


def test_a_column_of_nothing_but_such_cells_is_named(tmp_path):
    with pytest.raises(RekalError, match=r"no numeric column .*; row 1 of column 'x' holds '0.5k'"):
        column(tmp_path, [f"{i}.5k" for i in range(N)])


def test_a_column_whose_cells_and_name_disagree_is_refused(tmp_path):
    cells = {"t": T, "x [mm]": [f"{i} cm" for i in range(N)]}
    with pytest.raises(RekalError, match=r"'x \[mm\]' are in 'cm', but .* said to be in 'mm'"):
        read(tmp_path, cells)
    assert read(tmp_path, cells, units={"x [mm]": "cm"}).units == ("cm",)
    same = {"t": T, "x (C)": [f"{i} \u00b0C" for i in range(N)]}
    assert read(tmp_path, same).units == ("\u00b0C",)


def test_names_that_begin_with_numbers_are_text(tmp_path):
    rooms = [f"{i}{'ABC'[i % 3]}" for i in range(N)]
    data = read(
        tmp_path, {"t": T, "room": rooms, "what": [f"{i} foo" for i in range(N)], "x": T[::-1]}
    )
    assert data.names == ("x",)
    assert data.notes[1:] == (
        "Column 'room' holds text such as '0A' and was ignored.",
        "Column 'what' holds text such as '0 foo' and was ignored.",
    )


@pytest.mark.parametrize(("yes", "no"), [("True", "False"), ("TRUE", "FALSE"), ("true", "false")])
def test_true_and_false_with_a_gap(tmp_path, yes, no):
    cells = [yes if i % 3 else no for i in range(N)]
    values, _ = column(tmp_path, cells)
    np.testing.assert_array_equal(values, [float(i % 3 > 0) for i in range(N)])
    values, _ = column(tmp_path, [*cells[:4], "", *cells[5:]])
    assert np.isnan(values[4]) and values[:4].tolist() == [0, 1, 1, 0]
    frame = pd.DataFrame({"x": [True, None, False, True]})
    assert Sequences.from_pandas(frame, learnable=False).mask[0, :, 0].tolist() == [1, 0, 1, 1]


# Dates


def dated(tmp_path, stamps, **options):
    """The dates that are read, and the sequences."""
    columns = {"when": list(stamps), "x": [str(i % 5) for i in range(len(stamps))]}
    data = read(tmp_path, columns, **options)
    assert data.names == ("x",) and data.time_name == "when", data.notes
    return data.index(), data


ZONED = [f"2024-01-01T{i:02d}:00:00+02:00" for i in range(N)]


@pytest.mark.parametrize(
    ("pattern", "frequency"),
    [
        ("%Y-%m-%d", "D"), ("%Y/%m/%d", "D"), ("%Y.%m.%d", "D"), ("%d.%m.%Y", "D"), ("%d/%m/%Y", "D"),
        ("%m/%d/%Y", "D"), ("%d-%m-%Y", "D"), ("%d.%m.%y", "D"), ("%Y-%m", "MS"), ("%b %Y", "MS"),
        ("%d %B %Y", "D"), ("%b %d, %Y", "D"), ("%Y-%m-%d %H:%M", "15min"), ("%Y-%m-%dT%H:%M:%S", "s"),
        ("%d.%m.%Y %H:%M", "h"), ("%m/%d/%Y %I:%M %p", "h"), ("%d/%m/%Y %H:%M:%S.%f", "100ms"),
        ("%Y-%m-%d %H:%M:%SZ", "s"), ("%d.%m.%Y, %H:%M:%S", "s"), ("%Y%m%dT%H%M%S", "min"),
    ],
)  # fmt: skip
def test_dates_in_many_forms(tmp_path, pattern, frequency):
    dates = pd.date_range("2023-12-20", periods=40, freq=frequency)
    index, data = dated(tmp_path, dates.strftime(pattern))
    dates = dates.tz_localize("UTC") if pattern.endswith("Z") else dates
    assert (index == dates).all() and data.interval == pytest.approx(1, abs=99)


@pytest.mark.parametrize("pattern", ["%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d.%m.%Y"])
def test_months_of_several_years_are_months(tmp_path, pattern):
    dates = pd.date_range("2020-01-01", periods=36, freq="MS")
    index, data = dated(tmp_path, dates.strftime(pattern))
    dates = dates.tz_localize("UTC") if pattern.endswith("Z") else dates
    assert (index == dates).all() and data.time_unit == "month"
    assert "which were read as" in data.notes[0]


@pytest.mark.parametrize(
    ("stamps", "unit", "order"),
    [
        ([f"{i:02d}/01/2020" for i in range(1, 13)], "month", "month-day-year"),
        ([f"01/{i:02d}/2020" for i in range(1, 13)], "day", "month-day-year"),
        ([f"{i:02d}.01.2020" for i in range(1, 13)], "day", "day-month-year"),
        ([f"20-01-{i:02d}" for i in range(1, 13)], "day", "year-month-day"),
        ([f"20-{i:02d}-01" for i in range(1, 13)], "month", "year-month-day"),
        ([f"{i}/1/20" for i in range(1, 13)], "month", "month-day-year"),
    ],
)
def test_dates_that_are_open_get_a_note_and_can_be_settled(tmp_path, stamps, unit, order):
    _, data = dated(tmp_path, stamps)
    assert data.time_unit == unit
    assert data.notes[0] == (
        f"Column 'when' holds dates such as {stamps[0]}, which were read as {order}; say the format "
        "(date_format=, --date-format) if that is wrong."
    )
    if stamps[0] == "01/01/2020":
        settled, other = dated(tmp_path, stamps, date_format="%d/%m/%Y")
        expected = pd.to_datetime(stamps, format="%d/%m/%Y")
        assert (settled == expected).all() and len(other.notes) == 1


@pytest.mark.parametrize(
    "bad", ["2024-02-30", "2024-13-01", "soon", "", "2024-01-05x", "05.06.2024"]
)
def test_one_impossible_date_is_refused_with_its_row(tmp_path, bad):
    stamps = [f"2024-02-{i:02d}" for i in range(1, 29)]
    stamps[6] = bad
    holds = f"holds '{bad}'" if bad else "is empty"
    with pytest.raises(
        RekalError, match=f"row 7 of the time column 'when' {holds}, which is neither"
    ):
        dated(tmp_path, stamps)


def test_a_format_that_fits_no_date(tmp_path):
    with pytest.raises(RekalError, match=r"row 1 .* neither empty nor a date like %d/%m/%Y"):
        dated(tmp_path, [f"2024-02-{i:02d}" for i in range(1, 29)], date_format="%d/%m/%Y")
    with pytest.raises(RekalError, match="'%Q' is no format of dates"):
        dated(tmp_path, [f"2024-02-{i:02d}" for i in range(1, 29)], date_format="%Q")


def test_dates_written_as_one_number(tmp_path):
    dates = pd.date_range("2024-01-20", periods=30, freq="D")
    data = read(tmp_path, {"date": list(dates.strftime("%Y%m%d")), "x": ["1", "2"] * 15})
    assert (data.index() == dates).all() and data.interval == 1
    assert "numbers such as 20240120, which were read as dates" in data.notes[0]


def test_times_of_day_are_seconds(tmp_path):
    clock = [f"23:59:{i:02d}.5" for i in range(N)]
    data = read(tmp_path, {"time": clock, "x": T})
    assert (data.time_unit, data.interval, data.times[0, 0]) == ("s", 1.0, 86340.5)
    assert "seconds since midnight" in data.notes[0]


def test_old_and_late_dates(tmp_path):
    for first in ("0950-01-01", "9000-01-01"):
        year = int(first[:4])
        index, _ = dated(tmp_path, [f"{year + i:04d}-01-01" for i in range(N)])
        assert index.year.tolist() == [year + i for i in range(N)]


def test_a_forecast_beyond_the_last_year_is_refused(tmp_path):
    _, data = dated(tmp_path, [f"{9900 + i:04d}-01-01" for i in range(N)])
    with pytest.raises(RekalError, match="beyond the dates that can be written"):
        data.index(0, 1000)


# Other content


def test_time_stamps_at_the_edge_of_the_type(tmp_path):
    with pytest.raises(
        RekalError, match=r"rows 1 and 2 \(-1e\+308 and 1e\+308\) are too far apart"
    ):
        read(tmp_path, {"t": ["-1e308", "1e308", *T[2:]], "x": T[::-1]}, time="t")
    with pytest.raises(RekalError, match="too far apart for a number"):
        Sequences.from_arrays(np.zeros(3), times=[-1e308, 1e308, 1.1e308], irregular=True)
    with pytest.raises(RekalError, match="lengths of the steps in dt add up to"):
        Sequences.from_arrays(np.zeros(3), dt=[1e308, 1e308, 1e308])
    index = Sequences.from_arrays(np.zeros(3), times=[1e300, 2e300, 3e300]).index(0, 1)
    assert index.tolist() == pytest.approx([1e300, 2e300, 3e300, 4e300])


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        ([b"a", b"b"] * 6, "binary data"),
        ([[1, 2]] * N, "lists or records"),
        ([{"a": 1}] * N, "lists or records"),
        ([np.arange(2)] * N, "lists or records"),
        (pd.to_timedelta(range(N), unit="s"), "time spans"),
        (np.arange(N) + 1j, "complex numbers"),
    ],
)
def test_columns_that_hold_no_numbers(tmp_path, cells, what):
    frame = pd.DataFrame({"t": np.arange(N), "x": np.arange(N) % 5, "other": cells})
    data = Sequences.from_pandas(frame)
    assert (
        data.names == ("x",) and data.notes[-1] == f"Column 'other' holds {what} and was ignored."
    )
    with pytest.raises(RekalError, match=f"column 'other' holds {what}, which are not numbers"):
        Sequences.from_pandas(frame, columns=["other"])
    if what != "complex numbers":
        frame.to_parquet(tmp_path / "data.parquet")
        assert Sequences.from_parquet(tmp_path / "data.parquet").names == ("x",)


def test_numbers_as_objects(tmp_path):
    numbers = [decimal.Decimal("1.25"), None, *map(decimal.Decimal, range(N - 2))]
    dates = [datetime.date(2024, 1, 1) + datetime.timedelta(i) for i in range(N)]
    frame = pd.DataFrame({"date": dates, "x": numbers})
    frame.to_parquet(tmp_path / "data.parquet")
    for data in (Sequences.from_pandas(frame), Sequences.from_parquet(tmp_path / "data.parquet")):
        assert data.names == ("x",) and data.time_unit == "day" and data.values[0, 0, 0] == 1.25
        assert data.mask[0, :, 0].sum() == N - 1


def test_damaged_parquet(tmp_path):
    frame = pd.DataFrame({"t": np.arange(500.0), "x": np.random.default_rng(0).normal(size=500)})
    path = tmp_path / "data.parquet"
    frame.to_parquet(path, write_page_checksum=True)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(100):
        broken = bytearray(whole)
        broken[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(broken[: rng.choice([len(whole), rng.integers(len(whole))])]))
        try:
            data = Sequences.from_parquet(path)
        except RekalError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
        else:  # a flipped bit of a name or of what describes the file
            np.testing.assert_array_equal(data.values[0, :, -1], frame["x"])


# Arrays and parts of sequences


def test_an_array_that_seems_turned_round_gets_a_note():
    broad = np.random.default_rng(0).normal(size=(3, 50))
    note = (
        "values of shape (3, 50) were read as 3 steps of 50 columns; for 3 series of 50 steps give"
    )
    assert Sequences.from_arrays(broad).notes[0].startswith(note)
    for values in (
        broad.T,
        broad[None],
        broad[:, :, None],
        [broad],
        [*broad],
        np.ones((3, 3)),
        np.ones(1),
    ):
        assert Sequences.from_arrays(values).notes == ()


@pytest.mark.parametrize("seed", [-1, -(2**70), True])
def test_seeds_of_random_gaps(seed):
    with pytest.raises(RekalError, match="seed must be"):
        Sequences.from_arrays(np.arange(20.0)).drop_random(0.5, seed)


def test_places_to_cut_at():
    data = Sequences.from_arrays(np.arange(20.0))
    assert data.split(np.float32(0.5))[0].steps == 10 and data.split(np.int64(5))[0].steps == 5
    for at in (float("nan"), True, 1.0):
        with pytest.raises(RekalError, match=r"split|fraction"):
            data.split(at)
    with pytest.raises(RekalError, match="fraction"):
        data.drop_random(float("nan"), 0)


def test_many_short_series_beside_a_long_one():
    rng = np.random.default_rng(0)
    series = [rng.normal(5, 2, 25_000), *(rng.normal(5, 2, 10) for _ in range(410))]
    data = Sequences.from_arrays(series, interval=1.0)
    together = np.concatenate(series)
    standardiser = data.standardiser()
    np.testing.assert_allclose(standardiser.location, [together.mean()], rtol=1e-12)
    np.testing.assert_allclose(standardiser.scale, [together.std()], rtol=1e-12)
    expected = (series[3] - together.mean()) / together.std()
    np.testing.assert_allclose(standardiser.apply(data).values[3, :12, 0], [*expected, 0, 0])
    assert data.times.shape == (411, 25_000) and data.times[5, -1] == 24_999
    long = [np.broadcast_to(0.0, (100_000, 1)), *[np.zeros((10, 1))] * 2000]
    assert padding_note(long)[0].startswith(
        "2001 series of 10 to 100000 steps are padded to one length, which takes 1.6 GB"
    )
    assert padding_note(long[:100]) == padding_note(long[:1] * 2000) == ()
