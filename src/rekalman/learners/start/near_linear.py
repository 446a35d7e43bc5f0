r"""A linear model as a network whose units stay where their activation is a straight line.

Let `z` be the state of a linear model, `z_t = F z_{t-1} + G u_t + g + w_t`, `y_t = H z_t + ...`, and `T` an
invertible matrix. With `x = T z` and an odd activation of slope `s` at zero, `f(x) = s x + O(x^3)`, the
network

    A = T F T^{-1} / s,   C = H T^{-1} / s,   B = T G,   c = T g,   Q = T Q_z T',   m = T m_z,   P = T P_z T'

is that model as long as `x` is small. `T` whitens the states, shrinks them to the standard deviation `scale`
and rotates them so that `Q` is diagonal, as the M-step has it.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rekalman.models.activations import Activation, activation_function, activation_slope
from rekalman.models.linear import LinearGaussian
from rekalman.models.stochastic_rnn import StochasticRNN

SCALE = 0.03
"""Standard deviation of a state: data thirty times as far out reach the bend of tanh."""
FLOOR = 1e-5
"""Share of the variance of a state, and of an observation, that noise holds at least."""


def slope_at_zero(activation: Activation) -> float | None:
    """The slope of an activation that is odd and smooth around zero; None of any other.

    Args:
        activation: a name or a function.

    Examples:
        >>> from rekalman.learners.start.near_linear import slope_at_zero
        >>> slope_at_zero("tanh"), slope_at_zero("relu")
        (1.0, None)
    """
    f, near = activation_function(activation), 1e-3
    up, down, zero = (float(f(jnp.asarray(x))) for x in (near, -near, 0.0))
    slope = float(activation_slope(activation, jnp.zeros(())))
    straight = max(abs(zero), abs(up - slope * near), abs(down + slope * near)) < 1e-2 * near
    return slope if straight and slope > 0 else None


def near_linear(
    model: LinearGaussian,
    second_moment: Float[np.ndarray, "states states"],
    *,
    activation: Activation = "tanh",
    linear_observation: bool = False,
    scale: float = SCALE,
) -> StochasticRNN | None:
    """The network that is a linear model; None where the activation is no straight line around zero.

    Args:
        model: the linear model.
        second_moment: mean of `z z'` over the data.
        activation: elementwise function of the hidden units.
        linear_observation: the outputs read `C x` instead of `C f(x)`.
        scale: standard deviation of each state of the network.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> from rekalman.learners.start.near_linear import near_linear
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(A=0.9 * one, C=one, Q=one, R=one)
        >>> round(float(near_linear(model, one / 0.19).A[0, 0]), 3)
        0.9
    """
    slope = slope_at_zero(activation)
    if slope is None:
        return None
    block = lambda name: np.asarray(getattr(model, name), np.float64)  # noqa: E731
    values, vectors = np.linalg.eigh(second_moment)
    values = np.maximum(values, 1e-10 * values.max())
    whitening = scale * (vectors / np.sqrt(values)).T
    rotation = np.linalg.eigh(whitening @ block("Q") @ whitening.T)[1]
    T = rotation.T @ whitening
    inverse = np.linalg.inv(T)
    seen = 1.0 if linear_observation else slope
    spread = np.diag(block("C") @ second_moment @ block("C").T + block("R"))
    noise = np.diag(T @ block("Q") @ T.T), np.diag(block("R"))
    blocks = {
        "A": T @ block("A") @ inverse / slope,
        "B": T @ block("B"),
        "c": T @ block("c"),
        "C": block("C") @ inverse / seen,
        "D": block("D"),
        "d": block("d"),
        "Q": np.diag(np.maximum(noise[0], FLOOR * scale**2)),
        "R": block("R") + np.diag(np.maximum(FLOOR * spread - noise[1], 0.0)),
        "m": T @ block("m"),
        "P": T @ block("P") @ T.T + FLOOR * scale**2 * np.eye(len(T)),
    }
    network = StochasticRNN.init(
        len(T),
        len(block("C")),
        key=jax.random.key(0),
        inputs=model.n_inputs,
        activation=activation,
        linear_observation=linear_observation,
    )
    arrays = {name: jnp.asarray(value, network.A.dtype) for name, value in blocks.items()}
    return eqx.tree_at(lambda n: [getattr(n, name) for name in arrays], network, [*arrays.values()])
