r"""Dynamics of noisy rows: a polynomial map learned from smoothed rows, in turn with the smoother.

Regression on noisy rows is biased towards zero, since the noise of the features counts as well (errors in
variables). Here the rows are taken to be the state of a system behind noise,

$$
x_{t+1} = f(x_t) + w_t, \quad y_t = x_t + v_t, \qquad
w_t \sim \mathcal{N}(0, Q), \quad v_t \sim \mathcal{N}(0, R),
$$

with a polynomial $f$ (`nvar.py`, one tap). An extended Kalman filter and Rauch-Tung-Striebel smoother gives
$x_{1:T}$; $f$ is learned anew by ridge regression on the smoothed means, $R$ is the mean square of
$y - x$ plus the smoothed variance, as in EM (Ghahramani and Roweis 1999). The scale of $Q$, which EM changes
by little in each round where the dynamics are all but deterministic, is the likeliest of a few shares of what
it was.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.foundation.arguments import whole
from rekalman.foundation.errors import RekalError
from rekalman.learners.reservoir.learned import with_weights
from rekalman.learners.reservoir.nvar_search import features_of
from rekalman.learners.reservoir.ridge import ridge
from rekalman.networks.predictors.nvar import NVAR

SHARES = (1.0, 0.5, 0.2, 0.05)
"""Of the process noise of the round before, the likeliest is taken."""
FIRST_PENALTY = 1e-7
"""Of the regression on the noisy rows themselves."""


class Smoothed(NamedTuple):
    """A path through noisy rows.

    Attributes:
        mean: smoothed rows.
        var: their variances.
        filtered: rows as known from those up to them.
        log_likelihood: of all rows after the first, in nats.
    """

    mean: Float[Array, "steps obs"]
    var: Float[Array, "steps obs"]
    filtered: Float[Array, "steps obs"]
    log_likelihood: Float[Array, ""]


class NoisyDynamics(NamedTuple):
    """Dynamics behind noise.

    Attributes:
        predictor: the map from one row to the next, an `NVAR` of one tap.
        Q: process noise.
        R: observation noise.
        path: through the rows that it was learned from.
        log_likelihood: by round.
    """

    predictor: NVAR
    Q: Float[np.ndarray, "obs obs"]
    R: Float[np.ndarray, "obs obs"]
    path: Smoothed
    log_likelihood: tuple[float, ...]


def next_row(predictor: NVAR, x: Float[Array, " obs"]) -> Float[Array, " obs"]:
    """The mean of the row after `x`."""
    return predictor.output(jnp.append(x, 0.0))


@eqx.filter_jit
def smoothed_path(
    predictor: NVAR,
    values: Float[Array, "steps obs"],
    Q: Float[Array, "obs obs"],
    R: Float[Array, "obs obs"],
) -> Smoothed:
    """Extended Kalman filter and smoother of rows that are the state behind noise.

    Args:
        predictor: an `NVAR` of one tap without inputs.
        values: rows without gaps, standardised.
        Q: process noise.
        R: observation noise.
    """
    move = lambda x: next_row(predictor, x)  # noqa: E731

    def forward(carry: tuple[Array, Array], y: Array) -> tuple[tuple[Array, Array], tuple]:
        m, P = carry
        F, ahead = jax.jacfwd(move)(m), move(m)
        P_ahead = F @ P @ F.T + Q
        S = P_ahead + R
        K = jnp.linalg.solve(S, P_ahead).T
        error = y - ahead
        nats = error @ jnp.linalg.solve(S, error) + jnp.linalg.slogdet(2 * jnp.pi * S)[1]
        P_new = P_ahead - K @ P_ahead
        after = ahead + K @ error, 0.5 * (P_new + P_new.T)
        return after, (*after, ahead, P_ahead, F, -0.5 * nats)

    def backward(carry: tuple[Array, Array], row: tuple) -> tuple[tuple[Array, Array], tuple]:
        later, P_later = carry
        m, P, ahead, P_ahead, F = row
        G = jnp.linalg.solve(P_ahead, F @ P).T
        smooth = m + G @ (later - ahead), P + G @ (P_later - P_ahead) @ G.T
        return smooth, (smooth[0], jnp.diagonal(smooth[1]))

    first = values[0], R
    last, (m, P, ahead, P_ahead, F, nats) = jax.lax.scan(forward, first, values[1:])
    m, P = jnp.concatenate([first[0][None], m]), jnp.concatenate([first[1][None], P])
    rows = (m[:-1], P[:-1], ahead, P_ahead, F)
    mean, var = jax.lax.scan(backward, last, rows, reverse=True)[1]
    return Smoothed(
        jnp.concatenate([mean, m[-1:]]),
        jnp.concatenate([var, jnp.diagonal(P[-1])[None]]),
        m,
        nats.sum(),
    )


def learn_noisy_dynamics(
    values: Float[np.ndarray, "steps obs"], *, order: int = 3, rounds: int = 12
) -> NoisyDynamics:
    """Learn the map from row to row behind noise.

    Args:
        values: a complete series, standardised, whose rows are the whole state of the system.
        order: of the polynomial.
        rounds: of smoothing and regression.

    Raises:
        RekalError: there are fewer rows than three for each monomial, or `rounds` is not positive.
    """
    whole("rounds", rounds)
    predictor = NVAR.create(values.shape[1], taps=1, order=order)
    if len(values) < 3 * predictor.features:
        raise RekalError(
            f"{len(values)} rows are too few for {predictor.features} monomials: give "
            f"{3 * predictor.features} at least, or a lower order"
        )
    x, Q, R = values, np.eye(values.shape[1]), np.eye(values.shape[1])
    path: Smoothed | None = None
    likelihoods: list[float] = []
    with jax.enable_x64(True):
        for turn in range(rounds):
            X, Y = features_of(x[:-1], order), np.diff(x, axis=0)
            fitted = ridge(X, Y, penalty=None if turn else FIRST_PENALTY)
            predictor = with_weights(predictor, fitted.weights)
            if not turn:
                residual = Y - X @ fitted.weights
                total = residual.T @ residual / len(residual)
                Q, R = total / 10, np.diag(np.diagonal(total)) / 3
            rows = jnp.asarray(values)
            paths = [
                smoothed_path(predictor, rows, jnp.asarray(a * Q), jnp.asarray(R)) for a in SHARES
            ]
            nats = [float(each.log_likelihood) for each in paths]
            best = int(np.nanargmax(nats))
            path, Q = paths[best], SHARES[best] * Q
            likelihoods.append(nats[best])
            x = np.asarray(path.mean)
            R = np.diag((np.square(values - x) + np.asarray(path.var)).mean(0))
    assert path is not None
    return NoisyDynamics(predictor, Q, R, path, tuple(likelihoods))
