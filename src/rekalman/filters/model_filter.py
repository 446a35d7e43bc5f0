"""What filters of a state-space model have in common: their sizes and times are those of the model."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, PyTree

from rekalman.core.filter import Filter
from rekalman.models.gaussian import GaussianModel


class ModelFilter(Filter):
    """A filter of a state-space model.

    Attributes:
        model: the model that is filtered, a `StateSpaceModel`.
    """

    model: eqx.AbstractVar[Any]

    @property
    def observations(self) -> int:
        """Number of observed columns."""
        return self.model.observations

    @property
    def n_inputs(self) -> int:
        """Number of known inputs."""
        return self.model.n_inputs

    @property
    def continuous(self) -> bool:
        """Whether the model runs in continuous time, so that series may be sampled at any times."""
        return self.model.continuous

    @property
    def interval(self) -> float | None:
        """Length of a step where none is given, of a model in continuous time."""
        return self.model.interval

    def size_lines(self) -> tuple[str, ...]:
        """None: the number of states stands beside the name of the model."""
        return ()

    @property
    def unknown(self) -> int:
        """Number of diffuse directions of the start."""
        return len(self.model.diffuse)

    @property
    def limited(self) -> bool:
        """Whether the model is defined for a number of steps only."""
        return self.model.limited

    def check_steps(self, steps: int) -> None:
        """Refuse a series that is longer than the model is defined for.

        Raises:
            RekalError: it is.
        """
        self.model.check_steps(steps)


def noise_free_observations(
    model: GaussianModel,
    x: Float[Array, " states"],
    steps: int,
    inputs: Float[Array, "steps input"] | None = None,
    dt: Float[Array, " steps"] | None = None,
) -> Float[Array, "steps obs"]:
    """The observations ahead if the state went on without noise (Unkelbach et al. 2009, section 4.1).

    Args:
        model: the model.
        x: the state to begin from.
        steps: number of steps.
        inputs: known inputs of these steps.
        dt: length of each step, for a model in continuous time.
    """

    def step(x: Array, row: PyTree) -> tuple[Array, Array]:
        u, dt = row
        x = model.transition_mean(x, u, dt)
        return x, model.observation_mean(x, u)[0]

    return jax.lax.scan(step, x[None], (inputs, dt), length=steps)[1]
