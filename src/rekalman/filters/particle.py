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

from typing import Any, ClassVar, Literal, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from rekalman.core.beliefs import Particles, Path, normalise
from rekalman.core.mixture import GaussianMixture
from rekalman.core.row import observation_row
from rekalman.core.serial import storable
from rekalman.filters.clouds import ParticleClouds
from rekalman.filters.finite import check_evidence
from rekalman.filters.model_filter import noise_free_observations
from rekalman.filters.resampling import systematic
from rekalman.foundation.arguments import real, seed_of, whole
from rekalman.foundation.errors import RekalError
from rekalman.models.base import Evidence, StateSpaceModel
from rekalman.models.gaussian import GaussianModel
from rekalman.numerics.memory import check_memory
from rekalman.numerics.precision import in_own_precision

Proposal = Literal["bootstrap", "guided"]
MANY = 2048
"""Particles from which one step's randomness is worth a call of its own."""


class Draws(eqx.Module):
    """The randomness of one or more steps: transition noise and one uniform for resampling."""

    noise: PyTree
    uniform: Float[Array, "*steps"]


@storable
class ParticleFilter(ParticleClouds):
    """A particle filter for any `StateSpaceModel`.

    Attributes:
        model: the model that is filtered.
        particles: number of particles.
        proposal: "guided" looks at the observation before it moves a particle (the model must
            implement `propose`, as all models with additive Gaussian noise do); "bootstrap" moves
            particles by the transition alone and works with every model.
        threshold: particles are resampled when the effective sample size is below this share.
        seed: where the randomness starts when `init` is given no key.

    Examples:
        >>> import jax.numpy as jnp
        >>> import rekalman
        >>> one = jnp.eye(1)
        >>> model = rekalman.StochasticRNN.create(A=0.9 * one, C=one, Q=0.1 * one, R=one)
        >>> data = rekalman.load_example("nile")
        >>> standardised = data.standardiser().apply(data)
        >>> filtered = rekalman.filter(rekalman.ParticleFilter(model, particles=200), standardised)
        >>> filtered.mean.shape
        (1, 100, 1)
    """

    short_name: ClassVar[str] = "particles"
    long_name: ClassVar[str] = "particles"

    model: StateSpaceModel
    particles: int = eqx.field(static=True, default=100)
    proposal: Proposal = eqx.field(static=True, default="guided")
    threshold: float = eqx.field(static=True, default=0.5)
    seed: int = eqx.field(static=True, default=0)

    @property
    def settings(self) -> tuple[tuple[str, int | str], ...]:
        """What a report says of the filter."""
        return (("particles of filter and forecast", self.particles), ("proposal", self.proposal))

    def __check_init__(self) -> None:
        whole("particles", self.particles, 2)
        seed_of(self.seed)
        if self.proposal not in ("bootstrap", "guided"):
            raise RekalError(f"proposal must be 'bootstrap' or 'guided', but is {self.proposal!r}")
        if not 0 <= real("threshold", self.threshold) <= 1:
            raise RekalError(f"threshold must lie in [0, 1], but is {self.threshold}")
        check_memory(
            4.0 * self.particles * (self.model.states + 2),
            f"{self.particles} particles",
            "use fewer",
        )
        if self.model.precise_observation:
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
        mask: Any = None,
        u: Any = None,
    ) -> tuple[Particles, Float[Array, ""]]:
        """One observation enters a predicted belief.

        Args:
            belief: before the observation (`init` or `predict`).
            y: one number for each column; NaN is missing, None = all are.
            mask: True where observed; default where `y` is no NaN.
            u: inputs of this step, for a model that has inputs.

        Returns:
            The belief after the observation, and the estimated log predictive density of `y` in nats.

        Raises:
            RekalError: a wrong number of columns or inputs, or an infinite value; as for `update_encoded`.
        """
        values, seen, drive = observation_row(
            self.observations, self.n_inputs, belief.x.dtype, y, mask, u
        )
        after, log_evidence = _encode_and_weigh(self, belief, values, seen, drive)
        check_evidence(after.x, log_evidence)
        return after, log_evidence

    def update_encoded(
        self, belief: Particles, evidence: Evidence
    ) -> tuple[Particles, Float[Array, ""]]:
        """One encoded observation enters; returns its log predictive density as well.

        Raises:
            RekalError: no particle can have brought the observation about, or the model gives a value that
                is not finite. In compiled code nothing can be raised: the log density is then -inf, and
                the weights stay as they were.
        """
        after, log_evidence = _weigh(self, belief, evidence)
        check_evidence(after.x, log_evidence)
        return after, log_evidence

    @in_own_precision
    def observe(
        self, belief: Particles, u: Float[Array, " input"] | None = None
    ) -> GaussianMixture:
        """The distribution of `y`: a Gaussian around the mean given each particle.

        Raises:
            RekalError: the observation noise of the model is not Gaussian.
        """
        model = gaussian_noise(self.model)
        return GaussianMixture(model.observation_mean(belief.x, u), model.R, belief.log_weights)

    @property
    def components(self) -> int:
        """One Gaussian for each particle."""
        return self.particles

    def moments(self, belief: Particles) -> PyTree:
        """Positions and log weights."""
        return belief.moments

    def restore(self, moments: PyTree, step: Array) -> Particles:
        """The cloud with given positions and log weights, in equal places for the randomness."""
        x, log_weights = moments
        here = jnp.arange(x.shape[0], dtype=jnp.int32)
        return Particles(x, log_weights, here, jax.random.key(self.seed))

    @in_own_precision
    def run(
        self,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"],
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Path:
        """Filter one series.

        Observations are encoded before the loop, and the randomness of few particles is drawn there;
        that of many is drawn step by step, where it stays in the cache. Entries where `mask` is False
        change nothing, whatever stands in `values`.
        """
        key = jax.random.key(self.seed) if key is None else key
        steps = values.shape[0]
        evidence = self.encode(values, mask, inputs, dt)
        start_key, draw_key = jax.random.split(key)
        ahead = self.particles < MANY
        draws = self.draw(draw_key, steps - 1) if ahead else None
        at = lambda tree, i: jax.tree.map(lambda leaf: leaf[i], tree)  # noqa: E731

        belief, first = self.update_encoded(self.init(start_key), at(evidence, 0))

        def step(belief: Particles, row: PyTree) -> tuple[Particles, PyTree]:
            evidence, draws, u, dt = row
            prior = self.predict(belief, u, dt, draws)
            belief, gain = self.update_encoded(prior, evidence)
            return belief, (belief.x, belief.log_weights, belief.ancestors, gain)

        evidence, inputs, dt = jax.tree.map(lambda leaf: leaf[1:], (evidence, inputs, dt))
        rows = (evidence, draws, inputs, dt)
        _, (x, log_weights, ancestors, gains) = jax.lax.scan(step, belief, rows)
        join = lambda head, tail: jnp.concatenate([head[None], tail])  # noqa: E731
        return Path(
            x=join(belief.x, x),
            log_weights=join(belief.log_weights, log_weights),
            ancestors=join(belief.ancestors, ancestors),
            log_evidence=join(first, gains),
        )

    @in_own_precision
    def forecast(
        self,
        belief: Particles,
        steps: int,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        key: PRNGKeyArray | None = None,
        particles: int | None = None,
    ) -> GaussianMixture:
        """Push the cloud through the noisy dynamics; the observation noise enters in closed form.

        So quantiles are smooth even with a hundred particles.

        Raises:
            RekalError: the observation noise of the model is not Gaussian.
        """
        model, x, log_weights = gaussian_noise(self.model), belief.x, belief.log_weights
        noise_key, uniform_key = jax.random.split(belief.key if key is None else key)
        count = x.shape[0] if particles is None else particles
        if count != x.shape[0]:
            uniform = jax.random.uniform(uniform_key, (), x.dtype)
            x = x[systematic(jnp.exp(log_weights), uniform, count)]
            log_weights = jnp.full(count, -jnp.log(count), x.dtype)

        def step(x: Array, row: PyTree) -> tuple[Array, Array]:
            noise, u, dt = row
            x = model.sample_transition(noise, x, u, dt)
            return x, model.observation_mean(x, u)

        rows = (model.draw(noise_key, steps, count), inputs, dt)
        _, means = jax.lax.scan(step, x, rows)
        return GaussianMixture(means, model.R, log_weights[None])

    @in_own_precision
    def noise_free(
        self,
        belief: Particles,
        steps: int,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
    ) -> Float[Array, "steps obs"]:
        """The observations ahead if the state went on from its mean without noise (Unkelbach et al. 2009)."""
        model = gaussian_noise(self.model)
        return noise_free_observations(model, belief.mean, steps, inputs, dt)


def gaussian_noise(model: StateSpaceModel) -> GaussianModel:
    """The model, if its observation noise is Gaussian.

    Raises:
        RekalError: it is not known to be.
    """
    if not model.gaussian:
        raise RekalError(
            f"a forecast needs a model with Gaussian observation noise; {type(model).__name__} "
            "has none that is known to be"
        )
    return cast(GaussianModel, model)


def _weigh(
    algorithm: ParticleFilter, belief: Particles, evidence: Evidence
) -> tuple[Particles, Float[Array, ""]]:
    """One encoded observation enters; nothing is checked."""
    if algorithm.proposal == "guided" and belief.pending is not None:
        origin, noise, u, dt = belief.pending
        x, gain = algorithm.model.propose(noise, origin, evidence, u, dt)
    else:
        x, gain = belief.x, algorithm.model.log_observation(evidence, belief.x)
    log_weights, log_evidence = normalise(belief.log_weights + gain)
    possible = jnp.isfinite(log_evidence)
    log_weights = jnp.where(possible, log_weights, belief.log_weights)
    log_evidence = jnp.where(possible, log_evidence, -jnp.inf)
    return Particles(x, log_weights, belief.ancestors, belief.key), log_evidence


@eqx.filter_jit
def _encode_and_weigh(
    algorithm: ParticleFilter,
    belief: Particles,
    y: Float[Array, "1 obs"],
    mask: Bool[Array, "1 obs"],
    u: Float[Array, "1 input"] | None,
) -> tuple[Particles, Float[Array, ""]]:
    """One observation enters, in one compiled function."""
    evidence = algorithm.encode(y, mask, u)
    return _weigh(algorithm, belief, jax.tree.map(lambda leaf: leaf[0], evidence))
