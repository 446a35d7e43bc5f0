r"""What a network's correction of a linear filter is worth on held-out data, and how it is calibrated there.

Held-out rows are forecast from 1 to 32 steps before, by hiding those between. For each group of leads and
each column, over the whitened innovations `e` with their corrections `a` and `v`, the gate is the one of 0,
1/2 and 1 with the largest mean log density of

    e ~ N(g a, f v^g),   f = mean of (e - g a)^2 / v^g,

0 unless another gains more than a standard error. Forecasts of `h` steps from neighbouring steps share most
of their errors, so that `n` of them count as `n / h`. The factor is held towards 1, `log f -> w log f` with
`w = n / (n + 8)`, and a factor below 1 counts by half of its logarithm: an interval that is too narrow costs
more than one that is too wide.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from rekalman.core.metrics import crps_gaussian
from rekalman.evaluation.holding import seen_before
from rekalman.filters.corrected import GROUPS, CorrectedTable, group_of, leads
from rekalman.filters.whitening import Innovations, innovations
from rekalman.learners.batch import Batch
from rekalman.learners.gradient.pieces import Shown
from rekalman.learners.gradient.spans import every_lead
from rekalman.numerics.precision import precision_of

GATES = (0.0, 0.5, 1.0)
NEAR, FAR = 8, 32
"""Leads up to `NEAR` are scored from every step, up to `FAR` from some."""
NARROWER = 0.5
"""How much of the logarithm of a factor below 1 counts."""
PRIOR = 8.0
"""The factors are held towards 1 as by so many values."""


class Entries(NamedTuple):
    """Held-out entries that were forecast, one after the other.

    Attributes:
        lead: steps since the column was seen last.
        column: of the entry.
        white: whitened innovations of the linear filter.
        a: corrections of their mean.
        v: corrected variances.
        error: what each entry is off the mean of the linear filter.
        root: its row of the Cholesky factor, `(entries, obs)`.
        row_a: corrections of the whole row, `(entries, obs)`.
        row_v: corrected variances of the whole row.
        moved: what the column has moved since it was seen last; NaN where it never was.
    """

    lead: Float[np.ndarray, " entries"]
    column: Int[np.ndarray, " entries"]
    white: Float[np.ndarray, " entries"]
    a: Float[np.ndarray, " entries"]
    v: Float[np.ndarray, " entries"]
    error: Float[np.ndarray, " entries"]
    root: Float[np.ndarray, "entries obs"]
    row_a: Float[np.ndarray, "entries obs"]
    row_v: Float[np.ndarray, "entries obs"]
    moved: Float[np.ndarray, " entries"]


class Horizon(NamedTuple):
    """How well held-out data were forecast so many steps ahead.

    Attributes:
        shortest: lead of the group.
        values: number of forecasts.
        crps: of the calibrated network, mean over the values in units of the standardised data.
        linear: of its linear part alone.
        hold: of holding the last value.
        coverage: share of the values within their 90 % interval.
        behind: standard errors by which the network is behind holding the last value.
    """

    shortest: int
    values: int
    crps: float
    linear: float
    hold: float
    coverage: float
    behind: float


class Calibration(NamedTuple):
    """The tables of a `CorrectedTable`, and what came of them.

    Attributes:
        gate: how much of the correction counts, `(GROUPS, obs)`.
        factor: of the variances, likewise.
        horizons: scores by groups of leads.
    """

    gate: Float[np.ndarray, "groups obs"]
    factor: Float[np.ndarray, "groups obs"]
    horizons: tuple[Horizon, ...]


def calibrate(
    table: CorrectedTable,
    batch: Batch,
    part: Bool[np.ndarray, "batch steps"],
    step_variance: Float[np.ndarray, " obs"],
) -> Calibration:
    """Calibrate a network on the held-out part of its data.

    Args:
        table: the network, whose gates and factors are not looked at.
        batch: standardised series.
        part: which steps are held out.
        step_variance: of what each column moves in a step, for holding the last value.
    """
    entries = _entries(table, batch, part)
    obs = batch.values.shape[-1]
    gate, factor = np.zeros((GROUPS, obs)), np.ones((GROUPS, obs))
    groups = np.asarray(group_of(entries.lead))
    for g in range(GROUPS):
        for k in range(obs):
            mine = (groups == g) & (entries.column == k)
            if mine.sum() < 2:  # as the group before
                if g:
                    gate[g, k], factor[g, k] = gate[g - 1, k], factor[g - 1, k]
                continue
            count = max(mine.sum() / entries.lead[mine].mean(), 1.0)
            gate[g, k], raw = _chosen(entries.white[mine], entries.a[mine], entries.v[mine], count)
            caution = NARROWER if raw < 1 else 1.0
            factor[g, k] = raw ** (caution * count / (count + PRIOR))
    return Calibration(gate, factor, _horizons(entries, groups, gate, factor, step_variance))


def shown_to(
    table: CorrectedTable, batch: Batch, hidden: Bool[np.ndarray, "batch steps"] | None
) -> tuple[Shown, Innovations]:
    """What the network is shown where some steps are hidden, and the innovations of all of them."""
    with precision_of(table.kalman):
        linear = innovations(table.kalman, batch.values, batch.mask, batch.inputs, batch.dt, hidden)
        mask = batch.mask if hidden is None else batch.mask & ~jnp.asarray(hidden)[..., None]
        rows, seen = table.shown(batch.values, mask, jnp.where(mask, linear.white, 0.0))
    wanted = np.where(np.asarray(batch.mask), np.asarray(linear.white), np.nan)
    return Shown(np.asarray(rows), np.asarray(seen), wanted), linear


def _chosen(white: np.ndarray, a: np.ndarray, v: np.ndarray, count: float) -> tuple[float, float]:
    """The gate and the factor of a group."""

    def scored(gate: float) -> tuple[float, np.ndarray]:
        squares, scale = (white - gate * a) ** 2, v**gate
        factor = max(float((squares / scale).mean()), 1e-6)
        return factor, -0.5 * (np.log(factor * scale) + squares / (factor * scale))

    factors, densities = zip(*map(scored, GATES), strict=True)
    best = int(np.argmax([density.mean() for density in densities]))
    gain = densities[best] - densities[0]
    if gain.mean() <= gain.std() / np.sqrt(count):
        best = 0
    return GATES[best], factors[best]


def _entries(table: CorrectedTable, batch: Batch, part: np.ndarray) -> Entries:
    """Every held-out entry from every lead, each pattern of hidden steps giving the leads it is there for."""
    far = min(FAR, max(int(part.sum(1).max()), NEAR + 1))
    nothing: list[tuple[np.ndarray, int, int]] = [(np.zeros_like(part), 1, 1)]
    patterns = nothing + [(hidden, 2, NEAR) for hidden in every_lead(part, NEAR)]
    patterns += [(hidden, NEAR + 1, 10**9) for hidden in every_lead(part, far, NEAR)]
    parts = [
        _of_pattern(table, batch, part, hidden, least, most) for hidden, least, most in patterns
    ]
    return Entries(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _of_pattern(
    table: CorrectedTable, batch: Batch, part: np.ndarray, hidden: np.ndarray, least: int, most: int
) -> Entries:
    shown, linear = shown_to(table, batch, hidden)
    corrected = table.corrections(
        jnp.asarray(shown.rows), jnp.asarray(shown.seen), batch.inputs, batch.dt
    )
    a, v = (np.asarray(each, np.float64) for each in corrected)
    mask, values = np.asarray(batch.mask), np.asarray(batch.values)
    seen = mask & ~hidden[..., None]
    lead = np.asarray(leads(jnp.asarray(seen))[0])
    at = np.nonzero(mask & part[..., None] & (lead >= least) & (lead <= most))
    row = at[:2]
    before = seen_before(seen)
    held = np.take_along_axis(values, np.maximum(before, 0), 1)
    moved = np.where(before >= 0, values - held, np.nan)
    return Entries(
        lead[at],
        at[2],
        np.asarray(linear.white)[at],
        a[at],
        v[at],
        (values - np.asarray(linear.mean))[at],
        np.asarray(linear.root)[at],
        a[row],
        v[row],
        moved[at],
    )


def _horizons(
    entries: Entries,
    groups: np.ndarray,
    gate: np.ndarray,
    factor: np.ndarray,
    step_variance: np.ndarray,
) -> tuple[Horizon, ...]:
    """Scores of the calibrated network, of its linear part and of holding the last value."""
    columns = np.arange(gate.shape[1])
    gates = gate[groups[:, None], columns]
    error = entries.error - (entries.root * gates * entries.row_a).sum(1)
    var = (entries.root**2 * factor[groups[:, None], columns] * entries.row_v**gates).sum(1)
    linear = _crps(entries.error, (entries.root**2).sum(1))
    own = _crps(error, var)
    hold = _crps(entries.moved, np.maximum(step_variance[entries.column], 1e-12) * entries.lead)
    inside = np.abs(error) <= 1.6448536269514722 * np.sqrt(var)
    made = []
    for g in range(GROUPS):
        mine = (groups == g) & np.isfinite(entries.moved)
        if not mine.any():
            continue
        behind = own[mine] - hold[mine]
        count = max(mine.sum() / entries.lead[mine].mean(), 1.0)
        spread = max(behind.std() / np.sqrt(count), 1e-12)
        made.append(
            Horizon(
                shortest=2**g,
                values=int(mine.sum()),
                crps=float(own[mine].mean()),
                linear=float(linear[mine].mean()),
                hold=float(hold[mine].mean()),
                coverage=float(inside[mine].mean()),
                behind=float(behind.mean() / spread),
            )
        )
    return tuple(made)


def _crps(error: np.ndarray, var: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of Gaussians off by `error`."""
    return np.asarray(crps_gaussian(error, np.zeros(()), var))
