r"""A readout that is learned online: its weights as the state of a Kalman filter.

The weights are a random walk, $W_t = W_{t-1} + w_t$, that each row observes, $y_t = W_t^\top \phi_t + e_t$.
In units of the variance of $e_t$, which all columns share in form,

$$
P \leftarrow P / \lambda + q I, \qquad g = \frac{P \phi}{1 + \phi^\top P \phi}, \qquad
W \leftarrow W + g (y - W^\top \phi)^\top, \qquad P \leftarrow P - g \phi^\top P.
$$

With $q = 0$ and a forgetting factor $\lambda < 1$ that is recursive least squares (Haykin, Adaptive Filter
Theory, chapter 10); with $\lambda = 1$, too, nothing is forgotten, and the weights are at each step those of
ridge regression on all rows so far.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rekalman.foundation.arguments import real
from rekalman.foundation.errors import RekalError

VAGUE = 1e10
"""Prior variance of the constant, which ridge regression does not penalise."""


class OnlineReadout(NamedTuple):
    """Weights of a readout and how well they are known.

    Attributes:
        weights: `W`.
        cov: `P`, in units of the variance of the innovations.
    """

    weights: Float[Array, "features obs"]
    cov: Float[Array, "features features"]

    @classmethod
    def prior(cls, features: int, obs: int, penalty: float) -> OnlineReadout:
        """Weights before any row.

        Args:
            features: number of features, the constant last.
            obs: number of columns.
            penalty: on the sum of squared weights, in units of the variance of the innovations, above 0.

        Raises:
            RekalError: the penalty is not above 0.
        """
        spread = np.full(features, 1.0 / real("penalty", penalty, above=0))
        spread[-1] = VAGUE
        return cls(jnp.zeros((features, obs)), jnp.diag(jnp.asarray(spread)))

    @classmethod
    def after(
        cls,
        features: Float[np.ndarray, "rows features"],
        targets: Float[np.ndarray, "rows obs"],
        penalty: float,
    ) -> OnlineReadout:
        """Weights after some rows at once, by ridge regression that leaves the constant alone.

        Args:
            features: the constant last.
            targets: what is predicted.
            penalty: on the sum of squared weights, in units of the variance of the innovations, above 0.

        Raises:
            RekalError: the penalty is not above 0.
        """
        size = np.full(features.shape[1], real("penalty", penalty, above=0))
        size[-1] = 1.0 / VAGUE
        cov = np.linalg.inv(features.T @ features + np.diag(size))
        return cls(jnp.asarray(cov @ (features.T @ targets)), jnp.asarray(0.5 * (cov + cov.T)))

    def learn(
        self,
        phi: Float[Array, " features"],
        target: Float[Array, " obs"],
        seen: Bool[Array, ""] | bool = True,
        forgetting: float | Float[Array, ""] = 1.0,
        drift: float | Float[Array, ""] = 0.0,
    ) -> OnlineReadout:
        """One row enters.

        Args:
            phi: its features.
            target: what they should have given.
            seen: False leaves weights as they are.
            forgetting: factor by which older rows count less.
            drift: variance of a step of the random walk.
        """
        P = self.cov / forgetting + drift * jnp.eye(len(phi), dtype=self.cov.dtype)
        along = P @ phi
        gain = along / (1.0 + phi @ along)
        error = jnp.where(seen, target - phi @ self.weights, 0.0)
        weights = self.weights + gain[:, None] * error
        return OnlineReadout(weights, jnp.where(seen, P - jnp.outer(gain, along), self.cov))


def learn_online(
    start: OnlineReadout,
    features: Float[Array, "steps features"],
    targets: Float[Array, "steps obs"],
    seen: Bool[Array, " steps"] | None = None,
    *,
    forgetting: float = 1.0,
    drift: float = 0.0,
) -> tuple[OnlineReadout, Float[Array, "steps obs"]]:
    """Learn along a series.

    Args:
        start: weights before the first row.
        features: of each step.
        targets: of each step.
        seen: False where nothing is learned; None = nowhere.
        forgetting: factor by which older rows count less, above 0 and at most 1.
        drift: variance of a step of the random walk, in units of the variance of the innovations.

    Returns:
        The weights after the last row, and the prediction of each target before it was seen.

    Raises:
        RekalError: `forgetting` or `drift` is out of range.
    """
    if real("forgetting", forgetting, above=0) > 1:
        raise RekalError(f"forgetting must be above 0 and at most 1, but is {forgetting}")
    real("drift", drift, least=0)

    def step(held: OnlineReadout, row: tuple[Array, Array, Array]) -> tuple[OnlineReadout, Array]:
        phi, target, known = row
        return held.learn(phi, target, known, forgetting, drift), phi @ held.weights

    every = jnp.ones(len(targets), bool) if seen is None else seen
    return jax.lax.scan(step, start, (features, targets, every))
