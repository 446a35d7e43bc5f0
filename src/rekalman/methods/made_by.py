"""Which method made a fit, and what it says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rekalman.methods.base import Method
from rekalman.methods.description import Description
from rekalman.methods.own.base import OwnModel
from rekalman.methods.own.film import OwnFilm
from rekalman.methods.own.models import METHODS
from rekalman.methods.registry import get, names
from rekalman.methods.state_space import StateSpaceMethod

if TYPE_CHECKING:
    from rekalman.fitting.result import Fit


def description_of(fit: Fit) -> Description:
    """What the method of a fit says of it; of one that is not registered here, what every fit has."""
    return method_class(fit).describe(fit)


def method_class(fit: Fit) -> type[Method]:
    """The method that made a fit."""
    if fit.kind in names():
        return get(fit.kind)
    if not fit.has_model:
        return OwnFilm if fit.kind == "own" and fit.algorithm.frame_shape is not None else Method
    if fit.kind != "own":
        return StateSpaceMethod
    return METHODS.get(type(fit.model).__name__, OwnModel)
