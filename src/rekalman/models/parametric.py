r"""A model written as a function of parameters: `theta` to matrices, or to functions.

    local = rekalman.ParametricModel.create(
        lambda p: rekalman.LinearGaussian.create(
            jnp.eye(1), jnp.eye(1), p["level"] * jnp.eye(1), p["noise"] * jnp.eye(1), initial="diffuse"
        ),
        start={"level": 1.0, "noise": 1.0},
        bounds={"level": (0, None), "noise": (0, None)},
    )

Whatever ties entries of matrices together, repeats one parameter in several places or keeps some entries
fixed is said by the function; the likelihood and its gradient are those of the model that it returns.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.data.numeric import numeric_array
from rekalman.foundation.errors import RekalError
from rekalman.models.bounds import Bounds, inside
from rekalman.models.continuous import LinearContinuous
from rekalman.models.linear import LinearGaussian
from rekalman.models.nonlinear import NonlinearGaussian
from rekalman.models.parametrised import Parametrised
from rekalman.models.time_varying import LinearTimeVarying
from rekalman.numerics.precision import in_own_precision, made_in_double

Made = LinearGaussian | LinearTimeVarying | LinearContinuous | NonlinearGaussian
KINDS = (LinearGaussian, LinearTimeVarying, LinearContinuous, NonlinearGaussian)


class ParametricModel(Parametrised):
    """A function from parameters to a model, with values to begin with.

    Attributes:
        function: from a dictionary of the parameters to a `LinearGaussian`, `LinearTimeVarying`,
            `LinearContinuous` or `NonlinearGaussian`.
        vector: all parameters without bounds, in the order of `names`.
        keys: the names in the dictionary.
        shapes: of the parameters there; `()` is a number.
        bounds: of each number.
        priors: for each number centre and standard deviation of a normal prior of its free number, or None.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> model = rekalman.ParametricModel.create(
        ...     lambda p: rekalman.LinearGaussian.create(
        ...         A=one, C=one, Q=p["q"] * one, R=p["r"] * one, initial="diffuse"
        ...     ),
        ...     start={"q": 1000.0, "r": 10000.0},
        ...     bounds={"q": (0.0, None), "r": (0.0, None)},
        ... )
        >>> model.names
        ('q', 'r')
    """

    function: Callable[[dict[str, Any]], Any] = eqx.field(static=True)
    vector: Float[Array, " parameters"]  # pyright: ignore[reportIncompatibleMethodOverride]
    keys: tuple[str, ...] = eqx.field(static=True)
    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    bounds: tuple[Bounds, ...] = eqx.field(static=True)  # pyright: ignore[reportIncompatibleMethodOverride]
    priors: tuple[tuple[float, float] | None, ...] = eqx.field(static=True)  # pyright: ignore[reportIncompatibleMethodOverride]

    @classmethod
    @made_in_double
    def create(
        cls,
        function: Callable[[dict[str, Any]], Any],
        start: Mapping[str, Any],
        bounds: Mapping[str, Any] | None = None,
        priors: Mapping[str, Any] | None = None,
    ) -> ParametricModel:
        """Name the parameters, and try the function on their start values.

        Args:
            function: makes a model of a dictionary of parameters, computing with `jax.numpy`.
            start: values by name, from which a search begins; numbers or arrays.
            bounds: `(low, high)` by name, None where there is no end; `(0, None)` is positive. Without
                bounds a parameter is any real number.
            priors: centre and standard deviation of a normal prior by name, for `NUTS`: of the parameter
                itself, of its logarithm where it has one bound (of its distance to it), of the logit of its
                place between the bounds where it has two.

        Raises:
            RekalError: no parameters; a start that is not finite or not within its bounds; bounds or priors
                that make no sense or belong to no parameter; a function that fails, that returns no such
                model, or that cannot be differentiated by JAX.

        Examples:
            >>> import jax.numpy as jnp
            >>> import rekalman
            >>> G = jnp.array([[0.5], [1.0]])
            >>> model = rekalman.ParametricModel.create(
            ...     lambda p: rekalman.LinearGaussian.create(
            ...         jnp.array([[1.0, 1.0], [0.0, 1.0]]), jnp.array([[1.0, 0.0]]),
            ...         p["q"] * G @ G.T, p["r"] * jnp.eye(1), initial="diffuse",
            ...     ),
            ...     start={"q": 1.0, "r": 1.0}, bounds={"q": (0, None), "r": (0, None)},
            ... )
            >>> model.names
            ('q', 'r')
        """
        if not start:
            raise RekalError("start must name at least one parameter with its value")
        for what, given in (("bounds", bounds or {}), ("priors", priors or {})):
            for name in given:
                if name not in start:
                    raise RekalError(
                        f"{what} name {name!r}, but the parameters are {', '.join(map(str, start))}"
                    )
        pieces, limits, laws = [], [], []
        for name, value in start.items():
            array = numeric_array(value, f"the start of {name!r}")
            one = _bounds(name, (bounds or {}).get(name, (None, None)))
            wrong = [each for each in array.reshape(-1).tolist() if not one.holds(each)]
            if wrong or not array.size:
                actual = f"{wrong[0]:g}" if wrong else "empty"
                raise RekalError(f"the start of {name!r} must be {one}, but is {actual}")
            pieces.append(array)
            limits += [one] * array.size
            laws += [_prior(name, (priors or {}).get(name))] * array.size
        flat = np.concatenate([piece.reshape(-1) for piece in pieces]).tolist()
        vector = [each.free(value) for each, value in zip(limits, flat, strict=True)]
        made = cls(
            function=function,
            vector=jnp.asarray(vector, jnp.result_type(float)),
            keys=tuple(map(str, start)),
            shapes=tuple(piece.shape for piece in pieces),
            bounds=tuple(limits),
            priors=tuple(laws),
        )
        _check(made)
        return made

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all numbers; those of an array are counted from 1, such as `phi[2]`."""
        names = []
        for key, shape in zip(self.keys, self.shapes, strict=True):
            places = np.ndindex(*shape)
            names += [
                f"{key}[{', '.join(str(i + 1) for i in place)}]" if place else key
                for place in places
            ]
        return tuple(names)

    @property
    def owners(self) -> tuple[str, ...]:
        """Of each number the key of its parameter."""
        pairs = zip(self.keys, self.shapes, strict=True)
        return tuple(key for key, shape in pairs for _ in range(math.prod(shape)))

    @property
    def natural(self) -> Float[Array, " parameters"]:
        """All parameters in natural units, in the order of `names`."""
        return inside(self.bounds, self.vector)

    def replaced(self, vector: Float[Array, " parameters"]) -> ParametricModel:
        """The same function with other parameters, given without bounds."""
        return dataclasses.replace(self, vector=vector)

    @in_own_precision
    def build(self) -> Made:
        """The model of these parameters."""
        return self.function(self.named())

    def named(self) -> dict[str, Array]:
        """The parameters as the function takes them."""
        natural, given, first = self.natural, {}, 0
        for key, shape in zip(self.keys, self.shapes, strict=True):
            count = math.prod(shape)
            given[key] = natural[first : first + count].reshape(shape)
            first += count
        return given


def _bounds(name: str, given: Any) -> Bounds:
    """Both ends of a parameter.

    Raises:
        RekalError: they are no pair, or the upper one is not above the lower one.
    """
    try:
        pair = Bounds(*(None if end is None else float(end) for end in given))
    except (TypeError, ValueError):
        pair = None
    if pair is None or len(given) != 2 or not all(e is None or math.isfinite(e) for e in pair):
        raise RekalError(
            f"the bounds of {name!r} are a pair (low, high) of numbers or None, not {given!r}"
        )
    if pair.low is not None and pair.high is not None and not pair.low < pair.high:
        raise RekalError(f"the upper bound of {name!r} must lie above the lower one, not {given!r}")
    return pair


def _prior(name: str, given: Any) -> tuple[float, float] | None:
    if given is None:
        return None
    try:
        center, width = map(float, given)
    except (TypeError, ValueError):
        center, width = math.nan, math.nan
    if not (math.isfinite(center) and math.isfinite(width) and width > 0):
        raise RekalError(
            f"the prior of {name!r} is a centre and a standard deviation above 0, not {given!r}"
        )
    return center, width


def _check(made: ParametricModel) -> None:
    """The function returns a model at the start, and JAX can differentiate it.

    Raises:
        RekalError: it does not, or JAX cannot.
    """
    try:
        model = made.function(made.named())
    except RekalError:
        raise
    except Exception as error:
        raise RekalError(
            f"the function of the parameters fails at their start values: {_reason(error)}"
        ) from error
    if not isinstance(model, KINDS):
        raise RekalError(
            f"the function of the parameters must return one of "
            f"{', '.join(kind.__name__ for kind in KINDS)}, not {type(model).__name__}"
        )
    try:
        jax.eval_shape(lambda v: eqx.filter(made.replaced(v).build(), eqx.is_array), made.vector)
    except Exception as error:
        raise RekalError(
            "the function of the parameters cannot be differentiated: compute with jax.numpy (jnp.array, "
            f"jnp.exp, ...), not with numpy, float() or if ({_reason(error)})"
        ) from error


def _reason(error: Exception) -> str:
    """What went wrong, in the first line of what was said of it."""
    return f"{type(error).__name__}: {(str(error).splitlines() or ['no reason given'])[0][:160]}"
