r"""An extended Kalman filter whose state are the weights (Williams 1992; Puskorius and Feldkamp 1994).

With weights that walk at random, $\theta_{t+1} = \theta_t + w_t$, $w_t \sim \mathcal{N}(0, q I)$, with rows
$y_t = g_t(\theta_t) + e_t$, $e_t \sim \mathcal{N}(0, R)$, and with the derivative $H$ of the predictions by
the weights,

$$
S = R + H P H^\top, \quad K = P H^\top S^{-1}, \quad \theta \leftarrow \theta + K (y - g), \quad
P \leftarrow (I - K H) P (I - K H)^\top + K R K^\top,
$$

which is Joseph's form: it stays positive definite. Between observations
$P \leftarrow P / \lambda + q I$ with the forgetting factor $\lambda$. The global filter (GEKF) has one $P$;
the decoupled one (DEKF) a block for each unit and for each column of the readout, with the same $S$. Lanes
are rows of one measurement (multi-stream training, Feldkamp and Puskorius 1994). $R$ follows the errors,
$R \leftarrow R + \epsilon (e^2 - \mathrm{diag}\, H P H^\top - R)$, and does not fall below a bound. For a
network that is linear in its weights this is recursive least squares.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from rekalman.core.serial import storable
from rekalman.filters.learning.adam import back_through_readout, free
from rekalman.filters.learning.rule import Rule
from rekalman.filters.learning.step import Lanes, WeightUpdate
from rekalman.filters.learning.weights import Weights
from rekalman.foundation.arguments import real
from rekalman.foundation.errors import RekalError
from rekalman.networks.predictors.recurrent import RecurrentPredictor


class KalmanState(NamedTuple):
    """What the filter knows of the weights.

    Attributes:
        blocks: their covariance before the next row, `(blocks, size, size)` arrays, one after the other.
        noise: variances of the rows given the weights, `(obs,)`.
    """

    blocks: tuple[Float[Array, "blocks size size"], ...]
    noise: Float[Array, " obs"]


@storable
class KalmanUpdate(WeightUpdate):
    """The weights as the state of an extended Kalman filter.

    Attributes:
        decoupled: whether each unit, and each column of the readout, has a covariance of its own.
        prior: variance of each weight at the start.
        drift: variance that each weight gains with a step.
        forgetting: factor by which older rows count less, above 0 and at most 1.
        noise: variances of the rows at the start, in standardised units.
        noise_rate: share by which they follow the squared errors; 0 = they stay.
        least_noise: variance that they do not fall below.

    Examples:
        >>> from rekalman.filters.learning.kalman_step import KalmanUpdate
        >>> KalmanUpdate(decoupled=True).name
        'dekf'
    """

    decoupled: bool = eqx.field(static=True, default=False)
    prior: float = eqx.field(static=True, default=0.1)
    drift: float = eqx.field(static=True, default=1e-7)
    forgetting: float = eqx.field(static=True, default=1.0)
    noise: float = eqx.field(static=True, default=1.0)
    noise_rate: float = eqx.field(static=True, default=0.01)
    least_noise: float = eqx.field(static=True, default=1e-6)

    def __check_init__(self) -> None:
        for name in ("prior", "noise", "least_noise"):
            real(name, getattr(self, name), above=0)
        real("drift", self.drift, least=0)
        real("forgetting", self.forgetting, above=0, most=1)
        real("noise_rate", self.noise_rate, least=0, most=1)

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What it is called in options."""
        return "dekf" if self.decoupled else "gekf"

    @property
    def long_name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What it is called in a sentence."""
        each = " for each unit" if self.decoupled else ""
        return f"an extended Kalman filter{each}"

    def check(self, rule: Rule) -> None:
        """Refuse derivatives that are random or learned, and those of several steps at once.

        Raises:
            RekalError: they are.
        """
        if not rule.exact_enough:
            raise RekalError(
                f"a Kalman filter of the weights needs derivatives that are not random: use rtrl, snap or "
                f"tbptt, not {rule.name}"
            )
        if rule.every > 1:
            raise RekalError("a Kalman filter learns from every row: leave every at 1")

    def start(self, weights: Weights, rule: Rule) -> KalmanState:
        """Independent weights of the variance `prior`."""
        eye = lambda blocks, size: jnp.tile(  # noqa: E731
            self.prior * jnp.eye(size, dtype=weights.readout.dtype), (blocks, 1, 1)
        )
        rows, gates, units = weights.units.shape
        features, obs = weights.readout.shape
        if self.decoupled:
            blocks = (eye(units, rows * gates), eye(obs, features))
        else:
            blocks = (eye(1, weights.units.size + weights.readout.size),)
        return KalmanState(blocks, jnp.full(obs, self.noise, weights.readout.dtype))

    def after(
        self,
        known: KalmanState,
        rule: Rule,
        predictor: RecurrentPredictor,
        weights: Weights,
        lanes: Lanes,
    ) -> tuple[Weights, KalmanState, PyTree]:
        """Weights and covariance after the rows of all lanes."""
        p = lanes.y.shape[1]
        mean, H = jax.vmap(lambda x, memory: self._linearised(rule, predictor, weights, x, memory))(
            lanes.state, lanes.memory
        )
        seen = lanes.seen.ravel()
        H = jax.tree.map(lambda leaf: leaf.reshape(len(seen), *leaf.shape[2:]), H)
        H = jax.tree.map(
            lambda leaf: jnp.where(seen.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, 0.0), H
        )
        error = jnp.where(seen, (lanes.y - mean).ravel(), 0.0)
        rows = self._blocks_of(H)
        PH = [P @ each for P, each in zip(known.blocks, (each.mT for each in rows), strict=True)]
        HPH = sum((each @ of).sum(0) for each, of in zip(rows, PH, strict=True))
        R = jnp.where(seen, jnp.tile(known.noise, len(lanes.y)), 1.0)
        S = HPH + jnp.diag(R)
        gains = [jnp.linalg.solve(S, of.mT).mT for of in PH]
        change = self._weights_of([gain @ error for gain in gains], weights)
        blocks = []
        for P, each, of, K in zip(known.blocks, rows, PH, gains, strict=True):
            left = P - K @ of.mT  # (I - K H) P, and then the rest of Joseph's form as one product
            new = left + (K * R - left @ each.mT) @ K.mT
            eye = jnp.eye(P.shape[-1], dtype=P.dtype)
            blocks.append(0.5 * (new + new.mT) / self.forgetting + self.drift * eye)
        count = lanes.seen.sum(0)
        spread = (error**2 - jnp.diagonal(HPH)).reshape(-1, p)
        target = jnp.where(lanes.seen, spread, 0.0).sum(0) / jnp.maximum(count, 1)
        noise = known.noise + jnp.where(count > 0, self.noise_rate, 0.0) * (target - known.noise)
        noise = jnp.maximum(noise, self.least_noise)
        moved = Weights(
            weights.units + change.units, weights.readout + change.readout, 0.5 * jnp.log(noise)
        )
        return moved, KalmanState(tuple(blocks), noise), lanes.memory

    def parameter_cov(
        self,
        known: KalmanState,
        rule: Rule,
        predictor: RecurrentPredictor,
        weights: Weights,
        state: Float[Array, " states"],
        memory: PyTree,
    ) -> Float[Array, "obs obs"]:
        """`H P H'` at a state."""
        rows = self._blocks_of(self._linearised(rule, predictor, weights, state, memory)[1])
        parts = zip(known.blocks, rows, strict=True)
        return sum((H @ P @ H.mT).sum(0) for P, H in parts)  # pyright: ignore

    def _linearised(
        self,
        rule: Rule,
        predictor: RecurrentPredictor,
        weights: Weights,
        state: Array,
        memory: PyTree,
    ) -> tuple[Float[Array, " obs"], Weights]:
        """Mean of the row, and its derivative by the weights with a leading axis for the columns."""
        features, p = predictor.features_of(state), weights.readout.shape[1]

        def of_column(column: Array) -> Weights:
            cotangent = back_through_readout(predictor, weights, state, column)
            units = free(predictor, weights, rule.gradient(memory, cotangent))
            return Weights(units, jnp.outer(features, column), jnp.zeros_like(column))

        return features @ weights.readout, jax.vmap(of_column)(jnp.eye(p, dtype=features.dtype))

    def _blocks_of(self, H: Weights) -> list[Float[Array, "blocks rows size"]]:
        """Derivatives as rows for each block of the covariance."""
        m = len(H.readout)
        if not self.decoupled:
            flat = [H.units.reshape(m, -1), H.readout.reshape(m, -1)]
            return [jnp.concatenate(flat, 1)[None]]
        units = jnp.moveaxis(H.units, -1, 0).reshape(H.units.shape[-1], m, -1)
        return [units, jnp.moveaxis(H.readout, -1, 0)]

    def _weights_of(self, parts: list[Any], like: Weights) -> Weights:
        """Changes of the weights from those of each block."""
        rows, gates, units = like.units.shape
        if not self.decoupled:
            flat, split = parts[0][0], like.units.size
            of_units, of_readout = flat[:split], flat[split:].reshape(like.readout.shape)
            return Weights(of_units.reshape(like.units.shape), of_readout, like.log_deviation)
        each = jnp.moveaxis(parts[0].reshape(units, rows, gates), 0, -1)
        return Weights(each, parts[1].T, like.log_deviation)
