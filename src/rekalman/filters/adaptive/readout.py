r"""One step of a readout that is filtered online: recursive least squares of what a network misses.

A network issues at time t its own forecast $o_t$ of $z_{t+h}$. What it misses is predicted from features
$\phi_t$,

$$\hat z_{t+h} = o_t + W_h^\top \phi_t, \qquad W_h = 0 \text{ at the start.}$$

When $z_t$ arrives, the error of the forecast issued $h$ steps ago is known, and with it the state equation
$W_h(t) = W_h(t-1)$ has an observation: recursive least squares (Haykin, Adaptive Filter Theory, ch. 10),
which is the Kalman filter of constant weights,

$$r = z_t - o_{t-h} - W_h^\top \phi_{t-h}, \qquad
g = \frac{P \phi}{\lambda / w + \phi^\top P \phi}, \qquad
W_h \leftarrow W_h + g r^\top, \qquad P \leftarrow (P - g \phi^\top P) / \lambda,$$

with $P = I / \text{ridge}$ at the start and forgetting $\lambda$ (1 = none). The weight

$$w = \min(1, \kappa s / |r|), \qquad s^2 \leftarrow 0.99 s^2 + 0.01 \min(|r|^2, 9 s^2),$$

is Huber's (Robust Statistics, 1981, ch. 7): a cough moves the weights in proportion to $s$, not to its size.
$P$ is shared by all outputs and, but for $w$, does not depend on the data. Where a share of the entries of
$z_t$ is missing, their columns of $W_h$ stand and $w$ is multiplied by the share seen; where all are missing
nothing changes.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rekalman.core.serial import storable


@storable
class Readout(eqx.Module):
    """Weights of a readout, and how well they are known.

    Attributes:
        weights: `W`, `(*lead, features, obs)`.
        cov: `P`, `(*lead, features, features)`.
        size: `s^2`, the usual squared error, `(*lead)`; negative before there was one.
    """

    weights: Float[Array, "*lead features obs"]
    cov: Float[Array, "*lead features features"]
    size: Float[Array, "*lead"]

    @classmethod
    def start(
        cls, features: int, obs: int, ridge: Float[Array, ""] | float, lead: tuple[int, ...] = ()
    ) -> Readout:
        """No correction, held as firmly as by `ridge` steps."""
        return cls(
            weights=jnp.zeros((*lead, features, obs)),
            cov=jnp.broadcast_to(jnp.eye(features) / ridge, (*lead, features, features)),
            size=jnp.full(lead, -1.0),
        )


def learn(
    readout: Readout,
    features: Float[Array, " features"],
    own: Float[Array, " obs"],
    z: Float[Array, " obs"],
    seen: Bool[Array, " obs"],
    known: Bool[Array, ""],
    forgetting: Float[Array, ""] | float,
    huber: Float[Array, ""] | float,
) -> Readout:
    """The error of one forecast enters.

    Args:
        readout: before it is known.
        features: when the forecast was issued.
        own: what the network said alone.
        z: what came.
        seen: where it was observed.
        known: whether a forecast of this step had been issued.
        forgetting: `lambda` in (0, 1].
        huber: `kappa`.
    """
    weights, cov, size = readout.weights, readout.cov, readout.size
    r = jnp.where(seen, z - own - features @ weights, 0.0)
    share = jnp.where(known, seen.mean(), 0.0)
    square = (r * r).sum() / jnp.maximum(share, 1.0 / len(z))
    size_now = jnp.where(size < 0, square, size)
    w = share * jnp.minimum(1.0, huber * jnp.sqrt(size_now / (square + 1e-12)))
    projected = cov @ features
    gain = w * projected / (forgetting + w * (features @ projected))
    smaller = (cov - gain[:, None] * projected[None, :]) / forgetting
    moved = share > 0
    return Readout(
        weights=jnp.where(moved, weights + gain[:, None] * r[None, :], weights),
        cov=jnp.where(moved, 0.5 * (smaller + smaller.T), cov),
        size=jnp.where(moved, 0.99 * size_now + 0.01 * jnp.minimum(square, 9 * size_now), size),
    )


def learn_each(
    readouts: Readout,
    features: Float[Array, "horizons features"],
    own: Float[Array, "horizons horizons obs"],
    z: Float[Array, " obs"],
    seen: Bool[Array, " obs"],
    step: Int[Array, ""],
    forgetting: tuple[float, ...],
    huber: float,
) -> Readout:
    """The errors of all forecasts of one step enter, for each forgetting factor and horizon.

    Args:
        readouts: before, with the axes of factors and horizons.
        features: of the last steps, the latest first.
        own: forecasts that were issued at the last steps, likewise, for each horizon.
        z: what came.
        seen: where it was observed.
        step: number of steps before it.
        forgetting: factors.
        huber: `kappa`.
    """
    ahead = jnp.arange(features.shape[0])
    issued, known = own[ahead, ahead], step >= ahead + 1  # h steps ago, of this step

    def each(factor: Array, readouts: Readout) -> Readout:
        one = lambda r, phi, o, k: learn(r, phi, o, z, seen, k, factor, huber)  # noqa: E731
        return jax.vmap(one)(readouts, features, issued, known)

    return jax.vmap(each)(jnp.asarray(forgetting, z.dtype), readouts)
