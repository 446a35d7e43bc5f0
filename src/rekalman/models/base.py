"""What every state-space model answers: densities and samples, no algorithm.

Anything that implements `StateSpaceModel` can be filtered, smoothed, forecast and simulated. The
conventions are those of the whole library: `x_1 ~ N(m, P)` (or any other initial law) is the state
at the first observation, the input `u_t` drives the step into `t`.
"""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

Evidence = PyTree  # one encoded observation, whatever the model's `encode` returns


class StateSpaceModel(eqx.Module):
    """A Markov transition and an observation density.

    A subclass must give the dimensions, `sample_initial`, `draw`, `sample_transition`,
    `log_transition`, `encode`, `log_observation`, `observation_mean` and `sample_observation`.
    Particles always have the shape `(particles, states)`.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(A=0.9 * one, C=one, Q=one, R=one)
        >>> isinstance(model, rekalman.StateSpaceModel), model.states, model.observations
        (True, 1, 1)
    """

    @property
    @abc.abstractmethod
    def states(self) -> int:
        """Number of state variables."""

    @property
    @abc.abstractmethod
    def observations(self) -> int:
        """Number of observed variables."""

    @property
    def n_inputs(self) -> int:
        """Number of input variables (0 when the model takes none)."""
        return 0

    @property
    def continuous(self) -> bool:
        """Whether it runs in continuous time, and so takes steps of unequal length."""
        return False

    @property
    def interval(self) -> float | None:
        """Length of a step where none is given, of a model in continuous time; None for all others."""
        return None

    @property
    def gaussian(self) -> bool:
        """Whether the noise of transition and observation is additive and Gaussian (a `GaussianModel`)."""
        return False

    @property
    def linear(self) -> bool:
        """Whether transition and observation are linear, with additive Gaussian noise (a `LinearModel`)."""
        return False

    @property
    def time_invariant(self) -> bool:
        """Whether its parameters are the same at every step."""
        return True

    @property
    def precise_observation(self) -> bool:
        """Whether some direction of the observation has no noise; False where nothing is known of it."""
        return False

    @property
    def singular_transition(self) -> bool:
        """Whether some direction of the transition has no noise; False where nothing is known of it."""
        return False

    def confined(self, dt: Float[Array, " steps"] | None = None) -> Bool[Array, ""] | None:
        """The same in compiled functions; None where nothing is known of it."""
        return None

    @property
    def diffuse(self) -> tuple[int, ...]:
        """Coordinates of `x_1` about which nothing is known."""
        return ()

    @property
    def limited(self) -> bool:
        """Whether it is defined for a number of steps only (`check_steps`)."""
        return False

    def check_steps(self, steps: int) -> None:
        """The model is defined for so many steps (most are for any number).

        Raises:
            RekalError: it is not.
        """

    @abc.abstractmethod
    def sample_initial(self, key: PRNGKeyArray, particles: int) -> Float[Array, "particles states"]:
        """Draw from the law of `x_1`."""

    @abc.abstractmethod
    def draw(self, key: PRNGKeyArray, steps: int, particles: int) -> PyTree:
        """Draw at once all the randomness of `steps` transitions (leading axis: steps).

        Drawing outside the time loop is several times faster than a key split at each step.
        """

    @abc.abstractmethod
    def sample_transition(
        self,
        noise: PyTree,
        x: Float[Array, "particles states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None,
    ) -> Float[Array, "particles states"]:
        """Draw `x_t` given `x_{t-1}`, with one step of what `draw` returned."""

    @abc.abstractmethod
    def log_transition(
        self,
        x_next: Float[Array, " states"],
        x: Float[Array, " states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None,
    ) -> Float[Array, ""]:
        """Log density of one transition, in nats."""

    @abc.abstractmethod
    def encode(
        self,
        y: Float[Array, " obs"],
        mask: Bool[Array, " obs"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None,
    ) -> Evidence:
        """All work on one observation that needs no belief; runs outside the time loop."""

    @abc.abstractmethod
    def log_observation(
        self, evidence: Evidence, x: Float[Array, "particles states"]
    ) -> Float[Array, " particles"]:
        """Log density of the observed entries given each particle, in nats."""

    @abc.abstractmethod
    def observation_mean(
        self, x: Float[Array, "particles states"], u: Float[Array, " input"] | None
    ) -> Float[Array, "particles obs"]:
        """Mean of `y_t` given each particle."""

    @abc.abstractmethod
    def sample_observation(
        self,
        key: PRNGKeyArray,
        x: Float[Array, "particles states"],
        u: Float[Array, " input"] | None,
    ) -> Float[Array, "particles obs"]:
        """Draw `y_t` given each particle."""

    # What follows has a default that holds for every model; subclasses override it for speed.

    def propose(
        self,
        noise: PyTree,
        origin: Float[Array, "particles states"] | None,
        evidence: Evidence,
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None,
    ) -> tuple[Float[Array, "particles states"], Float[Array, " particles"]]:
        """Draw `x_t` with a look at `y_t`, and the log weight that makes up for it.

        `origin` is `x_{t-1}`, or None at the first observation. A model without a proposal of its
        own cannot run a guided filter.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no guided proposal: use proposal='bootstrap'"
        )

    def pair_tables(
        self,
        x: Float[Array, "steps particles states"],
        x_next: Float[Array, "steps particles_next states"],
        u: Float[Array, "steps input"] | None,
        dt: Float[Array, " steps"] | None,
    ) -> tuple[PyTree, PyTree]:
        """Per-step tables `(old, new)` from which `log_pairs` makes all pair densities."""
        return (x, u, dt), x_next

    def log_pairs(self, old: Any, new: Any) -> Float[Array, "particles particles_next"]:
        """`log p(new_j | old_i)`, up to a constant that may differ for each `j`.

        The backward kernels normalise over `i`, so such a constant cancels.
        """
        x, u, dt = old
        one = lambda a, b: self.log_transition(b, a, u, dt)  # noqa: E731
        return jax.vmap(lambda a: jax.vmap(lambda b: one(a, b))(new))(x)

    def log_matched(self, old: Any, new: Any) -> Float[Array, " particles"]:
        """Like `log_pairs`, for the pairs `(old_i, new_i)` alone."""
        x, u, dt = old
        return jax.vmap(lambda a, b: self.log_transition(b, a, u, dt))(x, new)


def take_particles(table: PyTree, index: Array) -> PyTree:
    """Rows `index` of an old-side pair table: leaves with a particle axis are gathered."""
    particles = jnp.shape(jax.tree.leaves(table)[0])[0]

    def pick(leaf: Array) -> Array:
        has_particles = leaf.ndim > 1 and leaf.shape[0] == particles
        return leaf[index] if has_particles else leaf

    return jax.tree.map(pick, table)
