"""How a trained model takes data: by the names of its columns, in its units, on its clock."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeVar

import equinox as eqx
import numpy as np
import pandas as pd
from jaxtyping import Float

from rekalman.core.filter import Filter
from rekalman.data import Sequences
from rekalman.data.filmed import FilmedSequences
from rekalman.data.images import Frames
from rekalman.data.numeric import holds_tables
from rekalman.data.scales.panel import Panel
from rekalman.data.scales.standardiser import Standardiser
from rekalman.data.scales.volume import log_volume
from rekalman.data.slicing import with_steps
from rekalman.data.tables.foreign import ForeignTable
from rekalman.data.time.clocks import in_unit, ratio
from rekalman.fitting.series_scales import multiplied, scale_factors
from rekalman.fitting.trained import Parameter
from rekalman.forecasting import Labels
from rekalman.forecasting.checks import check_steps
from rekalman.foundation.errors import RekalError

Table = pd.DataFrame | pd.Series | ForeignTable
Data = Sequences | Frames | Table | list[pd.DataFrame] | list[pd.Series] | list[ForeignTable]
"""What the methods of a trained model take: frames are read by the names of its columns."""

Own = TypeVar("Own", bound="TakesData")


class TakesData(eqx.Module):
    """Data of the kind that a model was trained on, and back to raw units."""

    algorithm: eqx.AbstractVar[Filter]
    standardiser: eqx.AbstractVar[Standardiser | Panel]
    labels: eqx.AbstractVar[Labels]
    input_names: eqx.AbstractVar[tuple[str, ...]]

    if TYPE_CHECKING:  # a field, which has a default

        @property
        def parameters(self) -> tuple[Parameter, ...]:
            """Parameters with standard errors."""
            ...

    @property
    def continuous(self) -> bool:
        """Whether data may be sampled at any times."""
        return self.algorithm.continuous

    def read(self, data: Data) -> Sequences:
        """The columns of the model from frames of any library; `Sequences` stay as they are.

        Args:
            data: `Sequences`, a frame with a row for each step, or a list with a frame for each series; for
                a model that watches films `Frames`, with or without targets.

        Raises:
            RekalError: a column is missing, or as for `Sequences.from_pandas`.
        """
        given = data.shape if isinstance(data, Frames) else None
        self._check_seen(data.frame_shape if isinstance(data, FilmedSequences) else given)
        if isinstance(data, Frames):
            return data.as_sequences(self.labels.names)
        if isinstance(data, Sequences):
            return data
        if not holds_tables(data):
            raise RekalError(
                f"a trained model works on Sequences or tables, not on {type(data).__name__}: make some "
                "with Sequences.from_arrays"
            )
        return Sequences.from_pandas(
            data,
            columns=self.labels.names,
            inputs=self.input_names,
            default_time=self.labels.time_name,
            default_series=self.labels.frame_kind.series,
            learnable=False,
            irregular=self.continuous and self.labels.time_kind != "step",
        )

    def _check_seen(self, given: tuple[int, ...] | None) -> None:
        """Refuse frames for a model of rows, and rows (None) or other frames for a model of films."""
        watched = self.algorithm.frame_shape
        if watched is None and given is not None:
            raise RekalError(
                "the model takes rows of numbers, not frames: give the Sequences, or train a model on frames"
            )
        if watched is not None and given != watched:
            what = "have none" if given is None else f"have frames of shape {given}"
            raise RekalError(f"the model watches frames of shape {watched}, but the data {what}")

    def prepare(self, data: Data) -> Sequences:
        """Standardise data of the kind the model was trained on.

        Raises:
            RekalError: other columns, units or inputs, or another sampling interval; no data; a series whose
                scale is not known, of a model where each has its own.
        """
        data = self.read(data)
        self._check_kind(data)
        if self.continuous:
            own = in_unit(data, self.labels.time_unit)
            return self.standardiser.apply(with_steps(own, self.labels.interval))
        return self.standardiser.apply(data)

    def _check_kind(self, data: Sequences) -> None:
        """Refuse other columns, units or inputs, and another sampling interval."""
        for expected, result, what in (
            (self.labels.names, data.names, "columns"),
            (self.input_names, data.input_names, "input columns"),
        ):
            if tuple(result) != tuple(expected):
                raise RekalError(
                    f"the model was trained on the {what} {', '.join(expected) or '(none)'}, "
                    f"but the data have {', '.join(result) or '(none)'}"
                )
        for name, unit, own in zip(data.names, self.labels.units, data.units, strict=True):
            if unit is not None and own is not None and unit != own:
                raise RekalError(
                    f"the model was trained on '{name}' in {unit}, but the data have it in {own}"
                )
        check_steps(self.labels, data, any_length=self.continuous)
        if isinstance(self.standardiser, Panel):
            self.standardiser.check_numbered(data)

    def with_series(self: Own, past: Data) -> Own:
        """The same model, which also knows the scales of series that it was not trained on.

        They come from what is given here alone, so that `roll`, `filter` and `diagnose` of later data do not
        look ahead.

        Args:
            past: the new series, at least five values in each column; known ones keep their scale.

        Raises:
            RekalError: all series of the model share one scale, a series is too short or never varies, or
                the data are others than the model was trained on.
        """
        if isinstance(self.standardiser, Standardiser):
            raise RekalError("all series of the model share one scale: it takes new ones as it is")
        past = self.read(past)
        return dataclasses.replace(self, standardiser=self._scales(past))

    def _scales(self, data: Sequences) -> Standardiser | Panel:
        """The scales of the model, and of series unseen in the training from these data."""
        if isinstance(self.standardiser, Standardiser):
            return self.standardiser
        self._check_kind(data)
        panel = self.standardiser.extended(data)
        # Those of a structure are the likeliest ones, as in the training.
        if panel is self.standardiser or not self.parameters or self.algorithm.components > 1:
            return panel
        new = tuple(name for name in data.series_names if name not in self.standardiser.names)
        rows = slice(len(self.standardiser.names), None)
        scale = np.array(panel.scale)
        scale[rows] = np.asarray(panel.with_one_scale().scale)[rows]
        panel = dataclasses.replace(panel, scale=scale)
        for name in new:
            one = data.series(name)
            for _ in range(2):  # once is enough but where a mean is part of the structure
                able = dataclasses.replace(self, standardiser=panel)
                factors = scale_factors(self.algorithm, able.prepare(one))
                panel = multiplied(panel, (name,), factors)
        return panel

    def _model_step(self, data: Sequences, step: float | None) -> float | None:
        """A step in the unit of the model's time; None where it runs in equal steps, or in its own."""
        if step is None or not self.continuous:
            return None
        return step * ratio(data.time_unit, self.labels.time_unit)

    def _label_step(self, data: Sequences, step: float | None) -> float:
        """A step in the unit of the data's time stamps, or in steps where there are none."""
        own = self._own_interval() if self.continuous else self.labels.interval
        if data.times is None:
            return 1.0 if step is None or not self.continuous else step / own
        # One sample alone has no sampling interval: then that of the training holds.
        return own * ratio(self.labels.time_unit, data.time_unit) if step is None else step

    def _own_interval(self) -> float:
        """Length of a step where none is given, of a model in continuous time."""
        return self.algorithm.interval or self.labels.interval

    def _volume(self, data: Sequences) -> Float[np.ndarray, "batch steps"]:
        """What to subtract from log densities of standardised rows to get those of raw ones.

        The flat law of a diffuse start is not in standardised units, either.
        """
        rows = self.standardiser.rows(data)
        return log_volume(rows, data, self.algorithm.unknown).sum(-1)
