"""What a step of learning online costs: time and memory by the number of units."""

from __future__ import annotations

import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rekalman.filters.learning.adam import Adam
from rekalman.filters.learning.kalman_step import KalmanUpdate
from rekalman.filters.learning.local_rules import RFLO, SyntheticGradient
from rekalman.filters.learning.network import LearningNetwork
from rekalman.filters.learning.random_rules import KFRTRL, UORO
from rekalman.filters.learning.rule import Rule
from rekalman.filters.learning.snap import RTRL, SnAp
from rekalman.filters.learning.step import WeightUpdate
from rekalman.filters.learning.truncated import TBPTT
from rekalman.filters.learning.weights import weights_of
from rekalman.learners.online.lanes import learn_from_lanes
from rekalman.networks.elman import Elman
from rekalman.networks.predictors.recurrent import RecurrentPredictor
from rekalman.studies.base import Row, StudyOptions

MOST_BYTES = 2**30
"""A rule that would remember more is left out at that size."""
REPEATS = 3
BUDGET = 2e9
"""So many multiplications a run takes at most, by the size of what is remembered."""


class Cost(NamedTuple):
    """What is timed: a name, a rule, an update."""

    name: str
    rule: Rule
    update: WeightUpdate


COSTS = (
    Cost("RTRL", RTRL(), Adam()),
    Cost("SnAp-1", SnAp(1), Adam()),
    Cost("KF-RTRL", KFRTRL(), Adam()),
    Cost("UORO", UORO(), Adam()),
    Cost("RFLO", RFLO(), Adam()),
    Cost("DNI", SyntheticGradient(), Adam()),
    Cost("TBPTT 25", TBPTT(25, 25), Adam()),
    Cost("EKF (SnAp-1)", SnAp(1), KalmanUpdate()),
    Cost("decoupled EKF (SnAp-1)", SnAp(1), KalmanUpdate(decoupled=True)),
)


def cost_rows(sizes: tuple[int, ...], options: StudyOptions) -> list[Row]:
    """Microseconds of a step of one lane, and kilobytes that are remembered between steps.

    Args:
        sizes: numbers of units.
        options: told how far it is.
    """
    rows: list[Row] = []
    for i, cost in enumerate(COSTS):
        options.report(i, len(COSTS), f"cost of {cost.name}")
        for units in sizes:
            made = RecurrentPredictor.create(Elman, 1, units=units, key=jax.random.key(0))
            learning = LearningNetwork.create(made, cost.rule, cost.update)
            size = remembered(learning)
            if size > MOST_BYTES:
                break
            system = f"{cost.name}, {units} units"
            each = seconds_of(learning, units, size)
            micro = 1e6 * np.array(each)
            rows.append(
                Row(system, "microseconds_per_step", float(np.median(micro)), float(micro.max()),
                    float(np.ptp(micro)))
            )  # fmt: skip
            rows.append(Row(system, "kilobytes", size / 1024, size / 1024, 0.0))
    return rows


def remembered(learning: LearningNetwork) -> int:
    """Bytes that rule and update keep between steps."""

    def everything() -> tuple:
        weights = weights_of(learning.predictor)
        memory = learning.rule.start(learning.predictor, jax.random.key(0))
        return memory, learning.update_rule.start(weights, learning.rule)

    leaves = jax.tree.leaves(jax.eval_shape(everything))
    plain = [leaf for leaf in leaves if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)]
    return sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in plain)


def seconds_of(learning: LearningNetwork, units: int, size: int) -> list[float]:
    """Seconds of a step, repeated, compiled already."""
    steps = int(np.clip(BUDGET / (size * units), 5, 500))
    y = jnp.asarray(np.random.default_rng(0).normal(size=(1, steps, 1)), jnp.float32)
    mask = jnp.ones(y.shape, bool)
    once = lambda: jax.block_until_ready(  # noqa: E731
        learn_from_lanes(learning, y, mask, key=jax.random.key(0)).errors
    )
    once()
    result = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        once()
        result.append((time.perf_counter() - began) / steps)
    return result
