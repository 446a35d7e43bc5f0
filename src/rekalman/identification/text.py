"""An identification in words: the summary, and what could not be identified."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from rekalman.foundation.printable import printable, printable_line
from rekalman.identification.intervals import ModeIntervals

if TYPE_CHECKING:
    from rekalman.identification.attractor import Attractor
    from rekalman.identification.modes import FixedPoint, Mode
    from rekalman.identification.result import Identification


INTEGRATES = 1e-6  # an eigenvalue as near to 1 as this sums up what drives it


def find_warnings(
    final: Attractor,
    several: bool,
    points: tuple[FixedPoint, ...],
    explained: np.ndarray,
    names: tuple[str, ...],
) -> tuple[str, ...]:
    """What could not be identified, one sentence each."""
    said = []
    if final.kind == "diverges":
        said.append("The noise-free dynamics diverge, so there is no attractor to describe.")
    if several:
        said.append(
            "From different states the noise-free dynamics end differently; what most of them end in "
            "is described."
        )
    if final.kind == "quasi-periodic or chaotic":
        said.append("The noise-free dynamics do not repeat themselves, so they have no period.")
    if not points:
        said.append("No fixed point was found, so there are no modes.")
    elif points[0].oscillation is None:
        largest = points[0].modes[0]
        said.append(
            f"All eigenvalues at the fixed point are real (the largest has modulus "
            f"{largest.modulus:.3f}): no oscillation could be identified there."
        )
    for name, share in zip(names, explained, strict=True):
        if np.isnan(share):
            said.append(
                f"Under noise the model diverges, so the state's share of {name} is unknown."
            )
        elif share < 0.05:
            said.append(
                f"Less than 5 % of the variance of {name} comes from the state: it is nearly all "
                "observation noise."
            )
    return tuple(said)


def summary(result: Identification) -> str:
    """A page of text for a person; control characters in names are written out."""
    time_unit = None if result.time_unit is None else printable_line(result.time_unit)
    result = dataclasses.replace(
        result,
        names=tuple(map(printable_line, result.names)),
        warnings=tuple(map(printable_line, result.warnings)),
        time_unit=time_unit,
    )
    unit = f" {result.time_unit}" if result.time_unit else " steps" if result.interval == 1 else ""
    wanders = result.linear is not None and any(
        abs(point.spectral_radius - 1) < INTEGRATES for point in result.fixed_points[:1]
    )
    what = "no level to return to, one eigenvalue or more is 1" if wanders else result.attractor
    lines = [f"Noise-free dynamics: {what}"]
    if result.period is not None and result.period_steps is not None:
        steps = "" if unit == " steps" else f" ({result.period_steps:.4g} steps)"
        lines.append(f"  period      {result.period:.4g}{unit}{steps}")
    if result.harmonic_share is not None:
        lines.append(
            f"  harmonic    {100 * result.harmonic_share:.1f} % of the variance is one sine"
        )
    if result.attractor not in ("diverges", "fixed point"):
        sizes = zip(result.names, result.amplitude, result.center, strict=True)
        lines += [
            f"  {name:<11} amplitude {a:.4g} about {c:.4g}"
            for name, a, c in sizes
            if np.isfinite(a)  # what wanders has none
        ]
    if result.fixed_points:
        point = result.fixed_points[0]
        if not wanders:
            lines.append(_standing(point))
        known = None if result.linear is None else result.linear.intervals
        each = [None] * len(point.modes) if known is None else known.modes
        lines += [
            f"  {_describe(mode, unit, ends)}" for mode, ends in zip(point.modes, each, strict=True)
        ]
        if len(result.fixed_points) > 1:
            lines.append(f"  and {len(result.fixed_points) - 1} more fixed points")
    noise = ", ".join(f"{v:.4g}" for v in result.process_std)
    lines.append(f"Process noise (standard deviation per step of each state): {noise}")
    lines.append("Observation noise")
    shares = zip(result.names, result.observation_std, result.explained, strict=True)
    for name, std, share in shares:
        known = "" if np.isnan(share) else f", {100 * share:.1f} % of the variance is state"
        level = f"standard deviation {std:.4g}{known}" if np.isfinite(std) else "unknown"
        lines.append(f"  {name:<11} {level}")
    if result.linear is not None:
        lines += result.linear.lines(result.names)
    lines += [f"Warning: {sentence}" for sentence in result.warnings]
    return printable("\n".join(lines))


def _standing(point: FixedPoint) -> str:
    """Where the dynamics rest, and whether they return there."""
    at = ", ".join(f"{v:.4g}" if abs(v) > 1e-9 else "0" for v in point.output)
    stable = "stable" if point.spectral_radius < 1 else "unstable"
    return f"Fixed point at output {at}: {stable} (spectral radius {point.spectral_radius:.4f})"


def between(ends: tuple[float, float] | None, named: bool = False) -> str:
    """An interval in brackets, or nothing where there is none."""
    if ends is None or not np.isfinite(ends[0]) or ends[0] == ends[1]:
        return ""
    band = "95 % interval " if named else ""
    if not np.isfinite(ends[1]):
        return f" ({band}above {ends[0]:.4g})"
    return f" ({band}{ends[0]:.4g} to {ends[1]:.4g})"


def _describe(mode: Mode, unit: str, known: ModeIntervals | None) -> str:
    ends = ModeIntervals() if known is None else known
    change = "grows" if mode.growing else "decays"
    rate = (
        ""
        if mode.time_constant is None
        else f", {change} by a factor e in {mode.time_constant:.4g}{unit}"
        + between(ends.time_constant)
    )
    if mode.period is None or mode.kind != "oscillation":
        sure = between(ends.modulus, True)
        return f"{mode.kind:<12}eigenvalue modulus {mode.modulus:.4f}{sure}{rate}"
    zeta = "" if mode.damping_ratio is None else f", damping ratio {mode.damping_ratio:.4g}"
    zeta += between(ends.damping_ratio) if zeta else ""
    sure = between(ends.period, True)
    return f"{mode.kind:<12}period {mode.period:.4g}{unit}{sure}{zeta}{rate}"
