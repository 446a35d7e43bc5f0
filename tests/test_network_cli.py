"""Networks on the command line and in the report."""

from __future__ import annotations

import numpy as np
from cli_helpers import answer, call, refused

from rekalman.data import Sequences
from rekalman.fitting.loading import load
from rekalman.report import report_html

pytest_plugins = ["cli_fixtures"]

HOW = ("--model", "elman", "--states", 2, "--units", 4, "--epochs", 2, "-q")


def test_a_network_goes_through_all_commands(here):
    output = answer(call("fit", "y.csv", *HOW, "--json", "--seed", 3))
    assert (output["kind"], output["seed"], output["stopped"]) == ("elman", 3, "epochs")
    assert len(output["history"]) == len(output["trained"]) == 2
    assert output["held_out"] == max(output["history"])
    assert output["diagnostics"]["entries"] == 60
    page = (here / "y-elman.html").read_text()
    for words in ("a network (elman)", "Calibration", "Is the filter consistent?", "epoch"):
        assert words in page
    assert "Dynamics without noise" not in page

    rows = answer(call("forecast", "y-elman.rekalman", "y.csv", "-n", 3, "--json", "-q"))[
        "forecast"
    ]
    assert len(rows) == 3 and all(row["lower_90"] < row["mean"] < row["upper_90"] for row in rows)
    scores = answer(
        call("forecast", "y-elman.rekalman", "y.csv", "-n", 2, "--rolling", "--json", "-q")
    )
    assert [row["count"] for row in scores["scores"]] == [59, 58]
    drawn = answer(call("simulate", "y-elman.rekalman", "--steps", 4, "--json"))
    assert np.shape(drawn["values"]["y_mm"]) == (1, 4)
    answer(call("report", "y-elman.rekalman", "y.csv", "--out", "again.html", "--json", "-q"))
    refused(call("identify", "y-elman.rekalman"), "no state-space model")


def test_training_continues_from_its_folder(here):
    whole = answer(call("fit", "y.csv", *HOW, "--checkpoint", "run", "--no-report", "--json"))
    again = answer(call("fit", "y.csv", *HOW, "--checkpoint", "run", "--no-report", "--json"))
    assert again["history"] == whole["history"]
    other = call("fit", "y.csv", *HOW, "--checkpoint", "run", "--no-report", "--seed", 1)
    refused(other, "run", "checkpoint is of another run")


def test_the_report_says_how_to_make_the_network_again(here):
    answer(call("fit", "y.csv", *HOW, "--no-report", "--json"))
    page = report_html(load("y-elman.rekalman"), Sequences.from_csv("y.csv"))
    arguments = "&quot;elman&quot;, states=2, units=4, transform=&quot;none&quot;, seed=0"
    assert f"rekalman.fit(data, {arguments})" in page


def test_options_of_other_models_are_refused(here):
    for options, words in (
        (("--model", "rkn", "--iterations", 3), "iterations is of no use to the model rkn"),
        (("--model", "em-rnn", "--epochs", 3), "epochs is of no use to the model em-rnn"),
        (
            ("--model", "linear", "--checkpoint", "run"),
            "checkpoint is of no use to the model linear",
        ),
        (("--model", "gru", "--epochs", 0), "epochs must be"),
    ):
        refused(call("fit", "y.csv", *options, "-q"), words)
