"""Trees of registered modules as a JSON configuration plus named arrays, and back; never code.

An array is named by its place in the tree, such as `network.encoder.body.layers.0.weight`. A module is one of
three things:

* of a class under `storable`: the arguments of its constructor, which makes it anew and checks them;
* of a package under `store_package`: its fields as they are, whose values its `__check_init__` judges;
* of a class with a `Codec` of its own, which knows better than its fields what may stand in a file.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import numpy as np

from rekalman.foundation.entries import Entries, check_floats
from rekalman.foundation.errors import RekalError
from rekalman.numerics.placing import placed

Class = TypeVar("Class", bound=type)
Arrays = dict[str, np.ndarray]


class Codec(NamedTuple):
    """How modules of a class and its subclasses are stored.

    Attributes:
        kind: the class.
        config: what of a module is no array, as JSON types.
        arrays: its arrays by name.
        rebuild: the module from both; refuses what does not fit.
    """

    kind: type
    config: Callable[[Any], dict[str, Any]]
    arrays: Callable[[Any], Arrays]
    rebuild: Callable[[dict[str, Any], Arrays], Any]


_storable: dict[str, type] = {}
_codecs: dict[str, Codec] = {}
_packages: list[str] = []
_declaring: list[str] = []


def storable(kind: Class) -> Class:
    """Register a class whose instances are stored as the arguments of their constructor (a decorator).

    Each parameter of the constructor must be an attribute of the same name.

    Examples:
        >>> import equinox as eqx
        >>> from rekalman.core.serial import arrays_of, described, rebuilt, storable
        >>> @storable
        ... class Gain(eqx.Module):
        ...     factor: float
        >>> config = described(Gain(2.0), "gain")
        >>> rebuilt(config, arrays_of(Gain(2.0))).factor
        2.0

    Raises:
        RekalError: another class of that name is registered.
    """
    if _storable.setdefault(kind.__name__, kind).__qualname__ != kind.__qualname__:
        raise RekalError(f"another class {kind.__name__} is registered already")
    _storable[kind.__name__] = kind
    return kind


def store_package(name: str) -> None:
    """Register all classes with fields of a package, which are stored as they are."""
    if name not in _packages:
        _packages.append(name)
        _packaged.cache_clear()


def storable_in(name: str) -> None:
    """Say that modules of a package hold classes under `storable`: a file that names one is read wherever.

    They are imported when a file asks for a class that nobody has imported yet.
    """
    if name not in _declaring:
        _declaring.append(name)


def store_by(name: str, codec: Codec) -> None:
    """Register how modules of a class are stored, under a name in the configuration."""
    _codecs[name] = codec


def described(tree: Any, place: str) -> Any:
    """Classes and settings of a tree, and the shapes of its arrays, as JSON types.

    Args:
        tree: a registered module.
        place: what it is called in refusals.

    Raises:
        RekalError: a part of it is of a class, or a setting of a kind, that a file cannot hold.
    """
    if eqx.is_array(tree) or isinstance(tree, np.ndarray):
        return {"array": list(tree.shape)}
    for name, codec in _codecs.items():
        if isinstance(tree, codec.kind):
            return {name: codec.config(tree)}
    named = type(tree).__name__
    if _storable.get(named) is type(tree):
        parts = {
            key: described(getattr(tree, key), f"{place}.{key}") for key in _arguments(type(tree))
        }
        return {"new": named, "arguments": parts}
    if _packaged().get(named) is type(tree):
        fields = (field.name for field in dataclasses.fields(tree))
        parts = {key: described(getattr(tree, key), f"{place}.{key}") for key in fields}
        return {"class": named, "parts": parts}
    if isinstance(tree, tuple | list):
        return [described(part, f"{place}.{i}") for i, part in enumerate(tree)]
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    what = f"the function {tree.__name__}" if hasattr(tree, "__name__") else f"a {named}"
    raise RekalError(
        f"{place} is {what}, which a file cannot hold: use what rekalman has, by its name, or register the "
        "class (rekalman.core.serial.storable)"
    )


def arrays_of(tree: Any, place: str = "") -> Arrays:
    """All arrays of a tree by their places in it.

    Args:
        tree: what `described` takes.
        place: put before each name.
    """
    if eqx.is_array(tree) or isinstance(tree, np.ndarray):
        return {place: np.asarray(tree)}
    parts: dict[str, Any] = {}
    codec = next((each for each in _codecs.values() if isinstance(tree, each.kind)), None)
    if codec is not None:
        return {_under(place, name): array for name, array in codec.arrays(tree).items()}
    if isinstance(tree, tuple | list):
        parts = {str(i): part for i, part in enumerate(tree)}
    elif _storable.get(type(tree).__name__) is type(tree):
        parts = {key: getattr(tree, key) for key in _arguments(type(tree))}
    elif dataclasses.is_dataclass(tree):
        parts = {field.name: getattr(tree, field.name) for field in dataclasses.fields(tree)}
    made: Arrays = {}
    for key, part in parts.items():
        made |= arrays_of(part, _under(place, key))
    return made


def rebuilt(config: Any, arrays: Arrays, place: str = "") -> Any:
    """A tree from what `described` and `arrays_of` gave.

    Args:
        config: its classes, settings and shapes.
        arrays: by their places; those that are used are taken out.
        place: of the tree in them.

    Raises:
        RekalError: a class that is not registered here; a setting that is missing, unknown or does not fit;
            an array that is missing or of another shape.
    """
    if isinstance(config, list):
        parts = enumerate(config)
        return tuple(rebuilt(part, arrays, _under(place, str(i))) for i, part in parts)
    if not isinstance(config, Mapping):
        return config
    entries = Entries(config, place or "network")
    if "array" in config:
        shape = entries.items("array", int)
        entries.end()
        return _array(shape, place, arrays)
    for name, codec in _codecs.items():
        if name in config:
            own = entries.take(name, dict)
            entries.end()
            return codec.rebuild(own, _part(arrays, f"{place}." if place else ""))
    if "new" in config:
        name = entries.take("new", str)
        if name not in _storable:
            for package in _declaring:
                _modules_of(package)
        kind = _known(name, _storable)
        given = entries.take("arguments", dict)
        entries.end()
        _refuse_unknown(kind, given, _arguments(kind))
        parts = {key: rebuilt(part, arrays, _under(place, key)) for key, part in given.items()}
        needed = inspect.signature(kind).parameters.values()
        missing = [
            each.name for each in needed if each.default is each.empty and each.name not in parts
        ]
        if missing:
            raise RekalError(f"{_under(place, missing[0])!r} is missing")
        return kind(**parts)
    kind = _known(entries.take("class", str), _packaged())
    given = entries.take("parts", dict)
    entries.end()
    return _as_it_was(kind, given, arrays, place)


def _as_it_was(kind: type, given: dict[str, Any], arrays: Arrays, place: str) -> Any:
    """An instance with these fields, whose constructor is not called."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    _refuse_unknown(kind, given, fields)
    made = object.__new__(kind)
    for name, field in fields.items():
        if name not in given and field.default is dataclasses.MISSING:
            raise RekalError(f"{_under(place, name)!r} is missing")
        part = rebuilt(given.get(name), arrays, _under(place, name))
        object.__setattr__(made, name, part if name in given else field.default)
    check = getattr(made, "__check_init__", None)
    if check is not None:
        check()
    return made


def _known(name: str, classes: Mapping[str, type]) -> type:
    if name not in classes:
        raise RekalError(
            f"this rekalman knows no {name!r}: it comes from a newer version, or from a package that "
            "registers it and is not imported here"
        )
    return classes[name]


def _refuse_unknown(kind: type, given: Mapping[str, Any], known: Any) -> None:
    for name in given:
        if name not in known:
            raise RekalError(f"a {kind.__name__} has no {name!r} in this version of rekalman")


def _arguments(kind: type) -> tuple[str, ...]:
    return tuple(inspect.signature(kind).parameters)


def _array(shape: tuple[int, ...], place: str, arrays: Arrays) -> Any:
    if place not in arrays:
        raise RekalError(f"the array {place!r} is missing")
    array = arrays.pop(place)
    if array.shape != shape:
        raise RekalError(f"the array {place!r} has shape {array.shape}, not {shape}")
    check_floats(array, place)
    with jax.enable_x64(array.dtype == np.float64):
        return placed(array)


def _part(arrays: Arrays, prefix: str) -> Arrays:
    """Take out the arrays below a place, by their names there."""
    names = [name for name in arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): arrays.pop(name) for name in names}


def _under(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


@cache
def _packaged() -> dict[str, type]:
    """The classes with fields of the registered packages, by name."""
    result: dict[str, type] = {}
    for package in _packages:
        for module in _modules_of(package):
            for name, value in vars(module).items():
                own = getattr(value, "__module__", "") == module.__name__
                if own and isinstance(value, type) and dataclasses.is_dataclass(value):
                    result[name] = value
    return result


def _modules_of(package: str) -> list[ModuleType]:
    """All modules of a package, imported."""
    path = importlib.import_module(package).__path__
    named = pkgutil.walk_packages(path, f"{package}.")
    return [importlib.import_module(module.name) for module in named]
