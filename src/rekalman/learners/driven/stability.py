r"""Which models answer bounded inputs with bounded outputs, and what becomes of those that do not.

A network with linear units `z` and bounded ones `h` simulates `z_t = A_zz z_{t-1} + A_zh f(h_{t-1}) + B_z
u_t + c_z`. Because `|f| <= 1`, all but the first term is bounded where `u` is, so that

    spectral radius of A_zz < 1   implies   |z_t| bounded for every bounded input and from every start:

the linear block alone decides (the same holds of an `RBFNetwork`, whose kernels are bounded, and of a linear
model, where nothing else is there). A bound may still be far away; `responds` looks at what the model
really does with inputs of the range of training, ten times as long.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rekalman.learners.batch import Batch
from rekalman.models.gaussian import GaussianModel
from rekalman.models.stochastic_rnn import StochasticRNN

RADIUS = 0.9995  # the largest spectral radius of a linear part that least squares may leave
LONGER = 10  # times the training input
RANGE = 5.0  # times the largest deviation of the training output


def spectral_radius(A: Float[np.ndarray, "n n"]) -> float:
    """The largest modulus of an eigenvalue; zero without states, infinite where `A` is not finite."""
    if not np.isfinite(A).all():
        return np.inf
    return float(np.abs(np.linalg.eigvals(A)).max(initial=0.0))


def linear_block(
    model: GaussianModel, A: Float[np.ndarray, "n n"] | None = None
) -> Float[np.ndarray, "m m"]:
    """The block of `A` whose spectral radius decides whether every simulation is bounded.

    Args:
        model: a network or a linear model.
        A: another transition for it; default its own.
    """
    if A is None:
        A = np.asarray(model.linear_transition, np.float64)
    count = model.unbounded_states
    return A[:count, :count]


def stabilised(A: Float[np.ndarray, "n n"], radius: float = RADIUS) -> Float[np.ndarray, "n n"]:
    """The matrix with its eigenvalues moved onto the circle of this radius where they are outside.

    Each is shortened and keeps its angle. Where the eigenvectors are nearly dependent (and the change of
    basis would lose the digits), the whole matrix is scaled.
    """
    if spectral_radius(A) <= radius:
        return A
    values, vectors = np.linalg.eig(A)
    if np.linalg.cond(vectors) < 1e8:
        shorter = values * np.minimum(1.0, radius / np.maximum(np.abs(values), 1e-300))
        moved = np.real(vectors @ np.diag(shorter) @ np.linalg.inv(vectors))
        if spectral_radius(moved) <= radius * (1 + 1e-6):
            return moved
    return A * (radius / spectral_radius(A))


def trial_inputs(batch: Batch) -> Float[np.ndarray, "trials steps input"]:
    """Inputs within the range of training, `LONGER` times as long: itself repeated, levels, and square waves.

    Args:
        batch: training data with inputs.
    """
    assert batch.inputs is not None
    rows = np.asarray(batch.inputs, np.float64)[np.asarray(batch.valid)]
    steps, low, high = LONGER * len(rows), rows.min(0), rows.max(0)
    trials = [np.tile(rows, (LONGER, 1)), np.tile(low, (steps, 1)), np.tile(high, (steps, 1))]
    period = 2
    while period <= len(rows):
        up = (np.arange(steps) // (period // 2)) % 2 == 0
        trials.append(np.where(up[:, None], high, low))
        period *= 2
    return np.stack(trials)


def responds(outputs: Float[np.ndarray, "trials steps obs"], batch: Batch) -> bool:
    """Whether the outputs of a simulation over `trial_inputs` stay near the range of training.

    Args:
        outputs: noise-free observations.
        batch: training data.
    """
    values, mask = np.asarray(batch.values, np.float64), np.asarray(batch.mask)
    seen = np.where(mask, values, np.nan)
    middle = np.nanmean(seen, axis=(0, 1))
    reach = np.nanmax(np.abs(seen - middle), axis=(0, 1))
    return bool((np.abs(outputs - middle) <= RANGE * reach).all())


def slowest(batch: Batch) -> float:
    """The largest spectral radius that series of this length can show: a time constant of their length."""
    return min(RADIUS, 1.0 - 1.0 / max(2, int(np.asarray(batch.valid).sum(1).max())))


def is_stable(model: GaussianModel) -> bool:
    """Whether every bounded input has a bounded output."""
    return spectral_radius(linear_block(model)) < 1.0


def stable_linear(model: StochasticRNN, radius: float = RADIUS) -> StochasticRNN:
    """The network with a linear block of at most this spectral radius."""
    n = model.linear_units
    block = stabilised(np.asarray(model.A, np.float64)[:n, :n], radius)
    A = jnp.asarray(model.A).at[:n, :n].set(jnp.asarray(block, model.A.dtype))
    return eqx.tree_at(lambda m: m.A, model, A)
