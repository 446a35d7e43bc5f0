r"""States of a predictor along series: what the regression of its readout is made of.

Where an entry is missing the network runs freely: the prediction of its own readout enters instead. Such an
entry is no target. Steps before the washout are no targets either, since the state still remembers where it
began; of several series each has a washout of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rekalman.networks.predictors.linear_readout import LinearReadout
from rekalman.numerics.precision import in_own_precision


class Regression(NamedTuple):
    """The regression of a readout, step by step.

    Attributes:
        features: the constant, which is the last of them, included.
        targets: rows less the anchor of the predictor (`LinearReadout.anchor`).
    """

    features: Float[Any, "*lead steps features"]
    targets: Float[Any, "*lead steps obs"]


def states_along(
    predictor: LinearReadout,
    values: Float[Array, "steps obs"],
    mask: Bool[Array, "steps obs"] | None = None,
    inputs: Float[Array, "steps input"] | None = None,
) -> Float[Array, "steps states"]:
    """The state at each step, before its row.

    Args:
        predictor: in standardised units.
        values: one series.
        mask: True where observed; None = everywhere, which does not need the readout.
        inputs: known inputs.
    """
    after = None if inputs is None else jnp.concatenate([inputs[1:], inputs[:1]])

    def step(state: Array, row: Any) -> tuple[Array, Array]:
        y, seen, u = row
        if seen is not None:
            y = jnp.where(seen, y, predictor.output(state))
        return predictor.advance(state, y, u), state

    return jax.lax.scan(step, predictor.start(), (values, mask, after))[1]


def regression_of(
    predictor: LinearReadout,
    states: Float[Array, "steps states"],
    values: Float[Array, "steps obs"],
) -> Regression:
    """Features and targets of the states of a series."""
    features = jax.vmap(predictor.features_of)(states)
    return Regression(features, values - jax.vmap(predictor.anchor)(states))


@in_own_precision
@eqx.filter_jit
def harvest(
    predictor: LinearReadout,
    values: Float[Array, "batch steps obs"],
    mask: Bool[Array, "batch steps obs"] | None = None,
    inputs: Float[Array, "batch steps input"] | None = None,
) -> Regression:
    """The regression of several series, for one predictor or for a batch of them (`stacked`).

    All runs are one compiled call. A batch of predictors adds a leading axis.

    Args:
        predictor: one, or several of a size.
        values: the series.
        mask: True where observed; None = everywhere.
        inputs: known inputs.

    Examples:
        >>> import jax.numpy as jnp
        >>> from rekalman.learners.reservoir.harvest import harvest, stacked
        >>> from rekalman.networks.predictors.nvar import NVAR
        >>> harvest(NVAR.create(1, taps=2, order=1), jnp.ones((5, 20, 1))).features.shape
        (5, 20, 3)
    """

    def one(predictor: LinearReadout, *series: Any) -> Regression:
        return regression_of(predictor, states_along(predictor, *series), series[0])

    each = jax.vmap(one, (None, 0, 0, 0))
    if predictor.readout.ndim == 2:
        return each(predictor, values, mask, inputs)
    arrays, rest = eqx.partition(predictor, eqx.is_array)
    return jax.vmap(lambda one: each(eqx.combine(one, rest), values, mask, inputs))(arrays)


def stacked(predictors: list[Any]) -> Any:
    """Predictors of a size as one, whose arrays have a leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *predictors)


def run_freely(
    predictor: LinearReadout,
    state: Float[Array, " states"],
    steps: int,
    inputs: Float[Array, "steps input"] | None = None,
) -> Float[Array, "steps obs"]:
    """What a predictor says of the step of a state and of those after it; each prediction enters as its row.

    Args:
        predictor: trained.
        state: before the first row that is predicted.
        steps: how many.
        inputs: of the steps after the first; the last of them is not used.
    """

    def step(state: Array, u: Any) -> tuple[Array, Array]:
        y = predictor.output(state)
        return predictor.advance(state, y, u), y

    return jax.lax.scan(step, state, inputs, length=steps)[1]


def counted_entries(
    mask: Bool[np.ndarray, "batch steps obs"], washout: int
) -> Bool[np.ndarray, "batch steps obs"]:
    """The entries that are targets: observed, and after the washout of their series."""
    counted = np.array(mask, bool)
    counted[:, :washout] = False
    return counted
