r"""From where maximum likelihood climbs: starts over decades of signal to noise, and the periods of the data.

A likelihood of variances has flat regions (a variance that is zero has no slope) and that of cycles has many
maxima; one start may end in the wrong one. Every combination of the grids of a model is evaluated once, or
one grid after the other where they are many.

Of a linear model whose covariances are all free the common scale `k` of these needs no search. With `N`
entries beyond the diffuse coordinates, `S = sum e^2 / f` and the slope `g = (S - N) / 2` of the
log-likelihood in `log k`,

    L(k) = L(1) - N/2 log k + S/2 (1 - 1/k),   maximal at   k = S / N = 1 + 2 g / N,

so that one evaluation with its gradient gives the likelihood at the best scale. Where that holds only nearly
(a known start law), the scaled point is evaluated, too.

The best few starts are climbed some steps each; the better half of them on, until one is left.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch
from rekalman.learners.likelihood.climb import Climb, Objective
from rekalman.learners.likelihood.parameter_grids import parameter_grids
from rekalman.learners.likelihood.parameters import ModelParameters, Parameters
from rekalman.learners.protocol import Callback
from rekalman.models.structures.start_grids import Grid

MOST = 40  # combinations that are all evaluated; of more, one grid after the other
ROUNDS = 2  # through these
STEPS = 6  # iterations of each climb, before the better half goes on
APART = 1.0  # starts differ by at least so much in a free parameter
NOT_FINITE = "the log-likelihood of the start is not finite: give another start"


class Start(NamedTuple):
    """A start that was climbed.

    Attributes:
        name: "given" is that of the model, at the best common scale of its covariances where that is free;
            the others are named by the values of their parameters.
        log_likelihood: in nats, where its climb was left.
    """

    name: str
    log_likelihood: float


def search(
    objective: Objective,
    batch: Batch,
    count: int,
    iterations: int,
    report: Callback | None,
) -> tuple[Climb, tuple[Start, ...], bool]:
    """Climb from several starts, and leave the best climb to be continued.

    Args:
        objective: what is climbed; its parameters hold the given start.
        batch: the series.
        count: number of starts that are climbed.
        iterations: of the whole search, for the progress display.
        report: told after each iteration.

    Returns:
        The best climb, all starts with the log-likelihood they had reached, the best first, and whether
        Ctrl-C ended the search.

    Raises:
        RekalError: a start has no finite likelihood.
        KeyboardInterrupt: Ctrl-C before the first step was done.
    """
    given = np.asarray(objective.parameters.vector, float)
    starts = (
        [given]
        if count == 1
        else _chosen(objective, parameter_grids(objective.parameters, batch), count)
    )
    climbs: list[Climb] = []
    interrupted = False
    try:
        for vector in starts:
            climbs.append(Climb(objective, vector, iterations, report))
            if not np.isfinite(climbs[-1].value):
                raise RekalError(NOT_FINITE)
            if len(starts) > 1:
                climbs[-1].ascend(STEPS)
        order = sorted(climbs, key=lambda climb: -climb.value)
        running = order[: len(order) // 2]
        if len(running) > 1:
            for climb in running:
                climb.ascend(STEPS)
    except KeyboardInterrupt:
        if not any(len(climb.history) > 1 for climb in climbs):  # nothing was learned
            raise
        interrupted = True
    order = sorted(climbs, key=lambda climb: -climb.value)
    names = ["given", *(_name(objective.parameters, vector, given) for vector in starts[1:])]
    reached = {id(climb): name for climb, name in zip(climbs, names, strict=False)}
    ranked = tuple(Start(reached[id(climb)], climb.value) for climb in order)
    return order[0], ranked, interrupted


def _name(parameters: Parameters, vector: np.ndarray, given: np.ndarray) -> str:
    """The values of the parameters that a start changes."""
    natural = np.asarray(parameters.natural(jnp.asarray(vector)), float)
    changed = np.flatnonzero(vector != given)
    values = [f"{parameters.names[i]} {natural[i]:.3g}" for i in changed[:4]]
    return ", ".join(values) + (", ..." if len(changed) > 4 else "")


def _chosen(objective: Objective, grids: list[Grid], count: int) -> list[np.ndarray]:
    """The given start, and of all combinations of the grids those of the highest likelihood.

    Raises:
        RekalError: the given start has no likelihood.
    """
    given = np.asarray(objective.parameters.vector, float)
    scale = _Scale(objective)
    tried = [scale.best(given)]
    if not np.isfinite(tried[0][0]):
        raise RekalError(NOT_FINITE)

    def moved(base: np.ndarray, grid: Grid, point: np.ndarray) -> np.ndarray:
        vector = base.copy()
        vector[list(grid.places)] = point
        return vector

    if np.prod([float(len(grid.points)) for grid in grids]) <= MOST:
        for points in product(*(grid.points for grid in grids)):
            vector = given
            for grid, point in zip(grids, points, strict=True):
                vector = moved(vector, grid, point)
            tried.append(scale.best(vector))
    else:
        base, best = given, tried[0][0]
        for grid in grids * ROUNDS:
            for point in grid.points:
                vector = moved(base, grid, point)
                tried.append(scale.best(vector))
                if tried[-1][0] > best:
                    base, best = vector, tried[-1][0]
    chosen = [tried[0][1]]
    for _, vector in sorted(tried[1:], key=lambda each: -each[0]):
        if len(chosen) == count:
            break
        if all(np.abs(vector - other).max() > APART for other in chosen):
            chosen.append(vector)
    return chosen


class _Scale:
    """The common scale of all covariances as a direction in the vector of free parameters.

    Attributes:
        exact: whether all covariances of the model follow it.
    """

    def __init__(self, objective: Objective) -> None:
        parameters = objective.parameters
        self.objective = objective
        none = np.zeros(0)  # the common scale is no direction in the vector
        self.logs, self.products = parameters.scale_exponents() or (none, none)
        self.exact = True
        model: Any = parameters.build(parameters.vector)
        flat = len(model.diffuse)
        self.entries = objective.entries - flat * sum(len(g.values) for g in objective.groups)
        if isinstance(parameters, ModelParameters):
            chosen = [name for name, _ in parameters.chosen]
            self.exact = model.linear and ("P" in chosen or model.initial != "given")

    def best(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """The log-likelihood at the best scale, and the vector there; minus infinity where there is none."""
        value, slope = self.objective.evaluate(vector)
        if not np.isfinite(value):
            return -np.inf, vector
        if not self.logs.any() or not np.isfinite(slope).all() or self.entries <= 0:
            return value, vector
        along = float(slope @ (self.logs + self.products * vector))
        k = 1 + 2 * along / self.entries
        if not (np.isfinite(k) and k > 0):
            return value, vector
        scaled = vector * k**self.products + np.log(k) * self.logs
        if self.exact:
            return value + 0.5 * self.entries * (k - 1 - np.log(k)), scaled
        reached = self.objective.evaluate(scaled)[0]
        return (reached, scaled) if reached > value else (value, vector)
