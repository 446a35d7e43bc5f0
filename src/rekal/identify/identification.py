"""What a model has learned, in numbers: its attractor, its modes and its noise.

The noise-free dynamics are followed from states that the model visits under noise, past a transient,
to see where they end (Unkelbach et al. 2009, fig. 2 and 4). At the fixed points, found by Newton's
method, the linearised system gives frequencies and damping. The model under noise gives the
share of the output's variance that is state, not observation noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from rekal.errors import RekalError
from rekal.identify.attractor import Attractor, attractor
from rekal.identify.modes import FixedPoint, fixed_points
from rekal.identify.text import find_warnings, summary
from rekal.models.gaussian import GaussianModel
from rekal.simulate import simulate

STARTS = 8
"""Series that are simulated, with and without noise."""

LENGTH, TRANSIENT, RECORD = 1024, 4000, 4096
"""Steps with noise; steps without noise that are dropped; steps without noise that are looked at."""


@dataclass(frozen=True)
class Identification:
    """The dynamics and the noise of a model. Numbers that do not exist are None (NaN in arrays).

    Attributes:
        attractor: where the noise-free dynamics end: "fixed point", "limit cycle", "quasi-periodic or
            chaotic", "diverges".
        period_steps: steps per cycle of a limit cycle.
        period: the same in time units.
        amplitude: half the peak-to-peak range of each output on the attractor.
        center: mean of each output on the attractor.
        harmonic_share: share of a limit cycle's variance in its fundamental sine.
        cycle: one stretch of the noise-free outputs, `(steps, obs)`, in output units.
        fixed_points: those found, the one closest to the mean of the state under noise first.
        process_std: standard deviation of the process noise of each state, per step.
        observation_std: standard deviation of the observation noise of each output.
        output_std: standard deviation of each output under simulation, noise included.
        explained: share of each output's variance under simulation that is not observation noise.
        interval: time units between two steps.
        names: names of the outputs.
        time_unit: what a time unit is called, or None.
        warnings: what could not be identified, one sentence each.
    """

    attractor: str
    period_steps: float | None
    period: float | None
    amplitude: np.ndarray
    center: np.ndarray
    harmonic_share: float | None
    cycle: np.ndarray
    fixed_points: tuple[FixedPoint, ...]
    process_std: np.ndarray
    observation_std: np.ndarray
    output_std: np.ndarray
    explained: np.ndarray
    interval: float
    names: tuple[str, ...]
    time_unit: str | None
    warnings: tuple[str, ...]

    @property
    def spectral_radius(self) -> float | None:
        """Largest modulus of the Jacobian's eigenvalues at the first fixed point."""
        return self.fixed_points[0].spectral_radius if self.fixed_points else None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and texts, ready for JSON; NaN becomes None. Without the cycle."""
        plain = {k: v for k, v in vars(self).items() if k not in ("cycle", "fixed_points")}
        plain = {k: _plain(v) for k, v in plain.items()}
        points = [_plain(point.to_dict()) for point in self.fixed_points]
        return {**plain, "spectral_radius": self.spectral_radius, "fixed_points": points}

    def to_frame(self) -> pd.DataFrame:
        """The modes: a row for each mode of each fixed point."""
        rows = [
            {"fixed_point": i, **asdict(mode)}
            for i, point in enumerate(self.fixed_points)
            for mode in point.modes
        ]
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """A page of text."""
        return summary(self)

    def __str__(self) -> str:
        return self.summary()


def identify(
    model: GaussianModel,
    interval: int | float = 1.0,
    scale: Any = None,
    location: Any = None,
    *,
    u: Any = None,
    names: Sequence[str] | None = None,
    time_unit: str | None = None,
    seed: int = 0,
) -> Identification:
    """Describe the dynamics and the noise of a model.

    Args:
        model: a `StochasticRNN`, or any other model with additive Gaussian noise.
        interval: time units between two steps.
        scale: one number for each output that turns it into original units; default 1.
        location: likewise added to it; default 0.
        u: the input `(input,)`, held constant; default 0.
        names: names of the outputs; default y, or y1, y2, ...
        time_unit: what a time unit is called.
        seed: of the simulation.

    Raises:
        RekalError: the model has no mean dynamics, the interval is not positive, or an argument has a
            wrong shape.
    """
    if not isinstance(model, GaussianModel):
        raise RekalError(f"{type(model).__name__} has no mean dynamics that could be identified")
    if not interval > 0:
        raise RekalError(f"the interval must be above 0, but is {interval}")
    obs = model.observations
    default = ("y",) if obs == 1 else tuple(f"y{k + 1}" for k in range(obs))
    named = default if names is None else tuple(names)
    if len(named) != obs:
        raise RekalError(f"{len(named)} names do not fit a model with {obs} outputs")
    by = _vector(1.0 if scale is None else scale, obs, "scale")
    at = _vector(0.0 if location is None else location, obs, "location")
    width = model.n_inputs
    held = None if width == 0 else _vector(0.0 if u is None else u, width, "u")
    if width == 0 and u is not None:
        raise RekalError("the model takes no inputs, so leave u out")

    x, y = _simulate(model, held, LENGTH, seed, STARTS, noise=True, burn_in=500)
    initial = np.asarray(model.sample_initial(jax.random.key(seed), STARTS))
    stays = bool(np.abs(x).max() < 1e6 * np.abs(initial).max())  # False with NaN as well
    visited = x[:, -1] if stays else initial
    level = float(x.std((0, 1)).max() if stays else np.abs(initial).max())
    final, several = _settle(model, held, visited, level)
    center = x.mean((0, 1)) if stays else visited.mean(0)
    points = _points(model, held, visited, center, interval, at, by)
    noise_var = np.diagonal(np.asarray(model.R))
    output_var = y.var((0, 1)) if stays else np.full(obs, np.nan)
    with np.errstate(invalid="ignore"):
        explained = np.clip(1 - noise_var / output_var, 0, 1)
    return Identification(
        attractor=final.kind,
        period_steps=final.period,
        period=None if final.period is None else final.period * interval,
        amplitude=final.amplitude * np.abs(by),
        center=final.mean * by + at,
        harmonic_share=final.harmonic_share,
        cycle=final.outputs[: LENGTH // 2] * by + at,
        fixed_points=points,
        process_std=np.sqrt(np.diagonal(np.asarray(model.Q))),
        observation_std=np.sqrt(noise_var) * np.abs(by),
        output_std=np.sqrt(output_var) * np.abs(by),
        explained=explained,
        interval=float(interval),
        names=named,
        time_unit=time_unit,
        warnings=find_warnings(final, several, points, explained, named),
    )


def _simulate(
    model: GaussianModel, u: np.ndarray | None, steps: int, seed: int, batch: int, **how: Any
) -> tuple[np.ndarray, np.ndarray]:
    inputs = None if u is None else np.tile(u, (steps, 1))
    x, y = simulate(model, steps, jax.random.key(seed), batch, inputs, **how)
    return np.asarray(x), np.asarray(y)


def _settle(
    model: GaussianModel, u: np.ndarray | None, visited: np.ndarray, level: float
) -> tuple[Attractor, bool]:
    """The attractor that most starts end on, and whether others end elsewhere."""
    states, outputs = _simulate(
        model, u, RECORD, 0, len(visited), noise=False, burn_in=TRANSIENT, start=visited
    )
    found = [attractor(a, b, level) for a, b in zip(states, outputs, strict=True)]
    kinds = [one.kind for one in found]
    common = max(dict.fromkeys(kinds), key=kinds.count)
    chosen = found[kinds.index(common)]
    size = np.nan_to_num(chosen.amplitude).max()
    # A cycle mirrored about the origin, say, has the same amplitude about another centre.
    same = [
        one.kind == common
        and np.allclose(one.amplitude, chosen.amplitude, 0.05, 0.01 * level, equal_nan=True)
        and np.allclose(one.mean, chosen.mean, 0, 0.05 * (size + level), equal_nan=True)
        for one in found
    ]
    return chosen, not all(same)


def _points(
    model: GaussianModel,
    u: np.ndarray | None,
    visited: np.ndarray,
    center: np.ndarray,
    interval: int | float,
    location: np.ndarray,
    scale: np.ndarray,
) -> tuple[FixedPoint, ...]:
    """Fixed points, the one closest to `center` first, with outputs in original units."""
    dtype = np.asarray(model.m).dtype
    starts = np.concatenate([center[None], visited, np.asarray(model.m)[None]]).astype(dtype)
    held = None if u is None else jnp.asarray(u, dtype)
    found = fixed_points(model, jnp.asarray(starts), held, interval)
    found.sort(key=lambda point: float(np.linalg.norm(np.array(point.state) - center)))
    return tuple(
        replace(point, output=tuple(map(float, np.array(point.output) * scale + location)))
        for point in found
    )


def _vector(value: Any, size: int, name: str) -> np.ndarray:
    vector = np.asarray(value, np.float64)
    if vector.shape not in ((), (size,)) or not np.isfinite(vector).all():
        raise RekalError(f"{name} must be {size} finite numbers, but its shape is {vector.shape}")
    return np.broadcast_to(vector, (size,))


def _plain(value: Any) -> Any:
    """Lists, numbers and None for arrays, tuples and NaN."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
