"""Reading loose arrays: one array for each series, shapes checked, what was observed."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rekalman.data.padding import as_series
from rekalman.data.units import unit_of
from rekalman.foundation.errors import RekalError

Series = list[np.ndarray]


def matching(data: Any, values: Series, what: str) -> Series:
    """Read `data` as one (time, columns) array for each series of `values`.

    Raises:
        RekalError: another number of series, or a series of another length.
    """
    items = as_series(data, what)
    if len(items) != len(values):
        raise RekalError(f"{what} has {len(items)} series but values has {len(values)}.")
    for i, (item, value) in enumerate(zip(items, values, strict=True)):
        if len(item) != len(value):
            raise RekalError(
                f"{what} has {len(item)} steps in series {i} but values has {len(value)}."
            )
    return items


def scalars(data: Any, values: Series, what: str) -> Series:
    """Read `data`, (time,) or (batch, time) or a list, as one (time,) array for each series."""
    if getattr(data, "ndim", None) == 2 and len(data) == len(values):
        data = list(data)
    items = matching(data, values, what)
    if items[0].shape[1] != 1:
        raise RekalError(f"{what} must hold one number for each step of each series.")
    return [item[:, 0] for item in items]


def observed(values: Series, mask: Any, where: str) -> Series:
    """Which entries were observed: neither NaN nor masked out.

    Raises:
        RekalError: an observed value is infinite, or `mask` has another shape or missing entries.
    """
    masks = [~np.isnan(value) for value in values]
    if mask is not None:
        given = matching(mask, values, "mask")
        if given[0].shape[1] != values[0].shape[1]:
            raise RekalError(
                f"mask has {given[0].shape[1]} columns but values has {values[0].shape[1]}."
            )
        for i, item in enumerate(given):
            if np.isnan(item).any():
                row, column = np.argwhere(np.isnan(item))[0]
                raise RekalError(
                    f"mask is missing itself in series {i} at step {row}, column {column}; give "
                    "True for observed or False for missing."
                )
        masks = [seen & (item != 0) for seen, item in zip(masks, given, strict=True)]
    for i, (value, seen) in enumerate(zip(values, masks, strict=True)):
        if np.isinf(value[seen]).any():
            row, column = np.argwhere(np.isinf(value) & seen)[0]
            raise RekalError(
                f"{where}: series {i} has an infinite value at step {row}, column {column}."
            )
    return masks


def shape_note(data: Any, values: Series) -> tuple[str, ...]:
    """A note where an array of two axes has more columns than steps, as if it were turned round."""
    steps, columns = values[0].shape
    if len(values) > 1 or columns <= steps or np.ndim(data) == 3:
        return ()
    return (
        f"values of shape ({steps}, {columns}) were read as {steps} steps of {columns} columns; for "
        f"{steps} series of {columns} steps give values[:, :, None], for {steps} columns of {columns} "
        "steps give values.T.",
    )


def refuse_unknown_inputs(inputs: Series, where: str) -> None:
    """Raise a RekalError where an input is NaN or infinite: a filter cannot do without."""
    for i, item in enumerate(inputs):
        if not np.isfinite(item).all():
            row, column = np.argwhere(~np.isfinite(item))[0]
            raise RekalError(
                f"{where}: series {i} has a missing or infinite input at step {row}, column "
                f"{column}; observations may be missing but inputs may not, so fill them first."
            )


def default_names(
    given: Sequence[str] | None, count: int, letter: str, what: str
) -> tuple[str, ...]:
    """The names given, checked, or y1, y2, ... (y alone if there is one)."""
    if given is None:
        numbered = count > 1 or not letter
        return tuple(f"{letter}{i + 1}" if numbered else letter for i in range(count))
    if len(given) != count or len(set(given)) != count:
        raise RekalError(f"{what} must be {count} different names, not {', '.join(given)}.")
    return tuple(str(name) for name in given)


def describe(
    arrays: dict[str, Any],
    names: Sequence[str] | None,
    units: Sequence[str | None] | None,
    input_names: Sequence[str] | None,
    series_names: Sequence[str] | None,
) -> dict[str, Any]:
    """The static description of a `Sequences` with these arrays, by field.

    Raises:
        RekalError: as many names or units as columns are needed, and no name twice.
    """
    batch, _, observations = arrays["values"].shape
    n_inputs = 0 if arrays["inputs"] is None else arrays["inputs"].shape[2]
    named = default_names(names, observations, "y", "names")
    if units is not None and len(units) != observations:
        raise RekalError(f"units must be {observations}, one for each observation.")
    return {
        "names": named,
        "units": tuple(unit_of(name) for name in named) if units is None else tuple(units),
        "input_names": default_names(input_names, n_inputs, "u", "input_names"),
        "series_names": default_names(series_names, batch, "", "series_names"),
    }
