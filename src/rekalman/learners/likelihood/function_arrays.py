"""The parameters inside the functions of a nonlinear model: every floating-point array of their trees."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
from jax.tree_util import GetAttrKey, keystr
from jaxtyping import Array

FUNCTIONS = ("f", "h")


def function_arrays(model: Any) -> dict[str, Array]:
    """The arrays in both functions by name, such as `f.length` or `f.layers[0].weight`.

    A function that is no tree (a `def`, a lambda) has none: what it closes over cannot be seen.
    """
    return {name: leaf for name, leaf in _leaves(model).items() if eqx.is_inexact_array(leaf)}


def block_of(model: Any, name: str) -> Any:
    """A block of a model by its name, or an array of its functions."""
    if name.isidentifier() and name not in FUNCTIONS:
        return getattr(model, name)
    return _leaves(model)[name]


def _leaves(model: Any) -> dict[str, Any]:
    """All leaves of both functions, whatever they are."""
    result = {}
    for name in FUNCTIONS:
        paths, _ = jax.tree_util.tree_flatten_with_path(getattr(model, name))
        result.update({_label((GetAttrKey(name), *path)): leaf for path, leaf in paths})
    return result


def _label(path: tuple[Any, ...]) -> str:
    """A path as it is written in Python; the parts of a `Partial`, which have no names, by theirs."""
    label = keystr(path)[1:]
    return label.replace("[<flat index 0>]", ".args").replace("[<flat index 1>]", ".keywords")
