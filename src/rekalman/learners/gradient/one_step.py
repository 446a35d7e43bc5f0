r"""One-step log densities of predictors, and an epoch of Adam on them, for several networks in one call.

The loss of a predictor is minus the mean log density of each row given the rows before it,

$$
-\frac{1}{n} \sum_t \log \mathcal{N}(y_t;\, g(x_t), S(x_t)), \qquad x_{t+1} = f(x_t, y_t, u_{t+1}),
$$

which is the exact likelihood of a complete series (Ljung 1999, section 7.4). The derivative is that of
the whole recursion: back-propagation through time, not truncated. Where an entry is missing the predictor
is given its own prediction of it.

Networks of one shape are trained side by side: every array below has them as its first axis, and a compiled
call makes one epoch of all.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from rekalman.core.gaussian import Gaussian
from rekalman.learners.gradient.optimiser import (
    OptimiserSettings,
    State,
    descend,
    flatten,
    with_parameters,
)
from rekalman.networks.predictors.predictor import Predictor


class Rows(NamedTuple):
    """Series to predict.

    Attributes:
        values: the rows, 0 where nothing was observed.
        seen: True where observed; None where everything was.
        inputs: known inputs, or None.
        targets: what the output before each row is to be, NaN where it does not count; None = the row itself.
    """

    values: Float[Array, "*series steps obs"]
    seen: Bool[Array, "*series steps obs"] | None = None
    inputs: Float[Array, "*series steps input"] | None = None
    targets: Float[Array, "*series steps out"] | None = None


class Tally(NamedTuple):
    """A sum of log densities, and over how many steps it goes."""

    total: Float[Array, ""]
    steps: Float[Array, ""]


class Best(NamedTuple):
    """The parameters with the best loss on held-out series so far.

    Attributes:
        parameters: of each network.
        loss: theirs, in nats a step.
        waited: epochs since then.
    """

    parameters: Float[Array, "nets parameters"]
    loss: Float[Array, " nets"]
    waited: Int[Array, " nets"]


def run_open(predictor: Predictor, rows: Rows) -> Float[Array, "steps states"]:
    """The states of a predictor before each row of one series.

    Args:
        predictor: the model.
        rows: one series.
    """
    after = None if rows.inputs is None else jnp.concatenate([rows.inputs[1:], rows.inputs[:1]])

    def step(state: Array, row: PyTree) -> tuple[Array, Array]:
        y, seen, u = row
        if seen is not None:
            y = jnp.where(seen, y, predictor.output(state))
        return predictor.advance(state, y, u), state

    return jax.lax.scan(step, predictor.start(), (rows.values, rows.seen, after))[1]


def log_densities(
    predictor: Predictor, rows: Rows, washout: int = 1, learn_noise: bool = True
) -> Tally:
    """The one-step log density of one series, in nats.

    Args:
        predictor: the model.
        rows: one series.
        washout: so many first steps do not count.
        learn_noise: whether the covariance of the innovations has a gradient.
    """
    states = run_open(predictor, rows)
    N = jax.vmap(predictor.noise)(states)
    if not learn_noise:
        N = jax.lax.stop_gradient(N)
    law = Gaussian(jax.vmap(predictor.output)(states), N @ N.mT)
    wanted = rows.values if rows.targets is None else rows.targets
    if rows.targets is None and rows.seen is not None:
        wanted = jnp.where(rows.seen, wanted, jnp.nan)
    counts = (jnp.arange(len(wanted)) >= washout) & ~jnp.isnan(wanted).all(-1)
    density = jnp.where(counts, law.log_prob(wanted), 0.0)
    return Tally(density.sum(), counts.sum(dtype=density.dtype))


def loss_of(
    predictor: Predictor, rows: Rows, counts: Array, washout: int, learn_noise: bool = True
) -> Float[Array, ""]:
    """Minus the mean log density of several series, in nats a step.

    Args:
        predictor: the model.
        rows: the series.
        counts: False for series that only fill up a batch.
        washout: so many first steps of each do not count.
        learn_noise: whether the covariance of the innovations has a gradient.
    """
    each = jax.vmap(lambda one: log_densities(predictor, one, washout, learn_noise))(rows)
    steps = jnp.where(counts, each.steps, 0.0).sum()
    return -jnp.where(counts, each.total, 0.0).sum() / jnp.maximum(steps, 1.0)


@eqx.filter_jit
def epoch(
    settings: OptimiserSettings,
    template: Predictor,
    state: State,
    best: Best,
    rows: Rows,
    held_out: Rows,
    order: Int[Array, "nets batches size"],
    counts: Bool[Array, "batches size"],
    washout: int,
    learn_noise: bool = True,
) -> tuple[State, Best, Float[Array, " nets"], Float[Array, " nets"]]:
    """One epoch of all networks, and their loss on held-out series after it.

    Args:
        settings: how parameters are moved.
        template: a predictor of that shape, with any parameters.
        state: what is changed.
        best: the best so far.
        rows: the series of each network.
        held_out: those that choose the epoch.
        order: numbers of the series of each minibatch.
        counts: False where a series only fills up a minibatch.
        washout: first steps of each series that do not count.
        learn_noise: whether the covariance of the innovations is learned.

    Returns:
        State and best after the epoch, the mean loss while parameters moved, the loss on held-out series.
    """

    def of_parameters(parameters: Array, some: Rows, counts: Array) -> Array:
        predictor = with_parameters(template, parameters)
        return loss_of(predictor, some, counts, washout, learn_noise)

    def one(state: State, best: Best, rows: Rows, held_out: Rows, order: Array) -> Any:
        def minibatch(state: State, batch: tuple[Array, Array]) -> tuple[State, Array]:
            which, counts = batch
            some = jax.tree.map(lambda leaf: leaf[which], rows)
            loss, gradient = jax.value_and_grad(of_parameters)(state.parameters, some, counts)
            return descend(settings, state, gradient)[0], loss

        state, losses = jax.lax.scan(minibatch, state, (order, counts))
        all_count = jnp.ones(len(held_out.values), bool)
        loss = of_parameters(state.result, held_out, all_count)
        better = loss < best.loss
        best = Best(
            jnp.where(better, state.result, best.parameters),
            jnp.where(better, loss, best.loss),
            jnp.where(better, 0, best.waited + 1),
        )
        return state, best, losses.mean(), loss

    return jax.vmap(one)(state, best, rows, held_out, order)


def flattened(predictors: Predictor) -> Float[Array, "nets parameters"]:
    """The parameters of networks whose arrays have them as first axis, as rows of a matrix."""
    return eqx.filter_vmap(flatten)(predictors)
