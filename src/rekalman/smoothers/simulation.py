r"""Draws of whole state paths given a whole series (Durbin and Koopman 2002).

The smoothed mean is an affine function of the observations, and its error does not depend on them. So draw
states `x+` and observations `y+` from the model without its means, smooth what is left of the data, and put
the states back:

    x = E(x | y - y+) + x+

has the law of the states given `y`, exactly, across all steps at once, with nothing but the recursion of the
means for each draw: the gains are those of the series. A diffuse start needs no draw of its own, since the
smoother takes any shift of it out again; a direction that no observation fixes has no law to draw from.

Many draws are made in portions (`models/portions.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rekalman.filters.kalman.forms import CovarianceForm, RootForm
from rekalman.filters.kalman.gains import Gains, gains
from rekalman.filters.kalman.means import means
from rekalman.filters.kalman.system import LinearSystem, check_series, linear_system
from rekalman.foundation.errors import RekalError
from rekalman.models.linear_model import LinearModel
from rekalman.models.portions import in_portions
from rekalman.models.roots import square_root
from rekalman.numerics.precision import precision_of
from rekalman.smoothers.adjoint import gradients, smoothed_means


class Noise(NamedTuple):
    """Standard normals behind one path: of the first state and the transitions, and of the observations."""

    states: Float[Array, "*draws steps n"]
    observations: Float[Array, "*draws steps p"]


def simulation_smoother(
    model: LinearModel,
    values: Float[Array, "steps obs"],
    mask: Bool[Array, "steps obs"] | None,
    inputs: Float[Array, "steps input"] | None,
    key: PRNGKeyArray,
    draws: int,
    dt: Float[Array, " steps"] | None = None,
) -> Float[Array, "draws steps states"]:
    """Independent draws of the states of a whole series, given all its observations.

    Args:
        model: any linear model.
        values: the observations.
        mask: True where observed, or None when nothing is missing. Padding is missing, too.
        inputs: known inputs, for a model that takes them.
        key: randomness.
        draws: number of paths.
        dt: time since the step before, for a model in continuous time.

    Raises:
        RekalError: fewer draws than one, a series that does not fit the model, or one that leaves a direction
            of a diffuse start unknown.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import rekalman
        >>> data = rekalman.load_example("nile")
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(one, one, 1469 * one, 15099 * one, initial="diffuse")
        >>> y, seen = jnp.asarray(data.values[0]), jnp.asarray(data.mask[0])
        >>> draws = rekalman.simulation_smoother(model, y, seen, None, jax.random.key(0), draws=50)
        >>> draws.shape
        (50, 100, 1)
    """
    if draws < 1:
        raise RekalError(f"draws must be at least 1, but is {draws}")
    check_series(model, values, mask, inputs, dt)
    with precision_of(model):
        paths, unknown = _draw(model, values, mask, inputs, key, draws, dt)
    if unknown is not None and not isinstance(unknown, Tracer) and bool(unknown):
        raise RekalError(
            "the series leaves a direction of the diffuse start unknown, so that its states have no law "
            "to draw from: give the model m and P (initial='given'), or more observations"
        )
    return paths


@eqx.filter_jit
def _draw(
    model: LinearModel,
    values: Array,
    mask: Array | None,
    inputs: Array | None,
    key: PRNGKeyArray,
    draws: int,
    dt: Array | None,
) -> tuple[Array, Array | None]:
    system = linear_system(model, values, mask, inputs, dt)
    form = RootForm if system.P.dtype == jnp.float32 else CovarianceForm
    result = gains(system, form)
    result = result._replace(prior=jax.vmap(form.leave)(result.prior))
    state_key, observation_key = jax.random.split(key)
    steps, n = values.shape[0], system.P.shape[0]
    noise = Noise(
        jax.random.normal(state_key, (draws, steps, n), system.P.dtype),
        jax.random.normal(observation_key, (draws, *values.shape), system.P.dtype),
    )
    unknown = None if result.diffuse is None else result.diffuse.unknown.any()
    paths = in_portions(
        jax.vmap(lambda noise: path_given(system, result, noise)), noise, max(n, values.shape[1])
    )
    return paths, unknown


def path_given(system: LinearSystem, result: Gains, noise: Noise) -> Float[Array, "steps n"]:
    """The path that some noise stands for, an affine function of it.

    Args:
        system: the model and the data.
        result: the gains, with covariances as priors.
        noise: standard normals.
    """
    states, seen = _unconditional(system, noise)
    rest = system._replace(y=system.y.at[:, :, 0].add(-seen))
    run = means(rest, result)
    r = gradients(rest, result, run)
    return states + smoothed_means(rest, result, run, result.prior, r)[..., 0]


def _unconditional(system: LinearSystem, noise: Noise) -> tuple[Array, Array]:
    """States and decorrelated observations of the model without its means."""
    steps = system.y.shape[0]
    repeated = lambda block: jnp.broadcast_to(block, (steps, *block.shape[1:]))  # noqa: E731
    # The rows of numbers first: see `models/portions.py`.
    shocks = (noise.states[:, None, :] * square_root(system.Q)).sum(-1)
    first = square_root(system.P) @ noise.states[0]

    def step(x: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        A, shock = row
        x = A @ x + shock
        return x, x

    _, rest = jax.lax.scan(step, first, (repeated(system.A)[1:], shocks[1:]))
    states = jnp.concatenate([first[None], rest])
    observed = (states[:, None, :] * repeated(system.C)).sum(-1)
    return states, observed + jnp.sqrt(system.noise) * noise.observations
