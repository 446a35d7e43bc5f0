r"""One network that is trained now and then, and whose readout is filtered online in between.

The network is trained by EM on the first steps of a series and filtered causally over the rest. Its
features at time t are the filtered state (standardised over the training steps), the last two
innovations `e_t`, `e_{t-1}` (times 0.3, likewise) and one. The innovations let the readout re-tune the
network's own Kalman gain, which the state alone does not: it already carries that gain.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rekalman.filters.adaptive.member import INNOVATION_SHARE
from rekalman.filters.particle import ParticleFilter, Proposal
from rekalman.learners.batch import Batch, padded_length
from rekalman.learners.em.em import EM
from rekalman.learners.em.priors import PriorStrength
from rekalman.learners.protocol import Callback, TrainResult
from rekalman.learners.start.subspace import subspace_start
from rekalman.models.stochastic_rnn import StochasticRNN

TRAINING = EM(
    iterations=30,
    tolerance=0.0,
    average=10,
    process_noise="full",
    strength=PriorStrength(weight_steps=1e-3, noise_share=1e-3),
)
"""Thirty iterations with 100 particles, full Q, and priors weak enough for precise sensors."""


SIZES = (8, 12, 16, 24)
"""Numbers of states of the networks that forecast together."""


def sizes_for(columns: int, steps: int, sizes: tuple[int, ...] = SIZES) -> tuple[int, ...]:
    """The sizes that data can carry: at most 12 states for each column, and one for every 12 steps.

    Args:
        columns: number of columns.
        steps: to train on.
        sizes: to choose from; the smallest is always among them.
    """
    largest = min(12 * columns, steps // 12)
    return tuple(n for n in sizes if n <= largest) or (min(sizes),)


@dataclasses.dataclass(frozen=True)
class Network:
    """One trained network, with the numbers that standardise what it sees.

    Attributes:
        model: the network, in standardised units.
        location: mean of each column over the training steps.
        scale: their standard deviation.
        trained_on: number of steps it was trained on.
        log_likelihood: of the training data after each iteration, in nats of standardised data.
    """

    model: StochasticRNN
    location: np.ndarray
    scale: np.ndarray
    trained_on: int
    log_likelihood: np.ndarray


class Tracked(NamedTuple):
    """What a causal pass of the filter leaves at each step.

    Attributes:
        state: filtered mean `(time, states)`.
        innovation: observation minus its one-step forecast `(time, obs)`; 0 where missing.
        own: noise-free forecasts issued at each step `(time, horizons, obs)` (paper, section 4.1).
        effective: effective sample size `(time,)`.
        log_evidence: one-step predictive log densities `(time,)`, in nats.
    """

    state: Float[Array, "time states"]
    innovation: Float[Array, "time obs"]
    own: Float[Array, "time horizons obs"]
    effective: Float[Array, " time"]
    log_evidence: Float[Array, " time"]


def fit_network(
    values: np.ndarray,
    mask: np.ndarray,
    states: int,
    em: EM,
    seed: int = 0,
    length: int = 0,
) -> Network:
    """Standardise one series `(time, obs)` and train a network of so many states on it.

    It is padded to at least `length` steps, to share what is compiled with a longer series.
    """
    location, scale = moments(values, mask)
    z = np.where(mask, (values - location) / scale, 0.0)
    result = train(z, mask, states, em, jax.random.key(seed), length=length)
    return Network(result.model, location, scale, len(values), result.log_likelihood)


def train(
    values: np.ndarray,
    mask: np.ndarray,
    states: int,
    em: EM,
    key: PRNGKeyArray,
    start: StochasticRNN | None = None,
    length: int = 0,
    callback: Callback | None = None,
) -> TrainResult:
    """Train by EM on one standardised series.

    Args:
        values: `(time, obs)`.
        mask: True where observed.
        states: number of hidden units.
        em: how it is trained.
        key: randomness of the particles.
        start: where EM begins; default what `subspace_start` gives.
        length: pad to at least so many steps, to share what is compiled with a longer series.
        callback: called after each iteration.

    Raises:
        KeyboardInterrupt: Ctrl-C. What is half trained is not handed on as if it were trained: several
            networks are compared or joined here.
    """
    start = subspace_start(values, mask, states) if start is None else start
    steps, size = len(values), padded_length(max(length, len(values)))
    pad = ((0, size - steps), (0, 0))
    batch = Batch(
        values=jnp.asarray(np.pad(np.where(mask, values, 0.0), pad), start.A.dtype)[None],
        mask=jnp.asarray(np.pad(mask, pad))[None],
        inputs=None,
        valid=jnp.asarray(np.arange(size) < steps)[None],
    )
    result = em.run(start, batch, key=key, callback=callback)
    if result.stopped == "interrupted":
        raise KeyboardInterrupt
    return result


def track(
    model: StochasticRNN,
    values: np.ndarray,
    mask: np.ndarray,
    horizons: Sequence[int],
    particles: int,
    key: PRNGKeyArray,
    proposal: Proposal = "guided",
    length: int = 0,
) -> Tracked:
    """Filter a series causally and issue the network's own forecasts at every step.

    Series are padded to a power of two (of `length`, if that is longer), so that one compiled filter
    serves many lengths; the padding counts as missing.
    """
    steps, size = len(values), 1 << (max(length, len(values), 2) - 1).bit_length()
    pad = ((0, size - steps), (0, 0))
    y = jnp.asarray(np.pad(np.where(mask, values, 0.0), pad), model.A.dtype)
    seen = jnp.asarray(np.pad(mask, pad))
    tracked = _track(model, y, seen, jnp.asarray(horizons), max(horizons), particles, proposal, key)
    return Tracked(*(jnp.asarray(np.asarray(leaf)[:steps]) for leaf in tracked))


def features(state: np.ndarray, innovation: np.ndarray, training: int) -> np.ndarray:
    """`[state; 0.3 e_t; 0.3 e_{t-1}; 1]`, standardised over the first `training` steps.

    Shape `(time, states + 2 obs + 1)`.
    """
    centred = state - state[:training].mean(0)
    scaled = centred / np.maximum(state[:training].std(0), 1e-9)
    spread = innovation[:training].std(0)
    e = INNOVATION_SHARE * innovation / np.where(spread > 0, spread, 1.0)
    before = np.concatenate([np.zeros_like(e[:1]), e[:-1]])
    return np.concatenate([scaled, e, before, np.ones_like(e[:, :1])], 1)


def moments(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the observed entries of each column; 1 where that is 0.

    Rounded to single precision, so that they are the same wherever the sums are taken in memory.
    """
    count = np.maximum(mask.sum(0), 1)
    mean = np.where(mask, values, 0.0).sum(0) / count
    deviation = np.sqrt(np.where(mask, (values - mean) ** 2, 0.0).sum(0) / count)
    scale = np.where(deviation > 1e-9, deviation, 1.0)
    return mean.astype(np.float32).astype(float), scale.astype(np.float32).astype(float)


@eqx.filter_jit
def _track(
    model: StochasticRNN,
    values: Float[Array, "time obs"],
    mask: Bool[Array, "time obs"],
    horizons: Array,
    furthest: int,
    particles: int,
    proposal: Proposal,
    key: PRNGKeyArray,
) -> Tracked:
    path = ParticleFilter(model, particles, proposal).run(values, mask, None, None, key)
    weights = jnp.exp(path.log_weights)
    state = path.mean
    hidden = jnp.einsum("tn,tns->ts", weights, model.f(path.x))
    predicted = jnp.concatenate([model.m[None], hidden[:-1] @ model.A.T + model.c])
    innovation = jnp.where(mask, values - model.observation_mean(predicted), 0.0)

    def step(x: Array, _: None) -> tuple[Array, Array]:
        x = model.transition_mean(x)
        return x, model.observation_mean(x)

    _, ahead = jax.lax.scan(step, state, length=furthest)
    own = ahead[horizons - 1].swapaxes(0, 1)
    return Tracked(state, innovation, own, 1 / (weights**2).sum(1), path.log_evidence)
