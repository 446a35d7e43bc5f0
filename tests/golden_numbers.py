"""What is recorded of a result: flat tables of names and float64 arrays, long ones thinned."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

import rekalman
from rekalman.filters.gaussian import GaussianFilter
from rekalman.filters.particle import ParticleFilter

Numbers = dict[str, np.ndarray]

DOUBLE, SINGLE = 1e-6, 1e-4
ENTRIES = 12  # of a long array, evenly spaced, that are recorded


class Case(NamedTuple):
    """A computation whose numbers are pinned.

    Attributes:
        run: gives the numbers.
        quick: whether the suite runs it each time.
        rtol: tolerance, as a share of the largest number of an array.
        loose: other tolerances, by the beginning of a name.
        needs_data: whether it reads the folder of real data.
    """

    run: Callable[[], Numbers]
    quick: bool
    rtol: float
    loose: Mapping[str, float]
    needs_data: bool = False

    def tolerance(self, name: str) -> float:
        """The tolerance of an array."""
        fitting = (rtol for start, rtol in self.loose.items() if name.startswith(start))
        return next(fitting, self.rtol)


CASES: dict[str, Case] = {}


def case(
    *,
    quick: bool = False,
    double: bool = False,
    rtol: float = DOUBLE,
    loose: Mapping[str, float] | None = None,
    leave_out: tuple[str, ...] = (),
    needs_data: bool = False,
) -> Callable[[Callable[[], Mapping[str, Any]]], Callable[[], Numbers]]:
    """Enter a function into the table under its name.

    Args:
        quick: whether the suite runs it each time.
        double: run it with JAX in double precision, as who calls filters without `rekalman.fit` may.
        rtol: as for `Case`.
        loose: as for `Case`.
        leave_out: beginnings of names of what is not well determined, and so not recorded.
        needs_data: as for `Case`.
    """

    def enter(function: Callable[[], Mapping[str, Any]]) -> Callable[[], Numbers]:
        def run() -> Numbers:
            with jax.enable_x64(double):
                numbers = {name: thinned(value) for name, value in function().items()}
            return {
                name: v for name, v in numbers.items() if not name.startswith(leave_out or "\0")
            }

        CASES[function.__name__.replace("_", "-")] = Case(run, quick, rtol, loose or {}, needs_data)
        return run

    return enter


def thinned(value: Any) -> np.ndarray:
    """Numbers as a flat float64 array; of a long one some entries and the root of the mean square."""
    flat = np.asarray(value, np.float64).ravel()
    if len(flat) <= ENTRIES:
        return flat
    some = flat[np.linspace(0, len(flat) - 1, ENTRIES).round().astype(int)]
    known = flat[np.isfinite(flat)]
    return np.append(some, math.sqrt(np.mean(np.square(known))) if len(known) else math.nan)


def flattened(tree: Any, start: str) -> dict[str, Any]:
    """The numbers of plain dictionaries and lists by their places; what does not exist is NaN."""
    if isinstance(tree, str):
        return {}
    if isinstance(tree, Mapping):
        parts = [flattened(value, f"{start} {key}") for key, value in tree.items()]
        return {name: value for part in parts for name, value in part.items()}
    if isinstance(tree, list | tuple):
        try:
            return {start: np.array(tree, np.float64)}
        except (TypeError, ValueError):  # no table of numbers
            return flattened({str(i + 1): each for i, each in enumerate(tree)}, start)
    return {start: math.nan if tree is None else float(tree)}


def of_path(path: Any, start: str = "") -> dict[str, Any]:
    """The beliefs of a Gaussian filter."""
    names = ("mean", "cov", "prior_mean", "prior_cov", "log_evidence", "white")
    return {f"{start}{name}": getattr(path, name) for name in names}


def of_posterior(posterior: Any, start: str) -> dict[str, Any]:
    """What `rekalman.filter` or `rekalman.smooth` gives."""
    names = ("mean", "cov", "observed_mean", "log_evidence", "white", "pit")
    numbers = {name: getattr(posterior, name) for name in names}
    return {
        f"{start} {name}": value
        for name, value in {**numbers, "log_likelihood": posterior.log_likelihood}.items()
        if value is not None
    }


def of_forecast(made: rekalman.Forecast, start: str = "forecast") -> dict[str, Any]:
    """Moments and quantiles of a forecast, and its noise-free path."""
    return {
        f"{start} mean": made.mean,
        f"{start} std": made.std,
        f"{start} path": made.path,
        f"{start} quantiles": [np.asarray(made.quantile(q)) for q in (0.05, 0.5, 0.9)],
    }


def of_algorithm(
    algorithm: GaussianFilter | ParticleFilter, data: rekalman.Sequences, future: Any = None
) -> dict[str, Any]:
    """The verbs with a filter of one's own model."""
    filtered = rekalman.filter(algorithm, data)
    return {
        **of_posterior(filtered, "filtered"),
        **of_posterior(rekalman.smooth(algorithm, data), "smoothed"),
        **of_forecast(rekalman.forecast(algorithm, data, 4, future)),
        **flattened(filtered.diagnose().to_dict(), "diagnostics"),
    }


def of_stream(fit: rekalman.Fit, data: rekalman.Sequences, future: Any = None) -> dict[str, Any]:
    """A stream that has taken the first series, and what it forecasts in the middle and at the end."""
    name = data.series_names[0] if hasattr(fit.standardiser, "names") else None
    stream = fit.stream(name)
    numbers: dict[str, Any] = {}
    steps = int(data.lengths[0])
    for t in range(steps):
        if t == steps // 2:
            halfway = stream.forecast(3, None if data.inputs is None else data.inputs[0, t : t + 3])
            numbers["stream halfway"] = halfway.mean
        row = np.where(data.mask[0, t], data.values[0, t], np.nan)
        drive = {} if data.inputs is None else {"u": data.inputs[0, t]}
        if data.dt is not None:
            drive["dt"] = float(data.dt[0, t])
        stream.update(row, **drive)
    numbers["stream log likelihood"] = stream.log_likelihood
    return {**numbers, **of_forecast(stream.forecast(3, future), "stream")}


def of_history(history: Any) -> dict[str, Any]:
    """How a model was numbers."""
    numbers: dict[str, Any] = {}
    if len(history.log_likelihood):
        numbers["log likelihood"] = history.log_likelihood[-1]
    for name in ("trials", "starts", "criteria"):
        numbers.update({f"{name} {key}": value for key, value in getattr(history, name)})
    for name in ("held_out", "trained", "objective"):
        if len(getattr(history, name)):
            numbers[name] = getattr(history, name)
    if history.linear_score is not None:
        numbers["linear score"] = history.linear_score
    if history.backtest is not None:
        numbers.update(flattened(history.backtest.to_dict(), "backtest"))
    return numbers


def of_fit(
    fit: rekalman.Fit,
    data: rekalman.Sequences,
    future: Any = None,
    *,
    stream: bool = False,
) -> dict[str, Any]:
    """All one asks of a trained model; of a stream only where that is asked for, since it takes time."""
    origins = np.linspace(int(min(data.lengths)) // 2, int(min(data.lengths)) - 4, 6).astype(int)
    scored = fit.filter(data)
    numbers = {
        **of_history(fit.history),
        **of_forecast(fit.forecast(data, 5, future)),
        **of_forecast(fit.roll(data, (1, 3), origins), "rolled"),
        **flattened(fit.diagnose(data).to_dict(), "diagnostics"),
        "log evidence": scored.log_evidence,
    }
    if stream:
        numbers |= of_stream(fit, data, None if future is None else future[:3])
    if isinstance(scored, rekalman.Predictions):
        return {**numbers, "predicted mean": scored.mean, "predicted var": scored.var}
    assert isinstance(scored, rekalman.Posterior)
    smoothed = rekalman.smooth(fit.algorithm, fit.prepare(data))
    real = data.valid()[..., None]  # beliefs in the padding mean nothing
    numbers |= {
        "filtered observed_mean": np.where(real, scored.observed_mean, 0.0),
        "smoothed mean": np.where(real, smoothed.mean, 0.0),
        "smoothed observed_mean": np.where(real, smoothed.observed_mean, 0.0),
        **flattened(fit.identify().to_dict(), "identified"),
    }
    for each in fit.parameters:
        numbers[f"parameter {each.name}"] = [each.value, each.standard_error]
    return numbers


def of_study(name: str) -> dict[str, Any]:
    """The figures of a study that runs quickly."""
    from rekalman.studies.base import StudyOptions

    rows = rekalman.STUDIES[name].run(StudyOptions(seeds=1, quick=True)).rows
    return {
        f"{row.system}, {row.metric}, {row.horizon}": [row.ours, row.worst, row.spread]
        for row in rows
        if row.metric != "seconds"
    }


def differences(case: Case, numbers: Numbers, recorded: Mapping[str, list[float]]) -> list[str]:
    """Sentences on what is not as it was recorded, none where all is."""
    sentences = [f"{name} is missing" for name in recorded if name not in numbers]
    for name, ours in numbers.items():
        if name not in recorded:
            sentences.append(f"{name} is new")
            continue
        theirs = np.array(recorded[name], np.float64)
        if ours.shape != theirs.shape:
            sentences.append(f"{name} has {len(ours)} numbers, not {len(theirs)}")
            continue
        finite = np.isfinite(theirs)
        largest = np.abs(theirs[finite]).max(initial=0.0)
        off = np.abs(ours - theirs)[finite].max(initial=0.0)
        same = np.array_equal(ours[~finite], theirs[~finite], equal_nan=True)
        if not same or not off <= case.tolerance(name) * largest:
            at = int(np.argmax(np.where(finite, np.abs(ours - theirs), 0.0))) if same else 0
            sentences.append(
                f"{name} is off by {off:.3g} of {largest:.3g}: {float(ours[at])!r}, not {float(theirs[at])!r}"
            )
    return sentences
