r"""Recurrent networks learned online: ten rules on five streams, and what they cost.

The protocol of sonaradarcn/sketched-rtrl (MIT, 2026): a tanh Elman network of 64 units and a linear readout,
a stream of 15,000 steps in eight lanes that share their weights, one Adam step of rate 0.001 for each step on
the squared error of the next value; state and derivatives begin anew every 200 steps. The score of a seed is
the mean squared error, each step before it was learned from, of the last five of sixty records of 250 steps,
over the variance of the stream. Theirs standardises each lane as a whole, which looks ahead; ours by its
first 2,000 steps, and some rows are repeated their way.

Beside them stand networks of the same kind with 16 units, whose weights are followed by an extended Kalman
filter, and a linear autoregression by recursive least squares on the same lanes.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rekalman.datasets.recurrent.online_streams import STREAMS, begins, online_stream
from rekalman.filters.learning.adam import Adam
from rekalman.filters.learning.kalman_step import KalmanUpdate
from rekalman.filters.learning.local_rules import RFLO, SyntheticGradient
from rekalman.filters.learning.network import LearningNetwork
from rekalman.filters.learning.random_rules import KFRTRL, UORO
from rekalman.filters.learning.rule import Rule
from rekalman.filters.learning.snap import RTRL, SnAp
from rekalman.filters.learning.step import WeightUpdate
from rekalman.filters.learning.truncated import TBPTT
from rekalman.learners.online.lanes import learn_from_lanes
from rekalman.networks.elman import Elman
from rekalman.networks.predictors.recurrent import RecurrentPredictor
from rekalman.numerics.precision import modelling_precision
from rekalman.studies.base import Row, StudyOptions, StudyResult
from rekalman.studies.online.costs import cost_rows

SOURCE = "sonaradarcn/sketched-rtrl (MIT, 2026), mean of 10 seeds computed from its result files"
BEST = f"the best trained network there: {SOURCE}"
RECORD, LAST = 250, 5
LAGS = 20


class Entry(NamedTuple):
    """A way of learning, as it stands in the table.

    Attributes:
        name: of the row.
        rule: how the network is differentiated.
        update: what is done with the derivatives.
        units: of the network.
        published: mean squared errors on the five streams, None where there is none.
        source: where they come from.
        seeds: how many are run at most; exact RTRL of 64 units is slow.
        theirs: whether the row is repeated with their standardisation.
    """

    name: str
    rule: Rule
    update: WeightUpdate
    units: int
    published: tuple[float | None, ...] = (None,) * 5
    source: str = SOURCE
    seeds: int = 10
    theirs: bool = False


ADAM = Adam(rate=1e-3, clip=None, loss="squared")
ENTRIES = (
    Entry("RTRL", RTRL(), ADAM, 64, (0.0052, 0.0180, 0.0051, 0.1451, 0.0199), seeds=1),
    Entry("SnAp-1", SnAp(1), ADAM, 64, (0.0052, 0.0050, 0.0024, 0.1437, 0.0214), theirs=True),
    Entry("KF-RTRL", KFRTRL(), ADAM, 64, (0.0384, 0.0286, 0.0126, 0.1613, 0.1788)),
    Entry("UORO", UORO(), ADAM, 64, (0.658, 0.0497, 0.0425, 0.2119, 0.4145)),
    Entry("RFLO", RFLO(), ADAM, 64, (0.0704, 0.0572, 0.0442, 0.1536, 0.2759)),
    Entry("TBPTT 25", TBPTT(25, 25), ADAM, 64, (0.0311, 0.0080, 0.0054, None, None), seeds=3),
    Entry("DNI", SyntheticGradient(), ADAM, 64),
    Entry(
        "EKF (RTRL, 16 units)", RTRL(), KalmanUpdate(), 16,
        (0.0052, 0.0050, 0.0024, 0.132, 0.0199), BEST,
    ),
    Entry(
        "EKF (SnAp-1, 16 units)", SnAp(1), KalmanUpdate(), 16,
        (0.0052, 0.0050, 0.0024, 0.132, 0.0199), BEST,
    ),
    Entry(
        "decoupled EKF (SnAp-1, 32 units)", SnAp(1), KalmanUpdate(decoupled=True), 32,
        (0.0052, 0.0050, 0.0024, 0.132, 0.0199), BEST,
    ),
)  # fmt: skip


class Setting(NamedTuple):
    """How large the study is."""

    steps: int = 15_000
    lanes: int = 8
    reset_every: int = 200
    seeds: int = 10
    sizes: tuple[int, ...] = (16, 32, 64, 128, 256, 512)


QUICK = Setting(steps=750, lanes=2, seeds=1, sizes=(4, 8))


def run(options: StudyOptions) -> StudyResult:
    """Every entry on every stream over the seeds, then what a step of each costs."""
    began = time.perf_counter()
    setting = QUICK if options.quick else Setting()._replace(seeds=options.seeds or Setting().seeds)
    rows: list[Row] = []
    records: dict[str, Any] = {}
    total, done = len(STREAMS) * (len(ENTRIES) + 1), 0
    for at, stream in enumerate(STREAMS):
        for entry in ENTRIES:
            done += 1
            options.report(done - 1, total, f"{entry.name}, {stream}")
            seeds = [options.seed + i for i in range(min(setting.seeds, entry.seeds))]
            for causal in (True, False)[: 1 + entry.theirs]:
                scores = scores_of(entry, stream, seeds, setting, causal, options.data)
                setup = "" if causal else ", standardised as a whole"
                rows.append(_row(f"{entry.name}, {stream}{setup}", scores, entry, at))
                records[rows[-1].system] = scores
        options.report(done, total, f"recursive least squares, {stream}")
        done += 1
        scores = [
            linear_score(
                begins(stream, setting.steps + 1),
                online_stream(stream, setting.steps + 1, setting.lanes, seed, root=options.data),
            )
            for seed in range(options.seed, options.seed + setting.seeds)
        ]
        name = f"linear, {LAGS} lags by recursive least squares, {stream}"
        rows.append(_row(name, scores))
        records[name] = scores
    rows += cost_rows(setting.sizes, options)
    return StudyResult(
        study="online-learning",
        rows=tuple(rows),
        seeds=setting.seeds,
        seconds=time.perf_counter() - began,
        config={
            **setting._asdict(),
            "quick": options.quick,
            "seeds_by_entry": {each.name: min(setting.seeds, each.seeds) for each in ENTRIES},
            "scores": records,
        },
    )


def _row(name: str, scores: list[float], entry: Entry | None = None, at: int = 0) -> Row:
    each = np.array(scores)
    published = None if entry is None else entry.published[at]
    return Row(
        name,
        "nmse",
        float(np.median(each)),
        float(each.max()),
        float(np.ptp(each)),
        published=published,
        source=entry.source if entry is not None and published is not None else None,
    )


def network(entry: Entry, seed: int) -> LearningNetwork:
    """The network of an entry with the weights that theirs begins with: uniform in +-1/sqrt(units)."""
    of_units, of_readout = jax.random.split(jax.random.key(seed))
    n, made = entry.units, RecurrentPredictor.create(Elman, 1, units=entry.units, key=of_units)
    bound = 1 / np.sqrt(n)
    draw = lambda key, shape: jax.random.uniform(key, shape, minval=-bound, maxval=bound)  # noqa: E731
    rows = draw(of_units, (1 + n, n))
    parts = lambda each: (each.layer.into, each.layer.across, each.readout)  # noqa: E731
    made = eqx.tree_at(parts, made, (rows[:1], rows[1:], draw(of_readout, (n + 1, 1))))
    return LearningNetwork.create(made, entry.rule, entry.update)


def scores_of(
    entry: Entry,
    stream: str,
    seeds: list[int],
    setting: Setting,
    causal: bool = True,
    root: Any = None,
) -> list[float]:
    """The score of each seed; a Kalman filter runs in double precision.

    Seeds run side by side, but for a rule that does its work every few steps, which it would then do at all.
    """
    y = [
        online_stream(stream, setting.steps + 1, setting.lanes, seed, causal=causal, root=root)
        for seed in seeds
    ]
    double = isinstance(entry.update, KalmanUpdate)
    with modelling_precision() if double else nullcontext():
        dtype = jnp.result_type(float)
        cast = lambda leaf: leaf.astype(dtype)  # noqa: E731
        starts = [jax.tree.map(cast, network(entry, seed)) for seed in seeds]
        values = [jnp.asarray(each[..., None], dtype) for each in y]
        keys = [jax.random.key(seed) for seed in seeds]
        begun = jnp.asarray(begins(stream, setting.steps + 1))
        if entry.rule.every > 1:
            runs = zip(starts, values, keys, strict=True)
            errors = [_errors(*each, begun, setting.reset_every) for each in runs]
        else:
            stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *starts)
            run_all = eqx.filter_vmap(_errors, in_axes=(eqx.if_array(0), 0, 0, None, None))
            errors = run_all(
                stacked, jnp.stack(values), jnp.stack(keys), begun, setting.reset_every
            )
    scored = ~np.asarray(begun)
    return [last_records(np.asarray(each, np.float64)[scored, :, 0]) for each in errors]


@eqx.filter_jit
def _errors(
    learning: LearningNetwork,
    values: Float[Array, "lanes steps obs"],
    key: PRNGKeyArray,
    begun: Bool[Array, " steps"],
    reset_every: int,
) -> Float[Array, "steps lanes obs"]:
    """Errors of every step before it was learned from."""
    seen = jnp.ones(values.shape, bool)
    done = learn_from_lanes(learning, values, seen, begins=begun, reset_every=reset_every, key=key)
    return done.errors


def last_records(errors: np.ndarray) -> float:
    """Mean squared error of the last five records; infinite where a run broke down."""
    square = np.square(errors).mean(1)
    recorded = square[: len(square) // RECORD * RECORD].reshape(-1, RECORD).mean(1)[-LAST:]
    return float(recorded.mean()) if np.isfinite(recorded).all() else float("inf")


def linear_score(begun: np.ndarray, y: np.ndarray) -> float:
    """The same of an autoregression by recursive least squares, one for all lanes, which never forgets."""
    lanes, steps = y.shape
    information, moment = 1e-2 * np.eye(LAGS + 1), np.zeros(LAGS + 1)
    weights, errors = np.zeros(LAGS + 1), []
    first = 0
    for t in range(steps):
        if begun[t]:
            first = t
            continue
        x = np.zeros((lanes, LAGS + 1))
        x[:, -1] = 1.0
        known = min(t - first, LAGS)
        x[:, :known] = y[:, t - known : t][:, ::-1]
        errors.append(y[:, t] - x @ weights)
        information += x.T @ x
        moment += x.T @ y[:, t]
        weights = np.linalg.solve(information, moment)
    return last_records(np.array(errors))
