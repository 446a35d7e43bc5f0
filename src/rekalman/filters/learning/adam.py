r"""A step of Adam after each observation, down the gradient of its loss.

The loss is minus the Gaussian log density of the row, of which the weights see

$$
\ell = \sum_k \frac{(y_k - g_k)^2}{2 \sigma_k^2} + \log \sigma_k, \qquad
\frac{\partial \ell}{\partial g_k} = -\frac{y_k - g_k}{\sigma_k^2},
$$

or half the squared error, by which they learn without regard to $\sigma$. The variance takes a natural
gradient step, $\sigma_k^2 \leftarrow \sigma_k^2 + \epsilon ((y_k - g_k)^2 - \sigma_k^2)$: a gradient by
$\log \sigma_k$ would be shortened together with that of the weights where an error is large, and the variance
would settle too low.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from rekalman.core.serial import storable
from rekalman.filters.learning.derivatives import as_kinds
from rekalman.filters.learning.rule import Rule
from rekalman.filters.learning.step import Lanes, WeightUpdate
from rekalman.filters.learning.weights import Weights
from rekalman.foundation.arguments import real
from rekalman.foundation.errors import RekalError
from rekalman.networks.predictors.recurrent import RecurrentPredictor

LOSSES = ("likelihood", "squared")
LEAST_VARIANCE = 1e-6
"""Of an innovation, in standardised units."""


class AdamState(NamedTuple):
    """What Adam knows.

    Attributes:
        moments: of the gradients, as Optax has them.
        collected: sum of the gradients since the last step, but for those of the rule, which sums its own.
        waiting: number of observations since the last step.
    """

    moments: PyTree
    collected: Weights
    waiting: Array


@storable
class Adam(WeightUpdate):
    """Adam (Kingma and Ba 2015) on the gradient of each observation, averaged over lanes.

    Attributes:
        rate: size of a step.
        clip: gradients longer than that are shortened to it; None = none are.
        loss: "likelihood" or "squared".
        noise_rate: share by which the variances of the innovations follow the squared errors.

    Examples:
        >>> from rekalman.filters.learning.adam import Adam
        >>> Adam(rate=0.003).loss
        'likelihood'
    """

    name: ClassVar[str] = "adam"
    long_name: ClassVar[str] = "Adam"

    rate: float = eqx.field(static=True, default=1e-3)
    clip: float | None = eqx.field(static=True, default=1.0)
    loss: str = eqx.field(static=True, default="likelihood")
    noise_rate: float = eqx.field(static=True, default=0.01)

    def __check_init__(self) -> None:
        real("rate", self.rate, above=0)
        real("noise_rate", self.noise_rate, above=0, most=1)
        if self.clip is not None:
            real("clip", self.clip, above=0)
        if self.loss not in LOSSES:
            raise RekalError(f"loss is 'likelihood' or 'squared', not {self.loss!r}")

    def optimiser(self) -> optax.GradientTransformation:
        """Clipping, if any, then Adam."""
        adam = optax.adam(self.rate)
        return (
            adam if self.clip is None else optax.chain(optax.clip_by_global_norm(self.clip), adam)
        )

    def start(self, weights: Weights, rule: Rule) -> AdamState:
        """Moments of zero."""
        zero = jax.tree.map(jnp.zeros_like, weights)
        return AdamState(self.optimiser().init(cast(Any, weights)), zero, jnp.zeros((), jnp.int32))

    def after(
        self,
        known: AdamState,
        rule: Rule,
        predictor: RecurrentPredictor,
        weights: Weights,
        lanes: Lanes,
    ) -> tuple[Weights, AdamState, PyTree]:
        """The weights after a step, which is made every `rule.every` observations."""
        any_seen = lanes.seen.any()
        count = known.waiting + any_seen

        def of_lane(
            state: Array, y: Array, seen: Array, memory: PyTree
        ) -> tuple[Weights, Array, Any, Array]:
            error, var = self._errors(predictor, weights, state, y, seen)
            slope = -error if self.loss == "squared" else -error / var
            cotangent = back_through_readout(predictor, weights, state, slope)
            own = Weights(
                units=jnp.zeros_like(weights.units),
                readout=jnp.outer(predictor.features_of(state), slope),
                log_deviation=jnp.zeros_like(weights.log_deviation),
            )
            return own, cotangent, rule.seen(memory, cotangent), error**2

        own, cotangents, memory, square = jax.vmap(of_lane)(*lanes)
        collected = jax.tree.map(lambda old, new: old + new.mean(0), known.collected, own)

        def move(_: None) -> tuple[Weights, AdamState]:
            units = jax.vmap(rule.gradient)(memory, cotangents).mean(0)
            gradient = Weights(
                free(predictor, weights, units), collected.readout, collected.log_deviation
            )
            change, moments = self.optimiser().update(cast(Any, gradient), known.moments)
            moved = jax.tree.map(lambda old, step: old + step.astype(old.dtype), weights, change)
            zero = jax.tree.map(jnp.zeros_like, weights)
            return moved, AdamState(moments, zero, jnp.zeros_like(count))

        wait = lambda _: (weights, AdamState(known.moments, collected, count))  # noqa: E731
        due = any_seen & (count >= rule.every)
        weights, known = jax.lax.cond(due, move, wait, None)
        var, entries = jnp.exp(2 * weights.log_deviation), lanes.seen.sum(0)
        step = self.noise_rate * (square.sum(0) / jnp.maximum(entries, 1) - var)
        var = jnp.maximum(var + jnp.where(entries > 0, step, 0.0), LEAST_VARIANCE)
        weights = Weights(weights.units, weights.readout, 0.5 * jnp.log(var))
        return weights, known, memory

    @staticmethod
    def _errors(
        predictor: RecurrentPredictor, weights: Weights, state: Array, y: Array, seen: Array
    ) -> tuple[Float[Array, " obs"], Float[Array, " obs"]]:
        """Errors, 0 where nothing was seen, and variances of the innovations."""
        mean = predictor.features_of(state) @ weights.readout
        return jnp.where(seen, y - mean, 0.0), jnp.exp(2 * weights.log_deviation)


def back_through_readout(
    predictor: RecurrentPredictor,
    weights: Weights,
    state: Float[Array, " states"],
    slope: Float[Array, " obs"],
) -> Float[Array, "kinds units"]:
    """Derivative of a loss by the states of the network, from that by the mean of the row."""
    hidden = weights.readout[: predictor.layer.units] @ slope
    return jnp.zeros_like(as_kinds(predictor, state)).at[0].set(hidden)


def free(
    predictor: RecurrentPredictor, weights: Weights, gradient: Float[Array, "rows gates units"]
) -> Float[Array, "rows gates units"]:
    """A derivative by the weights of units, zero for connections between units that there are not."""
    across = slice(predictor.row, -1)
    there = weights.units[across] != 0
    return gradient.at[across].set(jnp.where(there, gradient[across], 0.0))
