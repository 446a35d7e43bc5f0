"""Several fits on the same scales as one that averages their forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from rekalman.data import Sequences
from rekalman.data.scales.panel import Panel
from rekalman.data.scales.standardiser import Standardiser
from rekalman.filters.combined import Combined
from rekalman.fitting.history import History
from rekalman.fitting.result import Fit
from rekalman.fitting.verbs import filter_paths
from rekalman.foundation.errors import RekalError
from rekalman.training.as_fit import nats_of_scales

NAME = "combination"


def combine(
    fits: Sequence[Fit],
    data: Sequences,
    weights: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
) -> Fit:
    """One fit that forecasts the average of several.

    Args:
        fits: of different methods, trained on the same data with the same scales and transform.
        data: what they were trained on, in raw units.
        weights: of each, above 0; default equal.
        names: each method with its options as text (`methods/members.py`); default their kinds.

    Raises:
        RekalError: their scales differ, or their filters do not go together.
    """
    first = fits[0]
    if not all(same_scales(first.standardiser, each.standardiser) for each in fits):
        raise RekalError(
            "the members of a combination must have the same scales and transform of the data"
        )
    names = [each.kind for each in fits] if names is None else names
    algorithm = Combined.of(tuple(each.algorithm for each in fits), weights, tuple(names))
    path = filter_paths(algorithm, first.prepare(data), jax.random.key(first.seed))
    value = float(np.asarray(path.log_evidence, np.float64).sum())
    history = History(
        log_likelihood=np.array([value - nats_of_scales(first.standardiser, data)]),
        trials=(),
        stopped="converged",
        seconds=sum(each.history.seconds for each in fits),
        entries=int(np.asarray(data.mask).sum()),
        warnings=tuple(f"{fit.kind}: {each}" for fit in fits for each in fit.history.warnings),
    )
    return Fit(
        algorithm=algorithm,
        standardiser=first.standardiser,
        history=history,
        seed=first.seed,
        labels=first.labels,
        input_names=first.input_names,
        kind=NAME,
    )


def same_scales(one: Standardiser | Panel, other: Standardiser | Panel) -> bool:
    """Whether two standardisers do the same."""
    if isinstance(one, Panel) != isinstance(other, Panel):
        return False
    powers = [None if each.transform is None else each.transform.power for each in (one, other)]
    if not _equal(*powers):
        return False
    names = ("location", "scale", "input_location", "input_scale")
    return all(_equal(getattr(one, name), getattr(other, name)) for name in names)


def _equal(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return np.shape(one) == np.shape(other) and bool(
        np.allclose(np.asarray(one), np.asarray(other), rtol=1e-9, atol=0.0)
    )
