r"""The exact log-likelihood of many series, grouped so that what they share is worked out once."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rekal.filters.kalman import Kalman
from rekal.filters.system import linear_system
from rekal.learning.batch import Batch
from rekal.learning.parameters import Parameters
from rekal.learning.score import log_likelihood
from rekal.models.linear_model import LinearModel


class Group(eqx.Module):
    """Series of one length; without a mask nothing is missing in any of them."""

    values: Float[Array, "batch steps obs"]
    mask: Bool[Array, "batch steps obs"] | None
    inputs: Float[Array, "batch steps input"] | None
    dt: Float[Array, "batch steps"] | None = None


def groups_of(batch: Batch) -> tuple[Group, ...]:
    """Complete series by their lengths, cut to them; the others together, padded as they are."""
    valid, mask = np.asarray(batch.valid), np.asarray(batch.mask)
    lengths = valid.sum(1)
    complete = (mask == valid[..., None]).all((1, 2))
    groups = []

    def cut(leaf: Array | None, rows: np.ndarray, steps: int) -> Array | None:
        return None if leaf is None else leaf[rows, :steps]

    for steps in sorted({int(n) for n in lengths[complete]} - {0}):
        rows = np.flatnonzero(complete & (lengths == steps))
        rest = (cut(leaf, rows, steps) for leaf in (batch.inputs, batch.dt))
        groups.append(Group(batch.values[rows, :steps], None, *rest))
    if not complete.all():
        rows, steps = np.flatnonzero(~complete), int(lengths[~complete].max())
        rest = (cut(leaf, rows, steps) for leaf in (batch.inputs, batch.dt))
        groups.append(Group(batch.values[rows, :steps], batch.mask[rows, :steps], *rest))
    return tuple(groups)


def total_log_likelihood(model: LinearModel, groups: tuple[Group, ...]) -> Float[Array, ""]:
    """Sum over all series, in nats; differentiable in every block of the model."""
    form = Kalman(model).arithmetic

    def one(row: tuple[Array, Array | None, Array | None, Array | None]) -> Array:
        return log_likelihood(linear_system(model, *row), form)

    total = jnp.zeros((), model.Q.dtype)
    for group in groups:
        rows = (group.values, group.mask, group.inputs, group.dt)
        alone = group.values.shape[0] == 1
        if group.mask is None:
            each = one(jax.tree.map(lambda leaf: leaf[0], rows)) if alone else jax.vmap(one)(rows)
        else:
            each = jax.lax.map(one, rows)
        total = total + each.sum()
    return total


@eqx.filter_jit
def value_and_gradient(
    parameters: Parameters, vector: Float[Array, " parameters"], groups: tuple[Group, ...]
) -> tuple[Float[Array, ""], Float[Array, " parameters"]]:
    """The log-likelihood and its slope in the free parameters."""
    return jax.value_and_grad(lambda v: total_log_likelihood(parameters.build(v), groups))(vector)
