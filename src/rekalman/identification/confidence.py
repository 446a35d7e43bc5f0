r"""95 % intervals of what a linear model does, by the delta method.

With `lambda = exp(rho + i theta)` the derivatives of a pole are those of an eigenvalue, `(V^{-1} dA V)_ii`,
and `d rho + i d theta = d lambda / lambda`. Where a transform is monotone the interval is formed before it:
of the period in `theta`, of the time constant in `rho`, of magnitudes and spectra in their logarithm. An
interval of `theta` or `rho` that reaches zero leaves the period or the time constant without an upper end
(infinite).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rekalman.identification.intervals import Interval, ModeIntervals
from rekalman.identification.modes import modes as modes_of
from rekalman.identification.response import Responses
from rekalman.identification.visibility import named_pole
from rekalman.learners.likelihood.uncertainty import Uncertainty
from rekalman.models.linear import LinearGaussian

Z = 1.959963984540054  # of a 95 % interval
DIFFERENCE = 1e-5  # step of the central differences, as a share of the largest entry


@dataclass(frozen=True)
class Confidence:
    """95 % intervals of what a linear model does, in the units of the data.

    Attributes:
        poles: standard errors of the real and imaginary part of each pole `(poles, 2)`; NaN where the data
            do not determine it, 0 where the model fixes it.
        modes: intervals of the modes in the order of `FixedPoint.modes`.
        gain: of the DC gains, `(2, obs, inputs)`: lower and upper ends.
        step: of the step responses, `(2, steps, obs, inputs)`.
        magnitude: of the modulus of the frequency response, `(2, frequencies, obs, inputs)`.
        phase: of its angle, in radians, likewise.
        spectrum: of the power densities of the outputs, `(2, frequencies, obs)`.
        notes: what has no interval, and why, one sentence each.
    """

    poles: np.ndarray
    modes: tuple[ModeIntervals, ...]
    gain: np.ndarray
    step: np.ndarray
    magnitude: np.ndarray
    phase: np.ndarray
    spectrum: np.ndarray
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, None for what does not exist."""
        apart = ("modes", "notes")
        return {
            "level": 0.95,
            **{name: listed(value) for name, value in vars(self).items() if name not in apart},
            "modes": [
                {k: None if v is None else listed(np.array(v)) for k, v in vars(mode).items()}
                for mode in self.modes
            ],
            "notes": list(self.notes),
        }


def listed(value: Any) -> Any:
    """Lists with None for what is not finite."""
    if np.ndim(value):
        return [listed(one) for one in np.asarray(value, np.float64)]
    return float(value) if np.isfinite(value) else None


def confidence(
    model: LinearGaussian,
    result: Responses,
    poles: Sequence[complex],
    uncertainty: Uncertainty,
    interval: int | float,
    output_scale: np.ndarray,
    input_scale: np.ndarray,
) -> Confidence:
    """Intervals of poles, modes and responses.

    Args:
        model: the model.
        result: its responses in the units of the data.
        poles: its poles in the order in which they are told.
        uncertainty: of its blocks.
        interval: time units between two steps.
        output_scale: turns each output into original units.
        input_scale: likewise each input.
    """
    blocks = {name: np.asarray(getattr(model, name), np.float64) for name in uncertainty.directions}
    notes: list[str] = []
    logs, errors, apart = _poles(blocks["A"], poles, uncertainty)
    if not apart:
        notes.append("Several poles coincide: none of them has an interval of its own.")
    for pole, error in zip(poles, errors, strict=True):
        if apart and np.isnan(error).any() and pole.imag >= 0:
            notes.append(f"{named_pole(pole)} has no interval: the data do not determine it.")
    where = [
        int(np.argmin(np.abs(np.asarray(poles) - mode.modulus * np.exp(1j * mode.angle))))
        for mode in modes_of(blocks["A"], interval)
    ]
    modes = tuple(_mode(poles[i], logs[:, i], uncertainty, float(interval)) for i in where)

    steps, z = len(result.step), np.exp(-2j * np.pi * np.asarray(result.frequencies))
    slopes = _slopes(blocks, uncertainty, steps, z)
    driven = output_scale[:, None] / input_scale[None, :]
    error = lambda v: uncertainty.standard_errors(v)  # noqa: E731
    gain, step = (error(slopes[name]) * np.abs(driven) for name in ("gain", "step"))
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = np.asarray(result.frequency) / driven
        density = np.einsum("wii->wi", np.asarray(result.spectrum)).real
        relative = np.asarray(slopes["frequency"] / raw, complex)
        size, turn = error(np.real(relative)), error(np.imag(relative))
        noise = error(slopes["spectrum"] * output_scale**2 / density)
        magnitude = np.abs(np.asarray(result.frequency))
        stretch = np.exp(Z * np.stack([-size, size]))
        widen = np.exp(Z * np.stack([-noise, noise]))
    if np.isnan(step).any():
        notes.append("The data do not determine all of the step responses: parts have no interval.")
    return Confidence(
        poles=errors,
        modes=modes,
        gain=_ends(np.asarray(result.gain), gain),
        step=_ends(np.asarray(result.step), step),
        magnitude=magnitude * stretch,
        phase=_ends(np.angle(np.asarray(result.frequency)), turn),
        spectrum=density * widen,
        notes=tuple(notes),
    )


def _ends(value: np.ndarray, error: np.ndarray) -> np.ndarray:
    return np.stack([value - Z * error, value + Z * error])


def _poles(
    A: np.ndarray, poles: Sequence[complex], uncertainty: Uncertainty
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Derivatives of `log lambda`, standard errors of the poles, and whether they can be told apart."""
    values, right = np.linalg.eig(A)
    count = len(values)
    if count == 0 or np.linalg.cond(right) > 1e10:
        unknown = np.full((len(uncertainty.information), count), np.nan, complex)
        return unknown, np.full((count, 2), np.nan), count == 0
    moved = np.linalg.inv(right) @ uncertainty.directions["A"] @ right
    order = [int(np.argmin(np.abs(values - pole))) for pole in poles]
    slopes = np.einsum("kii->ki", moved)[:, order]
    # A real pole moves along the real line: what is left beside it is rounding.
    slopes = np.where(np.imag(np.asarray(poles)) == 0, slopes.real, slopes)
    parts = np.stack([slopes.real, slopes.imag], -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = slopes / np.asarray(poles)
    return logs, uncertainty.standard_errors(parts), True


def _mode(
    pole: complex, slope: np.ndarray, uncertainty: Uncertainty, interval: float
) -> ModeIntervals:
    if pole == 0 or not np.isfinite(slope).all():
        return ModeIntervals()
    rho, theta = math.log(abs(pole)), math.atan2(pole.imag, pole.real)
    size = math.hypot(rho, theta)
    real, imag = np.real(slope), np.imag(slope)
    numbers = [real, imag]
    if size > 0:
        numbers.append((rho * real + theta * imag) / size)
        numbers.append(theta * (rho * imag - theta * real) / size**3)
    each = uncertainty.standard_errors(np.stack(numbers, 1))
    known = [bool(error > 0) for error in each]  # neither NaN nor fixed by the model
    result: dict[str, Interval] = {}
    if known[0]:
        low, high = rho - Z * each[0], rho + Z * each[0]
        result["modulus"] = math.exp(low), math.exp(high)
        far = max(abs(low), abs(high))
        near = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        result["time_constant"] = interval / far, interval / near if near else math.inf
    if pole.imag != 0 and all(known):
        low, high = max(theta - Z * each[1], 0.0), min(theta + Z * each[1], math.pi)
        unit = 2 * math.pi * interval
        result["frequency"] = low / unit, high / unit
        result["period"] = unit / high, unit / low if low else math.inf
        half_width = Z * each[2]
        result["natural_frequency"] = max(size - half_width, 0.0) / unit, (size + half_width) / unit
        zeta = -rho / size
        result["damping_ratio"] = max(zeta - Z * each[3], -1.0), min(zeta + Z * each[3], 1.0)
    return ModeIntervals(**{k: (float(a), float(b)) for k, (a, b) in result.items()})


def _slopes(
    blocks: dict[str, np.ndarray], uncertainty: Uncertainty, steps: int, z: np.ndarray
) -> dict[str, np.ndarray]:
    """Derivatives of the responses along all directions, by central differences."""
    largest = max(float(np.abs(block).max(initial=0.0)) for block in blocks.values())
    rows: dict[str, list[np.ndarray]] = {}
    for k in range(len(uncertainty.information)):
        way = {name: block[k] for name, block in uncertainty.directions.items()}
        reach = max(float(np.abs(block).max(initial=0.0)) for block in way.values())
        h = DIFFERENCE * largest / reach if reach > 0 else 1.0
        up, down = (
            _responses({name: blocks[name] + sign * way[name] for name in blocks}, steps, z)
            for sign in (h, -h)
        )
        for name in up:
            rows.setdefault(name, []).append((up[name] - down[name]) / (2 * h))
    return {name: np.stack(each) for name, each in rows.items()}


def _responses(blocks: dict[str, np.ndarray], steps: int, z: np.ndarray) -> dict[str, np.ndarray]:
    """What `response.responses` gives, as plain functions of the blocks."""
    A, B, C, D, Q, R = (blocks[name] for name in ("A", "B", "C", "D", "Q", "R"))
    eye = np.eye(len(A))
    step, carry = [D + C @ B], B
    for _ in range(steps - 1):
        carry = A @ carry
        step.append(step[-1] + C @ carry)
    resolvent = C @ np.linalg.inv(eye - A * z[:, None, None])
    noise = resolvent @ Q @ resolvent.conj().swapaxes(-1, -2) + R
    singular = np.linalg.cond(eye - A) > 1e12
    return {
        "gain": np.full(D.shape, np.nan) if singular else D + C @ np.linalg.solve(eye - A, B),
        "step": np.stack(step),
        "frequency": D + resolvent @ B,
        "spectrum": np.einsum("wii->wi", noise).real,
    }
