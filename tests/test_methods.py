"""The registry of methods, their options, and what a refusal says."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

import rekalman
from rekalman import methods
from rekalman.foundation.errors import RekalError
from rekalman.methods import option
from rekalman.methods.describe import describe, option_defaults, setting_defaults
from rekalman.methods.own.models import METHODS, MODELS
from rekalman.methods.selection import select
from rekalman.models.activations import ACTIVATIONS

BY_NAME = methods.names()


def test_the_methods_are_listed_in_order():
    assert BY_NAME[:4] == ("em-rnn", "driven-rnn", "rbf", "linear")
    assert len(BY_NAME) == 26 and set(MODELS) == set(METHODS)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_method_says_what_it_is(name: str):
    method = methods.get(name)
    assert method.name == name and method.summary and method.needs and method.__doc__
    assert "Examples:" in method.__doc__
    assert describe(method)["name"] == name
    for each in methods.options_of(method).values():
        assert each.help.endswith(".") and each.range and each.default_text
        assert each.check(each.default, name) == each.default
    assert dataclasses.is_dataclass(method) and method() == method()


def test_the_defaults_of_learners_are_those_of_the_classes():
    """The command line shows the numbers of the methods; they are what the learners do."""
    assert methods.EMRNN().default_learner() == rekalman.EM()
    assert methods.LocalLevel().default_learner() == rekalman.MaximumLikelihood()
    assert methods.DrivenRNN().default_learner() == rekalman.SimulationError()
    radial = rekalman.EM(smoother="gaussian", window=5, average=1)
    assert methods.RBF().default_learner() == radial
    assert methods.Linear().default_learner().iterations == 300
    assert methods.GRU().default_learner(epochs=3).rate == 3e-3
    assert methods.EMRNN.__dataclass_fields__["activation"].default in ACTIVATIONS
    assert methods.options_of(methods.EMRNN)["activation"].choices == tuple(ACTIVATIONS)


REFUSED = {
    "staets is of no use to the model gru: did you mean 'states'": lambda: methods.GRU(staets=3),
    "kernels is of no use to the model gru: leave it out; it is an option of rbf": lambda: (
        methods.GRU(kernels=3)
    ),
    "states is of no use to the model local-level: leave it out; it is an option of em-rnn": lambda: (
        methods.LocalLevel(states=3)
    ),
    "states must be at least 1, but is 0 (of gru: whole number of at least 1; default 10)": lambda: (
        methods.GRU(states=0)
    ),
    "states must be a whole number, but is '3' (of rkn": lambda: methods.RKN(states="3"),  # pyright: ignore
    "units must be at most 10000": lambda: methods.LSTM(units=10**9),
    "hold_out must lie between 0 and 1, but is 1 (of rbf: number between 0 and 1; default 0.2)": lambda: (
        methods.RBF(hold_out=1)
    ),
    "linear_observation must be True or False, but is 1 (of em-rnn": lambda: methods.EMRNN(
        linear_observation=1
    ),  # pyright: ignore
    "unknown activation 'tan': did you mean 'tanh'": lambda: methods.EMRNN(activation="tan"),
    "period must be at least 2": lambda: methods.Seasonal(period=1),
    "a whole number of steps, not 7.5": lambda: methods.Seasonal(period=7.5),
    "period must be above 2, but is 2 (of oscillator: number above 2; default the strongest": lambda: (
        methods.Oscillator(period=2)
    ),
    "unknown model 'locallevel': did you mean 'local-level'?": lambda: methods.get("locallevel"),
    "iterations is of no use to the model gru": lambda: methods.GRU().default_learner(iterations=3),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_bad_option_is_refused_by_name(sentence: str):
    with pytest.raises(RekalError, match=re.escape(sentence)):
        REFUSED[sentence]()


def test_a_name_is_registered_once():
    with pytest.raises(RekalError, match="there is a model 'gru' already"):
        methods.register("gru")(methods.GRU)
    with pytest.raises((RekalError, TypeCheckError)):
        methods.register("none")(int)  # pyright: ignore
    with pytest.raises(RekalError, match="frozen=True"):
        methods.register("none")(type("Bare", (methods.LocalLevel,), {}))
    assert methods.names() == BY_NAME


@dataclasses.dataclass(frozen=True, kw_only=True)
class Everything(methods.LocalLevel):
    """A method with an option of every type."""

    count: int = option(3, help="A number.", at_least=0, at_most=9)
    share: int | float = option(0.5, help="A share.", above=0, below=1)
    least: int | float = option(1.0, help="A bound.", at_least=-1)
    maybe: int | float | None = option(None, help="A number or none.", at_most=7)
    whether: bool = option(False, help="A switch.")
    which: str = option("a", help="A choice.", choices=("a", "b"))
    words: str = option("x", help="A text.")


KINDS = (Everything, *map(methods.get, BY_NAME))


def values(each: methods.Option) -> st.SearchStrategy[Any]:
    """Everything that an option may be."""
    if each.choices:
        return st.sampled_from(each.choices)
    if bool in each.types:
        return st.booleans()
    if str in each.types:
        return st.text("abcxyz-_=.0123456789", min_size=1)
    if float in each.types:
        low = each.at_least if each.above is None else each.above
        high = each.at_most if each.below is None else each.below
        made = st.floats(
            -1e9 if low is None else low,
            1e9 if high is None else high,
            exclude_min=each.above is not None,
            exclude_max=each.below is not None,
        )
    else:
        made = st.integers(each.at_least, each.at_most or 10**6)  # pyright: ignore
    return st.none() | made if type(None) in each.types else made


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_options_survive_the_command_line(data: st.DataObject):
    kind = data.draw(st.sampled_from(KINDS))
    drawn = {name: data.draw(values(each)) for name, each in methods.options_of(kind).items()}
    if kind is methods.Seasonal and drawn["period"] is not None:
        drawn["period"] = float(max(2, round(drawn["period"])))
    if kind is methods.Combination:
        drawn["members"] = data.draw(st.sampled_from(["linear, naive", "mean, seasonal(period=4)"]))
        drawn["weights"] = data.draw(st.sampled_from([None, "3, 1", "0.5,0.25"]))
    if kind is methods.Adaptive:  # of another model there may be no such options
        drawn["over"] = data.draw(st.sampled_from([each for each in BY_NAME if each != "adaptive"]))
        if drawn["over"] != "em-rnn":
            drawn |= {"particles": None, "states": None}
    made = kind(**drawn)
    texts = {name: each.text(drawn[name]) for name, each in methods.options_of(kind).items()}
    read = {
        name: each.parse(texts[name], kind.title())
        for name, each in methods.options_of(kind).items()
    }
    assert kind(**read) == made and made.options == {**drawn}


def test_a_default_that_many_share_is_that_of_others():
    assert option_defaults("kernels") == "10"
    assert option_defaults("restarts") == "3 for em-rnn; 8 for driven-rnn"
    assert setting_defaults("iterations").endswith("500 for others")


def test_what_fit_takes_in_place_of_a_name():
    data = rekalman.load_example("nile")
    for model, options, sentence in (
        (methods.GRU(), {"states": 3}, "states belongs into the method: GRU(states=3)"),
        (methods.GRU(), {"kernels": 3}, "kernels is of no use to the model gru"),
        ("gru", {"kernels": None, "state": None}, "state is of no use to the model gru"),
        (rekalman.local_level(), {"states": 3}, "states is of no use to a model of your own"),
    ):
        with pytest.raises(RekalError, match=re.escape(sentence)):
            rekalman.fit(data, model, progress=False, **options)
    with pytest.raises(RekalError, match="a model is a name, a method, or one of StochasticRNN"):
        select(3, {})


def test_data_that_a_method_does_not_take_are_refused():
    data = rekalman.Sequences.from_arrays(np.r_[np.arange(20.0), np.nan])
    driven = rekalman.Sequences.from_arrays(np.arange(20.0), inputs=np.arange(20.0) ** 2)

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Plain(methods.LocalLevel):
        inputs = False
        missing = False

    for each, sentence in ((data, "takes no missing entries"), (driven, "takes no inputs: leave")):
        with pytest.raises(RekalError, match=f"the model local-level {sentence}.*em-rnn"):
            rekalman.fit(each, Plain(), progress=False)


def test_name_and_method_give_the_same_fit():
    data = rekalman.load_example("nile")
    by_name = rekalman.fit(data, "ar", states=3, progress=False)
    by_method = rekalman.fit(data, methods.AR(states=3), progress=False)
    pairs = zip(jax.tree.leaves(by_name.model), jax.tree.leaves(by_method.model), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs) and by_method.kind == "ar"
    assert np.array_equal(by_name.history.log_likelihood, by_method.history.log_likelihood)


def test_the_methods_need_nothing_numerical():
    """The files of methods import no part of rekalman that computes."""
    from pathlib import Path

    folder = Path(methods.__file__).parent
    allowed = (
        "rekalman.methods",
        "rekalman.foundation.errors",
        "rekalman.foundation.arguments",
        "rekalman.foundation.suggest",
        "rekalman.foundation.plain",
    )
    for file in folder.rglob("*.py"):
        for line in file.read_text().splitlines():
            if line.startswith(("from rekalman", "import rekalman", "from jax", "import jax")):
                assert line.split()[1].startswith(allowed), (file.name, line)
