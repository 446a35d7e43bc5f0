"""What the command line says to bad input: one sentence, exit code 2, no traceback, no harm done."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_helpers import TINY, call, make_model, oscillation, refused, spawn, write_csv

from rekalman.data import Sequences
from rekalman.fitting.loading import load
from rekalman.foundation.archive import save_archive

pytest_plugins = ["cli_fixtures"]


def _with(column: str, row: int, value: object) -> pd.DataFrame:
    table = oscillation().astype({column: object})
    table.loc[row - 1, column] = value
    return table


def _stamps(change: Callable[[np.ndarray], object]) -> pd.DataFrame:
    table = oscillation()
    stamps = table["t_s"].to_numpy().copy()
    change(stamps)
    return table.assign(t_s=stamps)


TABLES = {
    "empty": ("", ["the file is empty"]),
    "header only": ("t_s,y_mm\n", ["there are no rows"]),
    "text for a number": (_with("y_mm", 7, "wet"), ["row 7", "'y_mm'", "'wet'", "not a number"]),
    "no numeric column": ("a,b\n" + "x,y\n" * 20, ["no numeric column"]),
    "constant": (oscillation().assign(z=4.5), ["'z' is constant (always 4.5)"]),
    "all missing": (oscillation().assign(y_mm=np.nan), ["all values are missing"]),
    "one column missing": (oscillation().assign(z=np.nan), ["'z' has no value at all"]),
    "infinite": (_with("y_mm", 9, "inf"), ["row 9", "'y_mm'", "infinite"]),
    "too few": (oscillation(9), ["9 samples are too few"]),
    "backwards": (
        _stamps(lambda t: t.__setitem__(slice(20, 22), t[[21, 20]])),
        ["row 22", "goes backwards"],
    ),
    "repeat": (
        _stamps(lambda t: t.__setitem__(20, t[19])),
        ["rows 20 and 21 have the same time stamp"],
    ),
    "irregular": (_stamps(lambda t: t.__setitem__(20, t[20] + 0.05)), ["irregular at row 21"]),
    "too many cells": ("t_s,y_mm\n1,2\n2,3,4\n", ["do not fit the columns"]),
    "no text": ("t_s,y_mm\n1,\0\n", ["not a text file"]),
    "text for a time": (_with("t_s", 5, "soon"), ["'t_s'", "neither a number nor a date"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_data_that_cannot_be_learned_from(name, here):
    table, fragments = TABLES[name]
    write_csv(here / "bad.csv", table)
    (here / "bad.rekalman").write_text("old")
    (here / "bad.html").write_text("old")
    refused(call("fit", "bad.csv", *TINY), "bad.csv", *fragments)
    assert (here / "bad.rekalman").read_text() == (here / "bad.html").read_text() == "old"
    assert not list(here.glob(".*.part"))


OPTIONS = {
    "missing file": (["fit", "nowhere/y.csv"], ["nowhere/y.csv", "no such file"]),
    "neither file nor example": (["fit", "sunspot"], ["neither", "sunspots, nile, lynx"]),
    "folder as data": (["fit", "."], ["folder"]),
    "name too long": (["fit", "y" * 5000 + ".csv", "--out", "z.rekalman"], ["too long"]),
    "no parquet": (["fit", "y.parquet"], ["no Parquet file"]),
    "unknown column": (["fit", "y.csv", "--columns", "y"], ["no column 'y'", "'y_mm'"]),
    "unknown time": (["fit", "y.csv", "--time", "clock"], ["no column 'clock'"]),
    "unknown input": (["fit", "y.csv", "--inputs", "u"], ["no column 'u'"]),
    "column asked for twice": (["fit", "y.csv", "--columns", "y_mm,y_mm"], ["twice"]),
    "more states than samples": (
        ["fit", "y.csv", "--model", "em-rnn", "--states", "60"],
        ["60 states", "60 samples"],
    ),
    "no states": (
        ["fit", "y.csv", "--model", "em-rnn", "--states", "0"],
        ["states must be at least 1"],
    ),
    "no particles": (["fit", "y.csv", *TINY, "--particles", "1"], ["particles", "at least"]),
    "no iterations": (
        ["fit", "y.csv", "--model", "em-rnn", "--iterations", "0"],
        ["iterations must be at least 1"],
    ),
    "no restarts": (
        ["fit", "y.csv", "--model", "em-rnn", "--restarts", "0"],
        ["restarts must be at least 1"],
    ),
    "nothing left": (["fit", "y.csv", "--model", "em-rnn", "--hold-out", "1"], ["hold_out"]),
    "unknown block": (["fit", "y.csv", "--model", "em-rnn", "--freeze", "A,Z"], ["no block 'Z'"]),
    "unknown activation": (["fit", "y.csv", *TINY, "--activation", "step"], ["unknown activation"]),
    "irregular without a clock": (
        ["fit", "bare.csv", "--model", "local-level", "--irregular"],
        ["irregular sampling needs a time column"],
    ),
    "filter of another model": (["fit", "y.csv", *TINY, "--filter", "kalman"], ["is not linear"]),
    "iterations of no filter": (
        ["fit", "y.csv", "--filter-iterations", "2"],
        ["--filter extended"],
    ),
    "iterations of another filter": (
        ["fit", "y.csv", "--filter", "unscented", "--filter-iterations", "2"],
        ["linearises nothing again"],
    ),
    "two smoothers": (
        ["fit", "y.csv", "--model", "em-rnn", "--smoother", "gaussian", "--warm-start", "3"],
        ["warm_start goes before particles"],
    ),
    "smoother of a linear model": (
        ["fit", "y.csv", "--model", "linear", "--smoother", "gaussian"],
        ["smoother is of no use to the model linear"],
    ),
    "kernels of another model": (
        ["fit", "y.csv", "--model", "em-rnn", "--kernels", "3"],
        ["kernels is of no use to the model em-rnn"],
    ),
    "smoother of a network of kernels": (
        ["fit", "y.csv", "--model", "rbf", "--smoother", "gaussian"],
        ["smoother is of no use to the model rbf"],
    ),
    "particles of a network of kernels": (
        ["fit", "y.csv", "--model", "rbf", "--particles", "50"],
        ["particles is of no use to the model rbf"],
    ),
    "bad delimiter": (["fit", "y.csv", "--decimal", ",,"], ["y.csv"]),
    "two wishes": (["fit", "y.csv", "--report", "a.html", "--no-report"], ["exclude each other"]),
    "model over data": (["fit", "y.csv", "--out", "y.csv"], ["is read"]),
    "one file for both": (["fit", "y.csv", "--out", "a", "--report", "a"], ["same file"]),
    "horizon of 0": (["forecast", "y.rekalman", "y.csv", "-n", "0"], ["horizon", "but is 0"]),
    "level of 1": (["forecast", "y.rekalman", "y.csv", "--level", "1"], ["between 0 and 1"]),
    "no source": (["forecast", "y.rekalman"], ["was not trained on an example"]),
    "other data": (["forecast", "y.rekalman", "lynx"], ["lynx"]),
    "inputs for none": (
        ["forecast", "y.rekalman", "y.csv", "--future-inputs", "y2.csv"],
        ["takes no inputs"],
    ),
    "rolling levels": (
        ["forecast", "y.rekalman", "y.csv", "--rolling", "--level", ".5"],
        ["--level"],
    ),
    "no model": (["identify", "none.rekalman"], ["no such file"]),
    "no steps": (["simulate", "y.rekalman", "--steps", "0"], ["--steps must be at least 1"]),
    "no batch": (["simulate", "y.rekalman", "--batch", "0"], ["--batch must be at least 1"]),
    "unknown study": (["study", "dreams"], ["no study 'dreams'", "breathing"]),
    "no data folder": (["study", "breathing", "--data", "nowhere"], ["no such folder"]),
    "no reduced protocol": (["study", "particles", "--reduced"], ["no reduced protocol"]),
    "reduced and quick": (
        ["study", "three-pendulums", "--reduced", "--quick"],
        ["either reduced or quick"],
    ),
    "no seeds": (["study", "breathing", "--seeds", "0"], ["at least one seed"]),
    "no known run": (["study", "pendulum", "--known", "gone.json"], ["gone.json", "no such file"]),
    "a folder known": (["study", "pendulum", "--known", "."], ["no JSON that a study wrote"]),
    "known and written": (
        ["study", "pendulum", "--known", "y.csv", "--out", "y.csv"],
        ["y.csv", "cannot be written as well"],
    ),
    "no run known": (
        ["study", "pendulum", "--known", "y.csv"],
        ["y.csv", "no JSON that a study wrote"],
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_cannot_be(name, here):
    arguments, fragments = OPTIONS[name]
    (here / "y.parquet").write_text("t,y\n1,2\n")
    write_csv(here / "bare.csv", oscillation()[["y_mm"]])
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    refused(call(*arguments), *fragments)
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


@pytest.mark.parametrize(
    ("future", "fragments"),
    [
        (None, ["inputs (u)", "--future-inputs"]),
        ("v\n1\n2\n3\n4\n5\n", ["no column 'u'"]),
        ("u\n1\n2\n", ["2 rows", "5 steps"]),
        ("u,k\n1,1\n2,1\n,1\n4,1\n5,1\n", ["row 3", "'u' is missing"]),
        ("u\n1\n2\nlow\n4\n5\n", ["row 3", "'low'"]),
    ],
)
def test_inputs_missing_at_forecast_time(future, fragments, driven):
    given = []
    if future is not None:
        given = ["--future-inputs", write_csv(driven / "future.csv", future)]
    refused(call("forecast", "d.rekalman", "d.csv", "-n", 5, *given), *fragments)


def test_inputs_missing_at_training_time(here):
    table = oscillation(driven=True)
    table.loc[3, "u"] = np.nan
    write_csv(here / "gap.csv", table)
    for model in ("em-rnn", "linear", "rbf"):
        out = call("fit", "gap.csv", "--inputs", "u", "--model", model)
        refused(out, "row 4 of the input column 'u' is missing", "fill them first")


def test_a_structure_with_inputs_asks_for_the_future_ones(driven):
    options = ("--inputs", "u", "--model", "local-level", "-q", "--json", "--no-report")
    made = call("fit", "d.csv", *options, "--out", "level.rekalman")
    assert made.exit_code == 0
    assert "coefficient of u" in made.output
    refused(call("forecast", "level.rekalman", "d.csv", "-n", 5), "future", "u")


def test_data_without_an_input_column_of_the_model(driven):
    write_csv(driven / "bare.csv", oscillation())
    given = ("--future-inputs", "f.csv")
    refused(call("forecast", "d.rekalman", "bare.csv", "-n", 5, *given), "no column 'u'")


def test_data_of_another_clock(here):
    table = oscillation()
    write_csv(here / "slow.csv", table.assign(t_s=2 * table["t_s"]))
    refused(call("forecast", "y.rekalman", "slow.csv"), "sampling interval of 0.1", "0.2")


def _truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _edit(data: bytes) -> bytes:
    return data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]


MODELS = {
    "truncated": (_truncate, "cut short"),
    "edited": (_edit, "damaged"),
    "empty": (lambda _: b"", "empty"),
    "text": (lambda _: b"A = [[1, 2]]", "not a rekalman model file"),
    "pickle": (lambda _: pickle.dumps({"A": 1}), "not a rekalman model file"),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("command", ["forecast", "simulate", "identify", "report"])
def test_model_files_that_are_none(name, command, here):
    change, fragment = MODELS[name]
    path = here / "bad.rekalman"
    path.write_bytes(change((here / "y.rekalman").read_bytes()))
    source = ["y.csv"] if command in ("forecast", "report") else []
    refused(call(command, path, *source), "bad.rekalman", fragment)


def test_archives_of_another_kind(here):
    save_archive("other.rekalman", {"kind": "weather"}, {"a": np.zeros(3)})
    refused(call("identify", "other.rekalman"), "weather")


UNWRITABLE = {
    "no folder": ("nowhere/{}", "does not exist"),
    "below a file": ("y.csv/{}", "does not exist"),
    "a folder": (".", "folder"),
    "the kernel's": ("/proc/{}", "cannot be written"),
    "a device": ("/dev/null", "not an ordinary file"),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_places_that_cannot_be_written_are_refused_before_the_work(name, here, monkeypatch):
    if name in ("the kernel's", "a device") and not Path("/proc/self").exists():
        pytest.skip("needs /proc")

    def work(*args, **more):
        raise AssertionError("work began")

    monkeypatch.setattr("rekalman.verbs.fit.fit", work)
    monkeypatch.setattr(sys.modules["rekalman.fitting.loading"], "load", work)
    place, fragment = UNWRITABLE[name]
    refused(call("fit", "y.csv", "--out", place.format("m.rekalman")), fragment)
    refused(call("fit", "y.csv", "--report", place.format("m.html")), fragment)
    refused(call("forecast", "y.rekalman", "y.csv", "--out", place.format("f.csv")), fragment)
    refused(call("simulate", "y.rekalman", "--out", place.format("s.csv")), fragment)
    refused(call("report", "y.rekalman", "y.csv", "--out", place.format("r.html")), fragment)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(step, here, monkeypatch):
    def full(*args, **more):
        raise OSError(28, "No space left on device")

    (here / "s.csv").write_text("old")
    monkeypatch.setattr(os, step, full)
    refused(call("simulate", "y.rekalman", "--out", "s.csv", "--steps", 5), "No space left")
    assert (here / "s.csv").read_text() == "old"
    assert not list(here.glob(".*.part"))


def test_a_disk_write_cut_in_the_middle_leaves_the_old_model(here):
    old = (here / "y.rekalman").read_bytes()
    fit = [sys.executable, "-m", "rekalman.cli", "fit", "y.csv", *TINY, "--no-report", "-q"]
    out = subprocess.run(
        ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", *fit],
        capture_output=True,
        text=True,
        cwd=here,
        env={**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false"},
    )
    refused(out, "y.rekalman", "could not be written")
    assert (here / "y.rekalman").read_bytes() == old
    assert load(here / "y.rekalman").labels.names == ("y_mm",)
    assert not list(here.glob(".*.part"))


def test_a_process_of_its_own_shows_no_traceback(here):
    make_model(Sequences.from_csv("y.csv")).save("cut.rekalman")
    (here / "cut.rekalman").write_bytes((here / "cut.rekalman").read_bytes()[:100])
    refused(spawn("identify", "cut.rekalman", cwd=here), "cut short")
    refused(spawn("fit", "none.csv", cwd=here), "no such file")
    refused(spawn("forecast", "y.rekalman", "y.csv", "--horizon", 0, cwd=here), "horizon")
