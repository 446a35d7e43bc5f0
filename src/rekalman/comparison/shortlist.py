"""The methods that a fit without a model chooses from: short, and the same whatever the clock says."""

from __future__ import annotations

import numpy as np

from rekalman.comparison.trained_methods import TrainedMethod
from rekalman.data import Sequences
from rekalman.data.scales.box_cox import transform_named
from rekalman.data.scales.likeliest_power import positive_columns
from rekalman.foundation.errors import RekalError
from rekalman.methods.base import Method
from rekalman.methods.naive.seasonal_naive import SeasonalNaive
from rekalman.methods.registry import get
from rekalman.methods.structures.seasonal import Seasonal

BUDGET = 30.0
"""CPU seconds that the comparison is expected to take, compiled already."""
ENOUGH, FEWER = 300, 100
"""Samples from which on a recurrent network, and a stochastic one, are worth a try."""
LEAST = 0.2
"""Thousands of samples below which a training takes no less time."""


def shortlist(data: Sequences, season: int | None, budget: float = BUDGET) -> list[TrainedMethod]:
    """Methods that suit the data, as many as are expected to stay within the budget.

    Args:
        data: the series; what does not take them is left out.
        season: steps of a season, or None.
        budget: CPU seconds; cheap methods come first, and naive forecasts are always there.

    Returns:
        Cheap ones first.
    """
    total = int(np.asarray(data.lengths).sum())
    every = [
        TrainedMethod(method, _label(method, transform), transform)
        for method in _suitable(data, season, total)
        for transform in _transforms(method, data, season)
    ]
    chosen, spent = [], 0.0
    for each in sorted(every, key=lambda one: (one.group != "naive", one.cost)):
        try:
            each.check(data)
        except RekalError:
            continue
        expected = each.cost * max(LEAST, total / 1000) * np.sqrt(data.observations)
        if each.group != "naive" and spent + expected > budget:
            continue
        spent += expected
        chosen.append(each)
    return chosen


def _suitable(data: Sequences, season: int | None, total: int) -> list[Method]:
    """Methods by what the data are like: columns, inputs, a season, length."""
    names = ["naive", "mean", "ridge-ar", "linear", "rls"]
    if data.n_inputs:
        return [get(name)() for name in (*names, "driven-rnn")]
    names += ["local-level"]
    if data.observations == 1:
        names += ["drift", "local-linear-trend"]
    if total >= ENOUGH or data.observations > 1:
        names += ["gru"]
    if total >= FEWER and data.observations <= 2:
        names += ["em-rnn"]
    methods: list[Method] = [get(name)() for name in names]
    if season is not None:
        methods.append(SeasonalNaive(period=season))
        if data.observations == 1:
            methods += [Seasonal(period=season), Seasonal(period=season, trend=True)]
    return methods


def _label(method: Method, transform: str | None) -> str:
    """The name of a method, and what sets it apart from others of that name."""
    parts = [method.title()]
    if method.options.get("trend"):
        parts.append("with trend")
    return " ".join(parts) + ("" if transform is None else ", transformed")


def _transforms(method: Method, data: Sequences, season: int | None) -> list[str | None]:
    """As it is, and where a power of positive columns is clearly likelier transformed as well."""
    if method.dynamics == "naive" or method.default_transform != "none":
        return [None]
    if transform_named("auto", data, positive_columns(data), season) is None:
        return [None]
    return [None, "auto"]
