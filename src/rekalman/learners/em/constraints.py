"""Which parameters EM may move: frozen blocks, fixed entries, shapes and ranges of covariances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from rekalman.foundation.errors import RekalError
from rekalman.learners.em.linear_maximise import Freedom, LinearConstraints, LinearNoise, freedom
from rekalman.learners.em.maximise import Constraints
from rekalman.learners.likelihood.regression import NoiseShape
from rekalman.learners.support import support_of
from rekalman.models.continuous import LinearContinuous
from rekalman.models.gaussian import GaussianModel
from rekalman.models.linear import LinearGaussian


def constrain(
    model: GaussianModel,
    freeze: tuple[str, ...] = (),
    fixed: Mapping[str, Any] | None = None,
    *,
    process_noise: NoiseShape = "diagonal",
    observation_noise: NoiseShape = "diagonal",
) -> Constraints:
    """The frozen and fixed entries, as masks on the joined weights.

    Args:
        model: the model that is to be trained.
        freeze: blocks that keep their value, any of A, B, c, C, D, d, Q, R, m, P (and H, G with kernels).
        fixed: for a block of weights, an array that is True where an entry keeps its value.
        process_noise: "diagonal" or "full" `Q`.
        observation_noise: "diagonal" or "full" `R`.

    Raises:
        RekalError: an unknown block, or a mask in `fixed` whose shape does not fit its block.
    """
    fixed = fixed or {}
    inner, outer = model.transition_blocks, model.observation_blocks
    blocks = (*inner, *outer, "Q", "R", "m", "P")
    for name in (*freeze, *fixed):
        if name not in blocks:
            raise RekalError(f"there is no block {name!r}: use one of {', '.join(blocks)}")
    for name in fixed:
        if name not in (*inner, *outer):
            raise RekalError(
                f"single entries of {name} cannot be fixed, only all of them (freeze) or none"
            )
    for shape in (process_noise, observation_noise):
        if shape not in ("diagonal", "full"):
            raise RekalError(f"a noise covariance is 'diagonal' or 'full', not {shape!r}")

    def mask(name: str) -> np.ndarray:
        value = getattr(model, name)
        if name in freeze:
            return np.ones(value.shape, bool)
        given = np.asarray(fixed.get(name, np.zeros(value.shape, bool)), bool)
        if given.shape != value.shape:
            raise RekalError(
                f"fixed[{name!r}] has shape {given.shape}, but {name} has {value.shape}"
            )
        return given

    def join(names: tuple[str, ...]) -> Array | None:
        masks = [mask(name) for name in names]
        joined = np.concatenate([m if m.ndim == 2 else m[:, None] for m in masks], 1)
        return jnp.asarray(joined) if joined.any() else None

    return Constraints(
        transition=join(inner),
        observation=join(outer),
        frozen=tuple(name for name in ("Q", "R", "m", "P") if name in freeze),
        process_noise=process_noise,
        observation_noise=observation_noise,
    )


def constrain_linear(
    model: LinearGaussian,
    freeze: tuple[str, ...] = (),
    fixed: Mapping[str, Any] | None = None,
    *,
    process_noise: LinearNoise | None = None,
    observation_noise: LinearNoise | None = None,
) -> LinearConstraints:
    """What EM may move of a linear model: covariances keep their range, so that what has no noise has none.

    Args:
        model: the model that is to be trained.
        freeze: blocks that keep their value, any of A, B, c, C, D, d, Q, R, m, P.
        fixed: for a block of weights, an array that is True where an entry keeps its value.
        process_noise: "full", "diagonal" or "scaled" `Q`; None is diagonal where the model's is, else full.
        observation_noise: the same of `R`.

    Raises:
        RekalError: as for `constrain`; a covariance that is to stay diagonal and is not.
    """
    masks = constrain(model, freeze, fixed)
    process = shape_of("Q", model.Q, process_noise)
    observation = shape_of("R", model.R, observation_noise)
    start = np.ones((model.states, 1), bool) if "m" in freeze else None

    def of(name: str, mask: Any, shape: LinearNoise) -> Any:
        given = None if mask is None else np.asarray(mask)
        return freedom(support_of(getattr(model, name)), given, shape, name in freeze)

    return LinearConstraints(
        of("Q", masks.transition, process),
        of("R", masks.observation, observation),
        of("P", start, "full"),
    )


def shape_of(name: str, V: Any, shape: LinearNoise | None) -> LinearNoise:
    """The shape in which a covariance of a linear model is learned.

    Raises:
        RekalError: an unknown shape, or a covariance that is to stay diagonal and is not.
    """
    matrix = np.asarray(V)
    diagonal = not np.any(matrix - np.diag(np.diagonal(matrix)))
    if shape is None:
        return "diagonal" if diagonal else "full"
    if shape == "diagonal" and not diagonal:
        raise RekalError(f"{name} is to stay diagonal, but the model's is not")
    if shape not in ("diagonal", "full", "scaled"):
        raise RekalError(
            f"a noise covariance of a linear model is 'diagonal', 'full' or 'scaled', not {shape!r}"
        )
    return shape


def check_flat_columns(
    model: LinearGaussian | LinearContinuous, constraints: Constraints | LinearConstraints
) -> None:
    """With a diffuse start the effect of the flat coordinates is no parameter.

    The law of a flat coordinate has no scale of its own, so that a likelihood that integrates it out rises
    without bound as its effect on the data goes to zero.

    Raises:
        RekalError: a column of the transition or of C that belongs to a flat coordinate has a free entry.
    """
    if model.initial != "diffuse":
        return
    flat = list(model.flat)
    for part in (constraints.transition, constraints.observation):
        fixed = part.fixed if isinstance(part, Freedom) else part
        if fixed is None or not bool(np.asarray(fixed)[:, flat].all()):
            A = model.transition_blocks[0]
            raise RekalError(
                f"with a diffuse start the likelihood is unbounded in the columns of {A} and C that belong "
                f"to the flat coordinates {tuple(flat)}: freeze {A} and C, fix those columns, or give m and P"
            )
