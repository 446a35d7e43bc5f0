r"""The extended Kalman filter of state and weights together (Williams 1992).

A predictor whose state is disturbed, with weights that walk at random, is one nonlinear model with the state
$z_t = [x_t; \theta_t]$,

$$
x_{t+1} = f(x_t, y_t, u_{t+1}; \theta_t) + w_t, \quad \theta_{t+1} = \theta_t + v_t, \qquad
y_t = g(x_t; \theta_t) + e_t,
$$

with independent $w_t \sim \mathcal{N}(0, q_x I)$, $v_t \sim \mathcal{N}(0, q_\theta I)$ and
$e_t \sim \mathcal{N}(0, R)$.
Its filter corrects the state and the weights by the same gain,

$$
S = H P H^\top + R, \quad K = P H^\top S^{-1}, \quad z \leftarrow z + K (y - g), \quad
P \leftarrow (I - K H) P (I - K H)^\top + K R K^\top,
$$

with $H = [\partial g / \partial x, \partial g / \partial \theta]$, and goes on with
$P_{xx} \leftarrow F P F^\top + q_x I$, $P_{x\theta} \leftarrow F P_{\cdot\theta}$,
$F = [\partial f / \partial x, \partial f / \partial \theta]$. No derivative has to be carried through time:
the covariance of state and weights does it. Where $q_x = 0$ and the state begins known,
$P_{x\theta} P_{\theta\theta}^{-1}$ is the influence matrix of real-time recurrent learning, and this is
`KalmanUpdate`, but that the state is corrected, too. For a predictor that is linear in its state, with
weights that are known, it is the Kalman filter.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rekalman.core.filter import Filter
from rekalman.core.gaussian import Gaussian
from rekalman.core.row import observation_row
from rekalman.core.serial import storable
from rekalman.foundation.arguments import real
from rekalman.networks.predictors.predictor import Predictor
from rekalman.numerics.memory import check_memory
from rekalman.numerics.precision import in_own_precision

LEAST_VARIANCE = 1e-6
"""Of a row given the state, in standardised units."""


class JointBelief(NamedTuple):
    """What is known of state and weights at a step.

    Attributes:
        mean: of the state, then of the weights.
        cov: of both.
        row: what was observed at the step, or anything before that.
        seen: which of its entries were.
        noise: variances of the rows given the state.
        predicted: whether the row of this step was predicted by the network: the first of a series is not.
    """

    mean: Float[Array, " joint"]
    cov: Float[Array, "joint joint"]
    row: Float[Array, " obs"]
    seen: Bool[Array, " obs"]
    noise: Float[Array, " obs"]
    predicted: Array


@storable
class JointKalman(Filter):
    """A predictor that is filtered and learned at once, see the text of the module.

    The covariance has a row for each state and each weight: for networks of some hundred weights.

    Attributes:
        predictor: with the mean of the weights at the start, and the covariance of its innovations.
        prior: variance of each weight at the start; 0 = they are known.
        drift: variance that each weight gains with a step.
        process_noise: variance of the disturbance of each state.
        noise_rate: share by which the variances of the rows follow the squared errors; 0 = they stay.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import rekalman
        >>> from rekalman.filters.learning.joint import JointKalman
        >>> from rekalman.networks.predictors.recurrent import RecurrentPredictor
        >>> start = RecurrentPredictor.create(rekalman.Elman, 1, units=4, key=jax.random.key(0))
        >>> path = JointKalman(start).run(jnp.ones((5, 1)), jnp.ones((5, 1), bool))
        >>> path.predicted.mean.shape
        (5, 1)
    """

    long_name = "extended Kalman filter of state and weights"

    predictor: Predictor
    prior: float = eqx.field(static=True, default=0.1)
    drift: float = eqx.field(static=True, default=1e-7)
    process_noise: float = eqx.field(static=True, default=0.0)
    noise_rate: float = eqx.field(static=True, default=0.01)

    def __check_init__(self) -> None:
        for name in ("prior", "drift", "process_noise"):
            real(name, getattr(self, name), least=0)
        real("noise_rate", self.noise_rate, least=0, most=1)

    @property
    def observations(self) -> int:
        """Number of observed columns."""
        return self.predictor.observations

    @property
    def n_inputs(self) -> int:
        """Number of known inputs."""
        return self.predictor.n_inputs

    @property
    def size(self) -> str:
        """The size of the network in words."""
        return f"{self.predictor.described}, filtered together with its state"

    def check_memory(self, series: int, steps: int, smoothing: bool = False) -> None:
        """Refuse series whose beliefs no memory could hold.

        Raises:
            RekalError: they are too large.
        """
        weights = self._weights()
        joint = self.predictor.states + len(weights)
        check_memory(
            float(series * steps) * joint**2 * weights.dtype.itemsize,
            f"filtering {series} series, padded to {steps} steps, by {joint} states and weights",
            "use fewer units or shorter series",
        )

    def _weights(self) -> Float[Array, " weights"]:
        return ravel_pytree(eqx.filter(self.predictor, eqx.is_inexact_array))[0]

    def _parts(self, joint: Float[Array, " joint"]) -> tuple[Array, Any]:
        """The state, and the predictor with the weights."""
        arrays, rest = eqx.partition(self.predictor, eqx.is_inexact_array)
        states = self.predictor.states
        return joint[:states], eqx.combine(ravel_pytree(arrays)[1](joint[states:]), rest)

    def _output(self, joint: Float[Array, " joint"]) -> Float[Array, " obs"]:
        state, predictor = self._parts(joint)
        return predictor.output(state)

    @in_own_precision
    def init(self, key: PRNGKeyArray | None = None) -> JointBelief:
        """The state of the start, which is known, and independent weights (`key` is not used)."""
        weights, start = self._weights(), self.predictor.start()
        variances = jnp.concatenate([jnp.zeros_like(start), jnp.full_like(weights, self.prior)])
        N = self.predictor.noise(start)
        p = self.observations
        return JointBelief(
            mean=jnp.concatenate([start, weights]),
            cov=jnp.diag(variances),
            row=jnp.zeros(p, start.dtype),
            seen=jnp.zeros(p, bool),
            noise=jnp.square(N).sum(1),
            predicted=jnp.zeros((), bool),
        )

    @in_own_precision
    def predict(
        self,
        belief: JointBelief,
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> JointBelief:
        """One step through time; a missing entry is the prediction, with its uncertainty."""
        n, P = self.predictor.states, belief.cov

        def advanced(joint: Array, noise: Array) -> Array:
            state, predictor = self._parts(joint)
            own = predictor.output(state) + noise
            return predictor.advance(state, jnp.where(belief.seen, belief.row, own), u)

        nothing = jnp.zeros_like(belief.noise)
        state = advanced(belief.mean, nothing)
        F, G = jax.jacrev(advanced, (0, 1))(belief.mean, nothing)
        FP = F @ P
        top = FP @ F.T + (G * belief.noise) @ G.T + self.process_noise * jnp.eye(n, dtype=P.dtype)
        rest = P[n:, n:] + self.drift * jnp.eye(len(P) - n, dtype=P.dtype)
        cov = jnp.block([[0.5 * (top + top.T), FP[:, n:]], [FP[:, n:].T, rest]])
        return belief._replace(
            mean=belief.mean.at[:n].set(state),
            cov=cov,
            seen=jnp.zeros_like(belief.seen),
            predicted=jnp.ones((), bool),
        )

    @in_own_precision
    def observe(self, belief: JointBelief, u: Array | None = None) -> Gaussian:
        """The law of the row of a predicted belief; the first of a series is standard normal."""
        mean, H = self._output(belief.mean), jax.jacrev(self._output)(belief.mean)
        cov = H @ belief.cov @ H.T + jnp.diag(belief.noise)
        first = jnp.eye(len(mean), dtype=mean.dtype)
        return Gaussian(
            jnp.where(belief.predicted, mean, 0.0), jnp.where(belief.predicted, cov, first)
        )

    @in_own_precision
    def update(
        self, belief: JointBelief, y: Any, mask: Any = None, u: Any = None
    ) -> tuple[JointBelief, Float[Array, ""]]:
        """One row enters and corrects state and weights.

        Args:
            belief: before the row.
            y: one number for each column; NaN is missing, None = all are.
            mask: True where observed; default where `y` is no NaN.
            u: inputs of this step.

        Raises:
            RekalError: a wrong number of columns or inputs, or an infinite value.
        """
        dtype = belief.mean.dtype
        rows, known, _ = observation_row(self.observations, self.n_inputs, dtype, y, mask, u)
        y, seen, P = rows[0], known[0], belief.cov
        log_prob = self.observe(belief).log_prob(jnp.where(seen, y, jnp.nan))
        counted = seen & belief.predicted
        H = jnp.where(counted[:, None], jax.jacrev(self._output)(belief.mean), 0.0)
        error = jnp.where(counted, y - self._output(belief.mean), 0.0)
        R = jnp.where(counted, belief.noise, 1.0)
        PH = P @ H.T
        HPH = H @ PH
        K = jnp.linalg.solve(HPH + jnp.diag(R), PH.T).T
        left = P - K @ PH.T
        cov = left + (K * R - left @ H.T) @ K.T
        follow = self.noise_rate * (error**2 - jnp.diagonal(HPH) - belief.noise)
        noise = belief.noise + jnp.where(counted, follow, 0.0)
        return (
            JointBelief(
                mean=belief.mean + K @ error,
                cov=0.5 * (cov + cov.T),
                row=y,
                seen=seen,
                noise=jnp.where(counted, jnp.maximum(noise, LEAST_VARIANCE), belief.noise),
                predicted=belief.predicted,
            ),
            log_prob,
        )

    def learned(self, belief: JointBelief) -> Any:
        """The predictor with the mean of the weights."""
        return self._parts(belief.mean)[1]
