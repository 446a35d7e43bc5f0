r"""How well a network predicts, with the readout that fits best to what its units do.

The readout of the features $\phi_t$, the hidden vector and 1, is ridge regression on the rows before the
held-out end (Schmidhuber et al. 2007 take the pseudo-inverse, its limit for a small penalty $\lambda$):

$$
W = \Big(\tfrac1n \sum_t \phi_t \phi_t^\top + \lambda D\Big)^{-1} \tfrac1n \sum_t \phi_t y_t^\top ,
$$

with the mean squares of the features in the diagonal matrix $D$, so that features of any size are alike.

While it is fitted the units are given the observed rows, which is called teacher forcing, since they are
what the network is to say itself. The network is judged by free runs, in which it is given what it said of
the row before. Where an entry is missing the network runs freely too, in a second pass: then the readout is
fitted again.

All of it is in double precision, and for all networks of a generation one compiled call.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rekalman.learners.evolution.genes import layer_of
from rekalman.learners.evolution.parts import Parts
from rekalman.networks.beliefs import Hidden
from rekalman.networks.predictors.recurrent import RecurrentPredictor
from rekalman.networks.recurrent import Recurrent

LEAST_SQUARE = 1e-30
"""Of a feature: a unit that never moves."""


class Judged(NamedTuple):
    """A network, judged.

    Attributes:
        error: mean squared error of its free runs, infinite where it broke down.
        readout: the weights of its features.
    """

    error: Float[Array, "*networks"]
    readout: Float[Array, "*networks features obs"]


@eqx.filter_jit
def judge(
    start: RecurrentPredictor,
    genes: Float[Array, "networks units genes"],
    parts: Parts,
    penalty: Float[Array, ""],
    gaps: bool,
) -> Judged:
    """All networks of a generation.

    Args:
        start: a network of the same size.
        genes: weights of the units of each network.
        parts: the series.
        penalty: of the ridge regression, for features of the size that they have.
        gaps: whether entries are missing (static).
    """
    one = lambda each: judge_one(start, layer_of(start.layer, each), parts, penalty, gaps)  # noqa: E731
    return jax.vmap(one)(genes)


def judge_one(
    start: RecurrentPredictor,
    layer: Recurrent,
    parts: Parts,
    penalty: Float[Array, ""],
    gaps: bool,
) -> Judged:
    """One network: its readout, and the error of its free runs.

    Args:
        start: whether the readout is direct.
        layer: the units.
        parts: the series.
        penalty: of the ridge regression.
        gaps: whether entries are missing.
    """
    direct = start.direct
    states, features = forced(layer, parts, direct)
    readout = ridge(features, parts.rows, parts.fitted, penalty)
    if gaps:
        states, features = forced(layer, parts, direct, readout)
        readout = ridge(features, parts.rows, parts.fitted, penalty)
    error = free_error(layer, readout, states, features, parts, direct)
    return Judged(jnp.where(jnp.isfinite(error), error, jnp.inf), readout)


def features_of(
    hidden: Float[Array, "batch units"], row: Float[Array, "batch row"], direct: bool
) -> Float[Array, "batch features"]:
    """What the readout multiplies, as `RecurrentPredictor.features_of` has it."""
    one = jnp.ones((*hidden.shape[:-1], 1), hidden.dtype)
    return jnp.concatenate([hidden, row, one] if direct else [hidden, one], -1)


def forced(
    layer: Recurrent,
    parts: Parts,
    direct: bool,
    readout: Float[Array, "features obs"] | None = None,
) -> tuple[Hidden, Float[Array, "steps batch features"]]:
    """States and features of each step, from the rows before it.

    Args:
        layer: the units.
        parts: the series.
        direct: whether the readout sees the row before it.
        readout: what fills missing entries; None = the last observed ones stand in for them.
    """
    batch, _, obs = parts.rows.shape
    zero = jnp.zeros((batch, layer.units), parts.rows.dtype)
    width = obs + layer.n_inputs
    carry = (
        Hidden(zero, zero if layer.has_memory else None),
        jnp.zeros((batch, width), zero.dtype),
    )

    def step(
        carry: tuple[Hidden, Array], now: tuple[Array, Array, Array | None]
    ) -> tuple[tuple[Hidden, Array], tuple[Hidden, Array]]:
        (state, before), (row, mask, after) = carry, now
        features = features_of(state.hidden, before, direct)
        if readout is not None:
            row = jnp.where(mask, row, features @ readout)
        given = row if after is None else jnp.concatenate([row, after], -1)
        return (layer.step(given @ layer.into + layer.bias, state), given), (state, features)

    rows = jax.tree.map(
        lambda leaf: jnp.swapaxes(leaf, 0, 1), (parts.rows, parts.mask, parts.after)
    )
    return jax.lax.scan(step, carry, rows)[1]


def ridge(
    features: Float[Array, "steps batch features"],
    rows: Float[Array, "batch steps obs"],
    fitted: Bool[Array, "batch steps"],
    penalty: Float[Array, ""],
) -> Float[Array, "features obs"]:
    """The readout, from the normal equations above.

    Args:
        features: of each step.
        rows: what it should say.
        fitted: steps that count.
        penalty: of the regression.
    """
    X = features.reshape(-1, features.shape[-1])
    Y = jnp.swapaxes(rows, 0, 1).reshape(len(X), -1)
    count = fitted.sum()
    weighted = X * fitted.T.reshape(-1, 1) / count
    size = jnp.sqrt(jnp.maximum((weighted * X).sum(0), LEAST_SQUARE))
    gram = weighted.T @ X / (size[:, None] * size) + penalty * jnp.eye(len(size), dtype=X.dtype)
    return (
        jax.scipy.linalg.solve(gram, (weighted.T @ Y) / size[:, None], assume_a="pos")
        / size[:, None]
    )


def free_error(
    layer: Recurrent,
    readout: Float[Array, "features obs"],
    states: Hidden,
    features: Float[Array, "steps batch features"],
    parts: Parts,
    direct: bool,
) -> Float[Array, ""]:
    """Mean squared error of the free runs.

    Args:
        layer: the units.
        readout: weights of the features.
        states: of each step, from the rows before it.
        features: of the same steps.
        parts: the series, with the origins of the runs.
        direct: whether the readout sees the row before it.
    """
    series, at, wanted, counted, inputs = parts.origins
    state = jax.tree.map(lambda leaf: leaf[at, series], states)
    given = features[at, series, layer.units : -1]  # the row before, where the readout is direct

    def step(
        carry: tuple[Hidden, Array], now: tuple[Array, Array, Array | None]
    ) -> tuple[tuple[Hidden, Array], Array]:
        (state, before), (wanted, counted, after) = carry, now
        said = features_of(state.hidden, before, direct) @ readout
        square = jnp.where(counted, jnp.square(said - wanted), 0.0).sum()
        row = said if after is None else jnp.concatenate([said, after], -1)
        return (layer.step(row @ layer.into + layer.bias, state), row if direct else before), square

    squares = jax.lax.scan(step, (state, given), (wanted, counted, inputs))[1]
    return squares.sum() / counted.sum()
