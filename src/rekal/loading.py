"""Reading a trained model, or a stream of it, from the file that its `save` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rekal.archive import load_archive
from rekal.errors import RekalError
from rekal.filters.choice import Filtering
from rekal.fit import Fit
from rekal.fit_network import NetworkFit
from rekal.forecast import Labels
from rekal.frame_stream import FRAME_STREAM, FrameStream
from rekal.history import History
from rekal.learning.uncertainty import Uncertainty
from rekal.models.serial import model_from
from rekal.networks.serial import KIND, network_from
from rekal.networks.table import TableNetwork
from rekal.sequences.standardiser import Standardiser
from rekal.stream import STREAM, Stream
from rekal.trained import Parameter


def load(path: str | Path) -> Fit | NetworkFit:
    """Read what `Fit.save` or `NetworkFit.save` wrote.

    Raises:
        RekalError: the file is missing, truncated, altered or not a rekal model.
    """
    config, arrays = load_archive(path)
    kind = config.get("kind")
    if kind not in ("fit", "network-fit"):
        readers = {KIND: "load_network", STREAM: "load_stream", FRAME_STREAM: "load_stream"}
        remedy = f": read it by rekal.{readers[kind]}" if kind in readers else ""
        raise RekalError(f"{path} holds {kind!r}, not a trained model{remedy}")
    return _fit_from(config, arrays, path)


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
    kind = config.get("kind")
    if kind not in (STREAM, FRAME_STREAM):
        remedy = ": read it by rekal.load" if kind in ("fit", "network-fit") else ""
        raise RekalError(f"{path} holds {kind!r}, not a stream{remedy}")
    mine = _part(arrays, "stream.")
    rest = {name: v for name, v in arrays.items() if not name.startswith("stream.")}
    step = config.get("step")
    if not isinstance(step, int) or isinstance(step, bool) or step < 0:
        raise RekalError(f"{path}: the number of samples is {step!r}, not a whole number")
    if kind == FRAME_STREAM:
        network = network_from(config.get("network", {}), _part(rest, "network."), str(path))
        stream = FrameStream(network)
    else:
        stream = _fit_from({**config, "kind": config.get("fit")}, rest, path).stream()
    stream.resume(step, mine, str(path))
    return stream


def _fit_from(
    config: Mapping[str, Any], arrays: dict[str, np.ndarray], path: str | Path
) -> Fit | NetworkFit:
    """Rebuild a trained model of what its file holds."""
    kind = config["kind"]
    common = {
        "standardiser": Standardiser(**_part(arrays, "standardiser.")),
        "history": History.of(config["history"], arrays),
        "seed": config["seed"],
        "labels": Labels(**{name: _plain(value) for name, value in config["labels"].items()}),
        "input_names": tuple(config["input_names"]),
        "kind": config["model_kind"],
    }
    if kind == "network-fit":
        network = network_from(config["network"], _part(arrays, "network."), str(path))
        table = TableNetwork(network, len(config["labels"]["names"]), config["interval"])
        return NetworkFit(table=table, **common)
    return Fit(
        model=model_from(config["model"], _part(arrays, "model.")),
        filtering=Filtering(**config["filtering"]),
        parameters=tuple(Parameter(*each) for each in config["parameters"]),
        uncertainty=Uncertainty.of(_part(arrays, "uncertainty.")),
        **common,
    )


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays of a part, by their names in it."""
    return {name.removeprefix(prefix): v for name, v in arrays.items() if name.startswith(prefix)}


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
