r"""Known linear systems, recovered: poles, transfer function and noise, and how sure one is of them.

Three parts, on random stable systems (`lds_systems.py`):

1. EM from the subspace start: does it reach the likelihood of the true parameters in 20 iterations?
2. EM and maximum likelihood on series of 100 to 100,000 steps: the errors should fall as `1 / sqrt(T)`;
3. 95 % intervals from the observed information, of poles, effects of an input and of the parameters of a
   structure: how many hold the truth?

No figure is published for these; the oracle column holds what theory asks for.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any, NamedTuple, cast

import jax
import numpy as np
from scipy.special import ndtri

from rekalman.data import Sequences
from rekalman.learners.batch import Batch, as_batch
from rekalman.learners.em.linear_em import linear_em
from rekalman.learners.likelihood.estimate import Estimate
from rekalman.learners.likelihood.likelihood import MaximumLikelihood
from rekalman.learners.likelihood.total import groups_of, total_log_likelihood
from rekalman.learners.start.n4sid import n4sid
from rekalman.models.linear import LinearGaussian
from rekalman.models.structures.structural import oscillator
from rekalman.studies.base import Row, StudyOptions, StudyResult
from rekalman.studies.lds_systems import Data, answers, draw, errors, random_system

Shape = tuple[int, int, int]
SYSTEMS: tuple[Shape, ...] = ((2, 1, 0), (4, 2, 0), (4, 2, 1), (6, 2, 1), (8, 3, 1))
CURVES: tuple[Shape, ...] = ((2, 1, 1), (4, 2, 0))
METRICS = ("pole_error", "transfer_error", "noise_error")
OFFSETS = ("c", "d")  # the systems have none


class Setting(NamedTuple):
    """How large the study is."""

    starts: int = 4  # systems of each shape in part 1
    steps: int = 1000  # length of series in parts 1 and 3
    iterations: int = 20
    lengths: tuple[int, ...] = (100, 1000, 10_000, 100_000)
    seeds: int = 8  # systems of each shape in part 2
    replicates: int = 300  # series in part 3


QUICK = Setting(starts=1, lengths=(100, 1000), seeds=2, replicates=20)


def run(options: StudyOptions) -> StudyResult:
    """Run all three parts; `options.seeds` counts the systems of each shape in part 2."""
    began = time.perf_counter()
    setting = QUICK if options.quick else Setting()._replace(seeds=options.seeds or Setting().seeds)
    with jax.enable_x64(True):
        rows, reached = start_rows(options, setting)
        more, curves = curve_rows(options, setting)
        last, intervals = interval_rows(options, setting)
    return StudyResult(
        study="lds-recovery",
        rows=(*rows, *more, *last),
        seeds=setting.seeds,
        seconds=time.perf_counter() - began,
        config={
            **setting._asdict(),
            "quick": options.quick,
            "em_from_subspace": reached,
            "errors": curves,
            "intervals": intervals,
        },
    )


def prepared(data: Data) -> Batch:
    """The series as a batch."""
    return as_batch(Sequences.from_arrays(data.values, inputs=data.inputs))


def subspace(data: Data, states: int) -> LinearGaussian:
    """The subspace start, without offsets."""
    seen = np.ones_like(data.values, bool)
    start = n4sid(data.values, seen, states, inputs=data.inputs)
    return dataclasses.replace(start, c=0 * start.c, d=0 * start.d)


def likely(model: LinearGaussian, batch: Batch, errors: bool) -> Estimate:
    """Maximum likelihood from a model, its start made stationary; with standard errors or without."""
    radius = float(np.abs(np.linalg.eigvals(np.asarray(model.A))).max())
    A = model.A * min(1.0, 0.99 / radius)
    start = dataclasses.replace(model, A=A, m=0 * model.m, initial="stationary")
    return MaximumLikelihood(freeze=(*OFFSETS, "m", "P"), errors=errors).run(start, batch)


def start_rows(options: StudyOptions, setting: Setting) -> tuple[list[Row], dict[str, Any]]:
    """Part 1: EM from the subspace start against the likelihood of the truth."""
    gains, needed = [], []
    for shape in SYSTEMS:
        for i in range(setting.starts):
            options.report(len(needed), len(SYSTEMS) * setting.starts, f"EM from subspace, {shape}")
            truth = random_system(*shape, options.seed + i)
            data = draw(truth, setting.steps, options.seed + i)
            batch = prepared(data)
            target = float(jax.jit(total_log_likelihood)(truth, groups_of(batch)))
            result = linear_em(
                subspace(data, shape[0]), batch,
                iterations=setting.iterations + 1, tolerance=0, freeze=OFFSETS,
            ).log_likelihood  # fmt: skip
            above = np.flatnonzero(result >= target)
            needed.append(int(above[0]) if above.size else setting.iterations + 1)
            gains.append((result - target).tolist())
    count = np.array(needed)
    system = f"EM from the subspace start, T = {setting.steps}"
    share = float((count <= setting.iterations).mean())
    rows = [
        Row(system, f"reached_in_{setting.iterations}", share, share, 0.0, "higher", oracle=0.95),
        Row(system, "iterations_to_truth", float(np.median(count)), float(count.max()),
            float(np.ptp(count))),
    ]  # fmt: skip
    return rows, {"shapes": SYSTEMS, "iterations": needed, "gain_by_iteration": gains}


def curve_rows(options: StudyOptions, setting: Setting) -> tuple[list[Row], dict[str, Any]]:
    """Part 2: errors against the length of the series, and their slope."""
    rows: list[Row] = []
    records: dict[str, Any] = {}
    done, total = 0, len(CURVES) * len(setting.lengths) * setting.seeds
    for shape in CURVES:
        result = {(learner, metric): [] for learner in ("EM", "ML") for metric in METRICS}
        for steps in setting.lengths:
            each: dict[tuple[str, str], list[float]] = {key: [] for key in result}
            for i in range(setting.seeds):
                options.report(done, total, f"{shape[0]} states, {steps} steps")
                done += 1
                truth = random_system(*shape, options.seed + 100 + i)
                data = draw(truth, steps, options.seed + 100 + i)
                batch = prepared(data)
                em = linear_em(
                    subspace(data, shape[0]), batch,
                    iterations=150, tolerance=1e-8, freeze=OFFSETS,
                ).model  # fmt: skip
                for learner, model in (("EM", em), ("ML", likely(em, batch, False).model)):
                    for metric, value in errors(cast(LinearGaussian, model), truth).items():
                        each[learner, metric].append(value)
            for key, values in each.items():
                result[key].append(values)
        for (learner, metric), values in result.items():
            name = f"{learner}, {shape[0]} states, {shape[2]} inputs"
            table = np.array(values)
            rows.extend(
                Row(f"{name}, T = {steps}", metric, float(np.median(row)), float(row.max()),
                    float(np.ptp(row)))
                for steps, row in zip(setting.lengths, table, strict=True)
            )  # fmt: skip
            rows.append(_slope_row(name, metric, setting.lengths, table))
            records[f"{name}, {metric}"] = table
    return rows, records


def _slope_row(name: str, metric: str, lengths: tuple[int, ...], table: np.ndarray) -> Row:
    """The slope of `log error` in `log T`, each system with its own level: fitted to medians."""
    log_t = np.log(np.array(lengths, float))
    slope = float(np.polyfit(log_t, np.log(np.median(table, 1)), 1)[0])
    own = np.polyfit(log_t, np.log(table), 1)[0]
    return Row(name, f"slope of {metric}", slope, float(own.max()), float(np.ptp(own)), oracle=-0.5)


def interval_rows(options: StudyOptions, setting: Setting) -> tuple[list[Row], dict[str, Any]]:
    """Part 3: how many 95 % intervals hold the truth."""
    truth = _complex_pair(options.seed)
    wanted = np.asarray(answers(truth))
    cycle = oscillator(period=12.0, damping=0.95)
    natural = np.asarray(cycle.natural)
    z = float(ndtri(0.975))
    inside: list[np.ndarray] = []
    inside_cycle: list[np.ndarray] = []
    for i in range(setting.replicates):
        options.report(i, setting.replicates, "intervals")
        data = draw(truth, setting.steps, options.seed + 1000 + i)
        batch = prepared(data)
        em = linear_em(subspace(data, 2), batch, iterations=20, tolerance=0, freeze=OFFSETS).model
        value, error = likely(em, batch, True).standard_error_of(answers)
        inside.append(np.abs(value - wanted) <= z * error)
        system = cast(LinearGaussian, cycle.build())
        data = draw(system, setting.steps, options.seed + 5000 + i)
        result = MaximumLikelihood().run(cycle.start(data.values), prepared(data))
        low, high = result.interval(0.95)
        inside_cycle.append((low <= natural) & (natural <= high))
    rows, records = [], {}
    groups = (
        ("poles, 2 states, 1 input", np.array(inside)[:, :2]),
        ("effects of an input, 2 states", np.array(inside)[:, 2:]),
        ("parameters of an oscillator", np.array(inside_cycle)),
    )
    for name, hits in groups:
        each = hits.mean(0)
        worst = each[np.argmax(np.abs(each - 0.95))]
        rows.append(
            Row(f"{name}, T = {setting.steps}", "coverage_95", float(hits.mean()), float(worst),
                float(np.ptp(each)), "higher", oracle=0.95)
        )  # fmt: skip
        records[name] = each
    return rows, records


def _complex_pair(seed: int) -> LinearGaussian:
    """The first random system with a pair of complex poles."""
    for i in range(seed, seed + 1000):
        system = random_system(2, 1, 1, i)
        if abs(np.linalg.eigvals(np.asarray(system.A))[0].imag) > 0.1:
            return system
    raise AssertionError("no such system")
