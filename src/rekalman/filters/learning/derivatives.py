r"""Derivatives of one step of recurrent units, in which a unit meets the others through products alone.

With what is given to the cell $a = W^\top [y; u] + b$ and what is carried over $k = U^\top h$, the new states
of unit $j$ (its hidden entry, and the memory of an LSTM) depend on $a_{gj}$ and $k_{gj}$ of its gates $g$ and
on its own states. So the Jacobian of the step has few numbers,

$$
\frac{\partial s'_{sj}}{\partial s_{s'i}} =
\delta_{s'h} \sum_g \frac{\partial s'_{sj}}{\partial k_{gj}} U_{igj}
+ \delta_{ij} \frac{\partial s'_{sj}}{\partial s_{s'j}},
$$

and the weights of unit $j$ touch the states of that unit alone: with $v = [y; u; h; 1]$

$$
\frac{\partial s'_{sj}}{\partial \theta_{igj}} = v_i \cdot
\begin{cases} \partial s'_{sj} / \partial k_{gj} & i \text{ in } h, \\
\partial s'_{sj} / \partial a_{gj} & \text{else.} \end{cases}
$$
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.filters.learning.weights import Weights
from rekalman.networks.beliefs import Hidden
from rekalman.networks.predictors.recurrent import RecurrentPredictor


class StepDerivatives(NamedTuple):
    """The derivatives of one step; a state is of the kind hidden or memory, one of each for a unit.

    Attributes:
        after: the states after the step, `(kinds, units)`.
        shown: `v` above, `(rows,)`.
        given: of the new states by `a`, `(kinds, gates, units)`.
        carried: of the new states by `k`, in the same shape.
        own: of the new states by the old ones of the same unit, but for what is carried over,
            `(kinds, kinds, units)`.
        across: `U` above, `(units, gates, units)`.
    """

    after: Float[Array, "kinds units"]
    shown: Float[Array, " rows"]
    given: Float[Array, "kinds gates units"]
    carried: Float[Array, "kinds gates units"]
    own: Float[Array, "kinds kinds units"]
    across: Float[Array, "units gates units"]

    @classmethod
    def nothing(cls, predictor: RecurrentPredictor) -> StepDerivatives:
        """Derivatives of zero, of the sizes of a network: before any step."""
        layer, dtype = predictor.layer, predictor.readout.dtype
        kinds, units, gates = 1 + layer.has_memory, layer.units, layer.gates
        return cls(
            after=jnp.zeros((kinds, units), dtype),
            shown=jnp.zeros(predictor.row + units + 1, dtype),
            given=jnp.zeros((kinds, gates, units), dtype),
            carried=jnp.zeros((kinds, gates, units), dtype),
            own=jnp.zeros((kinds, kinds, units), dtype),
            across=jnp.zeros((units, gates, units), dtype),
        )

    @property
    def immediate(self) -> Float[Array, "kinds rows gates units"]:
        """Of the new states of each unit by the weights of that unit."""
        units = self.across.shape[0]
        width = len(self.shown) - units - 1
        by_row, by_hidden = self.given[:, None], self.carried[:, None]
        each = [jnp.repeat(by_row, width, 1), jnp.repeat(by_hidden, units, 1), by_row]
        return self.shown[:, None, None] * jnp.concatenate(each, 1)

    def forward(self, tangents: Float[Array, "kinds units *more"]) -> Array:
        """The Jacobian times some vectors of states."""
        carried = jnp.tensordot(self.across, tangents[0], ((0,), (0,)))  # gates, units, ...
        more = (1,) * (tangents.ndim - 2)
        through = self.carried.reshape(*self.carried.shape, *more)
        own = self.own.reshape(*self.own.shape, *more)
        return (through * carried).sum(1) + (own * tangents).sum(1)

    def backward(self, cotangent: Float[Array, "kinds units"]) -> Float[Array, "kinds units"]:
        """The transposed Jacobian times a vector of states."""
        gates = (self.carried * cotangent[:, None]).sum(0)
        back = (self.own * cotangent[:, None]).sum(0)
        return back.at[0].add(jnp.tensordot(self.across, gates, 2))

    def of_weights(self, cotangent: Float[Array, "kinds units"]) -> Array:
        """The transposed immediate derivative times a vector of states, `(rows, gates, units)`."""
        return (self.immediate * cotangent[:, None, None]).sum(0)


def as_kinds(predictor: RecurrentPredictor, state: Float[Array, " states"]) -> Array:
    """The network's part of a state, `(kinds, units)`."""
    return state[: predictor.recurrent].reshape(-1, predictor.layer.units)


def step_derivatives(
    predictor: RecurrentPredictor,
    weights: Weights,
    state: Float[Array, " states"],
    row: Float[Array, " row"],
) -> tuple[Float[Array, " states"], StepDerivatives]:
    """The state after a step, and the derivatives of the step.

    Args:
        predictor: of whatever weights.
        weights: those that count.
        state: before the step.
        row: what was observed there, and the inputs of the next step.
    """
    layer, width = predictor.layer, len(row)
    before = predictor.hidden(state)
    shown = jnp.concatenate([row, before.hidden, jnp.ones(1, row.dtype)])
    across = weights.units[width:-1]
    of_row = jnp.tensordot(row, weights.units[:width], 1) + weights.units[-1]
    of_hidden = jnp.tensordot(before.hidden, across, 1)

    def units_after(given: Array, carried: Array, kinds: Array) -> Array:
        memory = kinds[1] if layer.has_memory else None
        after = layer.units_after(given.ravel(), carried.ravel(), Hidden(kinds[0], memory))
        parts = [after.hidden] if after.memory is None else [after.hidden, after.memory]
        return jnp.stack(parts)

    at = (of_row, of_hidden, as_kinds(predictor, state))
    after, moved = jax.linearize(units_after, *at)
    # Unit by unit, so that one direction gives the derivative of all units.
    zeros = tuple(map(jnp.zeros_like, at))
    gate, kind = (jnp.eye(len(each), dtype=row.dtype) for each in (of_row, at[2]))
    alike = lambda each: jnp.ones_like(zeros[0][0]) * each[:, None]  # noqa: E731
    given = jax.vmap(lambda one: moved(alike(one), zeros[1], zeros[2]), out_axes=1)(gate)
    carried = jax.vmap(lambda one: moved(zeros[0], alike(one), zeros[2]), out_axes=1)(gate)
    own = jax.vmap(lambda one: moved(zeros[0], zeros[1], alike(one)), out_axes=1)(kind)
    tail = [row] if predictor.direct else []
    new = jnp.concatenate([after.ravel(), *tail])
    return new, StepDerivatives(after, shown, given, carried, own, across)
