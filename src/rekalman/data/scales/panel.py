r"""Several series, each on a scale of its own: sales of a small shop beside those of a large one.

Series `i` is standardised by its own mean and deviation,

    y_it = location_i + scale_i z_it,

and one model describes all `z_i`. Noise and level of series `i` in raw units are then `scale_i` times those
of the model, and a log density of `y_it` is that of `z_it` less `log scale_i`. Inputs keep one scale for all
series, for an input means the same wherever it acts, and so does a transform of the observations, which comes
before all that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from rekalman.data.container import Sequences
from rekalman.data.scales.box_cox import BoxCox
from rekalman.data.scales.standardiser import Standardiser
from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices
from rekalman.numerics.placing import AnyArray

FEWEST = 5
"""With fewer values in a column a series says too little of its own scale."""
FAR = 50.0
"""Deviations from its mean that a series known by its number alone is not believed to have moved."""


class Panel(eqx.Module):
    """An affine map for each series and quantity, found by the name of the series.

    Attributes:
        names: names of the series.
        location: mean of the observed entries of each series and column.
        scale: their standard deviation.
        input_location: mean of each input over all series, or None without inputs.
        input_scale: likewise their standard deviation.
        transform: of the raw observations of all series; None = none.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    location: Float[AnyArray, "series obs"]
    scale: Float[AnyArray, "series obs"]
    input_location: Float[AnyArray, " input"] | None = None
    input_scale: Float[AnyArray, " input"] | None = None
    transform: BoxCox | None = None

    @classmethod
    def of(cls, sequences: Sequences, transform: BoxCox | None = None) -> Panel:
        """Estimate location and scale of every series from its own observed entries.

        Args:
            sequences: in raw units.
            transform: what the observations pass through first.

        Raises:
            RekalError: a column of a series has fewer than five values or never varies, or as for
                `Standardiser.of`.
        """
        each = [_own(sequences, i, transform) for i in range(sequences.batch)]
        together = Standardiser.of(sequences, transform)
        return cls(
            names=sequences.series_names,
            location=np.stack([np.asarray(one.location) for one in each]),
            scale=np.stack([np.asarray(one.scale) for one in each]),
            input_location=together.input_location,
            input_scale=together.input_scale,
            transform=transform,
        )

    def rows(self, sequences: Sequences) -> Standardiser:
        """The maps of the series of some data, `(batch, 1, obs)` each.

        Raises:
            RekalError: a series that has no scale here.
        """
        where = self._places(sequences.series_names)
        return self._standardiser(
            np.asarray(self.location)[where, None], np.asarray(self.scale)[where, None]
        )

    def alone(self, sequences: Sequences) -> Standardiser:
        """The map of the first of some series, `(obs,)`.

        Raises:
            RekalError: it has no scale here.
        """
        return self.named(sequences.series_names[0])

    def named(self, series: str | None) -> Standardiser:
        """The map of one series, `(obs,)`.

        Raises:
            RekalError: no series is named, or one that has no scale here.
        """
        if series is None:
            raise RekalError(
                "the model has a scale of its own for each series, so say which with series: "
                f"{_listed(self.names)}"
            )
        if series not in self.names:
            raise RekalError(f"there is no series '{series}': {choices(series, self.names)}")
        (at,) = self._places((series,))
        return self._standardiser(np.asarray(self.location)[at], np.asarray(self.scale)[at])

    def check_numbered(self, sequences: Sequences) -> None:
        """Refuse series without names whose numbers stand for other series of the training.

        A series without a name is called by its number, and so is a fresh one that is given by itself. What
        lies far from where the series of that number was cannot be the same one.

        Args:
            sequences: in raw units.

        Raises:
            RekalError: all values of a column are further from its location than `FAR` scales.
        """
        if self.names != tuple(str(i + 1) for i in range(len(self.names))):
            return
        if self.transform is not None:
            sequences = self.transform.apply_to(sequences)
        for i, name in enumerate(sequences.series_names):
            if name not in self.names:
                continue
            own, seen = self.named(name), np.asarray(sequences.mask)[i]
            away = np.abs(np.asarray(sequences.values)[i] - own.location) / own.scale
            for k, column in enumerate(sequences.names):
                if seen[:, k].any() and away[seen[:, k], k].min() > FAR:
                    raise RekalError(
                        f"series {name} has no name, and its column '{column}' lies more than {FAR:g} "
                        f"deviations from that of series {name} of the training: name the series "
                        "(series_names), in the training and here, so that one is not taken for another"
                    )

    def apply(self, sequences: Sequences) -> Sequences:
        """Standardise every series by its own scale, see `Standardiser.apply`.

        Raises:
            RekalError: a series that has no scale here.
        """
        return self.rows(sequences).apply(sequences)

    def apply_inputs(self, inputs: object) -> Float[Array, "*lead input"] | None:
        """Inputs alone, see `Standardiser.apply_inputs`."""
        return self._standardiser(
            np.asarray(self.location)[0], np.asarray(self.scale)[0]
        ).apply_inputs(inputs)

    def is_of(self, sequences: Sequences) -> bool:
        """Whether the locations are the means of exactly these series."""
        if tuple(sequences.series_names) != self.names:
            return False
        each = [Standardiser.of(one, self.transform) for one in sequences]
        means = [np.asarray(one.location) for one in each]
        return bool(np.allclose(means, np.asarray(self.location), rtol=1e-6, atol=0))

    def extended(self, sequences: Sequences) -> Panel:
        """The same with the scales of those series that have none yet, from all that is given of them.

        Raises:
            RekalError: there is too little of one of them.
        """
        new = [i for i, name in enumerate(sequences.series_names) if name not in self.names]
        if not new:
            return self
        each = [_own(sequences, i, self.transform) for i in new]
        return dataclasses.replace(
            self,
            names=(*self.names, *(sequences.series_names[i] for i in new)),
            location=np.concatenate([self.location, [one.location for one in each]]),
            scale=np.concatenate([self.scale, [one.scale for one in each]]),
        )

    def with_one_scale(self) -> Panel:
        """The same, with one scale for all columns of a series, see `Standardiser.with_one_scale`."""
        each = [self.named(name).with_one_scale() for name in self.names]
        scale = np.stack([np.asarray(one.scale) for one in each])
        return dataclasses.replace(self, scale=scale)

    def _places(self, names: Sequence[str]) -> np.ndarray:
        new = [name for name in names if name not in self.names]
        if new:
            raise RekalError(
                f"the model knows no scale of the series {_listed(new)}, only of {_listed(self.names)}: let "
                "it find one from their past (fit.with_series(past)), or fit with one scale for all series "
                "(scale='shared', --scale shared)"
            )
        return np.array([self.names.index(name) for name in names])

    def _standardiser(self, location: np.ndarray, scale: np.ndarray) -> Standardiser:
        inputs = (self.input_location, self.input_scale)
        return Standardiser(location, scale, *inputs, self.transform)


def _own(sequences: Sequences, i: int, transform: BoxCox | None) -> Standardiser:
    """Location and scale of one series."""
    one = sequences.series(i)
    values, mask = np.asarray(one.values)[0], np.asarray(one.mask)[0]
    for k, name in enumerate(sequences.names):
        seen = values[mask[:, k], k]
        why = None
        if len(seen) < FEWEST:
            why = f"has {len(seen)} values in column '{name}', and {FEWEST} are needed"
        elif np.all(seen == seen[0]):
            why = f"never varies in column '{name}'"
        if why is not None:
            raise RekalError(
                f"series '{sequences.series_names[i]}' {why} for a scale of its own: leave the series out, "
                "or fit with one scale for all series (scale='shared', --scale shared)"
            )
    return Standardiser.of(one, transform)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:10])
    return f"{shown}, ..." if len(names) > 10 else shown
