r"""A recurrent network that has seen other people breathe, beside lags under the same readout.

A GRU is trained on all records but the one it forecasts, for the squared error (Huber's beyond two
deviations) of direct forecasts at all horizons. It sees one column at a time, and the leading component of
all: of both the sample, less its running mean and divided by its running deviation $s_t$ (20 s), and its last
change. It says how far the column will have moved, $(z_{t+h} - z_t) / s_t$. Records are few, so each is shown
many times: slower or faster, upside down, and in random mixtures of its columns.

Of what it expects of the nine columns at each horizon, the leading component (found on the training steps)
is one feature, five in all, beside those of lags (`breathing_ablations.py`); the readout begins at the last
sample. Only the network's weights come from others: standardising, components and readout are the record's
own, and causal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray
from scipy.signal import lfilter

from rekalman.fitting.adaptive import AdaptiveForecaster
from rekalman.fitting.readout_members import Followed
from rekalman.studies.breathing_ablations import Make, follow_lags
from rekalman.studies.breathing_scores import HORIZONS, TRAIN

WINDOW = 200
"""Steps of the exponential window of mean and deviation: 20 s."""
SETTLED = 100
"""Steps after which these have settled, and training and features begin."""


class Training(NamedTuple):
    """How the network is trained, chosen on records 1 to 5."""

    units: int = 48
    iterations: int = 2500
    batch: int = 32
    segment: int = 240
    burn_in: int = 40
    copies: int = 300
    rate: float = 3e-3
    decay: float = 1e-4


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


def train_network(records: Sequence[np.ndarray], seed: int, training: Training) -> ChangeNetwork:
    """Train on whole records `(time, obs)`."""
    rng = np.random.default_rng(seed)
    furthest = max(HORIZONS)
    copies = [_copy(records[int(rng.integers(len(records)))], rng) for _ in range(training.copies)]
    copies = [c for c in copies if len(c[0]) > training.segment + furthest + SETTLED + 1]
    room = np.array([len(x) - training.segment - furthest - SETTLED for x, _ in copies], float)
    settled = np.concatenate([y[SETTLED:] for _, y in copies])
    scale = np.nanstd(np.clip(settled, -6, 6), axis=0).tolist()
    network = ChangeNetwork.create(training.units, scale, jax.random.key(seed))
    rates = optax.cosine_decay_schedule(training.rate, training.iterations)
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(rates, weight_decay=training.decay)
    )
    state = optimiser.init(eqx.filter(network, eqx.is_array))

    @eqx.filter_jit
    def update(network: ChangeNetwork, state: optax.OptState, x: Array, y: Array):
        gradient = eqx.filter_grad(_loss)(network, x, y, training.burn_in)
        moves, state = optimiser.update(gradient, state, eqx.filter(network, eqx.is_array))
        return eqx.apply_updates(network, moves), state

    for _ in range(training.iterations):
        batch = []
        for k in rng.choice(len(copies), training.batch, p=room / room.sum()):
            first = SETTLED + rng.integers(int(room[k]))
            batch.append([part[first : first + training.segment] for part in copies[k]])
        x, y = (np.stack(parts, axis=1) for parts in zip(*batch, strict=True))
        network, state = update(network, state, jnp.asarray(x), jnp.asarray(y))
    return network


def _loss(network: ChangeNetwork, x: Array, y: Array, burn_in: int) -> Array:
    """Huber's loss in deviations of the changes, after the hidden vector has found its way."""
    error = ((network(x) - y) / jnp.asarray(network.scale))[burn_in:]
    return optax.losses.huber_loss(error, delta=2.0).mean()


def _copy(record: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One column or mixture of columns of a record, slower or faster: inputs and targets."""
    z = standardised(record) * rng.choice([-1.0, 1.0])
    z = _stretched(z, np.exp(rng.uniform(np.log(0.75), np.log(1.35))))
    columns = z.shape[1]
    mixture = np.eye(columns)[rng.integers(columns)]
    if rng.random() < 0.4:
        mixture = mixture + rng.normal(size=columns) * (rng.random(columns) < 0.5)
    x = z @ mixture
    x = x / max(x[:TRAIN].std(), 1e-6)
    if rng.random() < 0.3:  # a slow drift
        x = x + 0.01 * np.cumsum(rng.normal(size=len(x)))
    inputs, deviation = network_inputs(x, leading(z))
    targets = np.full((len(x), len(HORIZONS)), np.nan, np.float32)
    for j, h in enumerate(HORIZONS):
        targets[:-h, j] = (x[h:] - x[:-h]) / deviation[:-h]
    return inputs, targets


def _stretched(z: np.ndarray, speed: float) -> np.ndarray:
    """A record played so much faster, by linear interpolation."""
    times = np.arange(0, len(z) - 1, speed)
    return np.stack([np.interp(times, np.arange(len(z)), column) for column in z.T], 1)
