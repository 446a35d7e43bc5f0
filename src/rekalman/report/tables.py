"""Tables of the report as HTML: the competing starts, scores, parameters, settings."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable, Sequence

import jax.numpy as jnp
import numpy as np

from rekalman.data.scales.panel import Panel
from rekalman.fitting.description import UNIT_OF_PANEL
from rekalman.fitting.result import Fit
from rekalman.forecasting.labels import Labels
from rekalman.methods.made_by import description_of, method_class
from rekalman.report.evidence import Calibration
from rekalman.report.style import text

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NOTHING = "–"
MOST_SERIES, MOST_ROWS = 12, 60  # series whose scores are shown, rows of scales
MOST = 40  # rows and columns of a matrix that are shown


def number(value: float | int | None, digits: int = 4) -> str:
    """A number for people: few digits, no `e-17`, a true minus sign."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if abs(value) < 1e-12:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if -4 <= size < 6:
        places = max(0, digits - 1 - size)
        written = f"{value:.{places}f}"
        written = written.rstrip("0").rstrip(".") if "." in written else written
        if abs(value) >= 1e4:
            whole, _, rest = written.partition(".")
            written = f"{int(whole):,}".replace(",", "\u202f") + (f".{rest}" if rest else "")
    else:
        factor = f"{value / 10.0**size:.{digits - 1}f}".rstrip("0").rstrip(".")
        written = f"{factor} × 10{str(size).translate(SUPERSCRIPT)}"
    return written.replace("-", "−")


def percent(share: float) -> str:
    """A share as a percentage."""
    return NOTHING if not math.isfinite(share) else f"{100 * share:.1f} %"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "", names: int = 1
) -> str:
    """A table; all cells are HTML already.

    Args:
        head: titles of the columns.
        rows: the cells.
        caption: what it shows.
        names: number of columns at the left that hold words, the others hold numbers.
    """

    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{'' if i < names else ' class=n'}>{cell}</{tag}>" for i, cell in enumerate(row)
        )

    top = f"<caption>{caption}</caption>" if caption else ""
    titles = f"<thead><tr>{cells(head, 'th')}</tr></thead>" if head else ""
    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f'<div class="wide"><table>{top}{titles}<tbody>{body}</tbody></table></div>'


def starts_table(fit: Fit) -> str:
    """The starts that competed, on held-out likelihood or by climbing the likelihood."""
    trials, climbed = fit.history.trials, fit.history.starts
    if len(climbed) > 1:
        rows = [
            (text(name) + (" (went on)" if i == 0 else ""), number(value))
            for i, (name, value) in enumerate(climbed)
        ]
        return table(
            ["start", "log-likelihood after some steps"],
            rows,
            "Starts that were climbed (nats); the best went on to the estimate.",
        )
    if not trials:
        return f"<p>{description_of(fit).beside_starts}</p>"
    best = trials[0][1]
    rows = [
        (
            f"<span class=k><b>{text(name)}</b> (chosen)</span>" if i == 0 else text(name),
            number(score),
            NOTHING if i == 0 else number(score - best, 3),
        )
        for i, (name, score) in enumerate(trials)
    ]
    return table(
        ["start", "held-out log-likelihood per observation", "behind the best"],
        rows,
        "Starts that competed. Each was trained on the first part of the data and judged by the "
        "rest (nats per value); the best was then trained on everything.",
    )


def series_scores(result: Calibration, labels: Labels, columns: Sequence[int]) -> str:
    """Tables of scores of some columns: one for each series, the first of many."""
    if len(result.names) < 2:
        return scores_table(result, labels, columns)
    shown = range(min(len(result.names), MOST_SERIES))
    parts = [scores_table(result.of_series(i), labels, columns, result.names[i]) for i in shown]
    rest = len(result.names) - len(parts)
    more = f"<p>{rest} more series were scored and are not shown.</p>" if rest else ""
    return "".join(parts) + more


def scores_table(
    result: Calibration, labels: Labels, columns: Sequence[int], series: str | None = None
) -> str:
    """RMSE, CRPS, log score and coverage by column and horizon.

    Args:
        result: the scores.
        labels: names and units of the columns.
        columns: those that are shown, by number.
        series: name of the series they belong to, where there are several.
    """
    rows = []
    for k in columns:
        for h, horizon in enumerate(result.horizons):
            rmse = math.sqrt(result.mean(result.error**2, h, k))
            rows.append(
                (
                    text(labels.column(k)) if h == 0 else "",
                    str(horizon),
                    number(rmse, 3),
                    percent(rmse / result.spread[k]) if result.spread[k] > 0 else NOTHING,
                    number(result.mean(result.crps, h, k), 3),
                    number(result.mean(result.log_score, h, k), 3),
                    percent(result.coverage(h, 0.5, k)),
                    percent(result.coverage(h, 0.9, k)),
                    number(int(result.seen[:, h, k].sum())),
                )
            )
    head = ["column", "steps ahead", "RMSE", "of the spread", "CRPS", "log score", "in 50 %",
            "in 90 %", "scored"]  # fmt: skip
    named = "" if series is None else f"<b>Series {text(series)}.</b> "
    caption = (
        f"{named}RMSE of the noise-free forecast, also as a share of the standard deviation of the column; "
        "mean CRPS, both in the unit of the column (lower is better); mean log density in nats "
        "(higher is better); share of the observations inside the 50 % and the 90 % interval."
    )
    return table(head, rows, caption)


def parameter_tables(fit: Fit) -> str:
    """Every block of parameters, folded away."""
    meaning = fit.model.block_meanings
    blocks = []
    for name, what in meaning.items():
        whole = operator.attrgetter(name)(fit.model)
        block = np.atleast_2d(np.asarray(whole))
        if block.size == 0:
            continue
        scale = float(np.abs(block).max())
        rows = [
            [number(0.0 if abs(v) < 1e-7 * scale else float(v), 4) for v in row[:MOST]]
            for row in block[:MOST]
        ]
        shape = " × ".join(str(n) for n in jnp.shape(whole))
        cut = f", the first {MOST} shown" if max(block.shape) > MOST else ""
        title = f"<b>{name}</b>, {what} ({shape}{cut})"
        blocks.append(table([], rows, title, names=0))
    units = "standardised data" if is_standardised(fit) else "the data less their mean"
    if not np.any(np.asarray(fit.standardiser.location)) and not is_standardised(fit):
        units = "the data as they are"
    transform = fit.standardiser.transform
    if transform is not None:
        units += f", where y is {text(transform.described(fit.labels.names))}"
    formula = f"<p>{_formula(fit)} The numbers are those of {units}.</p>"
    inside = formula + f'<div class="blocks">{"".join(blocks)}</div>'
    return f"<details><summary>Parameters of the model</summary>{inside}</details>"


def is_standardised(fit: Fit) -> bool:
    """Whether the model speaks of standardised data, and not of raw units."""
    return not np.all(np.asarray(fit.standardiser.scale) == 1)


def structure_table(fit: Fit) -> str:
    """Parameters of a structure with their standard errors; nothing for other models."""
    if not fit.parameters:
        return ""
    rows = [
        (
            text(each.name),
            number(each.value),
            "zero: at the boundary" if each.boundary else number(each.standard_error, 2),
        )
        for each in fit.parameters
    ]
    described = "the data"
    if fit.standardiser.transform is not None:
        described = text(fit.standardiser.transform.described(fit.labels.names))
    caption = f"<b>Parameters of the structure</b>, in the units of {described}."
    if isinstance(fit.standardiser, Panel):
        caption = f"<b>Parameters of the structure</b>, {UNIT_OF_PANEL}."
    elif fit.kind == "own":
        caption = "<b>Parameters of the model</b>, in the units in which it was written."
    return table(["parameter", "estimate", "standard error"], rows, caption)


def scale_given(fit: Fit) -> list[str]:
    """The argument `scale` of `rekalman.fit`, where it was not the default."""
    if fit.kind == "own" or len(fit.labels.series_names) < 2:
        return []
    if isinstance(fit.standardiser, Panel):
        return ['scale="series"'] if fit.input_names else []
    return [] if fit.input_names else ['scale="shared"']


def transform_given(fit: Fit) -> list[str]:
    """The argument `transform` of `rekalman.fit`, where it was not the default."""
    transform = fit.standardiser.transform
    if transform is None:
        return [] if method_class(fit).default_transform == "none" else ['transform="none"']
    given = transform.argument
    return [f'transform="{given}"' if isinstance(given, str) else f"transform={given:g}"]


def scales_table(fit: Fit) -> str:
    """Location and scale of each series; nothing where all share them."""
    panel = fit.standardiser
    if not isinstance(panel, Panel):
        return ""
    rows = [
        (text(name), text(fit.labels.column(k)), number(float(at)), number(float(scale)))
        for name, location, scales in zip(panel.names, panel.location, panel.scale, strict=True)
        for k, (at, scale) in enumerate(zip(location, scales, strict=True))
    ]
    more = f" The first {MOST_ROWS} rows are shown." if len(rows) > MOST_ROWS else ""
    caption = (
        "<b>Scales of the series.</b> The model describes all series less their location, divided by their "
        f"scale; noise in the unit of the column differs from series to series by that factor.{more}"
    )
    return table(["series", "column", "location", "scale"], rows[:MOST_ROWS], caption)


def _formula(fit: Fit) -> str:
    """The equations of the model."""
    lowered = re.sub(r"_(?:\{([^}]*)\}|(\w))", r"<sub>\1\2</sub>", text(fit.model.equations))
    return lowered.replace(",  ", ", &ensp; ")


def pairs_table(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values, both HTML already."""
    inside = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
    return f'<div class="wide"><table class="pairs"><tbody>{inside}</tbody></table></div>'
