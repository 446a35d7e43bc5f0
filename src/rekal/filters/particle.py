"""The particle filter: bootstrap, or guided by the model's own proposal.

Paper, eq. 14-16, with two changes: particles are resampled only when the effective sample size falls
below a threshold (systematically, not by independent draws from the mixture of eq. 15), and the
guided filter draws each particle with a look at the new observation. The guided filter is needed
when the observation noise is small against the process noise: the bootstrap filter then places
nearly all its particles where the observation rules them out.

Noise of the transition and of the start may be singular, or absent (`models/gaussian.py`). That of the
observation may not: particles are weighted by its density.
"""

from __future__ import annotations

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from rekal.arguments import real, whole
from rekal.beliefs import Particles, normalise
from rekal.errors import RekalError
from rekal.filters.finite import check_evidence
from rekal.filters.resampling import systematic
from rekal.filters.sample import observation_row
from rekal.memory import check_memory
from rekal.models.base import Evidence, StateSpaceModel
from rekal.models.checks import is_singular
from rekal.models.gaussian import GaussianModel
from rekal.precision import in_own_precision

Proposal = Literal["bootstrap", "guided"]


class Draws(eqx.Module):
    """The randomness of one or more steps: transition noise and one uniform for resampling."""

    noise: PyTree
    uniform: Float[Array, "*steps"]


class ParticleFilter(eqx.Module):
    """A particle filter for any `StateSpaceModel`.

    Attributes:
        model: the model that is filtered.
        particles: number of particles.
        proposal: "guided" looks at the observation before it moves a particle (the model must
            implement `propose`, as all models with additive Gaussian noise do); "bootstrap" moves
            particles by the transition alone and works with every model.
        threshold: particles are resampled when the effective sample size is below this share.
        seed: where the randomness starts when `init` is given no key.
    """

    model: StateSpaceModel
    particles: int = eqx.field(static=True, default=100)
    proposal: Proposal = eqx.field(static=True, default="guided")
    threshold: float = eqx.field(static=True, default=0.5)
    seed: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        whole("particles", self.particles, 2)
        if self.proposal not in ("bootstrap", "guided"):
            raise RekalError(f"proposal must be 'bootstrap' or 'guided', but is {self.proposal!r}")
        if not 0 <= real("threshold", self.threshold) <= 1:
            raise RekalError(f"threshold must lie in [0, 1], but is {self.threshold}")
        check_memory(
            4.0 * self.particles * (self.model.states + 2),
            f"{self.particles} particles",
            "use fewer",
        )
        if isinstance(self.model, GaussianModel) and is_singular(self.model.R):
            raise RekalError(
                "particles are weighted by the density of the observation noise, but R is singular: give "
                "every observed direction some noise, or use Kalman, ExtendedKalman or UnscentedKalman"
            )

    @in_own_precision
    def draw(self, key: PRNGKeyArray, steps: int) -> Draws:
        """All randomness of `steps` steps, drawn at once."""
        noise_key, uniform_key = jax.random.split(key)
        noise = self.model.draw(noise_key, steps, self.particles)
        return Draws(noise, jax.random.uniform(uniform_key, (steps,)))

    def _draw_one(self, key: PRNGKeyArray) -> Draws:
        drawn = self.draw(key, 1)
        return Draws(jax.tree.map(lambda leaf: leaf[0], drawn.noise), drawn.uniform[0])

    @in_own_precision
    def init(self, key: PRNGKeyArray | None = None) -> Particles:
        """The belief about `x_1` before anything is observed."""
        start_key, draw_key, rest = jax.random.split(
            jax.random.key(self.seed) if key is None else key, 3
        )
        x = self.model.sample_initial(start_key, self.particles)
        return Particles(
            x=x,
            log_weights=jnp.full(self.particles, -jnp.log(self.particles), x.dtype),
            ancestors=jnp.arange(self.particles, dtype=jnp.int32),
            key=rest,
            pending=(None, self._draw_one(draw_key).noise, None, None),
        )

    @in_own_precision
    def predict(
        self,
        belief: Particles,
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
        draws: Draws | None = None,
    ) -> Particles:
        """One step through time. Without `draws` the belief's own key provides the randomness."""
        key = belief.key
        if draws is None:
            key, step_key = jax.random.split(key)
            draws = self._draw_one(step_key)
        weights = belief.weights
        poor = jnp.sum(weights**2) * (self.threshold * self.particles) > 1

        def resample() -> tuple[Array, Array, Array]:
            ancestors = systematic(weights, draws.uniform, self.particles)
            level = jnp.full_like(belief.log_weights, -jnp.log(self.particles))
            return ancestors, belief.x[ancestors], level

        def keep() -> tuple[Array, Array, Array]:
            stay = jnp.arange(self.particles, dtype=jnp.int32)
            return stay, belief.x, belief.log_weights

        ancestors, origin, log_weights = jax.lax.cond(poor, resample, keep)
        return Particles(
            x=self.model.sample_transition(draws.noise, origin, u, dt),
            log_weights=log_weights,
            ancestors=ancestors,
            key=key,
            pending=(origin, draws.noise, u, dt),
        )

    @in_own_precision
    def encode(
        self,
        y: Float[Array, "steps obs"],
        mask: Array,
        u: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
    ) -> Evidence:
        """All observations of a series, encoded outside the time loop."""
        return jax.vmap(self.model.encode)(y, mask, u, dt)

    @in_own_precision
    def update(
        self,
        belief: Particles,
        y: Any,
        u: Any = None,
        mask: Any = None,
    ) -> tuple[Particles, Float[Array, ""]]:
        """One observation enters a predicted belief.

        Args:
            belief: before the observation (`init` or `predict`).
            y: one number for each column; NaN is missing, None = all are.
            u: inputs of this step, for a model that has inputs.
            mask: True where observed; default where `y` is no NaN.

        Returns:
            The belief after the observation, and the estimated log predictive density of `y` in nats.

        Raises:
            RekalError: a wrong number of columns or inputs, or an infinite value; as for `update_encoded`.
        """
        values, seen, drive = observation_row(self.model, belief.x.dtype, y, u, mask)
        evidence = self.encode(values, seen, drive)
        return self.update_encoded(belief, jax.tree.map(lambda leaf: leaf[0], evidence))

    def update_encoded(
        self, belief: Particles, evidence: Evidence
    ) -> tuple[Particles, Float[Array, ""]]:
        """One encoded observation enters; returns its log predictive density as well.

        Raises:
            RekalError: no particle can have brought the observation about, or the model gives a value that
                is not finite. In compiled code nothing can be raised: the log density is then -inf, and
                the weights stay as they were.
        """
        if self.proposal == "guided" and belief.pending is not None:
            origin, noise, u, dt = belief.pending
            x, gain = self.model.propose(noise, origin, evidence, u, dt)
        else:
            x, gain = belief.x, self.model.log_observation(evidence, belief.x)
        log_weights, log_evidence = normalise(belief.log_weights + gain)
        possible = jnp.isfinite(log_evidence)
        log_weights = jnp.where(possible, log_weights, belief.log_weights)
        log_evidence = jnp.where(possible, log_evidence, -jnp.inf)
        check_evidence(x, log_evidence)
        return Particles(x, log_weights, belief.ancestors, belief.key), log_evidence

    @in_own_precision
    def observe(
        self, belief: Particles, u: Float[Array, " input"] | None = None
    ) -> tuple[Float[Array, "particles obs"], Float[Array, " particles"]]:
        """What the belief says of `y`: the mean given each particle, and the log weights."""
        return self.model.observation_mean(belief.x, u), belief.log_weights
