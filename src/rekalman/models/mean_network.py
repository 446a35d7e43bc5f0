r"""The mean of several networks is a network: their states side by side, their outputs averaged.

With states `(x^1, ..., x^K)`, a block-diagonal `A` and `C = (C^1, ..., C^K) / K`, the noise-free output is
the weighted mean of the outputs of the members (`C = (w_1 C^1, ...)` with other weights), whatever their
numbers of units. Linear units come first, those of all members before the bounded ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from rekalman.foundation.errors import RekalError
from rekalman.models.stochastic_rnn import StochasticRNN


def member_order(members: Sequence[StochasticRNN]) -> np.ndarray:
    """Where each unit of the mean comes from in the concatenation of the members' units."""
    starts = np.cumsum([0, *(m.states for m in members)])
    linear = [starts[i] + np.arange(m.linear_units) for i, m in enumerate(members)]
    others = [starts[i] + np.arange(m.linear_units, m.states) for i, m in enumerate(members)]
    return np.concatenate([*linear, *others]).astype(int)


def mean_network(
    members: Sequence[StochasticRNN], weights: Sequence[float] | None = None
) -> StochasticRNN:
    """The network whose simulation is the mean of those of its members.

    Args:
        members: networks of the same observations, inputs, activation and kind of output layer.
        weights: of each, with the sum 1; default equal ones.

    Raises:
        RekalError: there are no members, they do not go together, or there is not a weight for each.

    Example:
        both = mean_network([one, other])
    """
    if not members:
        raise RekalError("the mean of no networks is none: give at least one")
    first = members[0]
    for m in members:
        same = m.activation == first.activation and m.linear_observation == first.linear_observation
        if not same or (m.observations, m.n_inputs) != (first.observations, first.n_inputs):
            raise RekalError(
                "networks can be averaged where their observations, inputs and layers are alike"
            )
    if len(members) == 1:
        return first
    shares = (
        np.full(len(members), 1 / len(members)) if weights is None else np.asarray(weights, float)
    )
    if shares.shape != (len(members),) or not np.isclose(shares.sum(), 1.0):
        raise RekalError(
            f"the mean of {len(members)} networks takes as many weights, with the sum 1"
        )
    order = member_order(members)
    block = lambda name: _diagonal([np.asarray(getattr(m, name)) for m in members])[order][:, order]  # noqa: E731
    stack = lambda name: np.concatenate([np.asarray(getattr(m, name)) for m in members])[order]  # noqa: E731
    mean = lambda name: sum(w * np.asarray(getattr(m, name)) for w, m in zip(shares, members))  # noqa: B905,E731
    C = np.concatenate([w * np.asarray(m.C) for w, m in zip(shares, members, strict=True)], 1)[
        :, order
    ]
    return StochasticRNN.create(
        jnp.asarray(block("A")), jnp.asarray(C), jnp.asarray(block("Q")), jnp.asarray(mean("R")),
        B=jnp.asarray(stack("B")), c=jnp.asarray(stack("c")), D=jnp.asarray(mean("D")),
        d=jnp.asarray(mean("d")), m=jnp.asarray(stack("m")), P=jnp.asarray(block("P")),
        activation=first.activation, linear_observation=first.linear_observation,
        linear_units=sum(m.linear_units for m in members),
    )  # fmt: skip


def _diagonal(blocks: list[np.ndarray]) -> np.ndarray:
    """A matrix of blocks along its diagonal."""
    size = sum(len(block) for block in blocks)
    whole, at = np.zeros((size, size)), 0
    for block in blocks:
        whole[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    return whole
