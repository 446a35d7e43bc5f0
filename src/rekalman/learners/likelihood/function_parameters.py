"""The free parameters of a model of two functions: its noise, its first state, what the functions hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rekalman.foundation.errors import RekalError
from rekalman.learners.em.linear_maximise import LinearNoise
from rekalman.learners.likelihood.function_arrays import FUNCTIONS, function_arrays
from rekalman.learners.likelihood.parameters import COVARIANCES, ModelParameters, free_of
from rekalman.models.nonlinear import NonlinearGaussian


def function_parameters(
    model: NonlinearGaussian,
    freeze: tuple[str, ...] = (),
    fixed: Mapping[str, Any] | None = None,
    process_noise: LinearNoise | None = None,
    observation_noise: LinearNoise | None = None,
) -> ModelParameters:
    """The parameters of a model of two functions.

    Args:
        model: where the search begins. Every floating-point array in its functions is a parameter, if these
            are trees of JAX, such as Equinox modules.
        freeze: names that keep their value: Q, R, m, P, arrays such as `f.length`, or whole branches (`f`).
        fixed: for m or an array of the functions, an array that is True where an entry keeps its value.
        process_noise: "full", "diagonal" or "scaled" `Q`; None is diagonal where the model's is, else full.
        observation_noise: the same of `R`.

    Raises:
        RekalError: an unknown name, a mask that does not fit, a covariance that is not diagonal where it
            should be, or nothing is left free.
    """
    arrays = {**function_arrays(model), "m": model.m}
    known = (*arrays, *COVARIANCES)
    frozen = []
    for name in freeze:
        result = [each for each in known if _within(each, name)]
        if not result and name not in FUNCTIONS:
            raise RekalError(f"the model has no parameter {name!r}: use one of {', '.join(known)}")
        frozen += result
    for name, mask in (fixed or {}).items():
        if name not in arrays:
            raise RekalError(f"entries of {name!r} cannot be fixed: use one of {', '.join(arrays)}")
        if np.shape(mask) != arrays[name].shape:
            raise RekalError(
                f"fixed[{name!r}] has shape {np.shape(mask)}, but {name} has {arrays[name].shape}"
            )
    shapes = (process_noise, observation_noise)
    return free_of(model, tuple(arrays), tuple(frozen), fixed or {}, *shapes)


def _within(name: str, branch: str) -> bool:
    """Whether a name is that of a branch of a tree, or lies on it."""
    return name == branch or name.startswith((f"{branch}.", f"{branch}["))
