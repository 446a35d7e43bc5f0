"""Arrays of every kind through the public verbs: a right answer, or one sentence.

    python tests/fuzz/arrays.py --count 2000 --seed 0

A case is one odd array (`odd_arrays.py`) for one verb. It passes if the verb raises a `RekalError` of one
line, or returns numbers that are all finite and, where they are known, right: what was read is what was
written, the likelihood of a local level is that of a plain Kalman recursion, a forecast does not depend on
the unit of the data, a stream that refuses is as it was before. Another exception, a warning, a NaN or a
wrong number is a fault.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from finite import not_finite  # noqa: E402
from odd_arrays import STEPS, Odd, odd_array  # noqa: E402

import rekalman  # noqa: E402
from rekalman.data.scales.standardiser import Standardiser  # noqa: E402
from rekalman.filters.choice import Filtering  # noqa: E402
from rekalman.fitting.history import History  # noqa: E402
from rekalman.forecasting import Labels  # noqa: E402
from rekalman.foundation.errors import RekalError  # noqa: E402

ONE = np.eye(1)
Q, R = 0.1, 0.5
LONGEST = 400  # characters of a sentence


class Fault(Exception):
    """A wrong answer."""


def level(columns: int = 1, inputs: int = 0) -> rekalman.LinearGaussian:
    n = np.eye(columns)
    return rekalman.LinearGaussian.create(
        n, n, Q * n, R * n, B=np.ones((columns, inputs)) if inputs else None
    )


def fit_of(columns: int, kind: str, inputs: int = 0) -> rekalman.Fit:
    moments = (np.zeros(inputs), np.ones(inputs)) if inputs else (None, None)
    names = ("y",) if columns == 1 else tuple(f"y{k + 1}" for k in range(columns))
    return rekalman.Fit(
        algorithm=Filtering(kind, particles=50).of(level(columns, inputs)),  # pyright: ignore[reportArgumentType]
        standardiser=Standardiser(np.zeros(columns), np.ones(columns), *moments),
        history=History(np.zeros(1), (), "iterations", 0.0, STEPS),
        seed=0,
        labels=Labels(names, (None,) * columns),
        input_names=("u",) * inputs,
    )


class World:
    """Models that are made once."""

    def __init__(self) -> None:
        self.fits = {(n, kind): fit_of(n, kind) for n in (1, 2) for kind in ("kalman", "particles")}
        self.driven = fit_of(1, "kalman", inputs=1)
        self.base = np.random.default_rng(7).normal(size=(STEPS, 1))
        self.inputs = np.random.default_rng(8).normal(size=(STEPS, 1))
        self.data = rekalman.Sequences.from_arrays(
            self.base, inputs=self.inputs, input_names=("u",)
        )


def log_likelihood(y: np.ndarray) -> float:
    """Of a local level in each column, by the plain recursion."""
    total = 0.0
    for column in y.T:
        mean, var = 0.0, 1.0
        for t, value in enumerate(column):
            var = var + (Q if t else 0.0)
            if not math.isnan(value):
                f, error = var + R, value - mean
                total -= 0.5 * (math.log(2 * math.pi * f) + error * error / f)
                mean, var = mean + var / f * error, var * R / f
    return total


def read(odd: Odd) -> rekalman.Sequences:
    """Sequences of the array, which must hold what was written."""
    data = rekalman.Sequences.from_arrays(odd.value)
    _finite(data)
    if odd.numbers is not None:
        seen = np.asarray(data.mask)[0]
        if not np.array_equal(
            np.where(seen, np.asarray(data.values)[0], np.nan), odd.numbers, equal_nan=True
        ):
            raise Fault("what was read is not what was written")
    return data


def _finite(result: Any) -> None:
    places = list(not_finite(result))
    if places:
        raise Fault("not finite: " + "; ".join(places[:3]))


def check_read(world: World, odd: Odd, random: np.random.Generator) -> None:
    read(odd)


def check_rest(world: World, odd: Odd, random: np.random.Generator) -> None:
    name = str(random.choice(["inputs", "mask", "targets", "times", "dt"]))
    options: dict[str, Any] = {name: odd.value}
    if name == "times" and random.random() < 0.5:
        options["irregular"] = True
    _finite(rekalman.Sequences.from_arrays(world.base, **options))


def check_filter(world: World, odd: Odd, random: np.random.Generator) -> None:
    data = read(odd)
    kind = ("kalman", "particles")[random.random() < 0.25]
    columns = data.observations if data.observations in (1, 2) else 1
    verb = rekalman.smooth if random.random() < 0.4 else rekalman.filter
    made = verb(world.fits[columns, kind].algorithm, data)
    _finite(made)
    if kind == "kalman" and odd.numbers is not None:
        exact = log_likelihood(odd.numbers)
        if abs(made.log_likelihood - exact) > 1e-3 * abs(exact) + 1e-2:
            raise Fault(f"log-likelihood {made.log_likelihood:.6g}, not {exact:.6g}")


def check_forecast(world: World, odd: Odd, random: np.random.Generator) -> None:
    if random.random() < 0.4:
        made = world.driven.forecast(world.data, STEPS, odd.value)
        _finite((made.mean, made.std, made.quantile(0.9)))
        if odd.numbers is None or odd.numbers.shape != (STEPS, 1):
            raise Fault("future inputs that are no numbers, or not so many, were taken")
        return
    data = read(odd)
    fit = world.fits[1, ("kalman", "particles")[random.random() < 0.25]]
    if random.random() < 0.3:
        made = fit.roll(data, [1, 3], origins=[5, -1])
        _finite(made.score(data.values, np.asarray(data.mask)).dropna())
    else:
        made = fit.forecast(data, 3)
    _finite((made.mean, made.std, made.quantile(0.9)))


def check_stream(world: World, odd: Odd, random: np.random.Generator) -> None:
    fit = world.fits[1, ("kalman", "particles")[random.random() < 0.25]]
    stream = fit.stream()
    stream.update([0.3])
    rows = [odd.value] if odd.numbers is None or random.random() < 0.2 else list(odd.numbers[:4])
    for row in rows:
        before = stream.step, stream.log_likelihood, _bytes(stream.belief)
        try:
            stream.update(row)
        except RekalError:
            if before != (stream.step, stream.log_likelihood, _bytes(stream.belief)):
                raise Fault("a refused sample changed the stream") from None
            raise
        made = stream.forecast(2)
        _finite((made.mean, made.std, stream.log_likelihood))
    if rows[0] is odd.value and odd.numbers is None:
        pass
    elif fit.algorithm.short_name == "kalman" and rows[0] is not odd.value:
        exact = log_likelihood(np.vstack([[[0.3]], odd.numbers[:4]]))
        if abs(stream.log_likelihood - exact) > 1e-3 * abs(exact) + 1e-2:
            raise Fault(f"log-likelihood {stream.log_likelihood:.6g}, not {exact:.6g}")


def check_fit(world: World, odd: Odd, random: np.random.Generator) -> None:
    data = read(odd)
    if random.random() < 0.5:
        fit = rekalman.fit(
            data, "local-level", rekalman.MaximumLikelihood(iterations=3), progress=False
        )
    else:
        fit = rekalman.fit(data, "linear", rekalman.EM(iterations=2), states=1, progress=False)
    _finite((fit.model, fit.history.log_likelihood, fit.standardiser))
    made = fit.forecast(data, 3)
    _finite((made.mean, made.std))
    if data.batch == 1 and data.observations == 1:
        # In another unit the forecast is the same.
        seen, y = np.asarray(data.mask), np.asarray(data.values)
        size = np.abs(y[seen]).max()
        center, spread = size * (y[seen] / size).mean(), size * (y[seen] / size).std()
        unit = np.where(seen, (y - center) / spread, np.nan)
        model, learner = ("linear", rekalman.EM(iterations=2)) if fit.kind == "linear" else (
            "local-level", rekalman.MaximumLikelihood(iterations=3))  # fmt: skip
        states = {"states": 1} if model == "linear" else {}
        again = rekalman.fit(
            rekalman.Sequences.from_arrays(unit), model, learner, progress=False, **states
        )
        expected = np.asarray(
            again.forecast(rekalman.Sequences.from_arrays(unit), 3).mean, np.float64
        )
        ours = (np.asarray(made.mean, np.float64) - center) / spread
        worst = float(np.abs(ours - expected).max())
        fine = np.finfo(np.float32).eps * (
            1 + abs(center) / spread
        )  # what rounding of a mean allows
        if worst > 0.02 + 100 * fine:
            raise Fault(f"the forecast depends on the unit of the data: {worst:.3g} deviations")


def check_simulate(world: World, odd: Odd, random: np.random.Generator) -> None:
    if random.random() < 0.5:
        _finite(world.driven.simulate(STEPS, inputs=odd.value))
        return
    stream = world.driven.stream()
    stream.update([0.3], [0.1])
    before = stream.step, stream.log_likelihood
    value = odd.value if odd.numbers is None else odd.numbers[0]
    try:
        stream.update([0.5], value)
    except RekalError:
        if before != (stream.step, stream.log_likelihood):
            raise Fault("a refused sample changed the stream") from None
        raise
    _finite((stream.log_likelihood, stream.forecast(2, [[0.0], [0.0]]).mean))


def _bytes(belief: Any) -> list[bytes]:
    leaves = [
        jax.random.key_data(leaf) if "key" in str(leaf.dtype) else leaf
        for leaf in jax.tree.leaves(belief)
    ]
    return [np.asarray(leaf).tobytes() for leaf in leaves]


VERBS: list[tuple[Callable[[World, Odd, np.random.Generator], None], int, float]] = [
    (check_read, 2, 0.2),
    (check_rest, 1, 0.2),
    (check_filter, 2, 0.2),
    (check_forecast, 1, 0.12),
    (check_stream, 1, 0.12),
    (check_fit, 1, 0.08),
    (check_simulate, 1, 0.08),
]


def run(count: int, seed: int, verbose: bool = True) -> tuple[Counter[str], list[str]]:
    """Run so many cases.

    Returns:
        How many were answered and refused by verb, and a line for each fault.
    """
    world, counts, faults = World(), Counter(), []
    shares = np.array([share for _, _, share in VERBS])
    for i in range(count):
        random = np.random.default_rng([seed, i])
        check, columns, _ = VERBS[random.choice(len(VERBS), p=shares / shares.sum())]
        odd = odd_array(random, int(random.integers(1, columns + 1)))
        name = check.__name__.removeprefix("check_")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                check(world, odd, random)
            counts[f"{name}: answered"] += 1
        except RekalError as error:
            counts[f"{name}: refused"] += 1
            if "\n" in str(error) or not 15 < len(str(error)) < LONGEST:
                faults.append(f"{i} {name} of {odd.label}: no sentence: {error}")
        except Exception as error:
            counts[f"{name}: fault"] += 1
            frames = [
                f for f in traceback.extract_tb(error.__traceback__) if "/rekalman/" in f.filename
            ]
            where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "here"
            faults.append(
                f"{i} {name} of {odd.label}: {type(error).__name__} at {where}: {error!s:.200}"
            )
        if verbose and len(faults) and faults[-1].startswith(f"{i} "):
            print(faults[-1].replace("\n", " "), flush=True)
    return counts, faults


def main() -> int:
    """Run as the command line says; 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.perf_counter()
    counts, faults = run(options.count, options.seed)
    for name, number in sorted(counts.items()):
        print(f"{name:<20} {number}")
    print(f"{len(faults)} faults in {options.count} cases, {time.perf_counter() - start:.0f} s")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
