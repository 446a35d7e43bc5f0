"""Where a linear model without noise ends, worked out from its matrices instead of simulated."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from rekalman.identification.linear import LinearFacts
from rekalman.identification.modes import FixedPoint, modes
from rekalman.identification.result import Identification
from rekalman.models.linear import LinearGaussian, stationary_moments

MARGIN = 1e-6  # distance from the unit circle that counts as on it


@dataclass(frozen=True)
class Rest:
    """Where a linear model without noise ends.

    Attributes:
        attractor: "fixed point", "limit cycle" (undamped: of whatever size it starts with) or "diverges".
        point: its fixed point; with a pole on the unit circle, where there is no single one, the mean of
            its first state.
        output_var: variance of each output under noise, NaN where it grows without bound.
    """

    attractor: str
    point: FixedPoint
    output_var: np.ndarray


def rest(model: LinearGaussian, u: np.ndarray | None, interval: int | float) -> Rest:
    """Where the model ends, with the inputs held at `u`."""
    A, C = (np.asarray(getattr(model, name), np.float64) for name in "AC")
    drift = np.asarray(model.c, np.float64)
    offset = np.asarray(model.d, np.float64)
    if u is not None:
        drift = drift + np.asarray(model.B, np.float64) @ u
        offset = offset + np.asarray(model.D, np.float64) @ u
    values = np.linalg.eigvals(A)
    radius = float(np.abs(values).max(initial=0.0))
    unknown = np.full(len(C), np.nan)
    if radius >= 1 - MARGIN:
        far = np.abs(np.linalg.matrix_power(A, 1000)).max()
        on = values[np.abs(np.abs(values) - 1) < MARGIN]
        kind = "limit cycle" if np.abs(on.imag).max(initial=0.0) > MARGIN else "fixed point"
        m = np.asarray(model.m, np.float64)
        point = FixedPoint(tuple(m), tuple(C @ m + offset), modes(A, interval))
        return Rest("diverges" if radius > 1 + MARGIN or far > 100 else kind, point, unknown)
    x = np.linalg.solve(np.eye(len(A)) - A, drift)
    point = FixedPoint(tuple(x), tuple(C @ x + offset), modes(A, interval))
    with jax.enable_x64(True):
        P = stationary_moments(*(jnp.asarray(v) for v in (A, drift, np.asarray(model.Q, float))))[1]
    var = np.diagonal(C @ np.asarray(P) @ C.T + np.asarray(model.R, np.float64))
    return Rest("fixed point", point, var)


def identify_linear(
    model: LinearGaussian,
    u: np.ndarray | None,
    interval: float,
    scale: np.ndarray,
    location: np.ndarray,
    names: tuple[str, ...],
    time_unit: str | None,
    facts: LinearFacts,
) -> Identification:
    """The identification of a linear model, from its matrices."""
    result = rest(model, u, interval)
    output = np.array(result.point.output) * scale + location
    noise_var = np.diagonal(np.asarray(model.R, np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        explained = np.clip(1 - noise_var / result.output_var, 0, 1)
    point = replace(result.point, output=tuple(map(float, output)))
    undamped = result.attractor == "limit cycle"
    mode = point.oscillation if undamped else None
    period = None if mode is None else mode.period
    unknown = np.full(len(names), np.nan)
    warnings = ()
    if np.isnan(result.output_var).any():
        warnings = (
            "A pole lies on or outside the unit circle: the model has no level of its own to return to, "
            "and no variance.",
        )
    return Identification(
        attractor=result.attractor,
        period_steps=None if period is None else period / interval,
        period=period,
        amplitude=unknown if undamped else np.zeros(len(names)),
        center=output,
        harmonic_share=None,
        cycle=output[None],
        fixed_points=(point,),
        process_std=np.sqrt(np.diagonal(np.asarray(model.Q, np.float64))),
        observation_std=np.sqrt(noise_var) * np.abs(scale),
        output_std=np.sqrt(result.output_var) * np.abs(scale),
        explained=explained,
        interval=interval,
        names=names,
        time_unit=time_unit,
        warnings=warnings,
        linear=facts,
    )
