r"""Any filter as a forecaster of an adaptive filter: readouts learn online what its forecasts miss.

The features at time t are the mean of its state, where it estimates one, otherwise its forecasts of a few
horizons between 1 and the last, both standardised over the training steps, the last two innovations
$e_t$, $e_{t-1}$ (times 0.3, likewise) and one. What the readouts add to its own forecasts follows dynamics
that drift, while the filter itself stays as it was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rekalman.core.capabilities import EstimatesState
from rekalman.core.filter import Belief, Filter
from rekalman.core.serial import storable
from rekalman.filters.adaptive.member import INNOVATION_SHARE
from rekalman.filters.adaptive.online import OnlineForecaster
from rekalman.filters.adaptive.readout import Readout, learn_each

FEATURE_HORIZONS = 8
"""So many horizons, at most, of whose forecasts the features are made."""


class FollowerBelief(eqx.Module):
    """What is known at a step; what was issued earlier stands with the latest first.

    Attributes:
        belief: of the filter.
        innovation: observation minus its one-step forecast, at the last step.
        features: at the last steps, one for each horizon.
        own: forecasts of the filter at the last steps, for all horizons.
        readouts: one for each forgetting factor and horizon.
    """

    belief: Belief
    innovation: Float[Array, " obs"]
    features: Float[Array, "horizons features"]
    own: Float[Array, "horizons horizons obs"]
    readouts: Readout


class RowFeatures(eqx.Module):
    """What a filter makes of a row.

    Attributes:
        raw_features: features that are not standardised yet.
        innovation: observation minus its one-step forecast.
        own: forecasts for all horizons.
    """

    raw_features: Float[Array, "*steps raw"]
    innovation: Float[Array, "*steps obs"]
    own: Float[Array, "*steps horizons obs"]


@storable
class Follower(OnlineForecaster):
    """A trained filter with readouts.

    Attributes:
        filter: as it was trained; without inputs.
        location: mean of the features over the training steps.
        scale: their standard deviation.
        innovation_scale: standard deviation of the innovations.
        readouts: as the training data left them, one for each forgetting factor and horizon.
        method: name of the method that trained the filter.
    """

    filter: Filter
    location: Float[Array, " raw"]
    scale: Float[Array, " raw"]
    innovation_scale: Float[Array, " obs"]
    readouts: Readout
    method: str = eqx.field(static=True)

    @property
    def trained(self) -> Any:
        """The filter."""
        return self.filter

    @property
    def made_by(self) -> tuple[str, int | None]:
        """The method that trained the filter."""
        return self.method, None

    def together(self, others: Sequence[OnlineForecaster]) -> str:
        """The method in words."""
        return f"the filter of {self.method}"

    def init(self, particles: int, key: PRNGKeyArray | None) -> FollowerBelief:
        """The belief before the first observation; a particle filter has as many as it was trained with."""
        width, obs = self.readouts.weights.shape[-2:]
        return FollowerBelief(
            belief=self.filter.init(key),
            innovation=jnp.zeros(obs, self.dtype),
            features=jnp.zeros((self.horizons, width), self.dtype),
            own=jnp.zeros((self.horizons, self.horizons, obs), self.dtype),
            readouts=jax.tree.map(lambda leaf: jnp.asarray(leaf, self.dtype), self.readouts),
        )

    def predict(self, belief: FollowerBelief, particles: int) -> FollowerBelief:
        """One step through time."""
        return eqx.tree_at(lambda each: each.belief, belief, self.filter.predict(belief.belief))

    def update(
        self,
        belief: FollowerBelief,
        y: Float[Array, " obs"],
        seen: Bool[Array, " obs"],
        step: Int[Array, ""],
        particles: int,
        forgetting: tuple[float, ...],
        huber: float,
    ) -> tuple[FollowerBelief, Float[Array, "factors horizons obs"]]:
        """One row enters, see `OnlineForecaster.update`."""
        after, made = features_of_row(self.filter, belief.belief, y, seen, self.horizons)
        made = jax.tree.map(lambda leaf: leaf.astype(self.dtype), made)
        recent = [
            INNOVATION_SHARE * e / self.innovation_scale
            for e in (made.innovation, belief.innovation)
        ]
        now = jnp.concatenate(
            [(made.raw_features - self.location) / self.scale, *recent, jnp.ones(1, self.dtype)]
        )
        readouts = learn_each(
            belief.readouts, belief.features, belief.own, y, seen, step, forgetting, huber
        )
        known = FollowerBelief(
            belief=after,
            innovation=made.innovation,
            features=jnp.concatenate([now[None], belief.features[:-1]]),
            own=jnp.concatenate([made.own[None], belief.own[:-1]]),
            readouts=readouts,
        )
        return known, made.own + jnp.einsum("p,lhpd->lhd", now, readouts.weights)


def features_of_row(
    filter: Filter,
    belief: Belief,
    y: Float[Array, " obs"],
    seen: Bool[Array, " obs"],
    horizons: int,
) -> tuple[Belief, RowFeatures]:
    """A row enters a filter; the belief after it, and what the readouts are to see of it.

    Args:
        filter: without inputs.
        belief: before the row.
        y: the row; anything where it was not seen.
        seen: which entries were observed.
        horizons: number of steps ahead that are forecast.
    """
    innovation = jnp.where(seen, y - filter.observe(belief).mean, 0.0)
    after, _ = filter.update(belief, jnp.where(seen, y, 0.0), seen)
    own = filter.noise_free(after, horizons)
    own = filter.forecast(after, horizons).mean if own is None else own
    if isinstance(filter, EstimatesState):
        return after, RowFeatures(filter.state_mean(after), innovation, own)
    return after, RowFeatures(own[feature_horizons(horizons)].reshape(-1), innovation, own)


def features_of_series(
    filter: Filter,
    values: Float[Array, "steps obs"],
    mask: Bool[Array, "steps obs"],
    horizons: int,
    key: PRNGKeyArray | None = None,
) -> RowFeatures:
    """What the readouts are to see of a series, step by step."""

    def step(belief: Belief, row: Any) -> tuple[Belief, RowFeatures]:
        y, seen = row
        return features_of_row(filter, filter.predict(belief), y, seen, horizons)

    first, head = features_of_row(filter, filter.init(key), values[0], mask[0], horizons)
    _, rest = jax.lax.scan(step, first, (values[1:], mask[1:]))
    return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), head, rest)


def feature_horizons(horizons: int) -> np.ndarray:
    """Places of the horizons of whose forecasts the features are made: few, spread by their ratios."""
    return np.unique(np.geomspace(1, horizons, FEATURE_HORIZONS).round().astype(int)) - 1
