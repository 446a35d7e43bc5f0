"""Reading a trained model, or a stream of it, from the file that its `save` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np

from rekal.archive import load_archive
from rekal.arguments import LARGEST_SEED
from rekal.diagnostics import ColumnDiagnostics, Diagnostics
from rekal.entries import Entries, floats, reading
from rekal.errors import RekalError
from rekal.filters.choice import Filtering, Kind
from rekal.first_state import FirstState
from rekal.fit import Fit
from rekal.fit_network import NetworkFit
from rekal.forecast import Labels
from rekal.frame_stream import FRAME_STREAM, FrameStream
from rekal.history import ARRAYS, REASONS, History
from rekal.holding import Scores
from rekal.learning.uncertainty import BLOCKS, Uncertainty
from rekal.models.serial import model_from
from rekal.networks.serial import KIND, network_from
from rekal.networks.table import TableNetwork
from rekal.sequences.standardiser import Standardiser
from rekal.stream import STREAM, Stream
from rekal.trained import Parameter

TIME_KINDS = ("step", "number", "date")


def load(path: str | Path) -> Fit | NetworkFit:
    """Read what `Fit.save` or `NetworkFit.save` wrote.

    Raises:
        RekalError: the file is missing, truncated, altered or not a rekal model; an entry or an array is
            missing, of another kind or shape, or unknown; the parts do not fit each other.
    """
    config, arrays = load_archive(path)
    with reading(path):
        return _trained(Entries(config), arrays)


def _trained(config: Entries, arrays: dict[str, np.ndarray]) -> Fit | NetworkFit:
    kind = config.take("kind", str)
    if kind not in ("fit", "network-fit"):
        readers = {KIND: "load_network", STREAM: "load_stream", FRAME_STREAM: "load_stream"}
        remedy = f": read it by rekal.{readers[kind]}" if kind in readers else ""
        raise RekalError(f"it holds {kind!r}, not a trained model{remedy}")
    return _fit_of(kind, config, arrays)


def load_stream(path: str | Path) -> Stream | FrameStream:
    """Read what `Stream.save` or `FrameStream.save` wrote, and go on where it stood.

    Args:
        path: a file of a stream.

    Returns:
        A stream that takes the next samples as the one that was saved would have, to the last bit.

    Raises:
        RekalError: the file is missing, truncated, altered or not one of a stream, or was written in
            another precision than JAX computes with here.
    """
    config, arrays = load_archive(path)
    with reading(path):
        return _stream(Entries(config), arrays)


def _stream(config: Entries, arrays: dict[str, np.ndarray]) -> Stream | FrameStream:
    kind = config.take("kind", str)
    if kind not in (STREAM, FRAME_STREAM):
        remedy = ": read it by rekal.load" if kind in ("fit", "network-fit") else ""
        raise RekalError(f"it holds {kind!r}, not a stream{remedy}")
    own = _part(arrays, "stream.")
    step = config.count("step")
    if kind == FRAME_STREAM:
        network = network_from(config.take("network", dict), _part(arrays, "network."))
        config.end()
        _refuse_rest(arrays, "")
        stream = FrameStream(network)
    else:
        stream = _fit_of(config.take("fit", str), config, arrays).stream()
    stream.resume(step, own)
    return stream


def _fit_of(kind: str, config: Entries, arrays: dict[str, np.ndarray]) -> Fit | NetworkFit:
    """Rebuild a trained model of what its file holds."""
    labels = _labels(config.part("labels"))
    inputs = config.items("input_names", str)
    standardiser = _standardiser(_part(arrays, "standardiser."), len(labels.names), len(inputs))
    common = {
        "standardiser": standardiser,
        "history": _history(config.part("history"), arrays, labels.names),
        "seed": config.count("seed", 0, LARGEST_SEED),
        "labels": labels,
        "input_names": inputs,
        "kind": config.take("model_kind", str),
    }
    if kind == "network-fit":
        network = network_from(config.take("network", dict), _part(arrays, "network."))
        interval = config.take("interval", float, type(None))
        if interval is not None and not 0 < interval < np.inf:
            raise RekalError(f"'interval' is {interval}, which cannot be")
        table = TableNetwork(
            network, len(labels.names), None if interval is None else float(interval)
        )
        fitted: Fit | NetworkFit = NetworkFit(table=table, **common)
    else:
        fitted = Fit(
            model=model_from(config.take("model", dict), _part(arrays, "model.")),
            filtering=_filtering(config.part("filtering")),
            parameters=tuple(
                Parameter(*row)
                for row in config.rows("parameters", str, float, float, bool, least=3)
            ),
            uncertainty=_uncertainty(_part(arrays, "uncertainty.")),
            first=_first_state(_part(arrays, "first.")),
            **common,
        )
    config.end()
    if arrays:
        raise RekalError(
            f"it holds the array '{min(arrays)}', which this version of rekal does not know"
        )
    _check_widths(fitted)
    return fitted


def _part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Take the arrays of a part, by their names in it."""
    names = [name for name in arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): arrays.pop(name) for name in names}


def _labels(config: Entries) -> Labels:
    names = config.items("names", str)
    if not names:
        raise RekalError("'labels.names' is empty")
    labels = Labels(
        names=names,
        units=config.items("units", str, type(None), length=len(names)),
        series_names=config.items("series_names", str),
        time_name=config.take("time_name", str, type(None)),
        time_unit=config.take("time_unit", str, type(None)),
        time_kind=config.take("time_kind", str, one_of=TIME_KINDS),
        time_origin=config.take("time_origin", str, type(None)),
        interval=config.number("interval", above=0),
        time_zone=config.take("time_zone", str, type(None), default=None),  # older files have none
    )
    config.end()
    try:
        labels.stamps(np.zeros(1))
    except Exception:
        raise RekalError(
            "'labels.time_origin', 'labels.time_unit' and 'labels.time_zone' name no clock: "
            f"{labels.time_origin!r}, {labels.time_unit!r}, {labels.time_zone!r}"
        ) from None
    return labels


def _standardiser(arrays: dict[str, np.ndarray], observations: int, inputs: int) -> Standardiser:
    shapes = {"location": observations, "scale": observations}
    if inputs:
        shapes |= {"input_location": inputs, "input_scale": inputs}
    taken = {name: floats(arrays, name, (n,), "standardiser.") for name, n in shapes.items()}
    for name in ("scale", "input_scale"):
        if name in taken and not (taken[name] > 0).all():
            raise RekalError(f"the array 'standardiser.{name}' holds a value that is not above 0")
    _refuse_rest(arrays, "standardiser.")
    return Standardiser(**taken)


def _history(config: Entries, arrays: dict[str, np.ndarray], names: tuple[str, ...]) -> History:
    series = {}
    for name in ARRAYS:
        if name not in arrays:  # files of earlier versions have one only
            continue
        series[name] = arrays.pop(name)
        if series[name].ndim != 1 or not np.issubdtype(series[name].dtype, np.floating):
            raise RekalError(f"the array '{name}' is no list of floating-point numbers")
    if "log_likelihood" not in series:
        raise RekalError("the array 'log_likelihood' is missing")
    told = config.take("diagnostics", dict, type(None), default=None)
    history = History(
        **series,
        trials=tuple((name, float(score)) for name, score in config.rows("trials", str, float)),
        stopped=config.take("stopped", str, one_of=REASONS),
        seconds=config.number("seconds", least=0),
        entries=config.count("entries", 1),
        criteria=tuple((name, float(value)) for name, value in config.rows("criteria", str, float)),
        diagnostics=None
        if told is None
        else _diagnostics(Entries(told, "history.diagnostics"), names),
    )
    config.end()
    return history


def _diagnostics(config: Entries, names: tuple[str, ...]) -> Diagnostics:
    numbers = ("nis", "nis_low", "nis_high", "nis_inside")
    whole: dict[str, Any] = {name: config.take(name, float) for name in numbers}
    whole |= {name: config.count(name) for name in ("entries", "lags")}
    whole |= {name: config.take(name, float, type(None), default=None) for name in Scores._fields}
    columns = []
    for values in config.items("columns", dict, length=len(names)):
        column = Entries(values, "history.diagnostics.columns")
        each: dict[str, Any] = {
            name: column.take(name, float)
            for name in ColumnDiagnostics.__dataclass_fields__
            if name not in ("name", "entries")
        }
        for name in ("whiteness_p", "uniformity_p", "coverage_50", "coverage_90"):
            if each[name] < 0 or each[name] > 1:  # NaN where there was nothing to judge
                raise RekalError(
                    f"'history.diagnostics.columns.{name}' is {each[name]:g}: no probability"
                )
        columns.append(
            {"name": column.take("name", str), "entries": column.count("entries"), **each}
        )
        column.end()
    config.end()
    return Diagnostics.of({**whole, "columns": columns})


def _filtering(config: Entries) -> Filtering:
    filtering = Filtering(
        kind=config.take("kind", str, one_of=get_args(Kind)),
        particles=config.count("particles", 1),
        proposal=config.take("proposal", str, one_of=("guided", "bootstrap")),
        iterations=config.count("iterations", 1, 1000),
    )
    config.end()
    return filtering


def _uncertainty(arrays: dict[str, np.ndarray]) -> Uncertainty | None:
    if not arrays:
        return None
    information = floats(arrays, "information", None, "uncertainty.")
    if information.ndim != 1:
        raise RekalError("the array 'uncertainty.information' is no list of numbers")
    blocks = {name: floats(arrays, name, None, "uncertainty.") for name in BLOCKS}
    for name, block in blocks.items():
        if block.ndim != 3 or len(block) != len(information):
            raise RekalError(
                f"the array 'uncertainty.{name}' has shape {block.shape}, which does not fit "
                f"{len(information)} directions"
            )
    _refuse_rest(arrays, "uncertainty.")
    return Uncertainty.of({"information": information, **blocks})


def _first_state(arrays: dict[str, np.ndarray]) -> FirstState | None:
    if not arrays:
        return None
    mean = floats(arrays, "mean", None, "first.")
    if mean.ndim != 1:
        raise RekalError("the array 'first.mean' is no list of numbers")
    cov = floats(arrays, "cov", (len(mean), len(mean)), "first.")
    _refuse_rest(arrays, "first.")
    return FirstState(mean, cov)


def _refuse_rest(arrays: Mapping[str, np.ndarray], what: str) -> None:
    if arrays:
        raise RekalError(
            f"it holds the array '{what}{min(arrays)}', which this version of rekal does not know"
        )


def _check_widths(fitted: Fit | NetworkFit) -> None:
    """The model has the columns and inputs that the labels name, and its filter makes a step.

    Raises:
        RekalError: it has others, or a part of it does not fit the rest.
    """
    columns, inputs = len(fitted.labels.names), len(fitted.input_names)
    algorithm: Any = fitted.algorithm  # refuses a filter that cannot follow the model
    model = algorithm if isinstance(algorithm, TableNetwork) else algorithm.model
    if (model.observations, model.n_inputs) != (columns, inputs):
        raise RekalError(
            f"the model has {model.observations} columns and {model.n_inputs} inputs, but the names are "
            f"those of {columns} and {inputs}"
        )
    first = fitted.first if isinstance(fitted, Fit) else None
    if isinstance(fitted, Fit) and first is not None and first.mean.shape != (fitted.model.states,):
        raise RekalError("the array 'first.mean' does not fit the model")
    if isinstance(fitted, Fit) and fitted.uncertainty is not None:
        states = fitted.model.states
        shapes = {"A": (states, states), "B": (states, inputs), "C": (columns, states),
                  "D": (columns, inputs), "Q": (states, states), "R": (columns, columns)}  # fmt: skip
        for name, block in fitted.uncertainty.directions.items():
            if block.shape[1:] != shapes[name]:
                raise RekalError(f"the array 'uncertainty.{name}' does not fit the model")

    def step() -> Any:
        u = jnp.zeros(inputs) if inputs else None
        belief = algorithm.predict(algorithm.init(jax.random.key(0)), u)
        y, seen = jnp.zeros((1, columns)), jnp.ones((1, columns), bool)
        if isinstance(algorithm, TableNetwork):
            evidence = algorithm.encode(y, seen, None if u is None else u[None])
            belief = algorithm.update(belief, jax.tree.map(lambda leaf: leaf[0], evidence))
        else:
            belief = algorithm.update(belief, y[0], u)
        return belief, algorithm.observe(algorithm.init(jax.random.key(0)), u)

    jax.eval_shape(step)  # traces the step and computes nothing
