"""A model is generative: draw states and observations from it, or run it without noise.

Conventions: `x_1` is drawn from the initial law (or is `start`), the input `u_t` drives the step into
`t` and the observation at `t`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from rekalman.data import Sequences
from rekalman.data.numeric import numeric_array
from rekalman.foundation.arguments import whole
from rekalman.foundation.errors import RekalError
from rekalman.models.base import StateSpaceModel
from rekalman.models.gaussian import GaussianModel
from rekalman.numerics.memory import check_memory
from rekalman.numerics.precision import in_own_precision


@in_own_precision
def simulate(
    model: StateSpaceModel,
    steps: int,
    key: PRNGKeyArray,
    batch: int = 1,
    inputs: Any = None,
    noise: bool = True,
    burn_in: int = 0,
    start: Any = None,
) -> tuple[Float[Array, "batch steps states"], Float[Array, "batch steps obs"]]:
    """Simulate a model.

    Args:
        model: any state-space model; a noise-free run needs one with Gaussian noise.
        steps: length of each series.
        key: randomness.
        batch: number of series.
        inputs: `(steps, input)` for all series alike, or `(batch, steps, input)`.
        noise: False runs the mean dynamics and the mean observation, from `start` or the initial mean
            (Unkelbach et al. 2009, fig. 2 and 4).
        burn_in: steps run before the first one that is returned, with inputs at their mean.
        start: state at the first step of the run `(states,)` or `(batch, states)`; default drawn from
            the initial law.

    Returns:
        States and observations, in the units of the model.

    Raises:
        RekalError: steps or batch below 1, burn_in below 0; inputs are missing, superfluous or of a
            wrong shape; a noise-free run of a model without a mean transition.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(A=0.9 * one, C=one, Q=one, R=one)
        >>> states, y = rekalman.simulate(model, 100, jax.random.key(0), batch=3)
        >>> y.shape
        (3, 100, 1)
    """
    u = inputs_of_run(model.n_inputs, steps, batch, burn_in, inputs)
    if not noise and not model.gaussian:
        raise RekalError(f"{type(model).__name__} has no mean dynamics: simulate it with noise")
    first = None
    if start is not None:
        first = known_numbers(start, "start")
        if first.shape not in ((model.states,), (batch, model.states)):
            raise RekalError(
                f"start of shape {first.shape} does not fit {batch} series of {model.states} states"
            )
        first = jnp.broadcast_to(first, (batch, model.states))
    return _run(model, jax.random.split(key, batch), u, first, steps, burn_in, noise)


@in_own_precision
def simulate_sequences(
    model: StateSpaceModel,
    steps: int,
    key: PRNGKeyArray,
    batch: int = 1,
    inputs: Any = None,
    noise: bool = True,
    burn_in: int = 0,
    *,
    interval: int | float | None = None,
    names: Sequence[str] | None = None,
) -> Sequences:
    """Like `simulate`, but the observations (and inputs) as `Sequences`.

    Args:
        model: what is simulated.
        steps: length of each series.
        key: randomness.
        batch: number of series.
        inputs: as for `simulate`.
        noise: as for `simulate`.
        burn_in: as for `simulate`.
        interval: sampling interval, default unknown.
        names: names of the observations.

    Raises:
        RekalError: as for `simulate`.
    """
    _, y = simulate(model, steps, key, batch, inputs, noise, burn_in)
    if inputs is not None:
        inputs = np.broadcast_to(np.asarray(inputs, float), (batch, steps, model.n_inputs))
    return Sequences.from_arrays(np.asarray(y), inputs=inputs, interval=interval, names=names)


def check_run(steps: int, batch: int, burn_in: int = 0) -> None:
    """Refuse a run whose size is none, or that no memory could hold.

    Raises:
        RekalError: steps or batch below 1, burn_in below 0; too many numbers.
    """
    for name, value, least in (("steps", steps, 1), ("batch", batch, 1), ("burn_in", burn_in, 0)):
        whole(name, value, least)
    # State, noise of state and observation, and the result as a table: five numbers at least.
    check_memory(
        5 * 8.0 * batch * (steps + burn_in),
        f"{batch} series of {steps} steps",
        "draw fewer, or shorter ones",
    )


def inputs_of_run(
    width: int, steps: int, batch: int, burn_in: int, inputs: Any
) -> Float[Array, "*batch total input"] | None:
    """Inputs with the burn-in before them, or None for a model without.

    Args:
        width: how many inputs the model has.
        steps: length of each series.
        batch: number of series.
        burn_in: steps before, with inputs at their mean.
        inputs: what was given.

    Raises:
        RekalError: steps or batch below 1, burn_in below 0; inputs are missing, superfluous or of a wrong
            shape.
    """
    check_run(steps, batch, burn_in)
    if width == 0:
        if inputs is not None:
            raise RekalError("the model takes no inputs, so leave them out")
        return None
    if inputs is None:
        raise RekalError(f"the model needs inputs: give an array of shape ({steps}, {width})")
    u = known_numbers(inputs, "inputs")
    if u.shape not in ((steps, width), (batch, steps, width)):
        raise RekalError(
            f"inputs of shape {u.shape} fit neither ({steps}, {width}) nor "
            f"({batch}, {steps}, {width})"
        )
    before = jnp.broadcast_to(u.mean(-2, keepdims=True), (*u.shape[:-2], burn_in, width))
    return jnp.concatenate([before, u], -2)


def known_numbers(data: Any, what: str) -> Array:
    """Real numbers in the computation's precision, none of them missing.

    Raises:
        RekalError: something else.
    """
    dtype = jnp.result_type(float)
    if isinstance(data, Tracer):  # nothing can be looked at while it is being traced
        return data.astype(dtype)
    array = numeric_array(data, what)
    if not (np.abs(array) <= float(jnp.finfo(dtype).max)).all():
        raise RekalError(
            f"{what} must be finite numbers of {dtype.name}, but one is missing or larger"
        )
    return jnp.asarray(array, dtype)


@eqx.filter_jit
def _run(
    model: StateSpaceModel,
    keys: Array,
    u: Float[Array, "*batch total input"] | None,
    start: Float[Array, "batch states"] | None,
    steps: int,
    burn_in: int,
    noise: bool,
) -> tuple[Array, Array]:
    total, mean_model = steps + burn_in, cast(GaussianModel, model)

    def one(key: PRNGKeyArray, u: Array | None, start: Array | None) -> tuple[Array, Array]:
        start_key, draw_key, observe_key = jax.random.split(key, 3)
        if start is not None:
            first = start[None]
        elif model.gaussian and not noise:
            first = mean_model.m[None]
        else:
            first = model.sample_initial(start_key, 1)
        draws = model.draw(draw_key, total, 1) if noise else None

        def step(x: Array, row: PyTree) -> tuple[Array, Array]:
            drawn, u = row
            if drawn is None:
                following = mean_model.transition_mean(x, u, None)
            else:
                following = model.sample_transition(drawn, x, u, None)
            return following, following

        rows = jax.tree.map(lambda leaf: leaf[1:], (draws, u))
        _, rest = jax.lax.scan(step, first, rows, length=total - 1)
        x = jnp.concatenate([first[None], rest])[burn_in:]
        seen = None if u is None else u[burn_in:]
        if noise:
            observed = jax.vmap(model.sample_observation)(
                jax.random.split(observe_key, steps), x, seen
            )
        else:
            observed = jax.vmap(model.observation_mean)(x, seen)
        return x[:, 0], observed[:, 0]

    return jax.vmap(one, in_axes=(0, 0 if u is not None and u.ndim == 3 else None, 0))(
        keys, u, start
    )
