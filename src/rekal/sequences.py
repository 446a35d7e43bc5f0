"""The one data container: noisy series, as many as there are, missing entries and all."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from rekal.errors import RekalError
from rekal.padding import cut

if TYPE_CHECKING:
    import pandas as pd

    from rekal.standardiser import Standardiser

type_of_array = Array | np.ndarray


class Sequences(eqx.Module):
    """Several series of the same quantities, padded to one length.

    An Equinox module: its arrays are leaves, everything that describes them is static.
    Arrays are numpy float64 as made by the class methods; inside `jax.jit` they are JAX
    arrays. Two `Sequences` with different names or notes are different static structures,
    so hand `values`, `mask` and so on, not the whole object, to a function that is compiled
    once and used for many data sets.

    Attributes:
        values: observations; 0 wherever `mask` is False.
        mask: True where an entry was observed, False where it is missing or padding.
        lengths: number of real steps of each series; the steps after them are padding.
        inputs: known inputs (controls, covariates), 0 in the padding, or None.
        targets: what is wanted where that is not what is measured, or None; NaN = unknown.
        dt: time from the step before to this one, set only for irregular sampling (the
            first step holds the median); None = regular.
        times: time stamps as numbers, or None = the sample index. Dates are counted in
            `time_unit` from `time_origin`. In the padding they run on regularly.
        names: names of the observations.
        units: their units, None where unknown.
        input_names: names of the inputs.
        series_names: names of the series.
        time_name: what the time axis is called.
        time_unit: unit of `times`, `dt` and `interval`: "s", "year", "business day", ...
        time_kind: "step" (no stamps), "number" or "date".
        time_origin: ISO date that is zero of `times`, for dates.
        interval: sampling interval (the median); None = unknown, one step.
        notes: what was assumed while reading, one sentence each.
    """

    values: Float[type_of_array, "batch time obs"]
    mask: Bool[type_of_array, "batch time obs"]
    lengths: Int[type_of_array, " batch"]
    inputs: Float[type_of_array, "batch time input"] | None = None
    targets: Float[type_of_array, "batch time target"] | None = None
    dt: Float[type_of_array, "batch time"] | None = None
    times: Float[type_of_array, "batch time"] | None = None
    names: tuple[str, ...] = eqx.field(static=True, default=())
    units: tuple[str | None, ...] = eqx.field(static=True, default=())
    input_names: tuple[str, ...] = eqx.field(static=True, default=())
    series_names: tuple[str, ...] = eqx.field(static=True, default=())
    time_name: str | None = eqx.field(static=True, default=None)
    time_unit: str | None = eqx.field(static=True, default=None)
    time_kind: str = eqx.field(static=True, default="step")
    time_origin: str | None = eqx.field(static=True, default=None)
    interval: float | None = eqx.field(static=True, default=None)
    notes: tuple[str, ...] = eqx.field(static=True, default=())

    @property
    def batch(self) -> int:
        """Number of series."""
        return self.values.shape[0]

    @property
    def steps(self) -> int:
        """Length of the time axis, padding included."""
        return self.values.shape[1]

    @property
    def observations(self) -> int:
        """Number of observed quantities."""
        return self.values.shape[2]

    @property
    def n_inputs(self) -> int:
        """Number of inputs; 0 without any."""
        return 0 if self.inputs is None else self.inputs.shape[2]

    @classmethod
    def from_arrays(cls, values: Any, **details: Any) -> "Sequences":
        """Make sequences of arrays."""
        from rekal.padding import as_series, pad

        items = as_series(values, "values")
        raw = pad(items, np.nan)
        mask = ~np.isnan(raw)
        inputs = details.get("inputs")
        return cls(
            values=np.where(mask, raw, 0.0),
            mask=mask,
            lengths=np.array([len(item) for item in items]),
            inputs=None if inputs is None else pad(as_series(inputs, "inputs")),
            names=tuple(details.get("names") or (f"y{i + 1}" for i in range(raw.shape[2]))),
        )

    def valid(self) -> Bool[np.ndarray, "batch time"]:
        """True for real steps, False for padding."""
        return np.arange(self.steps) < np.asarray(self.lengths)[:, None]
