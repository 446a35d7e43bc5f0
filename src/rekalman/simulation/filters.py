"""New series drawn from a filter: each row from its prediction, which then enters as if it had been seen."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key, PRNGKeyArray

from rekalman.core.filter import Filter
from rekalman.numerics.precision import in_own_precision
from rekalman.simulation.models import inputs_of_run


@in_own_precision
def simulate_filter(
    algorithm: Filter,
    steps: int,
    key: PRNGKeyArray,
    batch: int = 1,
    inputs: Any = None,
    burn_in: int = 0,
) -> Float[Array, "batch steps obs"]:
    """Draw series (`Filter.draw_series`).

    Args:
        algorithm: the filter, a network say.
        steps: length of each series.
        key: randomness.
        batch: number of series.
        inputs: `(steps, input)` for all series alike, or `(batch, steps, input)`.
        burn_in: steps drawn before the first one that is returned, with inputs at their mean.

    Returns:
        Rows in the units of the filter.

    Raises:
        RekalError: steps or batch below 1, burn_in below 0; inputs that do not fit.
    """
    u = inputs_of_run(algorithm.n_inputs, steps, batch, burn_in, inputs)
    return _draw(algorithm, jax.random.split(key, batch), u, steps + burn_in)[:, burn_in:]


@eqx.filter_jit
def _draw(
    algorithm: Filter,
    keys: Key[Array, " batch"],
    inputs: Float[Array, "*batch total input"] | None,
    total: int,
) -> Float[Array, "batch total obs"]:
    per_series = inputs is not None and inputs.ndim == 3
    one = lambda key, u: algorithm.draw_series(key, total, u)  # noqa: E731
    return jax.vmap(one, in_axes=(0, 0 if per_series else None))(keys, inputs)
