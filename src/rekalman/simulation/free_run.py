r"""The noise-free model running by itself over given inputs, as system identification scores it.

Only the first state is fitted, to the first few samples and to what the model says of its start, by the least

    sum_{t <= warm_up} (y_t - h(x_t, u_t))' R^{-1} (y_t - h(x_t, u_t))  +  (x_1 - m)' P^{-1} (x_1 - m)

with `x_t = g(x_{t-1}, u_t)`, by Levenberg and Marquardt's method from several draws of `N(m, P)`; the best
of them runs to the end of the series.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rekalman.data import Sequences
from rekalman.foundation.arguments import seed_of, whole
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch
from rekalman.learners.driven.least_squares import GROW, SHRINK
from rekalman.learners.driven.simulation_error import seen_from, simulated
from rekalman.learners.driven.stability import linear_block, spectral_radius
from rekalman.learners.likelihood.likelihood import in_double
from rekalman.models.gaussian import GaussianModel

GROWTH = 10.0  # of a deviation over the whole run; more is a run that runs away
DRAWS = 16  # first states that the search begins from
STEPS = 50  # of each search


def free_run(
    model: GaussianModel, data: Sequences, warm_up: int = 4, seed: int = 0
) -> Float[np.ndarray, "batch steps obs"]:
    r"""Simulate every series from its inputs and its first samples alone, in the units of the model.

    The first state minimises

    $$
    \sum_{t \le k} (y_t - h(x_t, u_t))^\top R^{-1} (y_t - h(x_t, u_t)) + (x_1 - m)^\top P^{-1} (x_1 - m),
    \qquad x_t = g(x_{t-1}, u_t),
    $$

    over the $k$ samples of the warm-up.

    Args:
        model: a network or a linear model.
        data: series with the inputs of all steps; of the observations only the first `warm_up` are used.
        warm_up: samples that the first state is fitted to.
        seed: start of the draws of first states.

    Raises:
        RekalError: `warm_up` is not between 1 and the shortest series, the data do not fit the
            model, its start is diffuse, or it is unstable and would run away over so many steps.
    """
    shortest = int(np.min(data.lengths))
    if not 1 <= whole("warm_up", warm_up) <= shortest:
        raise RekalError(f"warm_up must lie between 1 and {shortest} samples, but is {warm_up}")
    _check_stable(model, data.steps)
    with jax.enable_x64(True):
        model, batch = in_double(model), in_double(as_batch(data, model))
        draws = np.random.default_rng(seed_of(seed)).normal(size=(DRAWS - 1, model.states))
        try:
            root = np.linalg.cholesky(np.asarray(model.P))
        except np.linalg.LinAlgError:
            raise RekalError(
                "a free run begins from N(m, P), but P is not positive definite: give the model such a "
                "start, or learn one"
            ) from None
        starts = np.vstack([np.zeros(model.states), draws]) @ root.T + np.asarray(model.m)
        runs = []
        for i in range(data.batch):
            inputs = None if batch.inputs is None else batch.inputs[i]
            head = batch.values[i, :warm_up], batch.mask[i, :warm_up]
            first = _first_state(model, starts, *head, inputs)
            driven = None if inputs is None else inputs[None, : data.steps]
            runs.append(np.asarray(_run(model, jnp.asarray(first)[None], driven, data.steps)[0]))
    return np.stack(runs)


def _check_stable(model: GaussianModel, steps: int) -> None:
    """Refuse a linear part whose deviations grow by more than `GROWTH` over the run.

    Raises:
        RekalError: they do.
    """
    if model.linear_transition is None:
        return
    radius = spectral_radius(linear_block(model))
    if radius > 1 and steps * np.log(radius) > np.log(GROWTH):
        raise RekalError(
            f"the model is unstable (spectral radius {radius:.4g}): a free run of {steps} steps would run "
            "away. Run it over fewer steps, or train the model driven-rnn, which is stable"
        )


@eqx.filter_jit
def _run(
    model: GaussianModel, first: Array, inputs: Array | None, steps: int
) -> Float[Array, "one steps obs"]:
    return seen_from(model, simulated(model, first, inputs, steps), inputs)


def _first_state(
    model: GaussianModel,
    starts: Float[np.ndarray, "draws states"],
    values: Float[Array, "steps obs"],
    mask: Bool[Array, "steps obs"],
    inputs: Float[Array, "all input"] | None,
) -> Float[np.ndarray, " states"]:
    u = None if inputs is None else inputs[: values.shape[0]]
    points, costs = map(np.asarray, _search(model, jnp.asarray(starts), values, mask, u))
    if not np.isfinite(costs).any():
        raise RekalError("the simulation is not finite over the first samples: the model explodes")
    return points[int(np.nanargmin(np.where(np.isfinite(costs), costs, np.nan)))]


@eqx.filter_jit
def _search(
    model: GaussianModel, starts: Array, values: Array, mask: Array, u: Array | None
) -> tuple[Float[Array, "draws states"], Float[Array, " draws"]]:
    """Levenberg and Marquardt's method from all starts at once, one damping tried in each step."""
    inputs = None if u is None else u[None]
    noise, start = jnp.linalg.cholesky(model.R), jnp.linalg.cholesky(model.P)

    def residuals(first: Array) -> tuple[Array, Array]:
        states = simulated(model, first[None], inputs, values.shape[0])
        gap = jnp.where(mask, values - seen_from(model, states, inputs)[0], 0.0)
        weighed = jax.scipy.linalg.solve_triangular(noise, gap.T, lower=True)
        prior = jax.scipy.linalg.solve_triangular(start, first - model.m, lower=True)
        error = jnp.concatenate([weighed.ravel(), prior])
        return error, error

    def step(_: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, cost, damping = carry
        jacobian, error = jax.jacfwd(residuals, has_aux=True)(x)
        curvature = jacobian.T @ jacobian
        scale = jnp.diag(jnp.maximum(jnp.diagonal(curvature), 1e-8))
        moved = x - jnp.linalg.solve(curvature + damping * scale, jacobian.T @ error)
        lower = (residuals(moved)[0] ** 2).sum()
        better = lower < cost  # false where it is no number
        return (
            jnp.where(better, moved, x),
            jnp.where(better, lower, cost),
            jnp.where(
                better, jnp.maximum(damping / SHRINK, 1e-9), jnp.minimum(damping * GROW, 1e9)
            ),
        )

    def one(x: Array) -> tuple[Array, Array]:
        begun = (x, (residuals(x)[0] ** 2).sum(), jnp.asarray(1e-2, x.dtype))
        x, cost, _ = jax.lax.fori_loop(0, STEPS, step, begun)
        return x, cost

    return jax.vmap(one)(starts)
