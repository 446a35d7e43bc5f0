"""Grids of starting values for the free parameters that maximum likelihood moves."""

from __future__ import annotations

from typing import cast

import numpy as np

from rekalman.learners.batch import Batch
from rekalman.learners.likelihood.named_parameters import NamedParameters
from rekalman.learners.likelihood.parameters import ModelParameters, Parameters
from rekalman.models.structures.start_grids import Grid, structure_grids
from rekalman.models.structures.structure_checks import filled
from rekalman.models.structures.structures import Structure

DECADES = (-6, -4, -2, 0, 2, 4)  # of a covariance, beside that of the given start
MOST_ENTRIES = 3  # of a diagonal covariance that have a grid each
FEW_DECADES = (-4, -2, 0, 2, 4)  # of a positive parameter


def parameter_grids(parameters: Parameters, batch: Batch) -> list[Grid]:
    """The grids of the free parameters of a model."""
    given = np.asarray(parameters.vector, float)
    if isinstance(parameters, ModelParameters):
        return _covariance_grids(parameters, given)
    if parameters.base.additive:
        return _structure_grids(parameters, batch)
    unit = np.log(10.0) * np.array(FEW_DECADES, float)
    return [
        Grid((i,), (given[i] + unit)[:, None])
        for i, bounds in enumerate(parameters.bounds)
        if bounds.positive
    ]


def _structure_grids(parameters: NamedParameters, batch: Batch) -> list[Grid]:
    """Those of a structure, from the longest series without the effect of its inputs."""
    structure = cast(Structure, parameters.base)
    mask = np.asarray(batch.mask)
    longest = int(np.argmax(mask.any(-1).sum(-1)))
    steps = int(np.asarray(batch.valid)[longest].sum())
    y = np.where(mask[longest], np.asarray(batch.values)[longest], np.nan)[:steps]
    if batch.inputs is not None:
        y = y - np.asarray(batch.inputs)[longest, :steps] @ np.asarray(structure.coefficients).T
    known = tuple(name for i, name in enumerate(structure.names) if i not in parameters.chosen)
    return [
        Grid(tuple(parameters.chosen.index(place) for place in grid.places), grid.points)
        for grid in structure_grids(structure, filled(y), known)
    ]


def _covariance_grids(parameters: ModelParameters, given: np.ndarray) -> list[Grid]:
    """`Q` beside `R` over decades, entry by entry where it is diagonal and small.

    The decades of `Q` are counted from where the state moves the observation in a step by as much as the
    noise does. Where only one of the two is free its size has a grid.
    """
    logs, products = parameters.exponents()
    names = [name for name, _ in parameters.chosen]
    name = "Q" if "Q" in names else "R"
    if name not in names:
        return []
    counts = [len(entries) or 1 for _, entries in parameters.chosen]
    first, count = sum(counts[: names.index(name)]), counts[names.index(name)]
    places = tuple(range(first, first + count))
    diagonal = not products[list(places)].any() and 1 < count <= MOST_ENTRIES
    groups = [(place,) for place in places] if diagonal else [places]
    shift = _even(parameters) if name == "Q" else 0.0
    grids = []
    for group in groups:
        each = list(group)
        points = [
            given[each] * 10.0 ** (decades * products[each]) + np.log(10.0) * decades * logs[each]
            for decades in np.array(DECADES) + shift
        ]
        grids.append(Grid(group, np.array(points)))
    return grids


def _even(parameters: ModelParameters) -> float:
    """By how many decades `C Q C'` is smaller than `R`, in the mean of the columns; 0 where unknown."""
    model = parameters.build(parameters.vector)
    if not model.linear:
        return 0.0
    C, Q, R = (np.asarray(getattr(model, name), float) for name in ("C", "Q", "R"))
    signal, noise = np.trace(C @ Q @ C.T), np.trace(R)
    return float(np.log10(noise / signal)) if signal > 0 and noise > 0 else 0.0
