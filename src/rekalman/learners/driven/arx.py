r"""Autoregression with inputs (ARX) by least squares, as a model that simulates (Ljung 1999, 4.2, 10.1).

    y_t = sum_{i=1..na} a_i y_{t-i} + sum_{j=0..nb-1} b_j u_{t-j} + e + noise

is linear in its coefficients, so that least squares gives them in closed form. With `n = max(na, nb)`
blocks of states, the first of which is the output itself, it is the observer form

    x^i_t = a_i x^1_{t-1} + x^{i+1}_{t-1} + b_{i-1} u_t + e [i = 1],    y_t = x^1_t:

by inserting one row into the other the equation above comes back. Least squares looks one step ahead and
may leave eigenvalues outside the unit circle; they are moved onto `RADIUS` (`stability.py`).
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch
from rekalman.learners.driven.stability import stabilised
from rekalman.models.stochastic_rnn import StochasticRNN

RIDGE = 1e-8  # of the regression, as a share of the features' mean square
NOISE = 0.1  # variances of Q and R that stand in until those of a simulation replace them
OUTPUT_LAGS, INPUT_LAGS = (0, 1, 2, 3, 4, 6, 8), (1, 2, 4, 8)


class Regressor:
    """The rows of the regression up to the largest order, made once for all orders.

    Attributes:
        most: lags of outputs and of inputs that each row holds.
    """

    def __init__(self, batch: Batch, most: int) -> None:
        """Collect rows whose lags are all observed.

        Args:
            batch: series with inputs; what is masked takes no part.
            most: the largest number of lags.
        """
        assert batch.inputs is not None
        y, u = np.asarray(batch.values, np.float64), np.asarray(batch.inputs, np.float64)
        seen = np.all(np.asarray(batch.mask), axis=2)
        self.most, steps = most, y.shape[1]
        use = seen[:, most:].copy()
        for lag in range(1, most + 1):
            use &= seen[:, most - lag : steps - lag]
        part = lambda rows, lag: rows[:, most - lag : steps - lag][use]  # noqa: E731
        self.outputs = [part(y, lag) for lag in range(1, most + 1)]
        self.inputs = [part(u, lag) for lag in range(most)]
        self.targets = part(y, 0)

    def arx(self, na: int, nb: int) -> StochasticRNN:
        """The stable model of one order, as a network whose units are all linear.

        Args:
            na: lags of the output.
            nb: inputs, from the present one back.

        Raises:
            RekalError: there are fewer rows than coefficients, or more lags than rows hold.
        """
        p, k, count = self.targets.shape[1], self.inputs[0].shape[1], len(self.targets)
        if max(na, nb) > self.most or nb < 1 or na < 0:
            raise RekalError(f"na and nb must be at most {self.most}, but are {na} and {nb}")
        if count <= na * p + nb * k + 1:
            raise RekalError(
                f"an ARX model of {na} and {nb} lags has {na * p + nb * k + 1} coefficients, but "
                f"only {count} complete rows: use fewer lags"
            )
        features = np.hstack([*self.outputs[:na], *self.inputs[:nb]])
        middle, level = features.mean(0), self.targets.mean(0)
        a, b = features - middle, self.targets - level
        scale = np.maximum(np.sqrt((a * a).mean(0)), 1e-12)
        a = a / scale
        weights = np.linalg.solve(a.T @ a + RIDGE * count * np.eye(a.shape[1]), a.T @ b).T / scale
        return observer_form(weights, level - weights @ middle, na, nb)


def arx(batch: Batch, na: int, nb: int) -> StochasticRNN:
    """Fit one ARX model.

    Args:
        batch: series with inputs; masked entries take no part.
        na: lags of the output; 0 is a finite impulse response.
        nb: inputs, from the present one back; at least 1.

    Returns:
        A network whose units are all linear, `max(na, nb)` for each output; its noise stands in until it is
        learned.

    Raises:
        RekalError: there are fewer complete rows than coefficients.

    Example:
        model = arx(as_batch(standardised), 2, 2)
    """
    return Regressor(batch, max(na, nb)).arx(na, nb)


def observer_form(
    weights: Float[np.ndarray, "obs features"], offset: Float[np.ndarray, " obs"], na: int, nb: int
) -> StochasticRNN:
    """The state-space model of the coefficients `(a_1, ..., a_na, b_0, ..., b_{nb-1})`."""
    p, n = len(weights), max(na, nb)
    k = (weights.shape[1] - na * p) // nb
    A, B, c = np.zeros((n * p, n * p)), np.zeros((n * p, k)), np.zeros(n * p)
    A[: (n - 1) * p, p:] = np.eye((n - 1) * p)
    for i in range(na):
        A[i * p : (i + 1) * p, :p] = weights[:, i * p : (i + 1) * p]
    for j in range(nb):
        B[j * p : (j + 1) * p] = weights[:, na * p + j * k : na * p + (j + 1) * k]
    c[:p] = offset
    C = np.eye(p, n * p)
    return linear_network(stabilised(A), B, c, C)


def linear_network(
    A: Float[np.ndarray, "n n"],
    B: Float[np.ndarray, "n k"],
    c: Float[np.ndarray, " n"],
    C: Float[np.ndarray, "p n"],
    D: Float[np.ndarray, "p k"] | None = None,
    d: Float[np.ndarray, " p"] | None = None,
) -> StochasticRNN:
    """A linear model as a network without bounded units."""
    n, p, k = len(A), len(C), B.shape[1]
    return StochasticRNN.create(
        jnp.asarray(A), jnp.asarray(C), jnp.asarray(NOISE * np.eye(n)), jnp.asarray(NOISE * np.eye(p)),
        B=jnp.asarray(B), c=jnp.asarray(c), D=jnp.asarray(np.zeros((p, k)) if D is None else D),
        d=jnp.asarray(np.zeros(p) if d is None else d), m=jnp.asarray(np.zeros(n)),
        P=jnp.asarray(np.eye(n)), linear_units=n,
    )  # fmt: skip


def orders(longest: int) -> list[tuple[int, int]]:
    """The orders that are tried for series of this length: up to a tenth of it."""
    most = max(1, longest // 10)
    return [(na, nb) for na in OUTPUT_LAGS if na <= most for nb in INPUT_LAGS if nb <= most]
