"""The power transform of every column: it makes a noise that grows with the level equally large."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float

from rekalman.data.scales.likeliest_power import likeliest_powers
from rekalman.data.scales.powers import inverted, log_slope, transformed
from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices
from rekalman.numerics.placing import AnyArray

if TYPE_CHECKING:
    from rekalman.data.container import Sequences

NAMES = ("none", "log", "auto")
"""Transforms by name; a number is a power."""


class BoxCox(eqx.Module):
    """A power for each column, see `rekalman.data.scales.powers`.

    Attributes:
        power: from 0, the logarithm, to 1, which leaves a column as it is.

    Examples:
        >>> import numpy as np
        >>> from rekalman.data.scales.box_cox import BoxCox
        >>> log, y = BoxCox(np.array([0.0])), np.array([[1.0], [10.0]])
        >>> np.allclose(log.invert(log.apply(y)), y)
        True
    """

    power: Float[AnyArray, " obs"]

    @classmethod
    def likeliest(cls, sequences: Sequences, period: int | None = None) -> BoxCox:
        """The likeliest power of each column, one for all series (Box and Cox 1964).

        Args:
            sequences: in raw units.
            period: steps of a season; default that of the calendar, or what the data show.

        Returns:
            Powers of 0, 1/4, 1/2 or 3/4 where they are clearly likelier than 1, see
            `rekalman.data.scales.likeliest_power`; 1 for columns that hold a value of 0 or less.
        """
        return cls(likeliest_powers(sequences, period))

    def apply(self, values: Float[AnyArray, "*lead obs"]) -> Float[AnyArray, "*lead obs"]:
        """Transform raw values; those that have no transform become minus infinity."""
        return transformed(np.asarray(values, np.float64), np.asarray(self.power))

    def invert(self, values: Float[AnyArray, "*lead obs"]) -> Float[AnyArray, "*lead obs"]:
        """Raw values of transformed ones; 0 beyond the end of the domain (`powers.py`)."""
        with np.errstate(over="ignore"):  # whoever uses what is beyond the numbers refuses it
            return inverted(np.asarray(values, np.float64), np.asarray(self.power))

    def log_derivative(self, values: Float[AnyArray, "*lead obs"]) -> Float[AnyArray, "*lead obs"]:
        """`log dz/dy` at raw values: what a log density of transformed values gains as one of raw values."""
        return log_slope(np.asarray(values, np.float64), np.asarray(self.power))

    def apply_to(self, sequences: Sequences) -> Sequences:
        """The same series with transformed observations; zeros stay where nothing was observed.

        Raises:
            RekalError: an observed value has no transform.
        """
        values, mask = np.asarray(sequences.values), np.asarray(sequences.mask)

        def place(at: tuple[int, ...]) -> str:
            return f"row {at[1] + 1} of series '{sequences.series_names[at[0]]}'"

        self.check(values, mask, sequences.names, place)
        curved = np.where(mask, self.apply(np.where(mask, values, 1.0)), 0.0)
        return dataclasses.replace(sequences, values=curved)

    def check(
        self,
        values: Float[AnyArray, "*lead obs"],
        seen: Bool[AnyArray, "*lead obs"],
        names: tuple[str, ...],
        place: Callable[[tuple[int, ...]], str],
    ) -> None:
        """Refuse observed values that have no transform.

        Args:
            values: in raw units.
            seen: which are observed.
            names: of the columns.
            place: the row of an index in words.

        Raises:
            RekalError: a value is 0 or less, in a column whose power is not 1.
        """
        bad = np.asarray(seen) & ~(np.asarray(values) > 0) & (np.asarray(self.power) < 1)
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            raise RekalError(
                f"{place(at)} holds {np.asarray(values)[at]:g} in column '{names[at[-1]]}', but the model "
                f"describes {self.of_column(at[-1], 'positive values')}: mark it as missing, or fit without "
                "a transform (transform='none', --transform none)"
            )

    def of_column(self, k: int, name: str) -> str:
        """What the model describes of a column, in words."""
        power = float(np.asarray(self.power)[k])
        if power == 1:
            return name
        if power == 0:
            return f"the logarithm of {name}"
        return f"the Box-Cox transform of {name} with power {power:g}"

    def described(self, names: tuple[str, ...]) -> str:
        """What the model describes, in words."""
        return ", ".join(self.of_column(k, name) for k, name in enumerate(names))

    @property
    def argument(self) -> str | float:
        """The argument of `rekalman.fit` that gives this transform."""
        power = np.unique(np.asarray(self.power))
        if len(power) > 1:
            return "auto"
        return "log" if power[0] == 0 else float(power[0])


def transform_named(
    given: Any,
    sequences: Sequences,
    columns: Bool[np.ndarray, " obs"],
    period: int | None = None,
) -> BoxCox | None:
    """The transform that an argument asks for.

    Args:
        given: one of `NAMES`, or a power between 0 and 1.
        sequences: what "auto" finds the likeliest powers of.
        columns: which of them "auto" may transform.
        period: steps of a season, as for `BoxCox.likeliest`.

    Returns:
        None where nothing is to be transformed.

    Raises:
        RekalError: it is none of these.
    """
    if isinstance(given, str):
        if given not in NAMES:
            raise RekalError(
                f"unknown transform {given!r}: {choices(given, NAMES)}, or a power between 0 and 1"
            )
        if given == "none":
            return None
        if given == "log":
            return BoxCox(np.zeros(sequences.observations))
        power = np.where(columns, np.asarray(BoxCox.likeliest(sequences, period).power), 1.0)
        return None if (power == 1).all() else BoxCox(power)
    number = isinstance(given, int | float | np.integer | np.floating)
    if not number or isinstance(given, bool) or not 0 < given < 1:
        raise RekalError(
            f"transform is 'none', 'log', 'auto' or a power between 0 and 1, but is {given!r:.60}"
        )
    return BoxCox(np.full(sequences.observations, float(given)))
