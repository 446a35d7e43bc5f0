"""Networks as a JSON configuration plus named arrays, and back; and files of them.

The configuration is the tree of the modules: the name of each class and its settings, and the shape of each
array, whose name is its place in the tree, such as `encoder.body.layers.0.weight`. Only classes of this
folder are ever made, none of their code is run for it, and so what is added here can be saved at once.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

import rekal.networks
from rekal.archive import load_archive, save_archive
from rekal.entries import Entries, check_floats, reading
from rekal.errors import RekalError
from rekal.networks.network import Network

KIND = "network"


def save_network(network: Network, path: str | Path) -> None:
    """Write one file: JSON configuration and arrays, never code.

    Raises:
        RekalError: the file cannot be written, or the network holds what a file cannot.

    Examples:
        >>> import jax
        >>> import rekal
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> layer = rekal.RKN.create(2, key=keys[0])
        >>> encoder = rekal.DenseEncoder((1,), 2, key=keys[1])
        >>> network = rekal.Network(encoder, layer, rekal.GaussianHead(*layer.sizes, 1, key=keys[2]))
        >>> rekal.save_network(network, "small.rekal")
        >>> rekal.load_network("small.rekal").layer.latent
        2
    """
    config = {"kind": KIND, "network": network_config(network)}
    save_archive(path, config, network_arrays(network))


def load_network(path: str | Path) -> Network:
    """Read what `save_network` wrote.

    Raises:
        RekalError: the file is missing, altered, holds something else, or an array is missing, unknown or of
            another shape.

    Examples:
        >>> import rekal
        >>> network = rekal.load_network("pendulum.rekal")  # doctest: +SKIP
        >>> try:
        ...     rekal.load_network("nowhere.rekal")
        ... except rekal.RekalError as error:
        ...     print(error)
        nowhere.rekal: there is no such file.
    """
    config, arrays = load_archive(path)
    with reading(path):
        entries = Entries(config)
        if entries.take("kind", str) != KIND:
            raise RekalError("it holds a trained model, not a network alone: read it by rekal.load")
        network = network_from(entries.take("network", dict), arrays)
        entries.end()
        return network


def network_config(network: Network) -> dict[str, Any]:
    """Classes, settings and shapes.

    Raises:
        RekalError: a part of the network is of a class, or a setting of a kind, that a file cannot hold.
    """
    return _described(network, "network")


def network_arrays(network: Network) -> dict[str, np.ndarray]:
    """All arrays by their places in the network."""
    found: dict[str, np.ndarray] = {}
    _collect(network, "", found)
    return found


def network_from(config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Network:
    """Rebuild a network.

    Args:
        config: what `network_config` gave.
        arrays: what `network_arrays` gave.

    Raises:
        RekalError: an unknown class or setting; an array that is missing, unknown or of another shape.
    """
    left = dict(arrays)
    network = _rebuilt(config, "", left)
    if left:
        raise RekalError(f"the network has no array {min(left)!r}")
    if not isinstance(network, Network):
        raise RekalError("this is no network")
    network.__check_init__()
    return network


def _described(thing: Any, place: str) -> Any:
    if eqx.is_array(thing):
        return {"array": list(thing.shape)}
    if _classes().get(type(thing).__name__) is type(thing):
        fields = {f.name: getattr(thing, f.name) for f in dataclasses.fields(thing)}
        parts = {name: _described(part, f"{place}.{name}") for name, part in fields.items()}
        return {"class": type(thing).__name__, "parts": parts}
    if isinstance(thing, tuple | list):
        return [_described(part, f"{place}.{i}") for i, part in enumerate(thing)]
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    what = f"the function {thing.__name__}" if callable(thing) else f"a {type(thing).__name__}"
    raise RekalError(
        f"{place} is {what}, which a file cannot hold: use what rekal.networks has, by its name"
    )


def _collect(thing: Any, place: str, found: dict[str, np.ndarray]) -> None:
    if eqx.is_array(thing):
        found[place] = np.asarray(thing)
    elif isinstance(thing, tuple | list):
        for i, part in enumerate(thing):
            _collect(part, _under(place, str(i)), found)
    elif dataclasses.is_dataclass(thing):
        for field in dataclasses.fields(thing):
            _collect(getattr(thing, field.name), _under(place, field.name), found)


def _rebuilt(config: Any, place: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(config, list):
        parts = enumerate(config)
        return tuple(_rebuilt(part, _under(place, str(i)), arrays) for i, part in parts)
    if not isinstance(config, Mapping):
        return config
    entries = Entries(config, place or "network")
    if "array" in config:
        shape = entries.items("array", int)
        entries.end()
        return _array(shape, place, arrays)
    named = entries.take("class", str)
    kind = _classes().get(named)
    if kind is None:
        raise RekalError(f"this rekal knows no part {named!r} of a network")
    parts, fields = entries.take("parts", dict), {f.name: f for f in dataclasses.fields(kind)}
    entries.end()
    for name in parts:
        if name not in fields:
            raise RekalError(f"a {kind.__name__} has no {name!r} in this version of rekal")
    made = object.__new__(kind)
    for name, field in fields.items():
        if name not in parts and field.default is dataclasses.MISSING:
            raise RekalError(f"{_under(place, name)!r} is missing")
        part = _rebuilt(parts.get(name), _under(place, name), arrays)
        object.__setattr__(made, name, part if name in parts else field.default)
    return made


def _array(shape: tuple[int, ...], place: str, arrays: dict[str, np.ndarray]) -> Any:
    if place not in arrays:
        raise RekalError(f"the array {place!r} of the network is missing")
    array = arrays.pop(place)
    if array.shape != shape:
        raise RekalError(f"the array {place!r} has shape {array.shape}, not {shape}")
    check_floats(array, place)
    return jnp.asarray(array)


def _under(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


@cache
def _classes() -> dict[str, type]:
    """The classes of this folder that hold data, by name."""
    found: dict[str, type] = {}
    for module in pkgutil.iter_modules(rekal.networks.__path__, "rekal.networks."):
        for name, value in vars(importlib.import_module(module.name)).items():
            own = getattr(value, "__module__", "") == module.name
            if own and isinstance(value, type) and hasattr(value, "__dataclass_fields__"):
                found[name] = value
    return found
