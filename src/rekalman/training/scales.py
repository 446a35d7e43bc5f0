"""How the series of a training are standardised: all alike, or each on a scale of its own.

The scales of a structure are those that make the data most likely (`fitting/series_scales.py`), fitted in
turn with the structure. It begins with the standard deviations of the series, which say too much of a level
that walked far.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rekalman.data import Sequences
from rekalman.data.scales.box_cox import BoxCox
from rekalman.data.scales.panel import Panel
from rekalman.data.scales.standardiser import Standardiser
from rekalman.fitting.series_scales import multiplied, scale_factors
from rekalman.fitting.trained import Trained
from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices

SCALES = ("series", "shared")
"""How several series are standardised."""
ROUNDS = 5
"""Fits of model and scales in turn, at most."""
CLOSE = 0.01
"""Scales that change by no more than this share are final."""


def check_scale(scale: str | None) -> None:
    """Refuse a scale that is none.

    Raises:
        RekalError: it is not one of `SCALES`.
    """
    if scale is not None and scale not in SCALES:
        raise RekalError(f"unknown scale {scale!r}: {choices(str(scale), SCALES)}")


def standardiser_of(
    data: Sequences, scale: str | None, transform: BoxCox | None, *, frozen: bool = False
) -> Standardiser | Panel:
    """Mean 0 and variance 1: of several series each by its own scale, or all by one.

    Args:
        data: in raw units.
        scale: one of `SCALES`; None is "series" where there are no inputs, to which all answer alike.
        transform: of the observations, or None.
        frozen: whether parameters keep their value in raw units, which then must be those of all series.

    Raises:
        RekalError: `scale` is unknown, or "series" where raw units are asked for; a series has too few values
            for a scale of its own.
    """
    check_scale(scale)
    if scale == "series" and not data.measured:
        raise RekalError(
            "targets that are told from frames share one scale, since frames do not say on which scale a "
            "film is: leave scale out"
        )
    if data.pixels:
        return raw_units(data, scale, None)
    if frozen and scale == "series":
        raise RekalError(
            "frozen parameters of a structure are in raw units, which series with scales of their own do not "
            "share: give scale='shared'"
        )
    by_default = data.measured and not (data.n_inputs or frozen)
    each = data.batch > 1 and (by_default if scale is None else scale == "series")
    return Panel.of(data, transform) if each else Standardiser.of(data, transform)


def raw_units(data: Sequences, scale: str | None, transform: BoxCox | None) -> Standardiser:
    """No standardising: the units of the data, or of their transform, are those of the model.

    Args:
        data: in raw units.
        scale: "shared" or None.
        transform: of the observations, or None.

    Raises:
        RekalError: `scale` is unknown or "series"; the data do not take the transform.
    """
    check_scale(scale)
    if scale == "series" and data.pixels:
        raise RekalError("pixels are not standardised: leave scale out")
    if scale == "series":
        raise RekalError(
            "a model of your own is in the raw units of the data and has no scale for each series: leave "
            "scale out"
        )
    p, k = data.observations, data.n_inputs
    inputs = (np.zeros(k), np.ones(k)) if k else (None, None)
    if transform is not None:
        transform.apply_to(data)  # refuses what has none
    return Standardiser(np.zeros(p), np.ones(p), *inputs, transform)


def with_likeliest_scales(
    panel: Panel, data: Sequences, train: Callable[[Standardiser], Trained]
) -> tuple[Panel, Trained]:
    """A structure and the scales of the series, fitted in turn until the scales stay.

    Args:
        panel: scales to begin with.
        data: in raw units.
        train: fits the structure to the data, standardised like this.

    Returns:
        The scales, and what was trained with them.
    """
    trained = train(panel.rows(data))
    for _ in range(ROUNDS - 1):
        if trained.result.stopped == "interrupted":
            break
        algorithm = trained.filtering.of(trained.result.model, 0)
        if algorithm.components > 1:
            break
        factors = scale_factors(algorithm, panel.apply(data))
        if np.abs(np.log(factors)).max() < CLOSE:
            break
        panel = multiplied(panel, data.series_names, factors)
        trained = train(panel.rows(data))
    return panel, trained
