"""The recursion on a belief: one driver that runs any filter over a series."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from rekal.beliefs import Particles, Path
from rekal.filters.particle import ParticleFilter
from rekal.precision import in_own_precision

MANY = 2048  # particles from which one step's randomness is worth a call of its own


@in_own_precision
def run_filter(
    algorithm: ParticleFilter,
    values: Float[Array, "steps obs"],
    mask: Bool[Array, "steps obs"],
    inputs: Float[Array, "steps input"] | None,
    dt: Float[Array, " steps"] | None,
    key: PRNGKeyArray,
) -> Path:
    """Filter one series: update with `y_1`, then predict and update to the end.

    Observations are encoded before the loop, and the randomness of few particles is drawn there;
    that of many is drawn step by step, where it stays in the cache. Entries where `mask` is False
    change nothing, whatever stands in `values`.
    """
    steps = values.shape[0]
    evidence = algorithm.encode(values, mask, inputs, dt)
    start_key, draw_key = jax.random.split(key)
    ahead = algorithm.particles < MANY
    draws = algorithm.draw(draw_key, steps - 1) if ahead else None
    at = lambda tree, i: jax.tree.map(lambda leaf: leaf[i], tree)  # noqa: E731

    belief, first = algorithm.update_encoded(algorithm.init(start_key), at(evidence, 0))

    def step(belief: Particles, row: PyTree) -> tuple[Particles, PyTree]:
        evidence, draws, u, dt = row
        prior = algorithm.predict(belief, u, dt, draws)
        belief, gain = algorithm.update_encoded(prior, evidence)
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
