"""Reading a trained model, or a stream of it, from the file that its `save` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rekalman.core.filter import Filter
from rekalman.core.serial import rebuilt
from rekalman.data.scales.box_cox import BoxCox
from rekalman.data.scales.panel import Panel
from rekalman.data.scales.standardiser import Standardiser
from rekalman.data.tables.kind import FrameKind
from rekalman.fitting.files import KIND
from rekalman.fitting.first_state import FirstState
from rekalman.fitting.history_entries import read_history
from rekalman.fitting.result import Fit
from rekalman.fitting.stream import STREAM, Stream
from rekalman.fitting.trained import Parameter
from rekalman.forecasting import Labels
from rekalman.foundation.archive import load_archive
from rekalman.foundation.arguments import LARGEST_SEED
from rekalman.foundation.entries import Entries, floats, reading
from rekalman.foundation.errors import RekalError
from rekalman.learners.likelihood.uncertainty import BLOCKS, Uncertainty
from rekalman.networks.serial import KIND as NETWORK

TIME_KINDS = ("step", "number", "date")


def load(path: str | Path) -> Fit:
    """Read what `Fit.save` wrote.

    Raises:
        RekalError: the file is missing, truncated, altered or not a rekalman model; an entry or an array is
            missing, of another kind or shape, or unknown; the parts do not fit each other.

    Examples:
        >>> import rekalman
        >>> try:
        ...     rekalman.load("chest.rekalman")
        ... except rekalman.RekalError as error:
        ...     print(error)
        chest.rekalman: there is no such file.
    """
    config, arrays = load_archive(path)
    with reading(path):
        return _trained(Entries(config), arrays)


def _trained(config: Entries, arrays: dict[str, np.ndarray]) -> Fit:
    kind = config.take("kind", str)
    if kind != KIND:
        readers = {NETWORK: "load_network", STREAM: "load_stream"}
        remedy = f": read it by rekalman.{readers[kind]}" if kind in readers else ""
        raise RekalError(f"it holds {kind!r}, not a trained model{remedy}")
    return _fit_of(config, arrays)


def load_stream(path: str | Path) -> Stream:
    """Read what `Stream.save` wrote, and go on where it stood.

    Args:
        path: a file of a stream.

    Returns:
        A stream that takes the next samples as the one that was saved would have, to the last bit.

    Raises:
        RekalError: the file is missing, truncated, altered or not one of a stream, or was written in
            another precision than JAX computes with here.

    Examples:
        >>> import rekalman
        >>> try:
        ...     rekalman.load_stream("chest.rekalman")
        ... except rekalman.RekalError as error:
        ...     print(error)
        chest.rekalman: there is no such file.
    """
    config, arrays = load_archive(path)
    with reading(path):
        return _stream(Entries(config), arrays)


def _stream(config: Entries, arrays: dict[str, np.ndarray]) -> Stream:
    kind = config.take("kind", str)
    if kind != STREAM:
        remedy = ": read it by rekalman.load" if kind == KIND else ""
        raise RekalError(f"it holds {kind!r}, not a stream{remedy}")
    own = _part(arrays, "stream.")
    step = config.count("step")
    series = config.take("series", str, type(None), default=None)
    horizon = config.take("horizon", int, type(None), default=None)  # of running intervals
    running: dict[str, Any] = {"intervals": "running", "horizon": horizon}
    stream = _fit_of(config, arrays).stream(series, **({} if horizon is None else running))
    stream.resume(step, own)
    return stream


def _fit_of(config: Entries, arrays: dict[str, np.ndarray]) -> Fit:
    """Rebuild a trained model of what its file holds."""
    labels = _labels(config.part("labels"))
    inputs = config.items("input_names", str)
    named = config.take("scales", list, type(None), default=None)  # older files have none
    scales = None if named is None else _scale_names(named)
    sizes = (len(labels.names), len(inputs))
    standardiser = _standardiser(_part(arrays, "standardiser."), scales, *sizes)
    history = read_history(config.part("history"), arrays, labels.names)
    algorithm = rebuilt(config.take("filter", dict), arrays, "filter")
    if not isinstance(algorithm, Filter):
        raise RekalError("'filter' is no filter")
    fitted = Fit(
        algorithm=algorithm,
        standardiser=standardiser,
        history=history,
        seed=config.count("seed", 0, LARGEST_SEED),
        labels=labels,
        input_names=inputs,
        kind=config.take("model_kind", str),
        parameters=tuple(
            Parameter(*row) for row in config.rows("parameters", str, float, float, bool, least=3)
        ),
        uncertainty=_uncertainty(_part(arrays, "uncertainty.")),
        first=_first_state(_part(arrays, "first.")),
    )
    config.end()
    if arrays:
        raise RekalError(
            f"it holds the array '{min(arrays)}', which this version of rekalman does not know"
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
        frame_kind=_frame_kind(config.take("frame_kind", dict, default={})),  # likewise
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


def _frame_kind(stored: dict[str, Any]) -> FrameKind:
    config = Entries(stored, "labels.frame_kind")
    taken = {"library": config.take("library", str, default="pandas")}
    for name in ("series", "series_type", "time_type"):
        taken[name] = config.take(name, str, type(None), default=None)
    config.end()
    return FrameKind(**taken)


def _scale_names(named: list[Any]) -> tuple[str, ...]:
    """Names of the series that have scales of their own."""
    if not (
        named and all(isinstance(name, str) for name in named) and len(set(named)) == len(named)
    ):
        raise RekalError("'scales' is no list of different names")
    return tuple(named)


def _standardiser(
    arrays: dict[str, np.ndarray], scales: tuple[str, ...] | None, observations: int, inputs: int
) -> Standardiser | Panel:
    own = (observations,) if scales is None else (len(scales), observations)
    shapes: dict[str, tuple[int, ...]] = {"location": own, "scale": own}
    if inputs:
        shapes |= {"input_location": (inputs,), "input_scale": (inputs,)}
    taken = {name: floats(arrays, name, shape, "standardiser.") for name, shape in shapes.items()}
    for name in ("scale", "input_scale"):
        if name in taken and not (taken[name] > 0).all():
            raise RekalError(f"the array 'standardiser.{name}' holds a value that is not above 0")
    transform = None
    if "power" in arrays:  # older files have none, nor have fits without a transform
        transform = BoxCox(floats(arrays, "power", (observations,), "standardiser."))
        if not ((transform.power >= 0) & (transform.power <= 1)).all():
            raise RekalError("the array 'standardiser.power' holds a value beyond 0 to 1")
    _refuse_rest(arrays, "standardiser.")
    if scales is None:
        return Standardiser(**taken, transform=transform)
    return Panel(scales, **taken, transform=transform)


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
    if mean.ndim not in (1, 2):
        raise RekalError("the array 'first.mean' is no list of numbers")
    cov = floats(arrays, "cov", (*mean.shape, mean.shape[-1]), "first.")
    _refuse_rest(arrays, "first.")
    return FirstState(mean, cov)


def _refuse_rest(arrays: Mapping[str, np.ndarray], what: str) -> None:
    if arrays:
        raise RekalError(
            f"it holds the array '{what}{min(arrays)}', which this version of rekalman does not know"
        )


def _fits(first: FirstState, fitted: Fit) -> bool:
    """Whether the law of the first state is of the states of the model, and of each of its series."""
    states, shape = fitted.model.states, first.mean.shape
    if isinstance(fitted.standardiser, Standardiser):
        return shape == (states,)
    return len(shape) == 2 and shape[1] == states and shape[0] <= len(fitted.standardiser.names)


def _check_widths(fitted: Fit) -> None:
    """The model has the columns and inputs that the labels name, and its filter makes a step.

    Raises:
        RekalError: it has others, or a part of it does not fit the rest.
    """
    columns, inputs = len(fitted.labels.names), len(fitted.input_names)
    algorithm: Any = fitted.algorithm  # refuses a filter that cannot follow the model
    if (algorithm.observations, algorithm.n_inputs) != (columns, inputs):
        raise RekalError(
            f"the model has {algorithm.observations} columns and {algorithm.n_inputs} inputs, but the names "
            f"are those of {columns} and {inputs}"
        )
    if fitted.first is not None and not _fits(fitted.first, fitted):
        raise RekalError("the array 'first.mean' does not fit the model")
    if fitted.uncertainty is not None:
        states = fitted.model.states
        shapes = {"A": (states, states), "B": (states, inputs), "C": (columns, states),
                  "D": (columns, inputs), "Q": (states, states), "R": (columns, columns)}  # fmt: skip
        for name, block in fitted.uncertainty.directions.items():
            if block.shape[1:] != shapes[name]:
                raise RekalError(f"the array 'uncertainty.{name}' does not fit the model")

    def step() -> Any:
        u = jnp.zeros(inputs) if inputs else None
        belief = algorithm.predict(algorithm.init(jax.random.key(0)), u)
        belief = algorithm.update(belief, *algorithm.nothing, u)
        return belief, algorithm.observe(algorithm.init(jax.random.key(0)), u)

    jax.eval_shape(step)  # traces the step and computes nothing
