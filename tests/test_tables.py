import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekalman import RekalError, Sequences
from rekalman.data.units import stem_of, time_unit_of, unit_of

N = 12
T = [f"{i / 10:g}" for i in range(N)]
X = [f"{(i * 7) % 5 + 0.5:g}" for i in range(N)]


def write(tmp_path, columns, sep=",", name="data.csv"):
    """Write columns of text as a CSV file."""
    rows = [sep.join(columns), *(sep.join(row) for row in zip(*columns.values(), strict=True))]
    path = tmp_path / name
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def with_cell(column, row, cell):
    """The column with another cell in a row counted from 1."""
    return [*column[: row - 1], cell, *column[row:]]


def test_plain_file(tmp_path):
    data = Sequences.from_csv(write(tmp_path, {"t_s": T, "x_mm": X}))
    assert (data.names, data.units, data.steps) == (("x_mm",), ("mm",), N)
    assert (data.time_name, data.time_unit, data.interval) == ("t_s", "s", 0.1)
    np.testing.assert_array_equal(data.values[0, :, 0], np.array(X, float))
    np.testing.assert_array_equal(data.times[0], np.array(T, float))
    assert data.notes == ("Column 't_s' was taken as time.",)


@pytest.mark.parametrize("sep", [",", ";", "\t", "|", " ", "   "])
def test_delimiters_are_found_out(tmp_path, sep):
    path = write(tmp_path, {"t": T, "x": X, "z [mm]" if len(sep.strip()) else "z": X}, sep)
    data = Sequences.from_csv(path)
    assert len(data.names) == 2 and data.interval == 0.1


def test_delimiter_given_and_more_arguments_for_pandas(tmp_path):
    path = tmp_path / "data.txt"
    rows = "\n".join(f"{x}~{t}" for x, t in zip(X, T, strict=True))
    path.write_text(f"# made by a logger\nGröße~t\n{rows}\n", encoding="latin-1")
    data = Sequences.from_csv(path, sep="~", pandas={"encoding": "latin-1", "skiprows": 1})
    assert data.names == ("Größe",) and data.interval == 0.1


def test_decimal_comma(tmp_path):
    path = write(tmp_path, {"t": T, "x": [x.replace(".", ",") for x in X]}, ";")
    np.testing.assert_array_equal(
        Sequences.from_csv(path, time="t", decimal=",").values[0, :, 0], np.array(X, float)
    )
    with pytest.raises(RekalError, match=r"row 1 of column 'x' holds '0,5', .* \(decimal=',' or"):
        Sequences.from_csv(path)


def test_file_without_header(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("\n".join(f"{x},{t}" for x, t in zip(X, T, strict=True)))
    data = Sequences.from_csv(path)
    assert data.names == ("y1", "y2") and data.steps == N and data.values[0, 0, 0] == 0.5


def test_byte_order_mark_quotes_spaces_and_blank_lines(tmp_path):
    path = tmp_path / "data.csv"
    rows = "\n\n".join(f'"{t}", {x}' for t, x in zip(T, X, strict=True))
    path.write_text(f'\ufeff"t", "x (mm)"\n{rows}\n\n', encoding="utf-8")
    data = Sequences.from_csv(path)
    assert (data.names, data.units, data.steps) == (("x (mm)",), ("mm",), N)


@pytest.mark.parametrize("marker", ["", "NA", "NaN", "nan", "null", "-", " - ", "n/a", "None", "?"])
def test_missing_markers(tmp_path, marker):
    path = write(tmp_path, {"t": T, "x": with_cell(X, 4, marker), "z": X})
    data = Sequences.from_csv(path)
    assert not data.mask[0, 3, 0] and data.mask.sum() == 2 * N - 1


def test_running_numbers_and_text_are_ignored_with_a_note(tmp_path):
    columns = {"": [str(i) for i in range(N)], "who": ["me"] * N, "t": T, "x": X}
    data = Sequences.from_csv(write(tmp_path, columns))
    assert data.names == ("x",)
    assert data.notes[1] == "Column 'Unnamed: 0' counts rows and was ignored."
    assert data.notes[2] == "Column 'who' holds text and was ignored."


def test_columns_and_inputs_and_targets_are_chosen(tmp_path):
    path = write(tmp_path, {"t": T, "a": X, "b": X, "c": X, "d": X[::-1]})
    data = Sequences.from_csv(path, columns=["d", "b"], inputs=["a"], targets=["c"])
    assert (data.names, data.input_names) == (("d", "b"), ("a",))
    assert data.targets.shape == data.inputs.shape == (1, N, 1)
    assert data.time_name == "t"


def test_a_time_column_that_is_asked_for_as_data_is_data(tmp_path):
    data = Sequences.from_csv(write(tmp_path, {"t": T, "x": X}), columns=["t", "x"])
    assert data.names == ("t", "x") and data.times is None


@pytest.mark.parametrize("name", ["t", "T", "Time", "time_s", "t_s", "Date", "YEAR", "Time [s]"])
def test_time_columns_by_name(tmp_path, name):
    assert Sequences.from_csv(write(tmp_path, {"x": X, name: T})).time_name == name


def test_a_column_that_only_sounds_like_time_is_data(tmp_path):
    data = Sequences.from_csv(write(tmp_path, {"t_air": X, "t": X[::-1], "x": X}))
    assert data.names == ("t_air", "t", "x") and data.times is None


@pytest.mark.parametrize(
    ("pattern", "unit"),
    [("%Y-%m-%d", "day"), ("%d/%m/%Y", "day"), ("%m/%d/%Y", "day"), ("%Y-%m-%d %H:%M", "day")],
)
def test_dates_as_text(tmp_path, pattern, unit):
    dates = pd.date_range("2024-01-29", periods=30, freq="D")
    columns = {"when": list(dates.strftime(pattern)), "x": (X * 3)[:30]}
    data = Sequences.from_csv(write(tmp_path, columns))
    assert (data.time_name, data.time_unit, data.interval) == ("when", unit, 1.0)
    assert (data.index() == dates).all()


def test_dates_with_time_zones(tmp_path):
    stamps = [f"2024-01-01T{i:02d}:00:00+02:00" for i in range(N)]
    data = Sequences.from_csv(write(tmp_path, {"time": stamps, "x": X}))
    assert (data.time_unit, data.time_origin) == ("h", "2024-01-01T00:00:00+02:00")
    assert (data.time_zone, data.index()[0].isoformat()) == ("UTC+02:00", data.time_origin)


def test_series_column_in_any_order_of_rows(tmp_path):
    columns = {
        "t": [t for t in T for _ in range(2)],
        "who": ["b", "a"] * N,
        "x": [str(i) for i in range(2 * N)],
    }
    data = Sequences.from_csv(write(tmp_path, columns), series="who")
    assert data.series_names == ("b", "a") and data.lengths.tolist() == [N, N]
    assert data.values[1, :3, 0].tolist() == [1, 3, 5]
    columns["t"] = with_cell(columns["t"], 6, "0.25")
    with pytest.raises(RekalError, match=r"series 'a': the time stamps are irregular at row 6"):
        Sequences.from_csv(write(tmp_path, columns), series="who")
    with pytest.raises(
        RekalError, match=r"rows 1 and 2 have the same .*name the column that separates"
    ):
        Sequences.from_csv(write(tmp_path, columns))


def test_several_files_are_several_series(tmp_path):
    one = write(tmp_path, {"t": T, "x": X}, name="one.csv")
    two = write(tmp_path, {"t": T[:5], "x": X[:5]}, ";", name="two.csv")
    data = Sequences.from_csv([one, str(two)])
    assert data.series_names == ("one", "two") and data.lengths.tolist() == [N, 5]
    three = write(tmp_path, {"t": T, "y": X}, name="three.csv")
    with pytest.raises(RekalError, match=r"three.csv: there is no column 'x'; there are 't', 'y'"):
        Sequences.from_csv([one, three])
    slow = write(tmp_path, {"t": [str(i) for i in range(N)], "x": X}, name="slow.csv")
    with pytest.raises(RekalError, match="must share one"):
        Sequences.from_csv([one, slow])


def test_parquet_and_pandas_agree_with_csv(tmp_path):
    path = write(tmp_path, {"t_s": T, "x_mm": with_cell(X, 3, "NA")})
    table = pd.read_csv(path)
    table.to_parquet(tmp_path / "data.parquet")
    expected = Sequences.from_csv(path)
    frames = [table, table.set_index("t_s"), table.convert_dtypes()]
    others = [Sequences.from_pandas(frame) for frame in frames]
    for data in [Sequences.from_parquet(tmp_path / "data.parquet"), *others]:
        np.testing.assert_array_equal(data.values, expected.values)
        np.testing.assert_array_equal(data.mask, expected.mask)
        np.testing.assert_array_equal(data.times, expected.times)
        assert (data.names, data.interval) == (expected.names, expected.interval)


def test_dated_index_and_periods():
    dates = pd.date_range("2000-01-01", periods=N, freq="MS")
    values = np.arange(N) % 5.0
    for index in (dates, dates.to_period("M"), dates.rename("month")):
        data = Sequences.from_pandas(pd.DataFrame({"x": values}, index=index))
        assert (data.time_unit, data.interval, data.names) == ("month", 1.0, ("x",))
    plain = Sequences.from_pandas(pd.DataFrame({"x": values}, index=range(5, 5 + N)))
    assert plain.times is not None and plain.index()[-1] == 4 + N and plain.names == ("x",)


def test_units_argument(tmp_path):
    path = write(tmp_path, {"t": T, "x_mm": X, "v": X})
    data = Sequences.from_csv(path, units={"v": "mm/s"})
    assert data.units == ("mm", "mm/s")


@pytest.mark.parametrize(
    ("name", "unit", "stem"),
    [
        ("x1_mm", "mm", "x1"),
        ("z [mm]", "mm", "z"),
        ("flow (m3/s)", "m3/s", "flow"),
        ("Timestamp(ms)", "ms", "Timestamp"),
        ("player_one", None, "player_one"),
        ("_mm", None, "_mm"),
        ("x", None, "x"),
    ],
)
def test_units_in_names(name, unit, stem):
    assert (unit_of(name), stem_of(name)) == (unit, stem)
    assert time_unit_of("year") == "year"


BAD_COLUMNS = [
    ({"t": T, "x": with_cell(X, 7, "abc")}, "row 7 of column 'x' holds 'abc'"),
    ({"t": T, "x": with_cell(X, 5, "inf")}, "row 5 of column 'x' is infinite"),
    ({"t": T, "x": with_cell(X, 5, "-1e999")}, "row 5 of column 'x' is infinite"),
    ({"t": T, "x": ["7"] * N}, "column 'x' is constant .always 7."),
    ({"t": T, "x": X, "b": ["7"] * (N - 1) + [""]}, "column 'b' is constant"),
    ({"t": T, "x": ["NA"] * N}, "all values are missing"),
    ({"t": T, "x": X, "b": [""] * N}, "column 'b' has no value at all"),
    ({"t": T, "who": ["me"] * N}, "no numeric column"),
    ({"t": T[:9], "x": X[:9]}, "9 samples are too few"),
    ({"t": [], "x": []}, "no rows"),
    ({"t": T[::-1], "x": X}, r"row 2 goes backwards \(1.0 after 1.1\)"),
    ({"t": with_cell(T, 6, "0.4"), "x": X}, r"rows 5 and 6 have the same time stamp \(0.4\)"),
    ({"t": with_cell(T, 6, "0.1"), "x": X}, r"rows 2 and 6 have the same time stamp \(0.1\)"),
    ({"t": with_cell(T, 6, "0.11"), "x": X}, r"row 6 goes backwards \(0.11 after 0.4\)"),
    (
        {"t": with_cell(T, 6, "0.45"), "x": X},
        r"irregular at row 6 \(0.45 after 0.4.*interval of 0.1",
    ),
    ({"t": with_cell(T, 12, "9999"), "x": X}, "gap before row 12"),
    ({"t": with_cell(T, 6, ""), "x": X}, "row 6 has no usable time stamp"),
    (
        {"date": with_cell([f"2024-01-{d:02d}" for d in range(1, 13)], 3, "soon"), "x": X},
        "holds 'soon'",
    ),
]


@pytest.mark.parametrize(("columns", "message"), BAD_COLUMNS)
def test_bad_columns(tmp_path, columns, message):
    path = write(tmp_path, columns)
    with pytest.raises(RekalError, match=message) as caught:
        Sequences.from_csv(path, time=next(iter(columns)))
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"time": "when"}, "no column 'when'; there are 't', 'a', 'u'"),
        ({"columns": ["q"]}, "no column 'q'"),
        ({"inputs": ["q"]}, "no column 'q'"),
        ({"series": "q"}, "no column 'q'"),
        ({"columns": ["a"], "inputs": ["a"]}, "column 'a' was asked for twice"),
        ({"inputs": ["u"]}, "row 4 of the input column 'u' is missing"),
        ({"inputs": ["a", "u"]}, "no numeric column"),
        ({"time": "t", "columns": ["t"]}, "asked for twice"),
        ({"series": "u"}, "row 4 of the series column 'u' is missing"),
    ],
)
def test_bad_choices(tmp_path, how, message):
    path = write(tmp_path, {"t": T, "a": X, "u": with_cell(X, 4, "")})
    with pytest.raises(RekalError, match=message):
        Sequences.from_csv(path, **how)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n \n\n", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "not a text file"),
        (b"a,b\0\n1,2\n", "not a text file"),
        (b"t,x\n0,1\n1,2,3,4\n", "do not fit the columns"),
        (b"t,x,x\n0,1,2\n", "two columns are called 'x'"),
        (b't,x\n0,"1\n1,2\n', "do not fit the columns"),
    ],
)
def test_bad_files(tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(RekalError, match=message):
        Sequences.from_csv(path)


@pytest.mark.parametrize("read", [Sequences.from_csv, Sequences.from_parquet])
def test_missing_files_and_folders(tmp_path, read):
    with pytest.raises(RekalError, match=r"absent.csv: there is no such file"):
        read(tmp_path / "absent.csv")
    with pytest.raises(RekalError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(RekalError, match="no file to read"):
        read([])


def test_foreign_parquet(tmp_path):
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and then nothing sensible")
    with pytest.raises(RekalError, match="no Parquet file"):
        Sequences.from_parquet(tmp_path / "bad.parquet")


def test_bad_frames():
    with pytest.raises(RekalError, match="no table"):
        Sequences.from_pandas([])
    with pytest.raises(RekalError, match="two columns are called 'x'"):
        Sequences.from_pandas(pd.DataFrame(np.ones((3, 2)), columns=["x", "x"]))
    with pytest.raises(RekalError, match="needs a time column"):
        Sequences.from_pandas(pd.DataFrame({"x": np.arange(N) % 5}), irregular=True)


def test_gap_in_a_file_becomes_missing_rows(tmp_path):
    path = write(tmp_path, {"t": [*T[:6], *T[9:]], "x": [*X[:6], *X[9:]]})
    data = Sequences.from_csv(path, learnable=False)
    assert data.steps == N and data.mask[0, :, 0].tolist() == [True] * 6 + [False] * 3 + [True] * 3
    assert data.notes[-1] == "3 missing rows were put into gaps of series '1'."


def test_irregular_stamps_where_they_are_asked_for(tmp_path):
    path = write(tmp_path, {"t": with_cell(T, 6, "0.45"), "x": X})
    data = Sequences.from_csv(path, irregular=True)
    assert data.dt[0, 5] == pytest.approx(0.05) and data.dt[0, 6] == pytest.approx(0.15)


def test_few_samples_are_enough_to_forecast_from(tmp_path):
    path = write(tmp_path, {"t": T[:3], "x": ["1"] * 3})
    assert Sequences.from_csv(path, learnable=False).steps == 3


@given(
    values=st.lists(
        st.one_of(st.none(), st.floats(-1e300, 1e300, allow_subnormal=False)),
        min_size=2,
        max_size=40,
    )
)
def test_what_was_written_is_read_exactly(tmp_path, values):
    frame = pd.DataFrame({"x": np.array(values, dtype=float), "z": np.arange(len(values)) % 2.0})
    frame.to_csv(tmp_path / "data.csv", index=False)
    data = Sequences.from_csv(tmp_path / "data.csv", learnable=False)
    pd.testing.assert_frame_equal(
        data.to_frame().reset_index(drop=True), frame, check_exact=True, check_dtype=False
    )
