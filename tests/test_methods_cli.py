"""`rekalman models`, and options of a method on the command line."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from cli_helpers import answer, call, refused

import rekalman
from rekalman.data import Sequences

pytest_plugins = ["cli_fixtures"]


def test_the_models_are_listed():
    listed = answer(call("models", "--json"))["models"]
    assert [each["name"] for each in listed] == list(rekalman.methods.names())
    gru = next(each for each in listed if each["name"] == "gru")
    assert gru["irregular"] and gru["missing"] and not gru["identify"] and not gru["smooth"]
    page = call("models").stdout
    for words in ("local-linear-trend", "what for", "needs", "smooth, simulate,", "inputs"):
        assert words in page


def test_the_options_of_a_model_are_shown():
    about = answer(call("models", "gru", "--json"))
    assert [each["name"] for each in about["options"]] == ["states", "hold_out", "units"]
    assert about["options"][2]["default"] is None
    page = call("models", "gru").stdout
    for words in ("trained by      Backprop", "4 for each state", "whole number", "--set states"):
        assert words in page
    assert "It has no options." in call("models", "local-level").stdout
    refused(call("models", "gruu"), "unknown model 'gruu': did you mean 'gru'?")


SAME = {
    "flag": ("--states", 3, "--units", 4),
    "set": ("--set", "states=3", "--set", "units=4"),
    "both": ("--states", 3, "--set", " units = 4"),
}


@pytest.fixture(scope="module")
def network() -> rekalman.Fit:
    """An Elman network of the columns that the tests of the command line read."""
    from cli_helpers import oscillation

    learner = rekalman.methods.Elman().default_learner(epochs=2, seed=0)
    data = Sequences.from_pandas(oscillation(), time="t_s")
    fit = rekalman.fit(data, "elman", learner, states=3, units=4, progress=False)
    assert isinstance(fit, rekalman.Fit)
    return fit


@pytest.mark.parametrize("how", SAME)
def test_the_command_line_gives_the_same_fit(here, network: rekalman.Fit, how: str):
    options = ("--model", "elman", "--epochs", 2, "--backtest", 0, "--no-report", "--json", "-q")
    answer(call("fit", "y.csv", *options, *SAME[how]))
    read = rekalman.load("y-elman.rekalman")
    assert isinstance(read, rekalman.Fit)
    pairs = zip(
        jax.tree.leaves(read.algorithm.network),
        jax.tree.leaves(network.algorithm.network),
        strict=True,
    )
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert np.array_equal(read.history.held_out, network.history.held_out)


@pytest.mark.parametrize("method", ["rls", "nvar", "combination"])
def test_filters_without_a_state_answer_in_json(here, method: str):
    """The size of the filter and its parameters are there, whatever kind it is."""
    more = ["--set", "members=naive, mean"] if method == "combination" else []
    options = ("--model", method, *more, "--backtest", 0, "--no-report", "--json", "-q")
    printed = answer(call("fit", "y.csv", *options))
    assert printed["network"] and printed["parameters"] > 0 and printed["kind"] == method


REFUSED = {
    "states=0": "states must be at least 1, but is 0 (of elman: whole number of at least 1",
    "states=2.5": "states must be a whole number, but is '2.5'",
    "units=many": "units must be a whole number, but is 'many'",
    "hold-out=1": "hold_out must lie between 0 and 1",
    "unit=4": "unit is of no use to the model elman: did you mean 'units'?",
    "kernels=4": "it is an option of rbf",
    "states": "--set takes NAME=VALUE",
    "=3": "--set takes NAME=VALUE",
}


@pytest.mark.parametrize("setting", REFUSED)
def test_a_bad_setting_is_refused(here, setting: str):
    refused(call("fit", "y.csv", "--model", "elman", "--set", setting, "-q"), REFUSED[setting])


def test_an_option_is_given_once(here):
    twice = call("fit", "y.csv", "--model", "gru", "--states", 3, "--set", "states=3", "-q")
    refused(twice, "states is given twice")


def test_a_switch_and_a_name_are_read(here):
    method = ("--model", "em-rnn", "--set", "linear_observation=yes", "--set", "activation=tan")
    refused(call("fit", "y.csv", *method, "-q"), "unknown activation 'tan': did you mean 'tanh'")
