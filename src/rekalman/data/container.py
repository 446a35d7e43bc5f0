"""The one data container: noisy series, as many as there are, missing entries and all."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from rekalman.data import labels, slicing
from rekalman.data.building import describe
from rekalman.data.facts import sequences_facts
from rekalman.data.numeric import holds_tables
from rekalman.data.tables.foreign import ForeignTable
from rekalman.data.tables.kind import FrameKind
from rekalman.data.tables.options import ReadOptions
from rekalman.data.time.gridding import assemble
from rekalman.foundation.facts import shown, shown_html
from rekalman.numerics.placing import AnyArray

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from rekalman.data.scales.standardiser import Standardiser


class Sequences(eqx.Module):
    """Several series of the same quantities, padded to one length.

    An Equinox module: its arrays (numpy float64 as made here) are leaves, all that describes
    them is static. A compiled function is compiled again for other names or notes, so hand it
    `values`, `mask` and so on where it is used for many data sets.

    Attributes:
        values: observations; 0 wherever `mask` is False.
        mask: True where an entry was observed, False where it is missing or padding.
        lengths: number of real steps of each series; the steps after them are padding.
        inputs: known inputs (controls, covariates), 0 in the padding, or None.
        targets: what is wanted where that is not what is measured, or None; NaN = unknown.
        dt: time since the step before, for irregular sampling only; the first step and the
            padding hold the median.
        times: stamps as numbers, or None = the step number; dates are counted in `time_unit`
            from `time_origin`; in the padding they run on regularly.
        names: names of the observations.
        units: their units, None where unknown.
        input_names: names of the inputs.
        series_names: names of the series.
        time_name: what the time axis is called.
        time_unit: unit of `times`, `dt` and `interval`: "s", "year", "business day", "business month", ...
        time_kind: "step" (no stamps), "number" or "date".
        time_origin: ISO date that is zero of `times`, for dates; with its offset from UTC in a time zone.
        time_zone: name of the time zone of dates, or None. Days and longer units follow its clock, hours
            and shorter ones the time that goes by.
        interval: sampling interval (the median); None = unknown, one step.
        notes: what was assumed while reading, one sentence each.
        frame_kind: the kind of table that the data came from; results come back as the same kind.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> rows = np.array([[1.0, 10.0], [2.0, np.nan], [3.0, 30.0]])
        >>> data = rekalman.Sequences.from_arrays(rows, names=("x", "y"))
        >>> data.batch, data.steps, data.names
        (1, 3, ('x', 'y'))
        >>> past, future = data.split(2)
        >>> round(data.fraction_missing, 2), past.steps
        (0.17, 2)
    """

    values: Float[AnyArray, "batch time obs"]
    mask: Bool[AnyArray, "batch time obs"]
    lengths: Int[AnyArray, " batch"]
    inputs: Float[AnyArray, "batch time input"] | None = None
    targets: Float[AnyArray, "batch time target"] | None = None
    dt: Float[AnyArray, "batch time"] | None = None
    times: Float[AnyArray, "batch time"] | None = None
    names: tuple[str, ...] = eqx.field(static=True, default=())
    units: tuple[str | None, ...] = eqx.field(static=True, default=())
    input_names: tuple[str, ...] = eqx.field(static=True, default=())
    series_names: tuple[str, ...] = eqx.field(static=True, default=())
    time_name: str | None = eqx.field(static=True, default=None)
    time_unit: str | None = eqx.field(static=True, default=None)
    time_kind: str = eqx.field(static=True, default="step")
    time_origin: str | None = eqx.field(static=True, default=None)
    time_zone: str | None = eqx.field(static=True, default=None)
    interval: float | None = eqx.field(static=True, default=None)
    notes: tuple[str, ...] = eqx.field(static=True, default=())
    frame_kind: FrameKind = eqx.field(static=True, default=FrameKind())

    def __repr__(self) -> str:
        return shown(self, sequences_facts)

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return shown_html(self, sequences_facts)

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

    @property
    def measured(self) -> bool:
        """Whether the columns are what is seen, not targets that are told from something else."""
        return True

    @property
    def pixels(self) -> bool:
        """Whether the columns are pixels, from 0 to 1, which are not standardised and may be constant."""
        return False

    @property
    def fraction_missing(self) -> float:
        """Share of the entries of real steps that was not observed."""
        entries = int(np.asarray(self.lengths).sum()) * self.observations
        return 1.0 - float(np.asarray(self.mask).sum()) / entries

    @classmethod
    def from_arrays(
        cls,
        values: Any,
        *,
        inputs: Any = None,
        mask: Any = None,
        targets: Any = None,
        times: Any = None,
        dt: Any = None,
        interval: int | float | None = None,
        irregular: bool = False,
        names: Sequence[str] | None = None,
        units: Sequence[str | None] | None = None,
        input_names: Sequence[str] | None = None,
        series_names: Sequence[str] | None = None,
        time_name: str | None = None,
        time_unit: str | None = None,
    ) -> "Sequences":
        """Make sequences of arrays.

        Args:
            values: one series (time,) or (time, obs), several equally long ones
                (batch, time, obs), or a list of series of any lengths. NaN = missing. Frames are
                read as by `from_pandas`, with their names and time stamps.
            inputs: known inputs in the same form; no NaN.
            mask: True = observed, in the same form; NaN is missing anyway.
            targets: what is wanted, in the same form; NaN = unknown.
            times: stamps (time,), (batch, time) or a list of (time,): numbers, dates, or time spans,
                which are counted in seconds. They must increase and lie on a regular grid; missing
                rows are put into gaps, where inputs hold.
            dt: steps in the form of `times`; makes the sampling irregular.
            interval: sampling interval, where there are neither `times` nor `dt`.
            irregular: take the steps between `times` as `dt` instead of a regular grid.
            names: names of the observations; default y, or y1, y2, ...
            units: their units; default what the names say, as in `x_mm`.
            input_names: names of the inputs; default u, or u1, u2, ...
            series_names: names of the series; default 1, 2, ...
            time_name: what the time axis is called.
            time_unit: unit of `times`, `dt` and `interval`.

        Returns:
            The sequences, padded to the longest series.

        Raises:
            RekalError: infinite values, missing inputs, shapes that do not match, stamps
                that go backwards, repeat or are irregular.
        """
        if holds_tables(values):
            from rekalman.data.tables.loose import read_loose

            reading = {
                **{"mask": mask, "times": times, "dt": dt, "interval": interval, "names": names},
                **{"units": units, "input_names": input_names, "series_names": series_names},
                **{"time_name": time_name, "time_unit": time_unit},
            }
            return read_loose(cls.from_arrays, values, inputs, targets, irregular, reading)
        arrays = assemble(
            values, inputs, mask, targets, times, dt, interval, irregular, series_names, time_unit
        )
        described = describe(arrays, names, units, input_names, series_names)
        return cls(**arrays, **described, time_name=time_name)

    @classmethod
    def from_pandas(
        cls,
        frames: "pd.DataFrame | pd.Series | ForeignTable | Sequence[pd.DataFrame | pd.Series | ForeignTable]",
        **options: Unpack[ReadOptions],
    ) -> "Sequences":
        """Make sequences of one data frame, or of a list with a frame for each series.

        An index of dates, periods, time spans or rising numbers is the time, unless another column is. In a
        long table a column called `unique_id`, `series_id`, `item_id` or `series`, or the level beside the
        dates of an index of two levels, tells the series apart.

        Args:
            frames: a row for each step, as a frame or series of pandas or polars, a table of Arrow or another
                that narwhals knows, or an array or data set of xarray. The second dimension of an array of
                xarray holds columns, unless `series` names it; that of a data set tells the series apart.
            **options: which column is what, see `rekalman.data.tables.options.ReadOptions`.

        Raises:
            RekalError: what cannot be read, with row and column.
            TypeError: there is no such argument.

        Examples:
            >>> import pandas as pd
            >>> import rekalman
            >>> days = pd.date_range("2024-01-01", periods=3, freq="D")
            >>> rows = {"unique_id": ["a"] * 3 + ["b"] * 3, "ds": [*days, *days], "y": [1, 2, 4, 3, 1, 0]}
            >>> data = rekalman.Sequences.from_pandas(pd.DataFrame(rows), learnable=False)
            >>> data.series_names, data.time_unit, data.values[1, :, 0].tolist()
            (('a', 'b'), 'day', [3.0, 1.0, 0.0])
        """
        from rekalman.data.tables.frames import read_frames

        return read_frames(cls.from_arrays, frames, **options)

    @classmethod
    def from_csv(
        cls,
        path: "str | Path | Sequence[str | Path]",
        *,
        sep: str | None = None,
        decimal: str = ".",
        pandas: Mapping[str, Any] | None = None,
        encoding: str | None = None,
        **options: Unpack[ReadOptions],
    ) -> "Sequences":
        """Read a CSV file, or a list of files with the same columns, a series in each.

        Args:
            path: the file or files.
            sep: what separates the columns; default found out: comma, semicolon, tab, spaces.
            decimal: the decimal mark, "." or ",".
            pandas: more arguments for `pandas.read_csv`, such as `skiprows` or `thousands`.
            encoding: of the file, such as "latin-1"; default by its byte-order mark, else UTF-8,
                else Latin-1 with a note.
            **options: which column is what, see `rekalman.data.tables.options.ReadOptions`.

        Raises:
            RekalError: what cannot be read, with file, row and column.
        """
        from rekalman.data.tables.options import check_options
        from rekalman.data.tables.read import read_csv, sequences_of_files

        check_options(options, ("sep", "decimal", "pandas", "encoding"))
        series = options.get("series") or options.get("default_series")
        return sequences_of_files(
            cls.from_arrays,
            lambda p: read_csv(p, sep, decimal, pandas, encoding, series),
            path,
            **options,
        )

    @classmethod
    def from_parquet(
        cls, path: "str | Path | Sequence[str | Path]", **options: Unpack[ReadOptions]
    ) -> "Sequences":
        """Read a Parquet file, or a list of files; `options` as for `from_pandas`."""
        from rekalman.data.tables.options import check_options
        from rekalman.data.tables.read import read_parquet, sequences_of_files

        check_options(options)
        return sequences_of_files(cls.from_arrays, read_parquet, path, **options)

    def by_step(self) -> "dict[str, tuple[AnyArray | None, float | bool]]":
        """The arrays that hold something of each step, and what they hold in the padding.

        Those of time (`dt`, `times`), which run on in the padding, are not among them.
        """
        return {
            "values": (self.values, 0.0),
            "mask": (self.mask, False),
            "inputs": (self.inputs, 0.0),
            "targets": (self.targets, 0.0),
        }

    def valid(self) -> Bool[np.ndarray, "batch time"]:
        """True for real steps, False for padding."""
        return np.arange(self.steps) < np.asarray(self.lengths)[:, None]

    def __len__(self) -> int:
        """Number of series."""
        return self.batch

    def __iter__(self) -> "Iterator[Sequences]":
        """The series one by one, without padding."""
        return (self.series(i) for i in range(self.batch))

    def __getitem__(self, which: int | str) -> "Sequences":
        """The same as `series`."""
        return self.series(which)

    def plot(self, series: int | str | None = None) -> "go.Figure":
        """The data over time, a panel for each observation and input; default all series."""
        from rekalman.data.plotting import plot

        return plot(self if series is None else self.series(series))

    def window(self, start: "slicing.Place", stop: "slicing.Place | None" = None) -> "Sequences":
        """The steps start to stop (excluded) of every series.

        Args:
            start: a step, negative counts from the end; or a date (ISO text, `datetime`, pandas or
                NumPy), which means the first step not before it.
            stop: likewise; default the end.
        """
        return slicing.window(self, start, stop)

    def split(self, at: "slicing.Place | float | np.floating") -> "tuple[Sequences, Sequences]":
        """Cut every series in two.

        Args:
            at: a step or a date as for `window`, or a fraction of the length (float): -12 leaves the
                last twelve steps to the second part, "2020-01-01" all from that day on.

        Raises:
            RekalError: a part of a series would be empty, here as in `window`; a date where the
                time stamps are none.
        """
        return slicing.split(self, at)

    def series(self, which: int | str) -> "Sequences":
        """One series by number or name, without padding; its batch axis has length 1."""
        return slicing.series(self, which)

    def take(self, which: Any) -> "Sequences":
        """Some of the series, by an index array or a slice, padded as they are."""
        return slicing.take(self, which)

    def select(self, names: Sequence[str]) -> "Sequences":
        """Some of the observations, in the order given."""
        return slicing.select(self, names)

    def drop_random(self, fraction: int | float, seed: int) -> "Sequences":
        """Remove that share of the observed entries, drawn at random without replacement."""
        return slicing.drop_random(self, fraction, seed)

    def standardiser(self) -> "Standardiser":
        """The affine map that gives every observation and input mean 0 and deviation 1."""
        from rekalman.data.scales.standardiser import Standardiser

        return Standardiser.of(self)

    def index(self, which: int = 0, ahead: int = 0) -> "pd.Index":
        """Time stamps of series `which` as a pandas index: dates, numbers or steps.

        So many steps `ahead` of its last one are appended, to label a forecast.
        """
        return labels.index(self, which, ahead)

    def to_frame(self) -> Any:
        """Observations and inputs as a data frame of the kind that the data came from, NaN where missing.

        Returns:
            A row for each real step, indexed by time, or by series and time if several. Libraries without an
            index get columns of it, xarray dimensions. Periods come back as periods; the levels have the
            names of the columns that came in.
        """
        return labels.to_frame(self)
