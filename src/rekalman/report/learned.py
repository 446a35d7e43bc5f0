"""What was learned, in numbers with their units."""

from __future__ import annotations

import math

from rekalman.data import Sequences
from rekalman.forecasting.labels import Labels
from rekalman.identification import Identification
from rekalman.identification.modes import Mode
from rekalman.report.style import text
from rekalman.report.tables import NOTHING, number, pairs_table, percent, table

MOST_MODES = 12
WORDS = ("year", "quarter", "month", "week", "business day", "day", "hour", "minute", "second")


def period_steps(found: Identification | None) -> float | None:
    """Steps per cycle: of the limit cycle, or of a mode that swings at least once before it dies."""
    if found is None:
        return None
    if found.period_steps is not None:
        return found.period_steps
    mode = _damped(found)
    return None if mode is None or mode.period is None else mode.period / found.interval


def _damped(found: Identification) -> Mode | None:
    mode = found.fixed_points[0].oscillation if found.fixed_points else None
    return None if mode is None or (mode.damping_ratio or 0) > 0.5 else mode


def learned_html(found: Identification, data: Sequences, standardised: bool = True) -> str:
    """Attractor, modes and noise as tables.

    Args:
        found: the dynamics in numbers.
        data: for labels.
        standardised: the states are those of standardised data, not of raw units.
    """
    labels = Labels.of(data)
    unit = _time_unit(found)
    rows = [("without noise", _attractor(found))]
    if found.period is not None and found.period_steps is not None:
        steps = f" ({number(found.period_steps)} steps)" if unit != "steps" else ""
        rows.append(("period", f"{number(found.period)} {text(unit)}{steps}"))
    elif (damped := _damped(found)) is not None and damped.period is not None:
        steps = f" ({number(period_steps(found))} steps)" if unit != "steps" else ""
        dies = f"falls by a factor e in {number(damped.time_constant)} {text(unit)}"
        near = f"{number(damped.period)} {text(unit)}{steps} near the fixed point, where it {dies}"
        rows.append(("damped oscillation", near))
    moving = found.attractor not in ("fixed point", "diverges")
    if moving:
        for k in range(len(found.names)):
            size, centre = number(found.amplitude[k]), number(found.center[k])
            rows.append((f"amplitude of {text(labels.column(k))}", f"{size} about {centre}"))
    if found.harmonic_share is not None:
        rows.append(("share of the fundamental sine", percent(found.harmonic_share)))
    warnings = "".join(f"<li>{text(sentence)}</li>" for sentence in found.warnings)
    remarks = f"<ul>{warnings}</ul>" if warnings else ""
    return (
        pairs_table(rows)
        + remarks
        + _noise(found, labels, data.n_inputs > 0, standardised)
        + _modes(found, labels, unit)
    )


def _time_unit(found: Identification) -> str:
    unit = found.time_unit or ("step" if found.interval == 1 else "time unit")
    return f"{unit}s" if unit in (*WORDS, "step", "time unit") else unit


def wanders(found: Identification) -> bool:
    """Whether nothing draws the model back: a linear one with a pole on the unit circle."""
    at_rest = found.attractor == "fixed point" and bool(found.fixed_points)
    return at_rest and found.fixed_points[0].spectral_radius > 1 - 1e-6


def _attractor(found: Identification) -> str:
    if wanders(found):
        return "it goes on as it is; noise changes it, and nothing draws it back"
    return {
        "fixed point": "it comes to rest at a fixed point; noise keeps it moving",
        "limit cycle": "a limit cycle: it keeps oscillating by itself",
        "diverges": "it grows without bound",
    }.get(found.attractor, text(found.attractor))


def _noise(found: Identification, labels: Labels, driven: bool, standardised: bool) -> str:
    rows = []
    for k in range(len(found.names)):
        share = float(found.explained[k])
        ratio = NOTHING
        if 0 < share < 1:
            ratio = f"{number(10 * math.log10(share / (1 - share)), 3)} dB"
        rows.append(
            (
                text(labels.column(k)),
                number(float(found.observation_std[k])),
                number(float(found.output_std[k])),
                percent(share),
                ratio,
            )
        )
    process = ", ".join(number(float(v), 3) for v in found.process_std[:MOST_MODES])
    held = " Inputs are held constant." if driven else ""
    more = ", …" if len(found.process_std) > MOST_MODES else ""
    head = [
        "column",
        "measurement noise",
        "whole output",
        "share that is signal",
        "signal to noise",
    ]
    caption = (
        "<b>Noise.</b> Standard deviations in the unit of the column, or of its transform, of the "
        "measurement noise and of what the model puts out under noise; the share of that variance which is "
        f"signal. Process noise of the states, per step{', in standardised units' if standardised else ''}: "
        f"{process}{more}.{held}"
    )
    return table(head, rows, caption)


def _modes(found: Identification, labels: Labels, unit: str) -> str:
    if not found.fixed_points:
        return ""
    point = found.fixed_points[0]
    at = ", ".join(
        f"{text(labels.column(k))} = {number(value)}" for k, value in enumerate(point.output)
    )
    stable = "stable" if point.spectral_radius < 1 else "unstable"
    rows = [_mode(mode) for mode in point.modes[:MOST_MODES]]
    single = unit.removesuffix("s") if unit.removesuffix("s") in (*WORDS, "step") else unit
    per = f"per {text(single)}"
    head = ["mode", f"period ({text(unit)})", f"frequency ({per})", "damping ratio",
            f"time constant ({text(unit)})", "modulus"]  # fmt: skip
    others = len(found.fixed_points) - 1
    also = (
        f" {others} more fixed point{'s were' if others > 1 else ' was'} found." if others else ""
    )
    where = f" linearised at the {stable} fixed point where {at}"
    caption = (
        f"<b>Modes</b> of the dynamics{'' if wanders(found) else where}. The "
        f"modulus of a mode is what remains of it after a step.{also}"
    )
    return table(head, rows, caption)


def _mode(mode: Mode) -> tuple[str, ...]:
    swings = mode.kind == "oscillation" and mode.period is not None
    constant = number(mode.time_constant) if mode.time_constant is not None else NOTHING
    return (
        text(mode.kind) + (", growing" if mode.growing else ""),
        number(mode.period) if swings else NOTHING,
        number(1 / mode.period) if swings and mode.period else NOTHING,
        number(mode.damping_ratio, 3) if swings else NOTHING,
        constant,
        number(mode.modulus),
    )
