"""Which series are trained on when: everything follows from the seed, so that a run can be continued."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

_SPLIT, _ORDER, _MASK, _PERMUTE = 0, 1, 2, 3  # what a stream of random numbers is for


class Disturbance(NamedTuple):
    """What training does to steps so that a network learns more from them.

    Attributes:
        mask_probability: share of the steps to hide.
        permute_probability: share of the steps whose entries change places.
        length: mean length of the spans of such steps.
    """

    mask_probability: float = 0.0
    permute_probability: float = 0.0
    length: float = 5.0


NOTHING = Disturbance()


class Draw(NamedTuple):
    """A batch by the numbers of its series.

    Attributes:
        which: the series.
        counts: False where a series only fills up the last batch, so that all are of one size.
        hidden: steps that are hidden from the network, or None.
        scrambled: steps whose entries change places, or None.
    """

    which: Int[np.ndarray, " batch"]
    counts: Bool[np.ndarray, " batch"]
    hidden: Bool[np.ndarray, "batch time"] | None = None
    scrambled: Bool[np.ndarray, "batch time"] | None = None


def batch_size(series: int, at_most: int, multiple: int = 1) -> int:
    """The size of batches that are as equal as can be, so that little is filled up.

    Args:
        series: how many there are.
        at_most: the largest batch, itself such a multiple.
        multiple: the size is a multiple of this number of devices.
    """
    batches = -(-series // at_most)
    even = -(-series // batches)
    return -(-even // multiple) * multiple


def in_order(series: int, size: int) -> Iterator[Draw]:
    """Batches one after the other, the last one filled up."""
    yield from _cut(np.arange(series), size)


def shuffled(
    series: int,
    size: int,
    seed: int,
    epoch: int,
    steps: int = 0,
    disturbance: Disturbance = NOTHING,
) -> Iterator[Draw]:
    """The batches of an epoch: every series once, in an order of its own.

    Args:
        series: how many there are.
        size: of a batch.
        seed: start of all randomness.
        epoch: the same seed and epoch give the same batches.
        steps: length of the series.
        disturbance: what is done to their steps.
    """
    order = np.random.default_rng((seed, _ORDER, epoch)).permutation(series)

    def drawn(share: float, purpose: int, number: int) -> Bool[np.ndarray, "batch time"] | None:
        random = np.random.default_rng((seed, purpose, epoch, number))
        return spans(random, (size, steps), share, disturbance.length) if share else None

    for number, draw in enumerate(_cut(order, size)):
        yield draw._replace(
            hidden=drawn(disturbance.mask_probability, _MASK, number),
            scrambled=drawn(disturbance.permute_probability, _PERMUTE, number),
        )


def places(entries: int, seed: int, epoch: int, number: int) -> Int[np.ndarray, " entries"]:
    """Where each entry of a scrambled step of a batch comes from."""
    random = np.random.default_rng((seed, _PERMUTE, epoch, number, 1))
    return random.permutation(entries).astype(np.int32)


def held_out(
    series: int, share: float, seed: int
) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " b"]]:
    """The series to train on and those held out, each in rising order; at least one of each."""
    order = np.random.default_rng((seed, _SPLIT)).permutation(series)
    many = min(max(1, round(share * series)), series - 1)
    return np.sort(order[many:]), np.sort(order[:many])


def spans(
    random: np.random.Generator, shape: tuple[int, int], share: float, mean: float
) -> Bool[np.ndarray, "batch time"]:
    """Spans of hidden steps, of geometric length, which take up about that share.

    A Markov chain with two states: a span ends with probability `1 / mean`, and begins so often that hidden
    steps take up `share` in the long run. Every series begins in sight: before its first observation there is
    no forecast to learn.
    """
    ends = 1.0 / mean
    begins = min(1.0, ends * share / (1.0 - share))
    chance = random.random(shape)
    hidden = np.zeros(shape, bool)
    for t in range(1, shape[1]):
        hidden[:, t] = chance[:, t] < np.where(hidden[:, t - 1], 1.0 - ends, begins)
    return hidden


def _cut(order: Int[np.ndarray, " series"], size: int) -> Iterator[Draw]:
    for begin in range(0, len(order), size):
        which = order[begin : begin + size].astype(np.int32)
        yield Draw(np.resize(which, size), np.arange(size) < len(which))
