r"""Networks simulated in NumPy, where nothing is compiled, and the first state of a linear one.

The simulation of a linear model `x_t = A x_{t-1} + B u_t + c`, `y_t = C x_t + D u_t + d` is affine in its
first state,

    y_t = C A^{t-1} x_1 + (what the inputs do from x_1 = 0),

so that the least-squares first state is one small linear system.
"""

from __future__ import annotations

import equinox as eqx
import numpy as np
from jaxtyping import Float

from rekalman.learners.batch import Batch
from rekalman.models.stochastic_rnn import StochasticRNN

FIRST_RIDGE = 1e-3  # on the first state, so that slow and hidden directions stay where they begin


def network_run(
    model: StochasticRNN,
    firsts: Float[np.ndarray, "batch states"],
    inputs: Float[np.ndarray, "batch steps input"],
) -> Float[np.ndarray, "batch steps obs"]:
    """Noise-free outputs of a network of linear units and `tanh`, in double precision.

    Args:
        model: the network.
        firsts: its first state in each series.
        inputs: inputs of all steps.
    """
    C, D, d = (np.asarray(getattr(model, name), np.float64) for name in "CDd")
    states, n = network_states(model, firsts, inputs), model.linear_units
    if not model.linear_observation:
        states[..., n:] = np.tanh(states[..., n:])
    return states @ C.T + inputs @ D.T + d


def network_states(
    model: StochasticRNN,
    firsts: Float[np.ndarray, "batch states"],
    inputs: Float[np.ndarray, "batch steps input"],
) -> Float[np.ndarray, "batch steps states"]:
    """The states behind `network_run`."""
    assert model.activation == "tanh"
    A, B, c = (np.asarray(getattr(model, name), np.float64) for name in "ABc")
    drive, x, n = inputs @ B.T + c, np.asarray(firsts, np.float64), model.linear_units
    states = np.empty((*inputs.shape[:2], len(A)))
    states[:, 0] = x
    with np.errstate(over="ignore", invalid="ignore"):  # who asks looks whether they are finite
        for t in range(1, inputs.shape[1]):
            f = x if n == len(A) else np.concatenate([x[:, :n], np.tanh(x[:, n:])], 1)
            x = f @ A.T + drive[:, t]
            states[:, t] = x
    return states


def linear_firsts(model: StochasticRNN, batch: Batch) -> Float[np.ndarray, "batch states"]:
    """First states by least squares of what is observed; the network has no bounded units."""
    assert batch.inputs is not None
    values, mask = np.asarray(batch.values, np.float64), np.asarray(batch.mask)
    inputs, (count, steps, p) = np.asarray(batch.inputs, np.float64), values.shape
    n = model.states
    forced = network_run(model, np.zeros((count, n)), inputs)
    A, C = np.asarray(model.A, np.float64), np.asarray(model.C, np.float64)
    reach, power = np.empty((steps, p, n)), np.eye(n)
    for t in range(steps):
        reach[t] = C @ power
        power = A @ power
    firsts = np.zeros((count, n))
    for i in range(count):
        rows, gap = reach[mask[i]], (values[i] - forced[i])[mask[i]]
        firsts[i] = np.linalg.solve(rows.T @ rows + FIRST_RIDGE * np.eye(n), rows.T @ gap)
    return firsts


def balanced_scale(
    model: StochasticRNN, firsts: Float[np.ndarray, "batch states"], batch: Batch
) -> StochasticRNN:
    """The same model with states of unit variance over the series."""
    assert batch.inputs is not None
    inputs = np.asarray(batch.inputs, np.float64)
    states = network_states(model, firsts, inputs)[np.asarray(batch.valid)]
    scale = np.maximum(states.std(0), 1e-6)
    new = (
        model.A / scale[:, None] * scale, model.B / scale[:, None], model.c / scale, model.C * scale
    )  # fmt: skip
    return eqx.tree_at(lambda m: (m.A, m.B, m.c, m.C), model, new)
