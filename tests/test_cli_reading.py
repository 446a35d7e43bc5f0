"""Options of the commands that say how a file is written."""

from cli_helpers import answer, call, oscillation, refused

pytest_plugins = ["cli_fixtures"]


def test_encoding(here):
    table = oscillation()[["t_s", "y_mm"]]
    table["größe"] = "klein"
    table.to_csv("latin.csv", index=False, encoding="cp1252")
    result = call("forecast", "y.rekalman", "latin.csv", "-n", "1")
    assert result.exit_code == 0 and "Line 1 is not UTF-8" in result.stderr
    right = call("forecast", "y.rekalman", "latin.csv", "-n", "1", "--json", "--encoding", "cp1252")
    same = call("forecast", "y.rekalman", "y.csv", "-n", "1", "--json")
    assert right.exit_code == 0 and "UTF-8" not in right.stderr
    assert answer(right)["forecast"] == answer(same)["forecast"]
    refused(call("fit", "latin.csv", "--encoding", "utf-8"), "latin.csv: line 1 is not utf-8 text")
    refused(
        call("report", "y.rekalman", "latin.csv", "--encoding", "klingon"), "no encoding 'klingon'"
    )
    refused(
        call("identify", "y.rekalman", "--data", "latin.csv", "--encoding", "ascii"),
        "is not ascii text",
    )


def test_format_of_dates(here):
    table = oscillation()[["t_s", "y_mm"]].head(12)
    table["t_s"] = [f"01/{i:02d}/2020" for i in range(1, 13)]
    table.to_csv("dated.csv", index=False)
    result = call("forecast", "y.rekalman", "dated.csv", "-n", "1")
    assert (
        "were read as month-day-year; say the format" in result.stderr and "1 day" in result.stderr
    )
    settled = call("forecast", "y.rekalman", "dated.csv", "-n", "1", "--date-format", "%d/%m/%Y")
    assert "were read as" not in settled.stderr and "1 month" in settled.stderr
    refused(call("fit", "dated.csv", "--date-format", "%Q"), "'%Q' is no format of dates")
