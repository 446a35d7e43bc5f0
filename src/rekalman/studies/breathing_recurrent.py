r"""What a recurrent network that has seen other people breathe expects, as features beside lags.

A GRU sees one column at a time, and the leading component of all: of both the sample, less its running mean
and divided by its running deviation $s_t$ (20 s), and its last change. It says how far the column will have
moved at each horizon, $(z_{t+h} - z_t) / s_t$. Of what it expects of the nine columns at one horizon, the
leading component (found on the training steps) is one feature, five in all, beside those of lags
(`breathing_ablations.py`); the readout begins at the last sample. Only the weights of the network come from
others (`breathing_recurrent_training.py`): standardising, components and readout are the record's own, and
causal.
"""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from scipy.signal import lfilter

from rekalman.fitting.adaptive import AdaptiveForecaster
from rekalman.fitting.readout_members import Followed
from rekalman.studies.breathing_ablations import Make, follow_lags
from rekalman.studies.breathing_scores import TRAIN

WINDOW = 200
"""Steps of the exponential window of mean and deviation: 20 s."""
SETTLED = 100
"""Steps after which these have settled, and training and features begin."""


class ChangeNetwork(eqx.Module):
    """What a column will have moved by at each horizon, in its own running deviations.

    Attributes:
        cell: the GRU.
        readout: of its hidden vector `(units, horizons)`.
        direct: of its inputs `(inputs, horizons)`.
        offset: one for each horizon.
        scale: deviation of the changes, one for each horizon.
    """

    cell: eqx.nn.GRUCell
    readout: Float[Array, "units horizons"]
    direct: Float[Array, "inputs horizons"]
    offset: Float[Array, " horizons"]
    scale: tuple[float, ...] = eqx.field(static=True)

    @classmethod
    def create(cls, units: int, scale: Sequence[float], key: PRNGKeyArray) -> ChangeNetwork:
        """Random weights; the update gate begins open towards what the hidden vector was."""
        keys = jax.random.split(key, 3)
        cell = eqx.nn.GRUCell(4, units, key=keys[0])
        gates = jnp.zeros(3 * units).at[units : 2 * units].set(1.0)
        cell = eqx.tree_at(lambda c: c.bias, cell, gates)
        readout = 0.1 * jax.random.normal(keys[1], (units, len(scale))) / np.sqrt(units)
        direct = 0.05 * jax.random.normal(keys[2], (4, len(scale)))
        return cls(cell, readout, direct, jnp.zeros(len(scale)), tuple(scale))

    def __call__(
        self, inputs: Float[Array, "time batch inputs"]
    ) -> Float[Array, "time batch horizons"]:
        """Run from a hidden vector of zero."""

        def step(hidden: Array, row: Array) -> tuple[Array, Array]:
            hidden = jax.vmap(self.cell)(row, hidden)
            return hidden, hidden

        start = jnp.zeros((inputs.shape[1], self.cell.hidden_size))
        _, hidden = jax.lax.scan(step, start, inputs)
        changes = hidden @ self.readout + inputs @ self.direct + self.offset
        return changes * jnp.asarray(self.scale)


def running_moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exponentially weighted mean and deviation of all samples so far, along the first axis."""
    keep = 1 - 1 / WINDOW
    total = lambda a: np.asarray(lfilter([1.0], [1.0, -keep], a, axis=0))  # noqa: E731
    weight = total(np.ones_like(x))
    mean = total(x) / weight
    square = total(x * x) / weight - mean**2
    return mean, np.maximum(np.sqrt(np.maximum(square, 0.0)), 1e-3)


def leading(z: np.ndarray) -> np.ndarray:
    """The leading component of a record in units of its deviation `(time,)`, found on the first 30 s."""
    centred = z - z[:TRAIN].mean(0)
    direction = np.linalg.svd(centred[:TRAIN], full_matrices=False)[2][0]
    return centred @ direction * np.sign(direction.sum())


def network_inputs(x: np.ndarray, component: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the network sees of a column `(time,)`, `(time, 4)`, and the running deviation of it."""
    rows, deviations = [], []
    for series in (x, component):
        mean, deviation = running_moments(series)
        rows += [(series - mean) / deviation, 4 * np.diff(series, prepend=series[:1]) / deviation]
        deviations.append(deviation)
    return np.clip(np.stack(rows, -1), -6, 6).astype(np.float32), deviations[0]


def standardised(record: np.ndarray) -> np.ndarray:
    """A record in units of its deviation over the first 30 s."""
    return record / unit(record)


def unit(record: np.ndarray) -> np.ndarray:
    """The deviation of each column over the first 30 s."""
    return np.maximum(record[:TRAIN].std(0), 1e-6)


def expected_change(network: ChangeNetwork, record: np.ndarray) -> np.ndarray:
    """How far each column will have moved, as seen from each step: `(time, horizons, obs)`, in its units."""
    z = standardised(record)
    component = leading(z)
    pairs = [network_inputs(column, component) for column in z.T]
    changes = np.asarray(eqx.filter_jit(network)(jnp.asarray(np.stack([p[0] for p in pairs], 1))))
    deviation = np.stack([p[1] for p in pairs], 1)[..., None]
    return np.swapaxes(changes * deviation, 1, 2) * unit(record)


def change_features(change: np.ndarray, training: int) -> np.ndarray:
    """The leading component of what is expected at each horizon `(time, horizons)`, standardised.

    Args:
        change: `(time, horizons, obs)`, in standardised units of the columns.
        training: steps on which components, means and deviations are found.
    """
    columns = []
    for expected in np.moveaxis(change, 1, 0):
        centred = expected - expected[SETTLED:training].mean(0)
        direction = np.linalg.svd(centred[SETTLED:training], full_matrices=False)[2][0]
        score = centred @ direction
        columns.append(score / np.maximum(score[SETTLED:training].std(), 1e-9))
    return np.stack(columns, 1)


def follow_lags_and(change: np.ndarray) -> Make:
    """`follow_lags`, with what a network expects `(time, horizons, obs)` among the features."""

    def follow(
        forecaster: AdaptiveForecaster, values: np.ndarray, components: int, training: int, end: int
    ) -> Followed:
        lags = follow_lags(forecaster, values, components, training, end)
        more = change_features(change[:end] / lags.scale, training)
        both = np.concatenate([lags.features, more], axis=1)
        return lags._replace(features=both.astype(np.float32))

    return follow
