"""CSV files as programs and people write them: encodings, delimiters, headers, comments, broken lines."""

import os
import threading

import numpy as np
import pytest

from rekalman import RekalError, Sequences

N = 12
T = [f"{i / 10:g}" for i in range(N)]
X = [f"{(i * 7) % 5 + 0.5:g}" for i in range(N)]
TABLE = [",".join(row) for row in [("t_s", "x"), *zip(T, X, strict=True)]]
VALUES = np.array(X, float)


def read(tmp_path, content, name="data.csv", **options):
    """Write text or bytes to a file and read it."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Sequences.from_csv(path, **options)


def lines(*rows):
    """Rows as the text of a file."""
    return "\n".join(rows) + "\n"


def numbers(data):
    """All values of the only series, NaN where missing."""
    return np.where(data.mask[0], data.values[0], np.nan)


# Encodings


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_ends_of_lines(tmp_path, encoding, end):
    text = end.join(line.replace("x", "Größe") for line in TABLE) + end
    data = read(tmp_path, text.encode(encoding))
    assert data.names == ("Größe",) and data.interval == 0.1
    np.testing.assert_array_equal(numbers(data)[:, 0], VALUES)
    assert ("read as" in data.notes[0]) == (encoding in ("cp1252", "utf-16-le", "utf-16-be"))


def test_latin_1_is_said_with_its_line_and_a_given_encoding_is_kept_to(tmp_path):
    text = lines(*TABLE[:3], "# Größe", *TABLE[3:]).encode("latin-1")
    note = read(tmp_path, text).notes[0]
    assert note.startswith("Line 4 is not UTF-8, so the file was read as Latin-1")
    assert len(read(tmp_path, text, encoding="latin-1").notes) == 2
    with pytest.raises(RekalError, match=r"data.csv: line 4 is not utf-8 text; say its encoding"):
        read(tmp_path, text, encoding="utf-8")
    with pytest.raises(RekalError, match="there is no encoding 'klingon'"):
        read(tmp_path, text, encoding="klingon")
    with pytest.raises(RekalError, match=r"no encoding"):
        read(tmp_path, text, encoding="base64")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8b\x08\0rest", r"compressed \(gzip\)"),
        (b"PK\x03\x04rest", "a workbook, so save the table as CSV"),
        (b"PAR1rest", "let its name end in .parquet"),
        (b"t,x\n0,1\x01\n", "not a text file"),
        (b"\xff\xfe1", "not utf-16-le text"),
        (bytes(range(256)), "not a text file"),
        (b"# only\n# comments\n", "nothing but comments"),
    ],
)
def test_what_is_no_text(tmp_path, content, message):
    with pytest.raises(RekalError, match=message):
        read(tmp_path, content)


# Pipes and rows


@pytest.mark.parametrize("header", [True, False])
def test_a_pipe_loses_no_row(tmp_path, header):
    rows = [f"{i},{(i * 7) % 11}" for i in range(20_000)]
    path = tmp_path / "pipe"
    os.mkfifo(path)
    text = lines(*(["t,x"] if header else []), *rows)
    writer = threading.Thread(target=path.write_text, args=(text,))
    writer.start()
    data = Sequences.from_csv(path)
    writer.join()
    assert data.steps == 20_000
    assert numbers(data)[-1, -1] == 19_999 * 7 % 11


def test_empty_cells_of_a_single_column_are_missing_values(tmp_path):
    cells = ["x", *X[:3], "", *X[4:9], "  ", *X[10:]]
    data = read(tmp_path, lines(*cells))
    assert data.steps == N and np.flatnonzero(~data.mask[0, :, 0]).tolist() == [3, 9]
    np.testing.assert_array_equal(data.values[0][data.mask[0]], np.delete(VALUES, [3, 9]))
    assert data.notes == ("2 empty lines were read as missing values.",)
    quoted = read(tmp_path, lines(*[cell or '""' for cell in cells]))
    assert quoted.steps == N and quoted.mask.sum() == N - 2
    ended = read(tmp_path, lines("x", *X, "", ""))
    assert ended.steps == N and ended.notes == (
        "2 empty lines at the end of the file were left out.",
    )


def test_blank_lines_between_rows_of_several_columns_are_no_rows(tmp_path):
    data = read(tmp_path, lines(*TABLE[:4], "", "   ", *TABLE[4:], ""))
    assert data.steps == N and data.mask.all()
    empty = read(
        tmp_path, lines("t,x,y", *(f"{t},{x},1{x}" for t, x in zip(T, X, strict=True)), "1.2,,")
    )
    assert empty.steps == N + 1 and empty.mask[0, -1].tolist() == [False, False]


def test_a_short_row_is_said_and_a_row_cut_off_is_refused(tmp_path):
    broad = [f"{line},{i % 4}" for i, line in enumerate(TABLE)]
    broad[0] = "t_s,x,y"
    data = read(tmp_path, lines(*broad[:4], TABLE[4], *broad[5:]))
    assert data.mask[0].sum(0).tolist() == [N, N - 1] and not data.mask[0, 3, 1]
    assert data.notes[0].startswith(
        "1 rows have fewer cells than there are columns (the first is row 4)"
    )
    with pytest.raises(
        RekalError, match=r"row 12 has 2 cells where there are 3 columns; is it cut off"
    ):
        read(tmp_path, "\n".join([*broad[:12], "1.1,4."]))
    with pytest.raises(RekalError, match=r"row 3 has 4 cells, but there are 3 columns"):
        read(tmp_path, lines(*broad[:3], "0.2,1,2,3", *broad[4:]))
    spaced = [line.replace(",", " ") for line in broad]
    with pytest.raises(RekalError, match="row 3 has 2 cells where there are 3 columns"):
        read(tmp_path, lines(*spaced[:3], "0.2 1", *spaced[4:]), sep=r"\s+")


# Delimiters


@pytest.mark.parametrize("sep", [";", "\t", "|", "~", "::", "||", ", ", " ; "])
def test_a_delimiter_of_one_or_several_characters(tmp_path, sep):
    data = read(tmp_path, lines(*(line.replace(",", sep) for line in TABLE)), sep=sep)
    assert (data.names, data.interval) == (("x",), 0.1)
    np.testing.assert_array_equal(numbers(data)[:, 0], VALUES)


@pytest.mark.parametrize("sep", ["", '"', "\n", ".", "1", "x", "-", "a;"])
def test_what_cannot_be_a_delimiter(tmp_path, sep):
    with pytest.raises(RekalError, match=r"data.csv: sep must "):
        read(tmp_path, lines(*TABLE), sep=sep)


@pytest.mark.parametrize("decimal", ["", ";", "..", "5"])
def test_what_cannot_be_a_decimal_mark(tmp_path, decimal):
    with pytest.raises(RekalError, match=r"the decimal mark is '\.' or ','"):
        read(tmp_path, lines(*TABLE), decimal=decimal)


@pytest.mark.parametrize("ends", [(True, True), (True, False), (False, True), "some"])
@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_a_delimiter_at_the_end_of_the_lines(tmp_path, ends, sep):
    rows = [line.replace(",", sep) for line in TABLE]
    if ends == "some":
        rows = [row + sep * (i % 3) for i, row in enumerate(rows)]
    else:
        rows = [rows[0] + sep * ends[0], *(row + sep * ends[1] for row in rows[1:])]
    data = read(tmp_path, lines(*rows))
    assert data.names == ("x",) and data.time_name == "t_s"
    assert data.notes == ("Column 't_s' was taken as time.",)
    np.testing.assert_array_equal(numbers(data)[:, 0], VALUES)


def test_the_line_that_tells_spreadsheets_the_delimiter(tmp_path):
    for line, sep in [
        ("sep=;", ";"),
        ('"sep=|"', "|"),
        ("SEP=\t", "\t"),
        ("sep=~", "~"),
        ("sep=;;", ";"),
    ]:
        data = read(tmp_path, lines(line, *(row.replace(",", sep) for row in TABLE)))
        assert data.names == ("x",) and data.steps == N


def test_ten_thousand_columns_and_long_cells(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(11, 10_000)).round(3)
    names = [f"column_{i:05d}" for i in range(10_000)]
    for sep in (":", " "):
        text = lines(sep.join(names), *(sep.join(map(str, row)) for row in values))
        assert len(text.split("\n")[0]) > 2**17 - 10_000
        data = read(tmp_path, text, sep=None if sep == " " else sep)
        np.testing.assert_array_equal(data.values[0], values)
    long = lines("x," + "n" * 200_000, *(f"{x},1" for x in X))
    assert read(tmp_path, long, columns=["x"]).steps == N
    for cell in ("n" * 200_000, '"' + "n" * 200_000 + '"'):
        data = read(tmp_path, lines("x,comment", *(f"{x},{cell}" for x in X)))
        assert data.names == ("x",) and data.steps == N
    with pytest.raises(RekalError, match="the first line cannot be read"):
        read(tmp_path, lines('"' + "n" * 200_000 + '"', *X))


# Headers, comments and units


def test_a_missing_header_is_said(tmp_path):
    data = read(tmp_path, lines(*TABLE[1:]))
    assert data.names == ("y1", "y2") and data.steps == N
    assert data.notes == ("The file has no header, so its columns are called y1 to y2.",)
    one = read(tmp_path, lines(*X))
    assert one.steps == N and one.notes == ("The file has no header, so its column is called y1.",)


@pytest.mark.parametrize(
    "first",
    ["2020-01-01,0.5,1", "01.01.2020,0.5,1", "2020-01-01 00:00,,1", "NA,0.5,1", "00:00,0.5,1"],
)
def test_a_first_row_with_gaps_or_dates_is_no_header(tmp_path, first):
    cell = first.split(",")[0]
    form = {"NA": "{}", "00:00": "00:{:02d}", "01.01.2020": "{:02d}.01.2020"}
    form = form.get(cell, cell.replace("-01-01", "-01-{:02d}"))
    start = 1 if cell == "00:00" else 2
    rows = [f"{form.format(i)},{i % 5},1{i % 3}" for i in range(start, start + 10)]
    data = read(tmp_path, lines(first, *rows))
    assert data.steps == N - 1 and "no header" in data.notes[0]


def test_names_that_hold_numbers_are_said(tmp_path):
    rows = [f"{t},{x},{x}" for t, x in zip(T, X, strict=True)]
    data = read(tmp_path, lines("t,1990,1991", *rows))
    assert data.names == ("1990", "1991")
    assert data.notes[0] == (
        "The first line was taken as the names of the columns although it holds '1990'."
    )


def test_comments(tmp_path):
    data = read(tmp_path, lines("# logger 7", "#", *TABLE[:4], "# pause", *TABLE[4:]))
    assert data.names == ("x",) and data.steps == N
    assert data.notes[0] == "1 lines between the rows that begin with # were left out."
    gaps = read(tmp_path, lines("x,y", *(f"{x},{i}" for i, x in enumerate(X)), "#N/A,3"))
    assert gaps.steps == N + 1 and not gaps.mask[0, -1, 0]


@pytest.mark.parametrize("above", ["# t_s,x", "# t_s x", "#t_s,x", "#\tt_s\tx"])
def test_names_in_a_comment(tmp_path, above):
    data = read(tmp_path, lines("# made by a logger", above, *TABLE[1:]))
    assert data.names == ("x",) and data.time_name == "t_s" and data.steps == N
    assert data.notes[0].startswith("The comment above the first row was taken as the names")


def test_what_numpy_writes(tmp_path):
    path = tmp_path / "numpy.txt"
    values = np.column_stack([np.arange(N), np.arange(N) % 5 + 0.25])
    np.savetxt(path, values, header="t x")
    data = Sequences.from_csv(path)
    assert data.time_name == "t" and data.steps == N
    np.testing.assert_array_equal(numbers(data)[:, 0], values[:, 1])
    np.savetxt(path, values, header="#,x", comments="", delimiter=",")
    assert Sequences.from_csv(path).names[-1] == "x"


@pytest.mark.parametrize("units", ["ms,mm", "[ms],[mm]", "(ms),(mm)", "[ms],", "ms,%"])
def test_a_line_of_units_under_the_header(tmp_path, units):
    rows = [line.replace("t_s", "t") for line in TABLE]
    data = read(tmp_path, lines(rows[0], units, *rows[1:]))
    assert data.steps == N and data.time_unit == "ms"
    assert data.units == ({"": None}.get(units.split(",")[1], units.split(",")[1].strip("[]()")),)
    assert data.notes[0].startswith("The line under the header was taken as units (ms")
    with pytest.raises(RekalError, match=r"row 1 .* holds '(sec|millimetre)'.*'x \[mm\]'"):
        read(tmp_path, lines(rows[0], "0,millimetre", *rows[1:]))
