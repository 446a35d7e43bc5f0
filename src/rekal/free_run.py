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

from rekal.arguments import seed_of, whole
from rekal.errors import RekalError
from rekal.learning.batch import as_batch
from rekal.learning.least_squares import Local, levenberg_marquardt
from rekal.learning.likelihood import in_double
from rekal.learning.simulation_error import seen_from, simulated
from rekal.models.gaussian import GaussianModel
from rekal.sequences import Sequences

DRAWS = 16  # first states that the search begins from
STEPS = 50  # of each search


def free_run(
    model: GaussianModel, data: Sequences, warm_up: int = 4, seed: int = 0
) -> Float[np.ndarray, "batch steps obs"]:
    """Simulate every series from its inputs and its first samples alone, in the units of the model.

    Args:
        model: a network or a linear model.
        data: series with the inputs of all steps; of the observations only the first `warm_up` are used.
        warm_up: samples that the first state is fitted to.
        seed: start of the draws of first states.

    Raises:
        RekalError: `warm_up` is not between 1 and the shortest series, the data do not fit the
            model, or its start is diffuse.
    """
    shortest = int(np.min(data.lengths))
    if not 1 <= whole("warm_up", warm_up) <= shortest:
        raise RekalError(f"warm_up must lie between 1 and {shortest} samples, but is {warm_up}")
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
            states = simulated(model, jnp.asarray(first)[None], driven, data.steps)
            runs.append(np.asarray(seen_from(model, states, driven)[0]))
    return np.stack(runs)


def _first_state(
    model: GaussianModel,
    starts: Float[np.ndarray, "draws states"],
    values: Float[Array, "steps obs"],
    mask: Bool[Array, "steps obs"],
    inputs: Float[Array, "all input"] | None,
) -> Float[np.ndarray, " states"]:
    u = None if inputs is None else inputs[: values.shape[0]]
    told = (values, mask, u)

    def around(x: np.ndarray) -> Local:
        value, slope, curvature = _around(model, jnp.asarray(x), *told)
        return Local(float(value), np.asarray(slope), np.asarray(curvature))

    value = lambda x: float(_around(model, jnp.asarray(x), *told)[0])  # noqa: E731
    found = [levenberg_marquardt(around, value, start, STEPS, 1e-8) for start in starts]
    costs = [each.values[-1] for each in found]
    if not np.isfinite(costs).any():
        raise RekalError("the simulation is not finite over the first samples: the model explodes")
    return found[int(np.nanargmin(costs))].point


@eqx.filter_jit
def _around(
    model: GaussianModel, first: Array, values: Array, mask: Array, u: Array | None
) -> tuple[Float[Array, ""], Float[Array, " states"], Float[Array, "states states"]]:
    def scaled(first: Array) -> tuple[Array, Array]:
        inputs = None if u is None else u[None]
        states = simulated(model, first[None], inputs, values.shape[0])
        gap = jnp.where(mask, values - seen_from(model, states, inputs)[0], 0.0)
        weighed = jax.scipy.linalg.solve_triangular(jnp.linalg.cholesky(model.R), gap.T, lower=True)
        prior = jax.scipy.linalg.solve_triangular(
            jnp.linalg.cholesky(model.P), first - model.m, lower=True
        )
        error = jnp.concatenate([weighed.ravel(), prior])
        return error, error

    jacobian, error = jax.jacfwd(scaled, has_aux=True)(first)
    return (error**2).sum(), jacobian.T @ error, jacobian.T @ jacobian
