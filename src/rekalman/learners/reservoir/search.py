r"""Hyper-parameters of an echo state network, chosen on held-out rows within a budget of time.

Points of a Halton sequence over spectral radius, leak, input scale and bias scale are compared by successive
halving (Jamieson and Talwalkar 2016). What grows from round to round is the number of networks that are drawn
for each point, since networks of the same settings differ: the best third goes on with two more, the best
third of these with four more. The score of a point is the mean of its networks, each under its best penalty.

How many points there are follows from the budget by the arithmetic of the work, not from the clock: the same
seed gives the same network on any machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rekalman.foundation.arguments import real, whole
from rekalman.learners.reservoir.harvest import stacked
from rekalman.learners.reservoir.held_out import ORIGINS, Part, held_out_scores
from rekalman.networks.predictors.reservoir import Reservoir
from rekalman.numerics.placing import placed
from rekalman.numerics.precision import modelling_precision

TRIED_PENALTIES = tuple(10.0**power for power in (-12, -10, -8, -6, -5, -4, -3, -2, -1))
"""Penalties that are compared on held-out rows, as shares of the number of rows."""
KEPT = 3
"""Of so many points one goes on."""
DRAWS = (1, 2, 4)
"""Networks of a point that each round adds."""
AT_ONCE = 4
"""Networks of a compiled call."""
MOST_POINTS = 200
SECONDS_PER_OPERATION = 4e-10
"""Of a multiplication and addition, on one core of 2020, with what it waits for."""


class Settings(NamedTuple):
    """Scales of a reservoir.

    Attributes:
        spectral_radius: of its recurrent weights.
        leak: share of the state that is new at each step.
        input_scale: size of the input weights.
        bias_scale: size of the biases.
    """

    spectral_radius: float
    leak: float
    input_scale: float
    bias_scale: float


class Found(NamedTuple):
    """What a search chose.

    Attributes:
        settings: of the best point.
        seed: of its best network.
        penalty: of the readout.
        score: mean log density of held-out rows, in nats per value.
        trials: (settings, score) of all points, the best first.
        networks: number of networks that were trained.
    """

    settings: Settings
    seed: int
    penalty: float
    score: float
    trials: tuple[tuple[Settings, float], ...]
    networks: int


def points_of(count: int, seed: int, fixed: dict[str, float]) -> list[Settings]:
    """Settings to compare: a usual one, one near a linear network, and points of a Halton sequence.

    Args:
        count: how many.
        seed: scrambles the sequence.
        fixed: settings that are given, by name.

    Examples:
        >>> from rekalman.learners.reservoir.search import points_of
        >>> {each.leak for each in points_of(5, 0, {"leak": 0.3})}
        {0.3}
    """
    usual = [Settings(0.9, 1.0, 0.5, 0.2), Settings(0.95, 1.0, 0.05, 0.1)]
    unit = halton(max(count - len(usual), 0), 4, seed)
    drawn = [
        Settings(
            spectral_radius=0.1 + 1.2 * a,
            leak=min(1.0, 0.1 * 20.0**b),
            input_scale=0.03 * 100.0**c,
            bias_scale=d,
        )
        for a, b, c, d in unit.tolist()
    ]
    return [each._replace(**fixed) for each in [*usual, *drawn][:count]]


def halton(count: int, dimensions: int, seed: int) -> Float[np.ndarray, "count dimensions"]:
    """Points of a Halton sequence in the unit cube, shifted by a random vector (Cranley and Patterson 1976).

    Args:
        count: how many.
        dimensions: at most six.
        seed: of the shift.
    """
    points = np.zeros((count, dimensions))
    for k, base in zip(range(dimensions), (2, 3, 5, 7, 11, 13), strict=False):
        rest, share = np.arange(1, count + 1), 1.0 / base
        while rest.any():
            points[:, k] += share * (rest % base)
            rest, share = rest // base, share / base
    return (points + np.random.default_rng(seed).random(dimensions)) % 1.0


def affordable_points(budget: float, rows: int, units: int, obs: int, horizon: int) -> int:
    """How many points a budget allows.

    Args:
        budget: CPU seconds, compiled already.
        rows: of the series together.
        units: of a network.
        obs: number of columns.
        horizon: number of steps of a free run.
    """
    features = units + obs + 1
    runs = len(TRIED_PENALTIES) * min(ORIGINS, rows) * horizon
    operations = rows * features**2 / 2 + 12 * features**3 + (rows + runs) * units * (40.0 + obs)
    operations += rows * features * obs * len(TRIED_PENALTIES)
    each = SECONDS_PER_OPERATION * operations + 2e-3
    networks = sum(draws / KEPT**i for i, draws in enumerate(DRAWS))
    return int(np.clip(budget / (each * networks), 2, MOST_POINTS))


def search(
    make: Callable[[Settings, int], Reservoir],
    part: Part,
    *,
    fixed: dict[str, float] | None = None,
    penalty: float | None = None,
    budget: float = 10.0,
    seed: int = 0,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Found:
    """Choose settings, a network and a penalty.

    Args:
        make: a network of some settings and a seed.
        part: series whose ends are held out.
        fixed: settings that are given, by name.
        penalty: of the readout, where it is given.
        budget: CPU seconds, compiled already.
        seed: of points and networks.
        report: told how many of how many networks were trained.

    Raises:
        RekalError: `budget` or `seed` is out of range.
    """
    real("budget", budget, above=0)
    whole("seed", seed, 0)
    fixed = {} if fixed is None else fixed
    first = make(Settings(0.9, 1.0, 0.5, 0.2)._replace(**fixed), seed)
    rows, obs = int(np.asarray(part.values).shape[0] * part.values.shape[1]), first.observations
    count = 1 if len(fixed) == len(Settings._fields) else None
    count = count or affordable_points(budget, rows, first.units, obs, part.horizon)
    points = points_of(count, seed, fixed)
    penalties = np.array(TRIED_PENALTIES if penalty is None else (penalty,))
    scores: dict[int, list[Float[np.ndarray, " penalties"]]] = {i: [] for i in range(len(points))}
    going, done = list(scores), 0
    with modelling_precision():
        prepared = jax.tree.map(
            lambda leaf: placed(leaf) if isinstance(leaf, np.ndarray) else leaf, part
        )
        for draws in DRAWS:
            work = [(i, len(scores[i]) + k) for k in range(draws) for i in going]
            for start in range(0, len(work), AT_ONCE):
                some = work[start : start + AT_ONCE]
                padded = [*some, *some[:1] * (AT_ONCE - len(some))]
                networks = stacked([make(points[i], seed + 1000 * k) for i, k in padded])
                fitted = np.asarray(held_out_scores(networks, prepared, jnp.asarray(penalties)))
                for (i, _), each in zip(some, fitted, strict=False):
                    scores[i].append(np.where(np.isfinite(each), each, -1e6))
                done += len(some)
                report(done, done + len(work) - start - len(some))
            going = sorted(going, key=lambda i: -_mean(scores[i]))
            going = going[: max(1, -(-len(going) // KEPT))]
    best = going[0]
    draw = int(np.argmax([each.max() for each in scores[best]]))
    order = sorted(scores, key=lambda i: (-len(scores[i]), -_mean(scores[i])))
    return Found(
        settings=points[best],
        seed=seed + 1000 * draw,
        penalty=float(penalties[int(np.argmax(scores[best][draw]))]),
        score=_mean(scores[best]),
        trials=tuple((points[i], _mean(scores[i])) for i in order),
        networks=done,
    )


def _mean(scores: list[np.ndarray]) -> float:
    """Of the networks of a point, each under its best penalty."""
    return float(np.mean([each.max() for each in scores]))
