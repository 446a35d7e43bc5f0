"""The commands, each as a person uses it."""

import io
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_helpers import (
    TINY,
    answer,
    call,
    make_model,
    oscillation,
    refused,
    spawn,
    write_csv,
)

from rekalman.data import Sequences
from rekalman.datasets import load_example
from rekalman.fitting.loading import load
from rekalman.learners.em import em
from rekalman.numerics import compilation_cache
from rekalman.studies import STUDIES
from rekalman.studies.base import Row, Study, StudyResult

pytest_plugins = ["cli_fixtures"]

SRC = Path(__file__).resolve().parents[1] / "src"


def test_help_lists_the_commands_and_imports_nothing_heavy():
    result = call("--help")
    assert result.exit_code == 0
    for command in ("fit", "forecast", "simulate", "identify", "report", "study", "models"):
        assert command in result.stdout
        assert call(command, "--help").exit_code == 0
    alone = (
        "import sys, types; package = types.ModuleType('rekalman')\n"
        f"package.__path__ = [{str(SRC / 'rekalman')!r}]; sys.modules['rekalman'] = package\n"
        "import rekalman.cli; print([m for m in ('jax', 'pandas', 'numpy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", alone], capture_output=True, text=True)
    assert out.stdout == "[]\n", out.stderr


def test_version():
    assert call("--version").stdout.startswith("rekalman 0.")


def test_usage_errors_end_with_2():
    for wrong in (
        ["nonsense"],
        ["fit"],
        ["fit", "a.csv", "--states", "many"],
        ["fit", "--seed", "-1"],
    ):
        result = call(*wrong)
        assert (result.exit_code, result.stdout) == (2, "")


def test_fit_writes_a_model_and_a_report_here(here):
    out = call("fit", "y.csv", *TINY, "--out", "new.rekalman")
    assert out.exit_code == 0, out.stderr
    assert "Wrote new.rekalman and y-em-rnn.html." in out.stdout
    assert "Column 't_s' was taken as time." in out.stderr
    assert load("new.rekalman").labels.names == ("y_mm",)
    assert Path("y-em-rnn.html").read_text().lstrip().lower().startswith("<!doctype html")
    assert sorted(p.name for p in here.iterdir()) == [
        "new.rekalman",
        "y-em-rnn.html",
        "y.csv",
        "y.rekalman",
    ]


def test_fit_answers_with_one_json_object_and_the_same_for_the_same_seed(here):
    output = [
        answer(call("fit", "y.csv", *TINY, "--no-report", "--seed", 3, "--json", "-q"))
        for _ in range(2)
    ]
    assert output[0]["history"] == output[1]["history"]
    assert len(output[0]["history"]) == 3
    assert (output[0]["model"], output[0]["report"], output[0]["seed"]) == (
        "y-em-rnn.rekalman",
        None,
        3,
    )
    assert output[0]["stopped"] == "iterations"
    assert output[0]["samples"] == 60
    assert not Path("y-em-rnn.html").exists()


def test_fit_takes_columns_inputs_series_and_marks_as_said(here):
    table = pd.concat([oscillation(driven=True).assign(who=w, z=1.5) for w in ("a", "b")])
    table.to_csv("marks.csv", sep="|", decimal=",", index=False)
    reading = ("--time", "t_s", "--columns", "y_mm", "--inputs", "u", "--series", "who")
    marks = ("--sep", "|", "--decimal", ",")
    shape = ("--freeze", "c,d", "--process-noise", "full", "--linear-observation")
    output = answer(
        call("fit", "marks.csv", *TINY, *reading, *marks, *shape, "--no-report", "--json")
    )
    assert (output["columns"], output["inputs"], output["series"]) == (["y_mm"], ["u"], 2)
    fitted = load("marks-em-rnn.rekalman")
    assert fitted.model.linear_observation
    assert np.asarray(fitted.model.Q)[0, 1] != 0
    quiet = call(
        "forecast", "marks-em-rnn.rekalman", "marks.csv", "--series", "who", *marks, "-n", 2, "-q"
    )
    assert quiet.exit_code == 2
    assert "--future-inputs" in quiet.stderr


def test_fit_takes_another_smoother_and_another_filter(here):
    options = ("--smoother", "gaussian", "--filter", "extended", "--filter-iterations", 2)
    output = answer(call("fit", "y.csv", *TINY, *options, "--no-report", "--json", "-q"))
    assert output["filter"] == "extended"
    assert load("y-em-rnn.rekalman").algorithm.iterations == 2
    assert answer(call("forecast", "y-em-rnn.rekalman", "y.csv", "-n", 2, "--json"))["forecast"]


def test_fit_learns_radial_basis_functions(here):
    options = ("--model", "rbf", "--states", 1, "--kernels", 4, "--iterations", 2)
    output = answer(call("fit", "y.csv", *options, "--no-report", "--json", "-q"))
    assert (output["kind"], output["states"], output["filter"]) == ("rbf", 1, "unscented")
    assert load("y-rbf.rekalman").model.kernels.count == 4


def test_fit_takes_series_sampled_at_any_times(here):
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.1, 2.0, 40)).round(3)
    place = np.cumsum(rng.normal(size=40)) + 0.3 * rng.normal(size=40)
    write_csv(here / "walk.csv", pd.DataFrame({"t_s": times, "x_m": place}))
    refused(call("fit", "walk.csv", "--model", "local-level"), "irregular", "--irregular")
    for name, sentence in (("ar", "no form in continuous time"), ("rbf", "sampled irregularly")):
        refused(call("fit", "walk.csv", "--model", name, "--irregular", "-q"), sentence)
    options = ("--model", "local-level", "--irregular", "--json", "-q")
    output = answer(call("fit", "walk.csv", *options))
    assert [each["name"] for each in output["parameters"]] == ["level variance", "noise variance"]
    ahead = answer(
        call("forecast", "walk-local-level.rekalman", "walk.csv", "-n", 2, "--json", "-q")
    )["forecast"]
    typical = float(np.median(np.diff(times)))
    np.testing.assert_allclose(
        [row["time"] for row in ahead], times[-1] + typical * np.arange(1, 3)
    )


def test_ctrl_c_keeps_the_best_so_far(here, monkeypatch):
    iterate, calls = em.iterate, []

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return iterate(*args)

    monkeypatch.setattr(em, "iterate", interrupted)
    out = call("fit", "y.csv", *TINY, "--no-report", "--out", "cut.rekalman")
    assert out.exit_code == 130, out.stderr
    assert "Interrupted: cut.rekalman holds the best model so far." in out.stderr
    fitted = load("cut.rekalman")
    assert fitted.history.stopped == "interrupted"
    assert len(fitted.history.log_likelihood) == 2


def test_ctrl_c_elsewhere_ends_with_130(here, monkeypatch):
    def interrupted(*args, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["rekalman.fitting.loading"], "load", interrupted)
    out = call("identify", "y.rekalman")
    assert (out.exit_code, out.stdout, out.stderr) == (130, "", "rekalman: interrupted\n")


def test_forecast_prints_a_table(here):
    out = call("forecast", "y.rekalman", "y.csv", "--horizon", 3)
    assert out.exit_code == 0, out.stderr
    assert "Forecast after the end of y.csv, column y_mm" in out.stdout
    assert "90 % interval" in out.stdout
    for time in ("6 ", "6.1", "6.2"):
        assert f"│ {time}" in out.stdout


def test_forecast_as_json_with_nested_levels(here):
    levels = ("--level", 0.5, "--level", 0.95)
    output = answer(
        call("forecast", "y.rekalman", "y.csv", "-n", 3, *levels, "--seed", 7, "--json")
    )
    rows = output["forecast"]
    assert (output["seed"], output["horizon"], len(rows)) == (7, 3, 3)
    for row in rows:
        assert row["lower_95"] < row["lower_50"] < row["mean"] < row["upper_50"] < row["upper_95"]
    np.testing.assert_allclose([row["time"] for row in rows], [6.0, 6.1, 6.2])


def test_forecast_writes_csv_and_parquet(here):
    assert call("forecast", "y.rekalman", "y.csv", "-n", 3, "--out", "f.csv").exit_code == 0
    assert call("forecast", "y.rekalman", "y.csv", "-n", 3, "--out", "f.parquet").exit_code == 0
    frame = pd.read_csv("f.csv")
    assert list(frame) == ["time", "column", "mean", "path", "lower_90", "upper_90"]
    np.testing.assert_allclose(frame["mean"], pd.read_parquet("f.parquet")["mean"], rtol=1e-6)


def test_forecast_of_an_example_needs_no_source(here):
    make_model(load_example("nile")).save("nile.rekalman")
    out = call("forecast", "nile.rekalman", "-n", 3, "--json")
    assert answer(out)["source"] == "nile"
    assert [row["time"] for row in answer(out)["forecast"]] == [1971, 1972, 1973]
    assert "trained on the example 'nile'" in out.stderr


def test_forecast_of_several_series_with_inputs(driven):
    both = pd.concat([oscillation(driven=True).assign(who=w) for w in ("a", "b")])
    write_csv(driven / "both.csv", both)
    inputs = ("--future-inputs", "f.csv")
    output = answer(
        call("forecast", "d.rekalman", "both.csv", "--series", "who", "-n", 5, *inputs, "--json")
    )
    assert [row["series"] for row in output["forecast"]] == ["a"] * 5 + ["b"] * 5


def test_future_inputs_are_told_apart_by_series_and_time(driven):
    both = pd.concat([oscillation(driven=True).assign(who=w) for w in ("a", "b")])
    write_csv(driven / "both.csv", both)
    rows = oscillation(5, driven=True)[["u"]].assign(t_s=6 + np.arange(5) / 10)
    far = rows.assign(u=rows["u"] + 3)
    command = (
        "forecast",
        "d.rekalman",
        "both.csv",
        "--series",
        "who",
        "-n",
        5,
        "--json",
        "--future-inputs",
    )

    def means(*parts):
        write_csv(driven / "h.csv", pd.concat(parts))
        output = answer(call(*command, "h.csv"))
        return [row["mean"] for row in output["forecast"]]

    same = means(rows)
    apart = means(far.assign(who="b"), rows.assign(who="a"))
    assert apart[:5] == same[:5] and not np.allclose(apart[5:], same[5:])
    write_csv(driven / "h.csv", rows.assign(t_s=rows["t_s"] + 0.5))
    refused(call(*command, "h.csv"), "row 1 of future_inputs is of 6.5", "is 6.0")
    write_csv(driven / "h.csv", rows.assign(z=1.0))
    refused(call(*command, "h.csv"), "a column 'z' that the model does not know")


def test_inputs_of_the_steps_to_come_matter(driven):
    moved = oscillation(5, driven=True)[["u"]] + 3
    write_csv(driven / "g.csv", moved)
    means = [
        answer(call("forecast", "d.rekalman", "d.csv", "-n", 5, "--future-inputs", name, "--json"))
        for name in ("f.csv", "g.csv")
    ]
    first, second = ([row["mean"] for row in output["forecast"]] for output in means)
    assert not np.allclose(first, second)


def test_rolling_forecasts_are_scored_by_horizon(here, monkeypatch):
    out = call("forecast", "y.rekalman", "y.csv", "-n", 3, "--rolling", "--json")
    scores = answer(out)["scores"]
    assert [row["horizon"] for row in scores] == [1, 2, 3]
    assert [row["count"] for row in scores] == [59, 58, 57]
    assert {"rmse", "log_score", "crps", "coverage_90"} <= set(scores[0])
    assert "trained on these data" in out.stderr
    assert "coverage 90" in call("forecast", "y.rekalman", "y.csv", "-n", 3, "--rolling").stdout
    monkeypatch.setattr("rekalman.cli.forecast.MOST_NUMBERS", 1)
    apart = answer(call("forecast", "y.rekalman", "y.csv", "-n", 2, "--rolling", "--json"))[
        "scores"
    ]
    assert [row["rmse"] for row in apart] == pytest.approx([row["rmse"] for row in scores[:2]])


def test_simulate_prints_csv_that_rekalman_reads_again(here):
    out = call("simulate", "y.rekalman", "--steps", 20, "--batch", 2, "--seed", 5)
    table = pd.read_csv(io.StringIO(out.stdout))
    assert len(table) == 40
    assert (
        call("simulate", "y.rekalman", "--steps", 20, "--batch", 2, "--out", "s.csv").exit_code == 0
    )
    again = Sequences.from_csv("s.csv", series="series", columns=["y_mm"])
    assert (again.batch, again.steps) == (2, 20)


def test_simulate_as_json_with_inputs(driven):
    output = answer(
        call(
            "simulate", "d.rekalman", "--steps", 5, "--input-file", "f.csv", "--batch", 3, "--json"
        )
    )
    assert np.shape(output["values"]["y_mm"]) == (3, 5)
    assert call("simulate", "d.rekalman", "--steps", 5).exit_code == 2


def test_identify_and_report(here):
    output = answer(call("identify", "y.rekalman", "--json"))
    assert output["model"] == "y.rekalman"
    assert call("identify", "y.rekalman").stdout.strip()
    out = call("report", "y.rekalman", "y.csv", "--out", "page.html")
    assert out.stdout == "Wrote page.html.\n", out.stderr
    assert answer(call("report", "y.rekalman", "y.csv", "--json"))["report"] == "y.html"


def _fake_study(options):
    options.report(1, 1, "the [only] step")
    row = Row("oracle", "rmse", 1.0 * options.seeds, 2.0, 1.0, published=1.5, source="a paper")
    return StudyResult("fake", (row,), options.seeds, 0.1, {"quick": options.quick})


def test_studies_are_listed_and_run(tmp_path, monkeypatch):
    listed = call("study")
    assert all(name in listed.stdout for name in STUDIES)
    assert len(answer(call("study", "--json"))["studies"]) == len(STUDIES)
    module = types.ModuleType("fake_study")
    monkeypatch.setattr(module, "run", _fake_study, raising=False)
    monkeypatch.setitem(sys.modules, "fake_study", module)
    monkeypatch.setitem(STUDIES, "fake", Study("fake", "for this test", "fake_study"))
    output = answer(call("study", "fake", "--seeds", 2, "--quick", "--json"))
    assert (output["study"], output["seeds"], output["config"]) == ("fake", 2, {"quick": True})
    assert output["rows"][0]["ours"] == 2.0
    target = tmp_path / "figures.json"
    out = call("study", "fake", "--out", target)
    assert "oracle" in out.stdout
    assert json.loads(target.read_text())["rows"][0]["source"] == "a paper"


@pytest.mark.skipif(os.name == "nt", reason="pipes close differently there")
def test_a_closed_pipe_is_no_error(here):
    command = f"{sys.executable} -m rekalman.cli simulate y.rekalman --steps 20000 | head -n 1"
    out = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=here)
    assert out.stdout.startswith("time") or "y_mm" in out.stdout
    assert out.stderr == ""


def test_no_cache_folder_is_no_error(here, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "y.csv" / "below a file"))
    folder = compilation_cache._users_folder()
    assert folder is None or not compilation_cache._writable(folder)
    compilation_cache.keep_compiled()


def test_the_module_runs_as_a_program(here):
    out = spawn("identify", "y.rekalman", "--json", cwd=here)
    assert out.returncode == 0, out.stderr
    assert json.loads(out.stdout)["model"] == "y.rekalman"


@pytest.mark.parametrize(
    ("command", "written"),
    [
        (("fit", "y.csv", "--out"), ".rekalman"),
        (("fit", "y.csv", "--report"), ".html or .htm"),
        (("forecast", "y.rekalman", "y.csv", "--out"), ".csv or .parquet or .pq"),
        (("simulate", "y.rekalman", "--out"), ".csv or .parquet or .pq"),
        (("report", "y.rekalman", "y.csv", "--out"), ".html or .htm"),
        (("study", "em-rnn-synthetic", "--out"), ".json"),
    ],
)
def test_a_name_does_not_promise_another_format(here, command, written):
    refused(call(*command, "f.xlsx"), "f.xlsx: ", f"are written as {written}, not as .xlsx")
    assert not (here / "f.xlsx").exists()


def test_each_model_has_a_file_of_its_own(here):
    before = (here / "y.rekalman").read_bytes()
    for model in ("local-level", "local-linear-trend"):
        out = call("fit", "y.csv", "--model", model, "--no-report", "--iterations", 2, "-q")
        assert out.exit_code == 0, out.stderr
        assert load(f"y-{model}.rekalman").kind == model
    assert (here / "y.rekalman").read_bytes() == before


def test_decimal_commas_name_the_option(here):
    rows = "\n".join(f"{i};{i % 7},5;word" for i in range(30))
    (here / "comma.csv").write_text(f"t;x;x2\n{rows}")
    refused(call("fit", "comma.csv", "--columns", "x", "-q"), "column 'x'", "--decimal ,")
    (here / "one.csv").write_text("x\n" + "\n".join(f"{i % 7},5" for i in range(30)))
    refused(call("fit", "one.csv", "-q"), "--decimal ,")


def test_series_have_scales_of_their_own(here):
    rng = np.random.default_rng(0)
    rows = [
        f"{name},{i},{level + size * value}"
        for name, level, size in (("a", 5, 0.5), ("b", 500, 50))
        for i, value in enumerate(np.cumsum(0.3 * rng.normal(size=80)) + rng.normal(size=80))
    ]
    (here / "two.csv").write_text("shop,step,sales\n" + "\n".join(rows))
    options = ("--model", "local-level", "--series", "shop", "--no-report", "-q")
    assert call("fit", "two.csv", *options).exit_code == 0
    ahead = answer(
        call(
            "forecast",
            "two-local-level.rekalman",
            "two.csv",
            "--series",
            "shop",
            "-n",
            1,
            "--json",
            "-q",
        )
    )["forecast"]
    widths = {row["series"]: row["upper_90"] - row["lower_90"] for row in ahead}
    assert widths["b"] > 50 * widths["a"]
    table = call(
        "forecast", "two-local-level.rekalman", "two.csv", "--series", "shop", "-n", 1, "--rolling"
    )
    assert table.exit_code == 0 and "series" in table.stdout
    drawn = call("simulate", "two-local-level.rekalman", "--steps", 3, "--like", "b")
    assert drawn.exit_code == 0, drawn.stderr
    refused(call("simulate", "two-local-level.rekalman", "--steps", 3), "--like: a, b")
    assert (
        call("fit", "two.csv", *options, "--scale", "shared", "--out", "one.rekalman").exit_code
        == 0
    )
    refused(call("simulate", "one.rekalman", "--like", "a"), "leave out --like")
