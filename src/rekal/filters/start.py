r"""What the data say of the diffuse coordinates of the first state (see `means.py` for the equations)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rekal.beliefs import UNKNOWN, balanced, flat_law, floored

LOG_2PI = 1.8378770664093453


class StartLaw(NamedTuple):
    """The law of `delta` given a series.

    Attributes:
        mean: its mean.
        cov: its covariance.
        moment: second moment of `[1; delta]`.
        log_evidence: what the white innovations add to the log-likelihood, the start integrated out.
    """

    mean: Float[Array, " flat"]
    cov: Float[Array, "flat flat"]
    moment: Float[Array, "columns columns"]
    log_evidence: Float[Array, ""]


def start_law(squares: Float[Array, "columns columns"]) -> StartLaw:
    """The law of `delta` from the summed products of the columns of the white innovations."""
    flat, dtype = squares.shape[0] - 1, squares.dtype
    if flat == 0:
        none = jnp.zeros(0, dtype)
        one = jnp.ones((1, 1), dtype)
        return StartLaw(none, jnp.zeros((0, 0), dtype), one, -0.5 * squares[0, 0])
    mean, cov = flat_law(squares)
    one = jnp.concatenate([jnp.ones(1, dtype), mean])
    moment = (one[:, None] * one[None, :]).at[1:, 1:].add(cov)
    fitted = squares[0, 0] + squares[1:, 0] @ mean
    size, scaled = balanced(squares[1:, 1:])
    information = jnp.log(floored(jnp.linalg.eigvalsh(scaled))) + 2 * jnp.log(size)
    evidence = -0.5 * (fitted + information.sum() - flat * LOG_2PI)
    return StartLaw(mean, cov, moment, evidence)


def products(white: Float[Array, "steps p columns"]) -> Float[Array, "steps columns columns"]:
    """The products of the columns, summed over the entries of each step."""
    return jnp.einsum("tpa,tpb->tab", white, white)


def determined(squares: Float[Array, "steps columns columns"]) -> Bool[Array, " steps"]:
    """Whether the data summed so far say something of every diffuse coordinate."""
    if squares.shape[-1] == 1:
        return jnp.ones(squares.shape[0], bool)
    _, scaled = balanced(squares[:, 1:, 1:])
    return jnp.linalg.eigvalsh(scaled)[:, 0] > 4 * UNKNOWN * jnp.finfo(squares.dtype).eps


def evidence_by_step(
    squares: Float[Array, "steps columns columns"], constant: Float[Array, " steps"]
) -> Float[Array, " steps"]:
    """One-step log densities: the rise of the log-likelihood, from where the start is determined.

    Args:
        squares: products of the white innovations, summed up to each step.
        constant: `log f + k log 2 pi` of each step.
    """
    total = jax.vmap(lambda s: start_law(s).log_evidence)(squares) - 0.5 * jnp.cumsum(constant)
    total = jnp.where(determined(squares), total, 0.0)
    return jnp.diff(total, prepend=0.0)
