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
WORDS = (
    *("year", "quarter", "month", "business month", "week", "business day", "day", "hour"),
    *("minute", "second"),
)


def period_steps(result: Identification | None) -> float | None:
    """Steps per cycle: of the limit cycle, or of a mode that swings at least once before it dies."""
    if result is None:
        return None
    if result.period_steps is not None:
        return result.period_steps
    mode = _damped(result)
    return None if mode is None or mode.period is None else mode.period / result.interval


def _damped(result: Identification) -> Mode | None:
    mode = result.fixed_points[0].oscillation if result.fixed_points else None
    return None if mode is None or (mode.damping_ratio or 0) > 0.5 else mode


def learned_html(result: Identification, data: Sequences, standardised: bool = True) -> str:
    """Attractor, modes and noise as tables.

    Args:
        result: the dynamics in numbers.
        data: for labels.
        standardised: the states are those of standardised data, not of raw units.
    """
    labels = Labels.of(data)
    unit = _time_unit(result)
    rows = [("without noise", _attractor(result))]
    if result.period is not None and result.period_steps is not None:
        steps = f" ({number(result.period_steps)} steps)" if unit != "steps" else ""
        rows.append(("period", f"{number(result.period)} {text(unit)}{steps}"))
    elif (damped := _damped(result)) is not None and damped.period is not None:
        steps = f" ({number(period_steps(result))} steps)" if unit != "steps" else ""
        name, moves = ("growing", "grows") if damped.growing else ("damped", "falls")
        moves += f" by a factor e in {number(damped.time_constant)} {text(unit)}"
        near = f"{number(damped.period)} {text(unit)}{steps} near the fixed point, where it {moves}"
        rows.append((f"{name} oscillation", near))
    moving = result.attractor not in ("fixed point", "diverges")
    if moving:
        for k in range(len(result.names)):
            size, centre = number(result.amplitude[k]), number(result.center[k])
            rows.append((f"amplitude of {text(labels.column(k))}", f"{size} about {centre}"))
    if result.harmonic_share is not None:
        rows.append(("share of the fundamental sine", percent(result.harmonic_share)))
    warnings = "".join(f"<li>{text(sentence)}</li>" for sentence in result.warnings)
    remarks = f"<ul>{warnings}</ul>" if warnings else ""
    return (
        pairs_table(rows)
        + remarks
        + _noise(result, labels, data.n_inputs > 0, standardised)
        + _modes(result, labels, unit)
    )


def _time_unit(result: Identification) -> str:
    unit = result.time_unit or ("step" if result.interval == 1 else "time unit")
    return f"{unit}s" if unit in (*WORDS, "step", "time unit") else unit


def wanders(result: Identification) -> bool:
    """Whether nothing draws the model back: a linear one with a pole on the unit circle."""
    at_rest = result.attractor == "fixed point" and bool(result.fixed_points)
    return at_rest and result.fixed_points[0].spectral_radius > 1 - 1e-6


def _attractor(result: Identification) -> str:
    if wanders(result):
        return "it goes on as it is; noise changes it, and nothing draws it back"
    return {
        "fixed point": "it comes to rest at a fixed point; noise keeps it moving",
        "limit cycle": "a limit cycle: it keeps oscillating by itself",
        "diverges": "it grows without bound",
    }.get(result.attractor, text(result.attractor))


def _noise(result: Identification, labels: Labels, driven: bool, standardised: bool) -> str:
    rows = []
    for k in range(len(result.names)):
        share = float(result.explained[k])
        ratio = NOTHING
        if 0 < share < 1:
            ratio = f"{number(10 * math.log10(share / (1 - share)), 3)} dB"
        rows.append(
            (
                text(labels.column(k)),
                number(float(result.observation_std[k])),
                number(float(result.output_std[k])),
                percent(share),
                ratio,
            )
        )
    process = ", ".join(number(float(v), 3) for v in result.process_std[:MOST_MODES])
    held = " Inputs are held constant." if driven else ""
    more = ", …" if len(result.process_std) > MOST_MODES else ""
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


def _modes(result: Identification, labels: Labels, unit: str) -> str:
    if not result.fixed_points:
        return ""
    point = result.fixed_points[0]
    at = ", ".join(
        f"{text(labels.column(k))} = {number(value)}" for k, value in enumerate(point.output)
    )
    stable = "stable" if point.spectral_radius < 1 else "unstable"
    rows = [_mode(mode) for mode in point.modes[:MOST_MODES]]
    single = unit.removesuffix("s") if unit.removesuffix("s") in (*WORDS, "step") else unit
    per = f"per {text(single)}"
    head = ["mode", f"period ({text(unit)})", f"frequency ({per})", "damping ratio",
            f"time constant ({text(unit)})", "modulus"]  # fmt: skip
    others = len(result.fixed_points) - 1
    also = (
        f" {others} more fixed point{'s were' if others > 1 else ' was'} found." if others else ""
    )
    where = f" linearised at the {stable} fixed point where {at}"
    caption = (
        f"<b>Modes</b> of the dynamics{'' if wanders(result) else where}. The "
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
