"""Double precision where it matters, without touching the settings of the process.

State-space models on a CPU are made, filtered and learned in double precision: a Kalman filter works on
differences of nearly equal numbers, and is not noticeably slower for it. Networks, and particle filters with
very many particles, run in single precision, and so does everything on a GPU.

The precision of a computation is that of its model: where a model has arrays in double precision, JAX is
switched to it for the length of the call, for this thread alone (`jax.enable_x64`).
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Generator, Mapping
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

P = ParamSpec("P")
R = TypeVar("R")

_single = contextvars.ContextVar("single", default=False)


@contextlib.contextmanager
def single_precision() -> Generator[None]:
    """Make state-space models in single precision inside this block.

    What was made there stays in single precision: filters, fits and streams follow their model.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> with rekalman.single_precision():
        ...     model = rekalman.LinearGaussian.create(*np.ones((4, 1, 1)))
        >>> str(model.Q.dtype)
        'float32'
    """
    token = _single.set(True)
    try:
        with jax.enable_x64(False):
            yield
    finally:
        _single.reset(token)


def modelling_precision() -> contextlib.AbstractContextManager[Any]:
    """The precision in which state-space models are made: double on a CPU, unless single was asked for."""
    if _single.get() or jax.default_backend() != "cpu":
        return contextlib.nullcontext()
    return jax.enable_x64(True)


def stored_precision(arrays: Mapping[str, np.ndarray]) -> contextlib.AbstractContextManager[Any]:
    """The precision in which a model with such arrays was made; double where JAX is set to it."""
    if any(array.dtype == np.float64 for array in arrays.values()):
        return modelling_precision()
    return contextlib.nullcontext() if in_double_here() else single_precision()


def in_double_here() -> bool:
    """Whether JAX computes in double precision here, by its setting or its context."""
    return jnp.result_type(float) == jnp.float64


def precision_of(*trees: Any) -> contextlib.AbstractContextManager[Any]:
    """The precision of some arrays: double where one is, otherwise as it is set.

    Args:
        trees: models, beliefs, data.
    """
    leaves = jax.tree.leaves(trees)
    double = any(isinstance(leaf, jax.Array) and leaf.dtype == np.float64 for leaf in leaves)
    return jax.enable_x64(True) if double else contextlib.nullcontext()


def made_in_double(function: Callable[P, R]) -> Callable[P, R]:
    """For functions that make a model; inside a trace they leave the precision as it is."""

    @functools.wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((args, kwargs)))
        with contextlib.nullcontext() if traced else modelling_precision():
            return function(*args, **kwargs)

    return inner


def in_own_precision(method: Callable[P, R]) -> Callable[P, R]:
    """For methods of whatever holds a model: they run in its precision."""

    @functools.wraps(method)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with precision_of(args[0]):
            return method(*args, **kwargs)

    return inner


def modelling_dtype() -> Any:
    """The type of the numbers of state-space models that are made now."""
    with modelling_precision():
        return jnp.result_type(float)


Tree = TypeVar("Tree")


def in_single(tree: Tree) -> Tree:
    """The same with every array of numbers in single precision."""
    leaf_in = lambda leaf: (  # noqa: E731
        leaf.astype(np.float32)
        if isinstance(leaf, jax.Array) and leaf.dtype == np.float64
        else leaf
    )
    return jax.tree.map(leaf_in, tree)


def precision_name(tree: Any) -> str:
    """The name of the precision of some arrays: double where one is."""
    leaves = jax.tree.leaves(tree)
    double = any(getattr(leaf, "dtype", None) == np.float64 for leaf in leaves)
    return "float64" if double else "float32"
