"""Adam with a schedule, clipping and a moving average of the parameters."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from rekal.learning.episodes import AnyArray

Schedule = Literal["cosine", "constant"]


class Recipe(NamedTuple):
    """How parameters are moved. Numbers are arrays, so that others need no new compilation.

    Attributes:
        schedule: "cosine" falls to 0 at the last step, "constant" stays.
        rate: the highest learning rate.
        warmup: steps over which the rate rises first.
        steps: all of them.
        clip: largest norm of the gradient of all parameters together; infinite = none.
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
        parameters: the arrays of the network that are trained.
        moments: what Adam remembers.
        average: moving average of the parameters, or None.
        step: number of steps made.
    """

    parameters: PyTree
    moments: Any
    average: PyTree | None
    step: Int[Array, ""]

    @property
    def result(self) -> PyTree:
        """The parameters that are validated and handed out."""
        return self.parameters if self.average is None else self.average


def begin(recipe: Recipe, parameters: PyTree) -> State:
    """The state before the first step, in memory of its own."""
    copy = jax.tree.map(jnp.copy, parameters)
    average = None if recipe.average is None else jax.tree.map(jnp.copy, parameters)
    return State(copy, optax.scale_by_adam().init(copy), average, jnp.zeros((), jnp.int32))


def learning_rate(recipe: Recipe, step: Int[Array, ""] | int) -> Float[AnyArray, ""]:
    """The rate of a step, counted from 0: a linear rise, then half a cosine down to 0 or a constant."""
    rise = jnp.minimum(1.0, (step + 1) / jnp.maximum(recipe.warmup, 1.0))
    if recipe.schedule == "constant":
        return recipe.rate * rise
    fall = jnp.maximum(recipe.steps - recipe.warmup, 1.0)
    gone = jnp.clip((step - recipe.warmup) / fall, 0.0, 1.0)
    return recipe.rate * rise * 0.5 * (1.0 + jnp.cos(jnp.pi * gone))


def descend(recipe: Recipe, state: State, gradient: PyTree) -> tuple[State, Float[Array, ""]]:
    """One step of Adam (Kingma and Ba 2015).

    The moving average follows fast at first, with decay `(1 + n) / (10 + n)` at step `n`, so that it forgets
    the start.

    Returns:
        The state after it, and the norm of the gradient before clipping.
    """
    norm = optax.tree.norm(gradient)
    scale = jnp.minimum(1.0, recipe.clip / jnp.maximum(norm, 1e-12))
    gradient = jax.tree.map(lambda g: g * scale, gradient)
    direction, moments = optax.scale_by_adam().update(gradient, state.moments)
    rate = learning_rate(recipe, state.step)
    parameters = jax.tree.map(
        lambda p, d: p - rate.astype(p.dtype) * d, state.parameters, direction
    )
    average = None
    if recipe.average is not None:
        n = state.step.astype(jnp.float32)
        keep = jnp.minimum(recipe.average, (1.0 + n) / (10.0 + n))
        average = jax.tree.map(lambda a, p: keep * a + (1.0 - keep) * p, state.average, parameters)
    return State(parameters, moments, average, state.step + 1), norm
