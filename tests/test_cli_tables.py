"""Long tables on the command line: read by the names of their columns, written under the same names."""

import numpy as np
import pandas as pd
import pytest
from cli_helpers import answer, call, refused

pytest_plugins = ["cli_fixtures"]

MONTHS = pd.date_range("2021-01-31", periods=30, freq="ME")
AHEAD = ["2023-07-31", "2023-08-31", "2022-09-30", "2022-10-31"]


def long(series: str = "unique_id", time: str = "ds") -> pd.DataFrame:
    """Two series of different lengths as one table."""
    draws = np.random.default_rng(0).normal(size=(2, 30)).cumsum(1).round(3)
    parts = [
        pd.DataFrame({series: "a", time: MONTHS, "y": draws[0]}),
        pd.DataFrame({series: "b", time: MONTHS[:20], "y": draws[1, :20]}),
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("names", [("unique_id", "ds"), ("shop", "month")])
def test_a_long_table_from_file_to_file(here, ending, names):
    table = long(*names)
    table.to_csv("sales.csv", index=False) if ending == "csv" else table.to_parquet("sales.parquet")
    named = () if names[0] == "unique_id" else ("--series", names[0])
    fitted = call("fit", f"sales.{ending}", "--model", "local-level", *named, "--no-report")
    assert fitted.exit_code == 0, fitted.stderr
    command = ("forecast", "sales-local-level.rekalman", f"sales.{ending}", "-n", 2)
    assert call(*command, "--out", "f.csv").exit_code == 0  # the model knows the names
    ahead = pd.read_csv("f.csv")
    assert list(ahead.columns[:4]) == [*names, "column", "mean"]
    assert ahead[names[0]].tolist() == ["a", "a", "b", "b"]
    assert ahead[names[1]].tolist() == AHEAD
    rows = answer(call(*command, "--json"))["forecast"]  # names that a program can rely on
    assert [(row["series"], row["time"][:10]) for row in rows] == list(
        zip(["a", "a", "b", "b"], AHEAD, strict=True)
    )


def test_a_repeated_row_is_refused_with_file_and_rows(here):
    pd.concat([long(), long().iloc[[2]]]).to_csv("sales.csv", index=False)
    refused(call("fit", "sales.csv"), "sales.csv, series 'a': rows 3 and 51 have the same time")
    long().rename(columns={"unique_id": "shop"}).to_csv("shops.csv", index=False)
    refused(call("fit", "shops.csv"), "rows 1 and 31 have the same time", "separates several")


def test_a_cell_that_is_no_number_is_refused_with_its_place(here):
    long().astype({"y": str}).assign(y=lambda t: t["y"].where(t.index != 4, "1.2k")).to_csv(
        "sales.csv", index=False
    )
    refused(call("fit", "sales.csv"), "sales.csv: row 5 of column 'y' holds '1.2k'")
