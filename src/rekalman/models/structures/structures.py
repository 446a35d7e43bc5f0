r"""Structural models: sums of components behind one observation noise.

    y_t = (components) + mean + D u_t + v_t,   v_t ~ N(0, R),   R = noise variance * I

    model = local_level() + seasonal(12)
    model = model.start(y)                # values from which to search
    model.build()                         # the linear model of these values

Where series are sampled at unequal steps a structure runs in continuous time (`continuous`): parameters that
are per step are then per `interval`, the typical step. What has no form in continuous time is refused.

Known inputs `u_t` (regressors, interventions) act on the observation alone, each with a coefficient for every
observed quantity (Durbin and Koopman 2012, section 3.2.5): `local_level().with_inputs(("petrol", "law"))`.

The mean is a parameter only where no component can be a constant. Sums that data cannot take apart are
refused: two components whose nonstationary parts share an eigenvalue, say two levels, are one component.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.data.numeric import numeric_array
from rekalman.foundation.errors import RekalError
from rekalman.models.bounds import Bounds
from rekalman.models.continuous import LinearContinuous
from rekalman.models.linear import LinearGaussian
from rekalman.models.parametrised import Parametrised
from rekalman.models.structures.components import Component, step_variance
from rekalman.models.structures.structure_checks import check_sum, filled, has_unit_root
from rekalman.numerics.placing import joined, parted, placed
from rekalman.numerics.precision import in_own_precision, made_in_double, precision_of


class Structure(Parametrised):
    """A sum of components with observation noise.

    Attributes:
        parts: the components.
        log_noise: log variance of the observation noise.
        mean: of the observations `(obs,)`; of length zero where a component holds it.
        coefficients: of known inputs `(obs, inputs)`.
        inputs: their names.
        interval: length of a step of a structure in continuous time; None runs in equal steps.

    Examples:
        >>> import rekalman
        >>> structure = rekalman.local_linear_trend() + rekalman.seasonal(4)
        >>> structure.names
        ('level variance', 'slope variance', 'seasonal(4) variance', 'noise variance')
        >>> structure.build().states
        5
    """

    parts: tuple[Component, ...]
    log_noise: Float[Array, ""]
    mean: Float[Array, " constants"]
    coefficients: Float[Array, "obs inputs"]
    inputs: tuple[str, ...] = eqx.field(static=True, default=())
    interval: float | None = eqx.field(static=True, default=None)

    @classmethod
    @made_in_double
    def of(cls, *parts: Component) -> Structure:
        """The sum of components, with unit noise.

        Raises:
            RekalError: they observe different numbers of quantities, or data cannot take them apart.
        """
        check_sum(parts)
        dtype = jnp.result_type(float)
        p = parts[0].observations
        constants = 0 if any(has_unit_root(part) for part in parts) else p
        noise, mean, none = (placed(np.zeros(n), dtype) for n in ((), constants, (p, 0)))
        return cls(tuple(parts), noise, mean, none)

    def __add__(self, other: Structure) -> Structure:
        made = Structure.of(*self.parts, *other.parts).with_inputs(
            (*self.inputs, *other.inputs),
            jnp.concatenate([self.coefficients, other.coefficients], 1),
        )
        for interval in (self.interval, other.interval):
            made = made if interval is None else made.continuous(interval)
        return made

    @in_own_precision
    def with_inputs(
        self, names: Sequence[str], coefficients: Float[Array, "obs inputs"] | None = None
    ) -> Structure:
        """The same structure with known inputs that act on the observation.

        Args:
            names: of the inputs, in the order of the data.
            coefficients: `(obs, inputs)`; default zero.

        Raises:
            RekalError: two inputs have the same name.
        """
        names = tuple(str(name) for name in names)
        if len(set(names)) < len(names):
            raise RekalError(f"inputs need names of their own, but they are {', '.join(names)}")
        shape = (self.observations, len(names))
        zero = jnp.zeros(shape, self.log_noise.dtype)
        given = zero if coefficients is None else jnp.asarray(coefficients, zero.dtype)
        return dataclasses.replace(self, coefficients=given, inputs=names)

    def continuous(self, interval: int | float) -> Structure:
        """The same structure in continuous time, for series sampled at any times.

        Args:
            interval: how long a step is that the parameters speak of.

        Raises:
            RekalError: a component has no form in continuous time, the interval is not above 0, or the
                structure runs in continuous time already, with another one.
        """
        for part in self.parts:
            if part.flow() is None:
                raise RekalError(
                    f"{part.label} has no form in continuous time, which irregular sampling needs: "
                    "resample the series to a constant interval, or leave it out"
                )
        if not (interval > 0 and np.isfinite(interval)):
            raise RekalError(f"interval must be a time above 0, but is {interval}")
        if self.interval not in (None, interval):
            raise RekalError(f"the steps of the structure are {self.interval:g}, not {interval:g}")
        return dataclasses.replace(self, interval=float(interval))

    @property
    def observations(self) -> int:
        """Number of observed quantities."""
        return self.parts[0].observations

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters; where two components are alike they are numbered."""
        labels = [part.label for part in self.parts]
        names: list[str] = []
        for i, part in enumerate(self.parts):
            twin = labels.count(part.label) > 1
            number = f" {labels[: i + 1].count(part.label)}" if twin else ""
            names.extend(name + number for name in part.names)
        p = self.mean.shape[0]
        means = ["mean"] if p == 1 else [f"mean {i + 1}" for i in range(p)]
        rows = [""] if self.observations == 1 else [f" {i + 1}" for i in range(self.observations)]
        slopes = [f"coefficient{row} of {name}" for row in rows for name in self.inputs]
        return (*names, "noise variance", *means, *slopes)

    @property
    def bounds(self) -> tuple[Bounds, ...]:
        """Bounds of the parameters in natural units: some are positive, others have none."""
        rest = (False,) * (self.mean.size + self.coefficients.size)
        positive = (*(mark for part in self.parts for mark in part.positive), True, *rest)
        return tuple(Bounds(low=0.0) if mark else Bounds() for mark in positive)

    @property
    def priors(self) -> None:
        """None: they are weak, and scaled by the data."""
        return None

    @property
    def additive(self) -> bool:
        """Always."""
        return True

    @property
    def variances(self) -> tuple[bool, ...]:
        """Which parameters are variances, whose logarithm is in `vector`."""
        rest = (False,) * (self.mean.size + self.coefficients.size)
        return (*(mark for part in self.parts for mark in part.variances), True, *rest)

    @property
    def vector(self) -> Float[Array, " parameters"]:
        """All parameters without bounds, in the order of `names`."""
        return joined(*self._arrays)

    @in_own_precision
    def replaced(self, vector: Float[Array, " parameters"]) -> Structure:
        """The same structure with other parameters."""
        new = parted(vector, [array.shape for array in self._arrays])
        return eqx.tree_at(lambda s: s._arrays, self, tuple(new))

    @property
    def _arrays(self) -> tuple[Any, ...]:
        """What the vector is made of."""
        own = (part.free for part in self.parts)
        return (*own, self.log_noise, self.mean, self.coefficients)

    @property
    def natural(self) -> Float[Array, " parameters"]:
        """All parameters in natural units, in the order of `names`."""
        return _natural(self)

    @in_own_precision
    def build(self) -> LinearGaussian | LinearContinuous:
        """The linear model of these parameters."""
        return _built(self)

    @property
    def diffuse_states(self) -> int:
        """How many directions of the first state are diffuse, and take a first observation each."""
        with precision_of(self):
            return len(eqx.filter_eval_shape(_built, self).diffuse)

    @in_own_precision
    def start(self, y: np.ndarray, inputs: np.ndarray | None = None) -> Structure:
        """The same structure with parameters from which to search, taken from data.

        Args:
            y: one series `(time,)` or `(time, obs)`; NaN = missing.
            inputs: its known inputs `(time, inputs)`, where the structure takes any.

        Raises:
            RekalError: another number of columns or inputs, or fewer samples than two for each state.
        """
        y = numeric_array(y, "the series")
        y = y[:, None] if y.ndim == 1 else y
        if y.ndim != 2 or y.shape[1] != self.observations:
            raise RekalError(
                f"the structure observes {self.observations} columns, but the data have shape {y.shape}"
            )
        u = np.zeros((len(y), 0)) if inputs is None else numeric_array(inputs, "inputs")
        if u.shape != (len(y), len(self.inputs)):
            raise RekalError(
                f"the structure takes inputs of shape ({len(y)}, {len(self.inputs)}), not {u.shape}"
            )
        states = eqx.filter_eval_shape(_built, self).states
        y = filled(y)
        if len(y) < states + 2:
            raise RekalError(
                f"a structure of {states} states needs more data than {len(y)} complete samples"
            )
        slopes = self._slopes(y, u)
        y = y - u @ slopes.T
        pieces = [part.started(y) for part in self.parts]
        mean = y.mean(0) if self.mean.size else np.zeros(0)
        noise = np.log(0.25 * step_variance(y))
        whole = np.concatenate([*pieces, [noise], mean, slopes.reshape(-1)])
        return self.replaced(placed(whole, self.log_noise.dtype))

    def _slopes(
        self, y: Float[np.ndarray, "time obs"], u: Float[np.ndarray, "time inputs"]
    ) -> Float[np.ndarray, "obs inputs"]:
        """Least squares on the inputs: of steps, where the structure has a unit root, else of values."""
        if not u.shape[1]:
            return np.zeros((y.shape[1], 0))
        walks = not self.mean.size
        left, right = (np.diff(u, axis=0), np.diff(y, axis=0)) if walks else (u, y)
        return np.linalg.lstsq(left - left.mean(0), right - right.mean(0), rcond=None)[0].T


@eqx.filter_jit
def _built(structure: Structure) -> LinearGaussian | LinearContinuous:
    """The model of a structure in one compiled function, not one for each operation."""
    step = structure.interval
    result = [part.part() if step is None else part.flow() for part in structure.parts]
    parts = [part for part in result if part is not None]
    diagonal = jax.scipy.linalg.block_diag
    A, Q, P = (diagonal(*(getattr(part, name) for part in parts)) for name in "AQP")
    C = jnp.concatenate([part.C for part in parts], 1)
    (p, n), dtype = C.shape, C.dtype
    flat = np.concatenate(
        [
            np.full(part.A.shape[0], own.flat)
            for part, own in zip(parts, structure.parts, strict=True)
        ]
    )
    chosen = tuple(int(i) for i in np.flatnonzero(flat))
    B, c = jnp.zeros((n, len(structure.inputs)), dtype), jnp.zeros(n, dtype)
    rest: dict[str, Any] = {
        "C": C, "D": structure.coefficients,
        "d": structure.mean if structure.mean.size else jnp.zeros(p, dtype),
        "R": jnp.exp(structure.log_noise) * jnp.eye(p, dtype=dtype), "m": jnp.zeros(n, dtype), "P": P,
        "initial": "diffuse" if chosen else "given", "flat": chosen,
    }  # fmt: skip
    if step is None:
        return LinearGaussian(A=A, B=B, c=c, Q=Q, **rest)
    return LinearContinuous(F=A / step, G=B, g=c, Q=Q / step, interval=step, **rest)


@eqx.filter_jit
def _natural(structure: Structure) -> Float[Array, " parameters"]:
    """Its parameters in natural units."""
    own = [part.natural() for part in structure.parts]
    noise = jnp.exp(structure.log_noise)[None]
    return jnp.concatenate([*own, noise, structure.mean, structure.coefficients.reshape(-1)])
