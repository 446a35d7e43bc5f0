"""Reading what a command works on: data, models, and the inputs of steps to come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.tables.table import Table
    from rekalman.fitting.result import Fit


def delimiter(sep: str | None) -> str | None:
    """What separates columns, with a tab as a person can type it."""
    return {"\\t": "\t", "tab": "\t"}.get(sep, sep) if sep is not None else None


def open_for(
    fit: Fit,
    source: str,
    *,
    series: str | None = None,
    sep: str | None = None,
    decimal: str = ".",
    encoding: str | None = None,
    date_format: str | None = None,
) -> Sequences:
    """Read data for a model that is there already: its columns, inputs and time column.

    Raises:
        RekalError: the data cannot be read, lack a column of the model, or hold no value.
    """
    from rekalman.data.film_files import SUFFIX
    from rekalman.datasets import open_data
    from rekalman.datasets.source import open_film

    if Path(source).suffix.lower() == SUFFIX:
        mark = None if decimal == "." else decimal
        given = {"sep": sep, "decimal": mark, "encoding": encoding}
        given |= {"series": series, "date_format": date_format}
        return fit.read(open_film(Path(source), given))
    data = open_data(
        source,
        time=fit.labels.time_name,
        columns=fit.labels.names,
        inputs=fit.input_names,
        series=series,
        default_series=fit.labels.frame_kind.series,
        sep=delimiter(sep),
        decimal=decimal,
        encoding=encoding,
        date_format=date_format,
        irregular=fit.continuous and fit.labels.time_name is not None,
        learnable=False,
    )
    if not np.asarray(data.mask).any():
        raise RekalError(f"{source}: all values are missing.")
    return data


def example_of(fit: Fit) -> str | None:
    """The example that a model was trained on, or None."""
    from rekalman.datasets import EXAMPLES, load_example

    return next((name for name in EXAMPLES if trained_on(fit, load_example(name))), None)


def trained_on(fit: Fit, data: Sequences) -> bool:
    """Whether a model was trained on these data: the mean and deviation it keeps are theirs.

    A structure takes the mean from its data and leaves their deviation as it is: it keeps a scale of 1.
    """
    from rekalman.data.scales.panel import Panel
    from rekalman.data.scales.standardiser import Standardiser

    if tuple(data.names) != tuple(fit.labels.names) or int(data.mask.sum()) != fit.history.entries:
        return False
    there = fit.standardiser
    if isinstance(there, Panel):
        return there.is_of(data)
    here = Standardiser.of(data, there.transform)
    same_mean = np.allclose(here.location, there.location, rtol=1e-6, atol=0)
    same_scale = np.allclose(here.scale, there.scale, rtol=1e-6, atol=0)
    return same_mean and (same_scale or bool(np.all(np.asarray(there.scale) == 1)))


def read_inputs(
    path: Path,
    names: Sequence[str],
    steps: int,
    *,
    sep: str | None = None,
    decimal: str = ".",
    encoding: str | None = None,
) -> Table:
    """Inputs of steps to come, from a CSV or Parquet file with a row for each step.

    Args:
        path: the file.
        names: the input columns of the model.
        steps: how many steps there are, each with a row (of each series, where a column tells them apart).
        sep: what separates the columns.
        decimal: the decimal mark.
        encoding: encoding of a CSV file; None = found out.

    Returns:
        The table, whose columns the model finds by name.

    Raises:
        RekalError: a column is missing, a cell holds no number, or there are too few rows.
    """
    from rekalman.data.tables.columns import known
    from rekalman.data.tables.read import read_csv, read_parquet

    where = str(path)
    parquet = path.suffix.lower() in (".parquet", ".pq")
    table = (
        read_parquet(path)
        if parquet
        else read_csv(path, delimiter(sep), decimal, encoding=encoding)
    )
    columns = [table.column(known(table.names, name, where)).checked(where) for name in names]
    if len(table.frame) == 0 or len(table.frame) % steps:
        raise RekalError(
            f"{where}: the inputs have {len(table.frame)} rows, but {steps} steps need {steps}."
        )
    values = np.stack(columns, -1)
    if np.isnan(values).any():
        row, column = np.argwhere(np.isnan(values))[0]
        raise RekalError(
            f"{where}: row {row + 1} of the input column '{names[column]}' is missing."
        )
    return table


def open_model(path: Path, seed: int | None = None) -> Fit:
    """Read a model file, with another start of its randomness where one is given.

    Raises:
        RekalError: the file is missing, cut short, altered or not a rekalman model.
    """
    from rekalman.fitting.loading import load

    fitted = load(path)
    return fitted if seed is None else fitted.seeded(seed)
