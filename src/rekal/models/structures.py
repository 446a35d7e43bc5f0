r"""Structural models: sums of components behind one observation noise.

    y_t = (components) + mean + v_t,   v_t ~ N(0, R),   R = noise variance * I

    model = local_level() + seasonal(12)
    model = model.start(y)                # values from which to search
    model.build()                         # the linear model of these values

Where series are sampled at unequal steps a structure runs in continuous time (`continuous`): parameters that
are per step are then per `interval`, the typical step. What has no form in continuous time is refused.

The mean is a parameter only where no component can be a constant. Sums that data cannot take apart are
refused: two components whose nonstationary parts share an eigenvalue, say two levels, are one component.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekal.errors import RekalError
from rekal.models.components import TINY, Component, Seasonal
from rekal.models.continuous import LinearContinuous
from rekal.models.linear import LinearGaussian


class Structure(eqx.Module):
    """A sum of components with observation noise.

    Attributes:
        parts: the components.
        log_noise: log variance of the observation noise.
        mean: of the observations `(obs,)`; of length zero where a component holds it.
        interval: length of a step of a structure in continuous time; None runs in equal steps.
    """

    parts: tuple[Component, ...]
    log_noise: Float[Array, ""]
    mean: Float[Array, " constants"]
    interval: float | None = eqx.field(static=True, default=None)

    @classmethod
    def of(cls, *parts: Component) -> Structure:
        """The sum of components, with unit noise.

        Raises:
            RekalError: they observe different numbers of quantities, or data cannot take them apart.
        """
        check_sum(parts)
        dtype = jnp.result_type(float)
        constants = 0 if any(_has_unit_root(part) for part in parts) else parts[0].observations
        return cls(tuple(parts), jnp.zeros((), dtype), jnp.zeros(constants, dtype))

    def __add__(self, other: Structure) -> Structure:
        made = Structure.of(*self.parts, *other.parts)
        for interval in (self.interval, other.interval):
            made = made if interval is None else made.continuous(interval)
        return made

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
        return (*names, "noise variance", *means)

    @property
    def vector(self) -> Float[Array, " parameters"]:
        """All parameters without bounds, in the order of `names`."""
        return jnp.concatenate([*(p.free for p in self.parts), self.log_noise[None], self.mean])

    def replaced(self, vector: Float[Array, " parameters"]) -> Structure:
        """The same structure with other parameters."""
        ends = np.cumsum([part.free.shape[0] for part in self.parts]).tolist()
        pieces = [
            vector[end - part.free.shape[0] : end]
            for part, end in zip(self.parts, ends, strict=True)
        ]
        last = ends[-1]
        return eqx.tree_at(
            lambda s: (*(part.free for part in s.parts), s.log_noise, s.mean),
            self,
            (*pieces, vector[last], vector[last + 1 :]),
        )

    @property
    def natural(self) -> Float[Array, " parameters"]:
        """All parameters in natural units, in the order of `names`."""
        own = [part.natural() for part in self.parts]
        return jnp.concatenate([*own, jnp.exp(self.log_noise)[None], self.mean])

    def values(self) -> dict[str, float]:
        """The parameters by name, in natural units."""
        return dict(zip(self.names, np.asarray(self.natural, float).tolist(), strict=True))

    def build(self) -> LinearGaussian | LinearContinuous:
        """The linear model of these parameters."""
        step = self.interval
        found = [part.part() if step is None else part.flow() for part in self.parts]
        parts = [part for part in found if part is not None]
        diagonal = jax.scipy.linalg.block_diag
        A, Q, P = (diagonal(*(getattr(part, name) for part in parts)) for name in "AQP")
        C = jnp.concatenate([part.C for part in parts], 1)
        (p, n), dtype = C.shape, C.dtype
        flat = np.concatenate(
            [
                np.full(part.A.shape[0], own.flat)
                for part, own in zip(parts, self.parts, strict=True)
            ]
        )
        chosen = tuple(int(i) for i in np.flatnonzero(flat))
        B, c = jnp.zeros((n, 0), dtype), jnp.zeros(n, dtype)
        rest: dict[str, Any] = {
            "C": C, "D": jnp.zeros((p, 0), dtype),
            "d": self.mean if self.mean.size else jnp.zeros(p, dtype),
            "R": jnp.exp(self.log_noise) * jnp.eye(p, dtype=dtype), "m": jnp.zeros(n, dtype), "P": P,
            "initial": "diffuse" if chosen else "given", "flat": chosen,
        }  # fmt: skip
        if step is None:
            return LinearGaussian(A=A, B=B, c=c, Q=Q, **rest)
        return LinearContinuous(F=A / step, G=B, g=c, Q=Q / step, interval=step, **rest)

    def start(self, y: np.ndarray) -> Structure:
        """The same structure with parameters from which to search, taken from data.

        Args:
            y: one series `(time,)` or `(time, obs)`; NaN = missing.

        Raises:
            RekalError: another number of columns, or fewer samples than two for each state.
        """
        y = np.asarray(y, float)
        y = y[:, None] if y.ndim == 1 else y
        if y.ndim != 2 or y.shape[1] != self.observations:
            raise RekalError(
                f"the structure observes {self.observations} columns, but the data have shape {y.shape}"
            )
        states = self.build().states
        y = _whole(y)
        if len(y) < states + 2:
            raise RekalError(
                f"a structure of {states} states needs more data than {len(y)} complete samples"
            )
        steps = max(float(np.var(np.diff(y, axis=0))), TINY)
        pieces = [part.started(y) for part in self.parts]
        mean = y.mean(0) if self.mean.size else np.zeros(0)
        return self.replaced(
            jnp.asarray(
                np.concatenate([*pieces, [np.log(0.25 * steps)], mean]), self.log_noise.dtype
            )
        )


def check_sum(parts: tuple[Component, ...]) -> None:
    """Data can tell the components apart.

    Raises:
        RekalError: they observe different numbers of quantities, or share a nonstationary eigenvalue.
    """
    widths = [part.observations for part in parts]
    if len(set(widths)) > 1:
        raise RekalError(
            f"components of a sum must observe the same quantities, but {parts[0].label} has "
            f"{widths[0]} and another {next(w for w in widths if w != widths[0])}"
        )
    seen: list[tuple[Component, np.ndarray]] = []
    for part in (part for part in parts if part.flat):
        roots = _roots(part)
        for other, theirs in seen:
            if np.min(np.abs(roots[:, None] - theirs[None, :])) < 1e-6:
                raise RekalError(
                    f"data cannot tell {other.label} and {part.label} apart, for they can take over "
                    "from each other: leave one of them out"
                )
        seen.append((part, roots))


def _roots(part: Component) -> np.ndarray:
    """Eigenvalues of a flat component, exactly where they are known."""
    if isinstance(part, Seasonal):
        return np.exp(2j * np.pi * np.arange(1, part.period) / part.period)
    return np.ones(1) + 0j  # level, trend and moving points are integrators


def _has_unit_root(part: Component) -> bool:
    return part.flat and bool(np.min(np.abs(_roots(part) - 1)) < 1e-6)


def _whole(y: np.ndarray) -> np.ndarray:
    """Gaps filled by lines; rows before the first and after the last value hold it."""
    steps, filled = np.arange(len(y)), y.copy()
    for j in range(y.shape[1]):
        seen = np.isfinite(y[:, j])
        if not seen.any():
            raise RekalError(f"column {j + 1} of the data has no value")
        filled[:, j] = np.interp(steps, steps[seen], y[seen, j])
    return filled
