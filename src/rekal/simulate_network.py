"""New series drawn from a network: each row from its prediction, which then enters as if it had been seen.

The one-step predictive densities of a network define the law of whole series, `p(y) = prod p(y_t | before)`,
so this is exact.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray, PyTree

from rekal.networks.table import TableNetwork
from rekal.simulate import inputs_of_run


def simulate_network(
    table: TableNetwork,
    steps: int,
    key: PRNGKeyArray,
    batch: int = 1,
    inputs: Any = None,
    burn_in: int = 0,
) -> Float[Array, "batch steps obs"]:
    """Draw series.

    Args:
        table: the network.
        steps: length of each series.
        key: randomness.
        batch: number of series.
        inputs: `(steps, input)` for all series alike, or `(batch, steps, input)`.
        burn_in: steps drawn before the first one that is returned, with inputs at their mean.

    Returns:
        Rows in the units of the network.

    Raises:
        RekalError: steps or batch below 1, burn_in below 0; inputs that do not fit.
    """
    u = inputs_of_run(table.n_inputs, steps, batch, burn_in, inputs)
    return _draw(table, jax.random.split(key, batch), u, steps + burn_in)[:, burn_in:]


@eqx.filter_jit
def _draw(
    table: TableNetwork,
    keys: Key[Array, " batch"],
    inputs: Float[Array, "*batch total input"] | None,
    total: int,
) -> Float[Array, "batch total obs"]:
    def one(key: PRNGKeyArray, inputs: Array | None) -> Array:
        def step(belief: Any, row: PyTree) -> tuple[Any, Array]:
            key, following = row
            told = table.network.observe(belief)
            y = told.mean + jnp.sqrt(told.var) * jax.random.normal(key, told.mean.shape)
            belief, _ = table.update(belief, table.encode(y, jnp.ones(y.shape, bool)))
            return table.predict(belief, following), y

        following = None if inputs is None else jnp.roll(inputs, -1, 0)  # it drives the next step
        return jax.lax.scan(step, table.init(), (jax.random.split(key, total), following))[1]

    per_series = inputs is not None and inputs.ndim == 3
    return jax.vmap(one, in_axes=(0, 0 if per_series else None))(keys, inputs)
