"""The methods that a fit without a model chooses from: short, and the same whatever the clock says."""

from __future__ import annotations

from typing import Any

import numpy as np

from rekalman.comparison.trained_methods import TrainedMethod
from rekalman.data import Sequences
from rekalman.data.scales.box_cox import transform_named
from rekalman.data.scales.likeliest_power import positive_columns
from rekalman.foundation.errors import RekalError
from rekalman.methods.registry import get

BUDGET = 30.0
"""CPU seconds that the comparison is expected to take, compiled already."""
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
    names = ["naive", "mean", "local-level", "ridge-ar", "linear"]
    if data.observations == 1:
        names += ["drift", "local-linear-trend"]
    if season is not None:
        names += ["seasonal-naive", *(["seasonal"] if data.observations == 1 else [])]
    if data.n_inputs:
        names = ["naive", "mean", "ridge-ar", "linear", "driven-rnn"]
    total = int(np.asarray(data.lengths).sum())
    if total >= 300 or data.observations > 1:
        names += ["gru"]
    if total >= 100 and data.observations <= 2 and data.dt is None:
        names += ["em-rnn"]
    every = [
        _candidate(name, season, transform)
        for name in names
        for transform in _transforms(name, data, season)
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


def _candidate(name: str, season: int | None, transform: str | None) -> TrainedMethod:
    """A method by its name, with the season where it is one of seasons."""
    kind: Any = get(name)
    method = kind(period=season) if name in ("seasonal", "seasonal-naive") else kind()
    label = name if transform is None else f"{name}, transformed"
    return TrainedMethod(method, label, transform)


def _transforms(name: str, data: Sequences, season: int | None) -> list[str | None]:
    """As it is, and where a power of positive columns is clearly likelier transformed as well."""
    kind = get(name)
    if kind.baseline or kind.default_transform != "none":
        return [None]
    if transform_named("auto", data, positive_columns(data), season) is None:
        return [None]
    return [None, "auto"]
