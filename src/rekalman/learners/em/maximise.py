"""The M-step of models that are linear in their parameters: closed form for all (paper, section 3.2)."""

from __future__ import annotations

from typing import TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool

from rekalman.learners.em.statistics import (
    Statistics,
    observation_weights,
    transition_weights,
)
from rekalman.learners.likelihood.regression import (
    NoiseShape,
    RegressionPrior,
    solve_noise,
    solve_weights,
)
from rekalman.models.gaussian import GaussianModel
from rekalman.models.linear import LinearGaussian
from rekalman.models.rbf import RBFNetwork
from rekalman.models.stochastic_rnn import StochasticRNN

Model = TypeVar("Model", StochasticRNN, LinearGaussian, RBFNetwork)

BLOCKS = ("A", "B", "c", "C", "D", "d", "Q", "R", "m", "P")
"""Those of a model without kernels."""


class Priors(eqx.Module):
    """One prior for each of the three regressions."""

    transition: RegressionPrior
    observation: RegressionPrior
    initial: RegressionPrior


class Constraints(eqx.Module):
    """Which entries keep their value, and the shapes of the covariances.

    Attributes:
        transition: True where an entry of `[A B c]` is fixed, or None.
        observation: the same for `[C D d]`.
        frozen: covariances and initial moments that keep their value ("Q", "R", "m", "P").
        process_noise: "diagonal" or "full" `Q`.
        observation_noise: "diagonal" or "full" `R`.
    """

    transition: Bool[Array, "states q"] | None
    observation: Bool[Array, "obs r"] | None
    frozen: tuple[str, ...] = eqx.field(static=True)
    process_noise: NoiseShape = eqx.field(static=True)
    observation_noise: NoiseShape = eqx.field(static=True)


def maximise(
    model: Model, statistics: Statistics, priors: Priors, constraints: Constraints
) -> Model:
    """The parameters that maximise the expected complete log-likelihood plus the log prior."""
    frozen = constraints.frozen

    shape = constraints.process_noise
    W = solve_weights(
        statistics.transition, priors.transition, transition_weights(model), model.Q,
        constraints.transition, shape,
    )  # fmt: skip
    Q = (
        model.Q
        if "Q" in frozen
        else solve_noise(statistics.transition, priors.transition, W, shape)
    )

    shape = constraints.observation_noise
    V = solve_weights(
        statistics.observation, priors.observation, observation_weights(model), model.R,
        constraints.observation, shape,
    )  # fmt: skip
    R = (
        model.R
        if "R" in frozen
        else solve_noise(statistics.observation, priors.observation, V, shape)
    )

    m, P = model.m, model.P
    if "m" not in frozen:
        held = None
        m = solve_weights(statistics.initial, priors.initial, m[:, None], P, held, "diagonal")[:, 0]
    if "P" not in frozen:
        P = solve_noise(statistics.initial, priors.initial, m[:, None], "full")

    weights = (
        *zip(model.transition_blocks, split(model, model.transition_blocks, W), strict=True),
        *zip(model.observation_blocks, split(model, model.observation_blocks, V), strict=True),
    )
    new = {**dict(weights), "Q": Q, "R": R, "m": m, "P": P}
    return eqx.tree_at(
        lambda t: tuple(getattr(t, name) for name in new),
        model,
        tuple(jnp.asarray(v) for v in new.values()),
    )


def split(model: GaussianModel, names: tuple[str, ...], weights: Array) -> list[Array]:
    """The blocks that were joined to one matrix of weights."""
    blocks, start = [], 0
    for name in names:
        block = getattr(model, name)
        width = block.shape[1] if block.ndim == 2 else 1
        part = weights[:, start : start + width]
        blocks.append(part if block.ndim == 2 else part[:, 0])
        start += width
    return blocks
