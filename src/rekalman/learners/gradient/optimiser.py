"""Adam with a schedule, clipping and a moving average, on all parameters as one vector.

One vector and not a tree of arrays: a step is then one fused loop over it, whatever the number of layers,
which is faster to compile and to run.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PyTree

from rekalman.data import AnyArray

Schedule = Literal["cosine", "constant"]


class OptimiserSettings(NamedTuple):
    """How parameters are moved. Numbers are arrays, so that others need no new compilation.

    Attributes:
        schedule: "cosine" falls to 0 at the last step, "constant" stays.
        rate: the highest learning rate.
        warmup: steps over which the rate rises first.
        steps: all of them.
        clip: largest norm of the gradient; infinite = none.
        average: decay of the moving average, or None.
    """

    schedule: Schedule
    rate: Float[AnyArray, ""]
    warmup: Float[AnyArray, ""]
    steps: Float[AnyArray, ""]
    clip: Float[AnyArray, ""]
    average: Float[AnyArray, ""] | None


class State(NamedTuple):
    """What a step of training changes.

    Attributes:
        parameters: all numbers of the network that are trained.
        moments: what Adam remembers.
        average: moving average of the parameters, or None.
        step: number of steps made.
    """

    parameters: Float[Array, " parameters"]
    moments: Any
    average: Float[Array, " parameters"] | None
    step: Int[Array, ""]

    @property
    def result(self) -> Float[Array, " parameters"]:
        """The parameters that are validated and handed out."""
        return self.parameters if self.average is None else self.average


@eqx.filter_jit
def flatten(network: PyTree) -> Float[Array, " parameters"]:
    """All arrays of floating point of a network, or of its gradient, as one vector."""
    return ravel_pytree(eqx.filter(network, eqx.is_inexact_array))[0]


@eqx.filter_jit
def with_parameters(network: Any, vector: Float[Array, " parameters"]) -> Any:
    """The network, or any tree of arrays, with other parameters."""
    arrays, rest = eqx.partition(network, eqx.is_inexact_array)
    return eqx.combine(ravel_pytree(arrays)[1](vector), rest)


def begin(optimiser_settings: OptimiserSettings, parameters: Float[Array, " parameters"]) -> State:
    """The state before the first step, in memory of its own."""
    import optax  # only where networks are trained: it takes a fifth of a second

    average = None if optimiser_settings.average is None else jnp.copy(parameters)
    moments = optax.scale_by_adam().init(parameters)
    return State(jnp.copy(parameters), moments, average, jnp.zeros((), jnp.int32))


def learning_rate(
    optimiser_settings: OptimiserSettings, step: Int[Array, ""]
) -> Float[AnyArray, ""]:
    """The rate of a step, counted from 0: a linear rise, then half a cosine down to 0 or a constant."""
    rise = jnp.minimum(1.0, (step + 1) / jnp.maximum(optimiser_settings.warmup, 1.0))
    if optimiser_settings.schedule == "constant":
        return optimiser_settings.rate * rise
    fall = jnp.maximum(optimiser_settings.steps - optimiser_settings.warmup, 1.0)
    gone = jnp.clip((step - optimiser_settings.warmup) / fall, 0.0, 1.0)
    return optimiser_settings.rate * rise * 0.5 * (1.0 + jnp.cos(jnp.pi * gone))


def descend(
    optimiser_settings: OptimiserSettings, state: State, gradient: Float[Array, " parameters"]
) -> tuple[State, Float[Array, ""]]:
    """One step of Adam (Kingma and Ba 2015).

    The moving average follows fast at first, with decay `(1 + n) / (10 + n)` at step `n`, so that it forgets
    the start.

    Returns:
        The state after it, and the norm of the gradient before clipping.
    """
    import optax

    norm = jnp.linalg.norm(gradient)
    gradient = gradient * jnp.minimum(1.0, optimiser_settings.clip / jnp.maximum(norm, 1e-12))
    direction: Any
    direction, moments = optax.scale_by_adam().update(gradient, state.moments)
    rate = learning_rate(optimiser_settings, state.step).astype(gradient.dtype)
    parameters = state.parameters - rate * direction
    average = None
    if state.average is not None and optimiser_settings.average is not None:
        n = state.step.astype(gradient.dtype)
        keep = jnp.minimum(optimiser_settings.average, (1.0 + n) / (10.0 + n)).astype(
            gradient.dtype
        )
        average = keep * state.average + (1.0 - keep) * parameters
    return State(parameters, moments, average, state.step + 1), norm
