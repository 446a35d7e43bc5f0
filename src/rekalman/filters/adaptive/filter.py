r"""The adaptive forecaster as a filter: several forecasters, whose readouts are learned while data arrive.

Each forecast is the mean over forgetting factors and over networks of several sizes (`member.py`), or over
one other filter (`follower.py`), each held within the range seen so far and a little more. Its distribution
is Gaussian; the variance of horizon $h$ is the running mean square of the errors that are known by then,

$$v \leftarrow 0.98 v + 0.02 (e^2 + 10^{-4}),$$

in standardised units, each column apart, which follows changes of size within some fifty steps.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rekalman.core.filter import Filter
from rekalman.core.gaussian import DiagonalGaussian
from rekalman.core.row import observation_row
from rekalman.core.serial import storable
from rekalman.filters.adaptive.belief import (
    AdaptiveBelief,
    AdaptivePath,
    Errors,
    Issued,
    variance,
)
from rekalman.filters.adaptive.online import OnlineForecaster
from rekalman.foundation.arguments import whole
from rekalman.foundation.errors import RekalError
from rekalman.numerics.precision import in_own_precision

MEMORY = 0.98
"""Share of the running mean square of errors that is kept from step to step."""
LEAST = 1e-4
"""Added to every squared error, in standardised units."""


@storable
class AdaptiveFilter(Filter):
    """Forecasters that forecast together, and go on learning.

    Attributes:
        members: trained networks, or another trained filter.
        square: running sum of squared errors as the training data left it, `(horizons, obs)`.
        weight: sum of its weights.
        low: smallest value of the training data, `(obs,)`.
        high: largest value.
        forgetting: factors of the readouts, one set of readouts for each.
        particles: how many follow the state of each network.
        huber: errors above so many times the usual size are held down.
        margin: how far beyond the range seen so far a forecast may lie, as a share of that range.
        seed: where the randomness starts when `init` is given no key.
    """

    members: tuple[OnlineForecaster, ...]
    square: Float[Array, "horizons obs"]
    weight: Float[Array, "horizons obs"]
    low: Float[Array, " obs"]
    high: Float[Array, " obs"]
    forgetting: tuple[float, ...] = eqx.field(static=True, default=(1.0, 0.998))
    particles: int = eqx.field(static=True, default=300)
    huber: float = eqx.field(static=True, default=1.5)
    margin: float = eqx.field(static=True, default=0.05)
    seed: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        if not len(self.members):
            raise RekalError("an adaptive filter needs at least one forecaster")
        whole("particles", self.particles, 2)

    @property
    def observations(self) -> int:
        """Number of observed columns."""
        return self.square.shape[1]

    @property
    def horizons(self) -> int:
        """Number of steps ahead that it forecasts."""
        return self.square.shape[0]

    @property
    def n_inputs(self) -> int:
        """It takes no inputs."""
        return 0

    @property
    def size(self) -> str:
        """What forecasts, in words."""
        members = self.members[0].together(self.members)
        return f"{members}, readouts learned online for {self.horizons} horizons"

    @property
    def parameters(self) -> int:
        """How many numbers were trained or are learned online."""
        held = [(each.trained, each.readouts.weights) for each in self.members]
        return sum(leaf.size for leaf in jax.tree.leaves(held) if eqx.is_array(leaf))

    def size_lines(self) -> tuple[str, ...]:
        """What forecasts, in words."""
        return (f"{'adaptive':<15} {self.size}",)

    def seeded(self, seed: int) -> AdaptiveFilter:
        """The same filter with other particles."""
        return dataclasses.replace(self, seed=seed)

    @property
    def longest_horizon(self) -> int:
        """As many steps as there are readouts for."""
        return self.horizons

    @in_own_precision
    def init(self, key: PRNGKeyArray | None = None) -> AdaptiveBelief:
        """The belief before the first row: readouts and errors as the training data left them."""
        key = jax.random.key(self.seed) if key is None else key
        keys = jax.random.split(key, len(self.members))
        shape, dtype = self.square.shape, self.members[0].dtype
        square, weight, low, high = (
            jnp.asarray(each, dtype) for each in (self.square, self.weight, self.low, self.high)
        )
        errors = Errors(square, weight)
        return AdaptiveBelief(
            issued=Issued(jnp.zeros(shape, dtype), variance(errors)),
            members=tuple(
                each.init(self.particles, one) for each, one in zip(self.members, keys, strict=True)
            ),
            past=jnp.zeros((shape[0], *shape), dtype),
            errors=errors,
            low=low,
            high=high,
            step=jnp.zeros((), jnp.int32),
        )

    @in_own_precision
    def predict(self, belief: AdaptiveBelief, u: Any = None, dt: Any = None) -> AdaptiveBelief:
        """One step through time."""
        moved = tuple(
            each.predict(known, self.particles)
            for each, known in zip(self.members, belief.members, strict=True)
        )
        return eqx.tree_at(lambda each: each.members, belief, moved)

    @in_own_precision
    def observe(self, belief: AdaptiveBelief, u: Any = None) -> DiagonalGaussian:
        """What was forecast of the row at the step before; of the first row what the training data were."""
        first = belief.step is None or jnp.asarray(belief.step) == 0
        mean, var = belief.issued.mean[0], belief.issued.var[0]
        return DiagonalGaussian(jnp.where(first, 0.0, mean), jnp.where(first, 1.0, var))

    @in_own_precision
    def update(
        self, belief: AdaptiveBelief, y: Any, mask: Any = None, u: Any = None
    ) -> tuple[AdaptiveBelief, Float[Array, ""]]:
        """One row enters; also its log density.

        Args:
            belief: before the row.
            y: one number for each column; NaN is missing, None = all are.
            mask: True where observed; default where `y` is no NaN.
            u: there are no inputs.

        Raises:
            RekalError: a wrong number of columns, inputs, or an infinite value.
        """
        dtype = belief.issued.mean.dtype
        rows, masks, _ = observation_row(self.observations, 0, dtype, y, mask, u)
        return _learn(self, belief, rows[0], masks[0])

    @property
    def resumes(self) -> bool:
        """Not from forecasts that were issued."""
        return False

    def restore(self, moments: Issued, step: Array) -> AdaptiveBelief:
        """A belief from which forecasts are made; it cannot go on."""
        return AdaptiveBelief(issued=moments)

    def moments(self, belief: AdaptiveBelief) -> Issued:
        """The forecasts."""
        return belief.issued

    def forecast(
        self,
        belief: AdaptiveBelief,
        steps: int,
        inputs: Any = None,
        dt: Any = None,
        key: PRNGKeyArray | None = None,
        particles: int | None = None,
    ) -> DiagonalGaussian:
        """The forecasts that were issued; beyond the last horizon the last one repeats."""
        at = jnp.minimum(jnp.arange(steps), self.horizons - 1)
        return DiagonalGaussian(belief.issued.mean[at], belief.issued.var[at])

    @in_own_precision
    def run(
        self,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"],
        inputs: Any = None,
        dt: Any = None,
        key: PRNGKeyArray | None = None,
    ) -> AdaptivePath:
        """Filter one series; of each step only its forecasts are kept."""
        return self.run_on(self.init(key), values, mask)[1]

    def run_on(
        self,
        start: AdaptiveBelief,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"],
    ) -> tuple[AdaptiveBelief, AdaptivePath]:
        """Filter one series from a belief about its first row; also the belief after its last."""

        def enter(belief: AdaptiveBelief, row: Any) -> tuple[AdaptiveBelief, AdaptivePath]:
            now = self.observe(belief)
            after, log_prob = _learn(self, belief, jnp.where(row[1], row[0], 0.0), row[1])
            return after, AdaptivePath(after.issued, now.mean, now.var, log_prob)

        first, head = enter(start, (values[0], mask[0]))
        later = lambda belief, row: enter(self.predict(belief), row)  # noqa: E731
        last, rest = jax.lax.scan(later, first, (values[1:], mask[1:]))
        return last, jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), head, rest)


@eqx.filter_jit
def _learn(
    algorithm: AdaptiveFilter,
    belief: AdaptiveBelief,
    y: Float[Array, " obs"],
    seen: Bool[Array, " obs"],
) -> tuple[AdaptiveBelief, Float[Array, ""]]:
    """One checked row enters; its log density."""
    assert belief.past is not None and belief.errors is not None and belief.step is not None
    assert belief.low is not None and belief.high is not None
    log_prob = algorithm.observe(belief).log_prob(jnp.where(seen, y, jnp.nan))
    ahead = jnp.arange(algorithm.horizons)
    counted = seen & (belief.step >= ahead + 1)[:, None]
    error = jnp.where(counted, y - belief.past[ahead, ahead], 0.0)
    errors = Errors(
        jnp.where(
            counted,
            MEMORY * belief.errors.square + (1 - MEMORY) * (error**2 + LEAST),
            belief.errors.square,
        ),
        jnp.where(counted, MEMORY * belief.errors.weight + 1 - MEMORY, belief.errors.weight),
    )
    pairs = [
        each.update(
            known,
            y,
            seen,
            belief.step,
            algorithm.particles,
            algorithm.forgetting,
            algorithm.huber,
        )
        for each, known in zip(algorithm.members, belief.members, strict=True)
    ]
    low = jnp.where(seen, jnp.minimum(belief.low, y), belief.low)
    high = jnp.where(seen, jnp.maximum(belief.high, y), belief.high)
    reach = algorithm.margin * (high - low)
    forecasts = jnp.stack([jnp.clip(made, low - reach, high + reach) for _, made in pairs])
    mean = forecasts.mean((0, 1))
    after = AdaptiveBelief(
        issued=Issued(mean, variance(errors)),
        members=tuple(known for known, _ in pairs),
        past=jnp.concatenate([mean[None], belief.past[:-1]]),
        errors=errors,
        low=low,
        high=high,
        step=belief.step + 1,
    )
    return after, log_prob
