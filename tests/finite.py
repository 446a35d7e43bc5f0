"""No NaN and no infinity leaves a public function: the suite watches what every one of them returns.

`watch` puts a check around the public verbs and methods. Whatever float in a result is not finite, and is not
documented as NaN in `DOCUMENTED`, is noted; the test during which it happened fails (`conftest.py`).
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
import pandas as pd

DOCUMENTED = {
    "Posterior.white": "NaN where nothing was observed or the start is not determined",
    "Posterior.pit": "likewise",
    "Predictions.white": "NaN where nothing was observed",
    "Predictions.pit": "likewise",
    "Sequences.targets": "NaN where unknown",
    "Frames.targets": "NaN where unknown",
    "Parameter.standard_error": "NaN where there is none",
    "Estimate.standard_errors": "NaN where the data do not determine a parameter",
    "Identification.output_std": "NaN where the output grows without bound",
    "Identification.explained": "likewise",
    "Rest.output_var": "likewise",
    "LinearFacts.intervals": "NaN where the data do not determine a pole",
    "Confidence.poles": "likewise",
    "LjungBox.statistic": "NaN with no more entries than lags, or none that differ",
    "LjungBox.p_value": "likewise",
    "ColumnDiagnostics.ljung_box": "likewise",
    "ColumnDiagnostics.whiteness_p": "likewise",
    "BackpropResult.validation": "NaN without series for validation",
    "Responses.gain": "NaN where the model is not stable",
    "Identification.amplitude": "NaN where there is no oscillation",
    "Identification.center": "likewise",
    "Identification.cycle": "likewise",
    "AdaptiveRun.members": "NaN before the warm-up ends",
    "AdaptiveRun.intervals": "NaN before the warm-up ends",
}
"""What may be NaN (never infinite), field by field."""

INFINITE = {
    "GaussianPath.log_evidence": "minus infinity where the model rules an observation out",
    "ModeIntervals.period": "infinity where the interval reaches the real line",
    "LinearFacts.intervals": "likewise",
    "ModeIntervals.time_constant": "infinity where the interval reaches the unit circle",
}
"""What may be infinite (never NaN), field by field."""

VERBS = {
    "rekalman.fitting.verbs": "filter smooth",
    "rekalman.verbs.fit": "fit",
    "rekalman.simulation.models": "simulate simulate_sequences",
    "rekalman.simulation.linear": "simulate_linear",
    "rekalman.simulation.filters": "simulate_filter",
    "rekalman.simulation.free_run": "free_run",
    "rekalman.identification": "identify responses distance",
    "rekalman.filters.kalman.batch": "filter_batch",
    "rekalman.smoothers.simulation": "simulation_smoother",
    "rekalman.forecasting": "forecast_from rolling_forecast",
    "rekalman.evaluation.diagnostics": "diagnose",
}
METHODS = {
    "Fit": "filter smooth forecast roll simulate free_run identify diagnose",
    "Stream": "update forecast",
    "Posterior": "diagnose nees",
    "Predictions": "diagnose",
    "Forecast": "quantile interval samples",
    "Kalman": "run smooth",
    "ExtendedKalman": "run smooth",
    "UnscentedKalman": "run smooth",
    "AdaptiveForecaster": "run",
    "EM": "run",
    "MaximumLikelihood": "run",
    "SimulationError": "run",
    "Backprop": "run",
    "NUTS": "run",
}
STATE = {"Stream": ("belief", "log_likelihood")}
"""What a method leaves in its object."""

noted: list[str] = []


def watch() -> None:
    """Put the check around everything public, once."""
    rekalman = importlib.import_module("rekalman")
    for place, names in VERBS.items():
        module = importlib.import_module(place)
        for name in names.split():
            checked = _checked(getattr(module, name), name)
            setattr(module, name, checked)
            if hasattr(rekalman, name):
                setattr(rekalman, name, checked)
    for kind, names in METHODS.items():
        owner = getattr(rekalman, kind)
        for name in names.split():
            # As the class has it, or its base; what Equinox wraps is a descriptor that hands on `self`.
            setattr(owner, name, _checked(_function(owner, name), f"{kind}.{name}"))


def not_finite(thing: Any, place: str = "", field: str = "") -> Iterator[str]:
    """Places of floats that are not finite and not documented so.

    Args:
        thing: anything.
        place: where it stands.
        field: class and name of the last field on the way, whose NaN may be documented.
    """
    if isinstance(thing, float | np.floating | np.ndarray | jax.Array | pd.DataFrame):
        numbers = _numbers(thing)
        if numbers is not None and not np.isfinite(numbers).all():
            nan = int(np.isnan(numbers).sum())
            infinite = int(np.isinf(numbers).sum())
            if (infinite and field not in INFINITE) or (nan and field not in DOCUMENTED):
                yield f"{place or 'the result'}: {nan} NaN, {infinite} infinite of {numbers.size}"
    elif hasattr(thing, "_fields") and isinstance(thing, tuple):
        for name in thing._fields:
            here = (
                field
                if field in DOCUMENTED or field in INFINITE
                else f"{type(thing).__name__}.{name}"
            )
            yield from not_finite(getattr(thing, name), f"{place}.{name}", here)
    elif isinstance(thing, list | tuple):
        for i, each in enumerate(thing):
            yield from not_finite(each, f"{place}[{i}]", field)
    elif isinstance(thing, Mapping):
        for name, each in thing.items():
            yield from not_finite(each, f"{place}[{name!r}]", field)
    elif dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        for each in dataclasses.fields(thing):
            here = (
                field
                if field in DOCUMENTED or field in INFINITE
                else f"{type(thing).__name__}.{each.name}"
            )
            yield from not_finite(getattr(thing, each.name), f"{place}.{each.name}", here)


def _numbers(thing: Any) -> np.ndarray | None:
    if isinstance(thing, jax.core.Tracer):
        return None
    if isinstance(thing, pd.DataFrame):
        return thing.select_dtypes("floating").to_numpy()
    if isinstance(thing, jax.Array) and not jax.dtypes.issubdtype(thing.dtype, np.inexact):
        return None
    array = np.asarray(thing)
    return array if array.dtype.kind in "fc" or array.dtype.name == "bfloat16" else None


def _function(owner: type, name: str) -> Callable[..., Any]:
    for base in owner.__mro__:
        if name in vars(base):
            result = vars(base)[name]
            # Equinox keeps methods in a descriptor; the function itself is its `method` or `__wrapped__`.
            return getattr(result, "method", result)
    raise AttributeError(f"{owner.__name__} has no {name}")


def _checked(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    kind = name.partition(".")[0]

    @functools.wraps(function)
    def checked(*args: Any, **options: Any) -> Any:
        result = function(*args, **options)
        noted.extend(f"{name} gave {where}" for where in not_finite(result))
        for held in STATE.get(kind, ()):
            value = getattr(args[0], held)
            if held == "belief" and hasattr(value, "log_weights"):  # -inf = a particle ruled out
                value = (value.x, np.exp(np.asarray(value.log_weights)))
            noted.extend(f"{name} left {where}" for where in not_finite(value, held))
        return result

    return checked
