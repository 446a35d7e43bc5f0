"""Options of the commands that say how a file is written."""

from cli_helpers import answer, call, oscillation, refused

pytest_plugins = ["cli_fixtures"]


def test_encoding_and_format_of_dates(here):
    table = oscillation()[["t_s", "y_mm"]].head(12)
    table["t_s"] = [f"01/{i:02d}/2020" for i in range(1, 13)]
    table["größe"] = "klein"
    table.to_csv("latin.csv", index=False, encoding="cp1252")
    result = call("forecast", "y.rekal", "latin.csv", "-n", "1")
    assert result.exit_code == 0, result.stderr
    assert "Line 1 is not UTF-8" in result.stderr and "month-day-year" in result.stderr
    written = ["--encoding", "cp1252", "--date-format", "%d/%m/%Y"]
    result = call("forecast", "y.rekal", "latin.csv", "-n", "1", "--json", *written)
    assert result.exit_code == 0 and "UTF-8" not in result.stderr
    assert answer(result)["forecast"][0]["time"].startswith("2021-01-01")
    refused(call("fit", "latin.csv", "--encoding", "utf-8"), "latin.csv: line 1 is not utf-8 text")
    refused(call("fit", "latin.csv", "--date-format", "%Q"), "'%Q' is no format of dates")
    refused(
        call("report", "y.rekal", "latin.csv", "--encoding", "klingon"), "no encoding 'klingon'"
    )
    refused(call("identify", "y.rekal", "latin.csv", "--encoding", "ascii"), "is not ascii text")
