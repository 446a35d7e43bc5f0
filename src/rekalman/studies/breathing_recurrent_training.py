r"""Training of the recurrent networks of `breathing_recurrent.py` on all records but the one they forecast.

Direct forecasts at all horizons are trained at once, for the squared error (Huber's beyond two deviations).
Records are few, so each is shown many times: slower or faster, upside down, and in random mixtures of its
columns. What two networks from other draws expect is averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from rekalman.studies.breathing_recurrent import (
    SETTLED,
    ChangeNetwork,
    expected_change,
    leading,
    network_inputs,
    standardised,
)
from rekalman.studies.breathing_scores import HORIZONS, TRAIN


class Training(NamedTuple):
    """How the networks are trained, chosen on records 1 to 5.

    Attributes:
        networks: how many, from other draws, whose forecasts are averaged.
        units: length of the hidden vector of each.
        iterations: steps of Adam; the rate falls to zero along half a cosine.
        batch: segments in each.
        segment: their length in steps.
        burn_in: first steps of a segment that do not count.
        copies: altered records to take segments from.
        rate: of Adam at the start.
        decay: of the weights.
    """

    networks: int = 2
    units: int = 48
    iterations: int = 2500
    batch: int = 32
    segment: int = 240
    burn_in: int = 40
    copies: int = 300
    rate: float = 3e-3
    decay: float = 1e-4


def mean_change(
    others: Sequence[np.ndarray], record: np.ndarray, seed: int, training: Training
) -> np.ndarray:
    """`expected_change` of a record, averaged over networks trained on others.

    Args:
        others: whole records `(time, obs)`.
        record: the one to forecast `(time, obs)`.
        seed: of the study; each has networks of its own.
        training: how they are trained.
    """
    draws = range(seed * training.networks, (seed + 1) * training.networks)
    networks = [train_network(others, draw, training) for draw in draws]
    return np.mean([expected_change(network, record) for network in networks], axis=0)


def train_network(records: Sequence[np.ndarray], seed: int, training: Training) -> ChangeNetwork:
    """Train on whole records `(time, obs)`."""
    rng = np.random.default_rng(seed)
    furthest = max(HORIZONS)
    copies = [
        altered_copy(records[int(rng.integers(len(records)))], rng) for _ in range(training.copies)
    ]
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


def altered_copy(record: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
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
