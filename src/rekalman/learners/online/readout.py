"""A readout filtered online over a whole series: one Kalman filter of output weights for each horizon.

Strictly causal: the forecast issued at t uses what came up to t and nothing later. One step of the recursion
is `rekalman.filters.adaptive.readout.learn`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rekalman.data import AnyArray
from rekalman.filters.adaptive.readout import Readout, learn
from rekalman.foundation.errors import RekalError
from rekalman.learners.protocol import Callback, Iterations, Progress, TrainResult


class ReadoutData(NamedTuple):
    """What a readout learns from.

    Attributes:
        features: `phi_t`, of about unit size.
        own: the network's own forecasts issued at t of `z_{t+h}`.
        values: standardised observations; anything where missing.
        mask: True where observed.
    """

    features: Float[AnyArray, "time features"]
    own: Float[AnyArray, "time horizons obs"]
    values: Float[AnyArray, "time obs"]
    mask: Bool[AnyArray, "time obs"]


class ReadoutResult(TrainResult):
    """A readout after the last step.

    Attributes:
        model: the `Readout`, with a leading axis of horizons.
        history: mean square of the errors that became known at each step, over horizons and entries.
        forecasts: those issued at each step of `z_{t+h}`, from all that was known by then.
    """

    forecasts: Float[np.ndarray, "time horizons obs"]


@dataclass(frozen=True)
class ReadoutFilter:
    """Recursive least squares of a readout, one filter for each horizon.

    Attributes:
        forgetting: `lambda` in (0, 1].
        ridge: how firmly the weights start at zero, in steps.
        huber: `kappa`: errors above so many times the usual size are held down.
    """

    forgetting: float = 0.998
    ridge: float = 10.0
    huber: float = 1.5

    def run(
        self,
        start: Sequence[int],
        data: ReadoutData,
        *,
        key: PRNGKeyArray | None = None,
        callback: Callback | None = None,
    ) -> ReadoutResult:
        """Learn from one series, from weights of zero.

        Args:
            start: the horizons, steps ahead, one for each of the second axis of `data.own`.
            data: features, own forecasts and what came.
            key: not used: nothing is drawn.
            callback: called once at the end: all steps are one compiled function.

        Raises:
            RekalError: a horizon, the forgetting, the ridge or the Huber constant is out of range.
        """
        if len(start) != data.own.shape[1] or min(start) < 1:
            raise RekalError(
                f"horizons must be {data.own.shape[1]} positive steps, but are {start}"
            )
        if not 0 < self.forgetting <= 1:
            raise RekalError(f"forgetting must lie in (0, 1], but is {self.forgetting}")
        if self.ridge <= 0 or self.huber <= 0:
            raise RekalError(
                f"ridge and huber must be positive, but are {self.ridge} and {self.huber}"
            )
        began, steps = time.perf_counter(), len(data.values)
        size = 1 << (max(steps, 2) - 1).bit_length()  # few lengths, few compilations
        arrays = (
            jnp.asarray(np.pad(np.asarray(a), [(0, size - steps)] + [(0, 0)] * (np.ndim(a) - 1)))
            for a in data
        )
        dtype = np.asarray(data.features).dtype
        constants = jnp.asarray(np.array([self.forgetting, self.ridge, self.huber], dtype))
        readout, forecasts, squares = _run(*arrays, jnp.asarray(start), constants)
        errors = np.asarray(squares)[:steps]
        if callback is not None:
            callback(Progress(steps, steps, -0.5 * float(errors.mean())))
        seconds, entries = time.perf_counter() - began, int(np.asarray(data.mask).sum())
        rest = ("iterations", seconds, entries)
        history = Iterations("loss", "mean squared error", errors, *rest, rises=False)
        return ReadoutResult(readout, history, np.asarray(forecasts)[:steps])


def readout_forecasts(
    features: Float[AnyArray, "time features"],
    own: Float[AnyArray, "time horizons obs"],
    values: Float[AnyArray, "time obs"],
    mask: Bool[AnyArray, "time obs"],
    horizons: Sequence[int],
    *,
    forgetting: float = 0.998,
    ridge: float = 10.0,
    huber: float = 1.5,
) -> Float[np.ndarray, "time horizons obs"]:
    """Forecasts issued at each step, same shape as `own`: `ReadoutFilter.run` without its weights."""
    learner = ReadoutFilter(forgetting, ridge, huber)
    return learner.run(horizons, ReadoutData(features, own, values, mask)).forecasts


@jax.jit
def _run(
    features: Array, own: Array, values: Array, mask: Array, horizons: Array, constants: Array
) -> tuple[Readout, Array, Array]:
    """All horizons at once, one scan over time: last readout, forecasts, squared errors of each step."""
    forgetting, ridge, huber = constants
    steps, p = features.shape
    d = values.shape[1]

    def one(h: Array, own_h: Array) -> tuple[Readout, Array, Array]:
        def step(readout: Readout, row: tuple[Array, ...]) -> tuple[Readout, tuple[Array, Array]]:
            phi, o, z, seen, phi_now, o_now, known = row
            missed = jnp.where(seen & known, z - o - phi @ readout.weights, 0.0)
            square = (missed**2).sum() / jnp.maximum(seen.sum(), 1)
            readout = learn(readout, phi, o, z, seen, known, forgetting, huber)
            return readout, (o_now + phi_now @ readout.weights, square)

        t = jnp.arange(steps)
        issued = jnp.maximum(t - h, 0)
        rows = (features[issued], own_h[issued], values, mask, features, own_h, t >= h)
        start = jax.tree.map(lambda leaf: leaf.astype(features.dtype), Readout.start(p, d, ridge))
        readout, (forecasts, squares) = jax.lax.scan(step, start, rows)
        return readout, forecasts, squares

    axes = {"in_axes": (0, 1), "out_axes": (0, 1, 1)}
    readout, forecasts, squares = jax.vmap(one, **axes)(horizons, own)
    return readout, forecasts, squares.mean(1)
