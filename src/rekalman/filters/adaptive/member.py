r"""One network of an adaptive filter: it follows the state, and its readouts learn what it misses.

Its features at time t are the filtered state (standardised over the training steps), the last two innovations
$e_t$, $e_{t-1}$ (times 0.3, likewise) and one. The innovations let the readout re-tune the network's own
Kalman gain, which the state alone does not: it already carries that gain.
"""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rekalman.core.beliefs import Particles
from rekalman.core.serial import storable
from rekalman.filters.adaptive.online import OnlineForecaster
from rekalman.filters.adaptive.readout import Readout, learn_each
from rekalman.filters.particle import ParticleFilter
from rekalman.models.stochastic_rnn import StochasticRNN

INNOVATION_SHARE = 0.3
"""What standardised innovations are multiplied by among the features."""


class MemberBelief(eqx.Module):
    """What a network knows at a step; what was issued earlier stands with the latest first.

    Attributes:
        particles: about the state.
        expected: mean of the state at the next step.
        innovation: observation minus its one-step forecast, at the last step.
        features: at the last steps, one for each horizon.
        own: forecasts issued at the last steps, for all horizons.
        readouts: one for each forgetting factor and horizon.
    """

    particles: Particles
    expected: Float[Array, " states"]
    innovation: Float[Array, " obs"]
    features: Float[Array, "horizons features"]
    own: Float[Array, "horizons horizons obs"]
    readouts: Readout


@storable
class Member(OnlineForecaster):
    """A trained network with its readouts.

    Attributes:
        model: the network.
        location: mean of each state over the training steps.
        scale: its standard deviation.
        innovation_scale: standard deviation of the innovations.
        readouts: as the training data left them, one for each forgetting factor and horizon.
    """

    model: StochasticRNN
    location: Float[Array, " states"]
    scale: Float[Array, " states"]
    innovation_scale: Float[Array, " obs"]
    readouts: Readout

    @property
    def trained(self) -> StochasticRNN:
        """The network."""
        return self.model

    @property
    def made_by(self) -> tuple[str, int | None]:
        """EM, and the number of states."""
        return "em-rnn", self.model.states

    def together(self, others: Sequence[OnlineForecaster]) -> str:
        """The numbers of states in words."""
        return f"networks of {', '.join(str(each.made_by[1]) for each in others)} states"

    def filter(self, particles: int) -> ParticleFilter:
        """The filter of the state."""
        return ParticleFilter(self.model, particles, "guided")

    def init(self, particles: int, key: PRNGKeyArray | None) -> MemberBelief:
        """The belief before the first observation."""
        width, obs = self.readouts.weights.shape[-2:]
        dtype = self.model.A.dtype
        return MemberBelief(
            particles=self.filter(particles).init(key),
            expected=jnp.asarray(self.model.m, dtype),
            innovation=jnp.zeros(obs, dtype),
            features=jnp.zeros((self.horizons, width), dtype),
            own=jnp.zeros((self.horizons, self.horizons, obs), dtype),
            readouts=jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), self.readouts),
        )

    def predict(self, belief: MemberBelief, particles: int) -> MemberBelief:
        """One step through time."""
        moved = self.filter(particles).predict(belief.particles)
        return eqx.tree_at(lambda each: each.particles, belief, moved)

    def update(
        self,
        belief: MemberBelief,
        y: Float[Array, " obs"],
        seen: Bool[Array, " obs"],
        step: Int[Array, ""],
        particles: int,
        forgetting: tuple[float, ...],
        huber: float,
    ) -> tuple[MemberBelief, Float[Array, "factors horizons obs"]]:
        """One row enters, see `OnlineForecaster.update`."""
        model = self.model
        after, _ = self.filter(particles).update(belief.particles, y, seen)
        weights = jnp.exp(after.log_weights)
        state, hidden = weights @ after.x, weights @ model.f(after.x)
        predicted = model.observation_mean(belief.expected[None])[0]
        innovation = jnp.where(seen, y - predicted, 0.0)
        now = self._features(state, innovation, belief.innovation)

        def free(x: Array, _: None) -> tuple[Array, Array]:
            x = model.transition_mean(x[None])[0]
            return x, model.observation_mean(x[None])[0]

        own = jax.lax.scan(free, state, length=self.horizons)[1]
        readouts = learn_each(
            belief.readouts, belief.features, belief.own, y, seen, step, forgetting, huber
        )
        forecasts = own + jnp.einsum("p,lhpd->lhd", now, readouts.weights)
        made = MemberBelief(
            particles=after,
            expected=model.A @ hidden + model.c,
            innovation=innovation,
            features=jnp.concatenate([now[None], belief.features[:-1]]),
            own=jnp.concatenate([own[None], belief.own[:-1]]),
            readouts=readouts,
        )
        return made, forecasts

    def _features(
        self, state: Float[Array, " states"], now: Float[Array, " obs"], last: Float[Array, " obs"]
    ) -> Float[Array, " features"]:
        """The standardised state, the last two innovations and one."""
        recent = [INNOVATION_SHARE * e / self.innovation_scale for e in (now, last)]
        return jnp.concatenate([(state - self.location) / self.scale, *recent, jnp.ones(1)])
