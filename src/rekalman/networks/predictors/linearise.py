r"""A predictor near where it rests, as a linear model in innovations form.

Without noise each row is what was predicted, and the state moves by $x' = f(x, g(x), \bar u)$. At a fixed
point $x^*$ of it, the derivatives

$$
F = \partial f / \partial x, \qquad K = \partial f / \partial y, \qquad B = \partial f / \partial u, \qquad
C = \partial g / \partial x
$$

give the innovations form: $F$ is the matrix of its predictor, and $A = F + K C$ that of the dynamics. This is
what can be read off a trained recurrent network: its weights are those of the predictor, and no entry of $A$
is among them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.core.innovations_form import InnovationsForm
from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.networks.predictors.predictor import Predictor

SETTLING = 500
"""Steps without noise, after which Newton's method begins."""
NEWTON = 50
"""Its iterations."""
RESIDUAL = 1e-9
"""A state that a step moves by less than this share of its size is at rest."""


def linearise(predictor: Predictor, u: Any = None, visited: Any = None) -> InnovationsForm:
    """The linear model near a stable rest point, or at the mean of visited states.

    Args:
        predictor: the model, in standardised units.
        u: the inputs `(input,)`, held constant; default 0, their mean.
        visited: states `(count, states)` that it visits on data, whose mean is used where it has no stable
            rest point.

    Raises:
        RekalError: it has no stable rest point and no states are given; `u` or `visited` has a wrong shape;
            or its derivatives are not finite.

    Examples:
        >>> import jax
        >>> import rekalman
        >>> from rekalman.networks.predictors.linearise import linearise
        >>> from rekalman.networks.predictors.recurrent import RecurrentPredictor
        >>> network = RecurrentPredictor.create(rekalman.GRU, 1, units=8, key=jax.random.key(0))
        >>> form = linearise(network)
        >>> form.A.shape, form.K.shape, form.rests
        ((8, 8), (8, 1), True)
    """
    n, width = predictor.states, predictor.n_inputs
    held = np.zeros(width) if u is None else np.asarray(u, np.float64)
    if held.shape != (width,) or not np.isfinite(held).all():
        raise RekalError(f"u must be {width} finite numbers, but its shape is {held.shape}")
    states = None if visited is None else np.asarray(visited, np.float64)
    if states is not None and (states.ndim != 2 or states.shape[1] != n or not len(states)):
        raise RekalError(
            f"visited must be states of shape (count, {n}), but its shape is {states.shape}"
        )
    with jax.enable_x64(True):
        double = jax.tree.map(
            lambda leaf: jnp.asarray(leaf, float) if eqx.is_inexact_array(leaf) else leaf, predictor
        )
        begin = double.start() if states is None else jnp.asarray(states.mean(0))
        inputs = jnp.asarray(held) if width else None
        x, moved = _rest(double, begin, inputs)
        form = _derivatives(double, x, inputs, held)
        still = float(moved) <= RESIDUAL * (1 + float(jnp.abs(x).max(initial=0.0)))
        if not (still and _finite(form) and _radius(form.A) < 1):
            if states is None:
                raise RekalError(
                    "the network does not come to rest without noise: give the data that it was trained on, "
                    "and it is linearised at the mean of the states it visits"
                )
            form = _derivatives(double, begin, inputs, held)._replace(rests=False)
    if not _finite(form):
        raise RekalError("the derivatives of the network are not finite: train it again")
    return form


@eqx.filter_jit
def _rest(predictor: Predictor, begin: Array, u: Array | None) -> tuple[Array, Array]:
    """Where the noise-free predictor rests, and how far one more step moves it."""

    def step(x: Array) -> Array:
        return predictor.advance(x, predictor.output(x), u)

    def improve(_: Any, x: Array) -> Array:
        residual = step(x) - x
        matrix = jax.jacfwd(step)(x) - jnp.eye(x.size)
        direction = jnp.linalg.solve(matrix, -residual)
        tried = x + 0.5 ** jnp.arange(8.0)[:, None] * direction
        left = jnp.linalg.norm(jax.vmap(step)(tried) - tried, axis=-1)
        best = jnp.argmin(jnp.where(jnp.isfinite(left), left, jnp.inf))
        return jnp.where(left[best] < jnp.linalg.norm(residual), tried[best], x)

    settled = jax.lax.fori_loop(0, SETTLING, lambda _, x: step(x), begin)
    settled = jnp.where(jnp.isfinite(settled).all(), settled, begin)
    x = jax.lax.fori_loop(0, NEWTON, improve, settled)
    return x, jnp.abs(step(x) - x).max(initial=0.0)


@eqx.filter_jit
def _jacobians(predictor: Predictor, x: Array, u: Array | None) -> tuple[Any, Array, Array, Array]:
    y = predictor.output(x)
    given = (0, 1) if u is None else (0, 1, 2)
    moved = jax.jacfwd(predictor.advance, given)(x, y, u)
    return moved, jax.jacfwd(predictor.output)(x), predictor.noise(x), y


def _derivatives(
    predictor: Predictor, x: Array, u: Array | None, held: Float[np.ndarray, " inputs"]
) -> InnovationsForm:
    moved, C, N, y = jax.tree.map(np.asarray, _jacobians(predictor, x, u))
    F, K = moved[:2]
    B = moved[2] if u is not None else np.zeros((len(F), 0))
    return InnovationsForm(F + K @ C, B, C, K, N @ N.T, y, held)


def _finite(form: InnovationsForm) -> bool:
    return all(np.isfinite(each).all() for each in form[:6])


def _radius(matrix: Float[np.ndarray, "n n"]) -> float:
    return float(np.abs(np.linalg.eigvals(matrix)).max(initial=0.0))
