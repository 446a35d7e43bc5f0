"""What all linear models share: matrices at every step and a law of the first state."""

from __future__ import annotations

import abc
from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.foundation.errors import RekalError
from rekalman.models.gaussian import GaussianModel, WhitenedObservation
from rekalman.models.products import rows_times
from rekalman.models.roots import noise_root


class Blocks(NamedTuple):
    """The matrices at every step; a leading axis of length one means constant."""

    A: Float[Array, "times_A states states"]
    B: Float[Array, "times_B states inputs"]
    c: Float[Array, "times_c states"]
    C: Float[Array, "times_C obs states"]
    D: Float[Array, "times_D obs inputs"]
    d: Float[Array, "times_d obs"]
    Q: Float[Array, "times_Q states states"]
    R: Float[Array, "times_R obs obs"]


class LinearModel(GaussianModel):
    """A model whose transition and observation are linear, with Gaussian noise."""

    C: eqx.AbstractVar[Float[Array, "*steps_C obs states"]]

    @property
    def linear(self) -> bool:
        """Always: transition and observation are linear."""
        return True

    @property
    def transition_blocks(self) -> tuple[str, ...]:
        """Transition, input weights, offset."""
        return ("A", "B", "c")

    @property
    def observation_blocks(self) -> tuple[str, ...]:
        """Observation, direct input weights, offset."""
        return ("C", "D", "d")

    @abc.abstractmethod
    def blocks(self, dt: Float[Array, " steps"] | None = None) -> Blocks:
        """The matrices at every step; `dt[t]` is the time between the steps `t - 1` and `t`."""

    @abc.abstractmethod
    def initial_moments(self) -> tuple[Array, Array]:
        """Mean and covariance of `x_1`, the diffuse coordinates left out."""

    @property
    @abc.abstractmethod
    def diffuse(self) -> tuple[int, ...]:
        """Coordinates of `x_1` with a flat law."""

    def given(self) -> LinearModel:
        """The same model with the moments of its first state in `m` and `P`.

        Raises:
            RekalError: the start is diffuse, which has no moments and cannot be drawn from.
        """
        if self.diffuse:
            raise RekalError(
                "a diffuse start cannot be drawn from: give the model m and P (initial='given'), or "
                "start from a state of your own"
            )
        moments = self.initial_moments()
        return eqx.tree_at(lambda model: (model.m, model.P), self, moments)

    def sample_initial(self, key: PRNGKeyArray, particles: int) -> Float[Array, "particles states"]:
        """Draw `x_1`.

        Raises:
            RekalError: the start is diffuse.
        """
        given = self.given()
        return given.m + rows_times(self.draw(key, 1, particles)[0], noise_root(given.P))

    def propose(
        self,
        noise: Float[Array, "particles states"],
        origin: Float[Array, "particles states"] | None,
        evidence: WhitenedObservation,
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> tuple[Float[Array, "particles states"], Float[Array, " particles"]]:
        """Draw from the optimal proposal, which is exact for a linear model."""
        model = self.given() if origin is None else self
        return super(LinearModel, model).propose(noise, origin, evidence, u, dt)


def refuse_dt(model: LinearModel, dt: Array | None) -> None:
    """A model in discrete time knows no length of a step.

    Raises:
        RekalError: one is given.
    """
    if dt is not None:
        raise RekalError(
            f"{type(model).__name__} runs in equal steps: use LinearContinuous for irregular sampling"
        )
