"""combination: the average of the forecasts of several methods."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.foundation.errors import RekalError
from rekalman.methods.base import Method
from rekalman.methods.members import read_methods, written
from rekalman.methods.options import option
from rekalman.methods.registry import register

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.fitting.result import Fit
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest


@register("combination")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Combination(Method):
    """Several methods, each trained by itself, whose quantiles are averaged (`filters/combined.py`).

    A method that is named again starts from another seed, so that "em-rnn, em-rnn, em-rnn" is the average of
    three trainings of it.

    Examples:
        >>> import rekalman
        >>> method = rekalman.methods.Combination(members="linear, seasonal(period=12)")
        >>> [each.title() for each in method.methods]
        ['linear', 'seasonal']
    """

    summary: ClassVar[str] = "the average of what several methods forecast"
    dynamics: ClassVar[str] = "linear"
    cost: ClassVar[float] = 15.0
    needs: ClassVar[str] = "what each of its members needs"
    simulates: ClassVar[bool] = True
    inputs: ClassVar[bool] = True
    missing: ClassVar[bool] = True

    members: str = option(
        "linear, ridge-ar",
        help="Methods whose forecasts are averaged, such as 'linear, seasonal(period=12)'.",
    )
    weights: str | None = option(
        None, help="Weight of each member, such as '0.7, 0.3'.", by_default="equal weights"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.methods) < 2:
            raise RekalError(
                "a combination needs two members or more: name them, or fit the one itself"
            )
        for each in self.methods:
            if isinstance(each, type(self)):
                raise RekalError("a combination cannot be a member of another: name its members")
        if self.weights is not None and len(self.shares or ()) != len(self.methods):
            raise RekalError(
                f"a combination of {len(self.methods)} members needs as many weights above 0, separated by "
                f"commas, but they are {self.weights!r}"
            )

    @property
    def methods(self) -> tuple[Method, ...]:
        """The members with their options."""
        return read_methods(self.members)

    @property
    def shares(self) -> tuple[float, ...] | None:
        """The weights as numbers with sum 1; None where all are equal, or what was given is none."""
        if self.weights is None:
            return None
        try:
            given = [float(each) for each in self.weights.split(",")]
        except ValueError:
            return None
        if not all(0 < each < math.inf for each in given):
            return None
        return tuple(each / sum(given) for each in given)

    @property
    def default_transform(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the members where all agree, else none."""
        usual = {each.default_transform for each in self.methods}
        return usual.pop() if len(usual) == 1 else "none"

    @property
    def season(self) -> float | None:
        """That of the first member that has one."""
        return next((each.season for each in self.methods if each.season is not None), None)

    def check(self, data: Sequences) -> None:
        """Refuse data that a member cannot learn from.

        Raises:
            RekalError: in one sentence.
        """
        super().check(data)
        for each in self.methods:
            each.check(data)

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method."""
        from rekalman.filters.averaged import shares_in_words
        from rekalman.methods.description import Description

        combined: Any = fit.algorithm
        weights = [float(each) for each in combined.weights]
        shares = ", ".join(shares_in_words(combined.names, weights))
        given = [f'"{fit.kind}"', f'members="{", ".join(combined.names)}"']
        if len(set(weights)) > 1:
            given.append(f'weights="{", ".join(f"{each:.4g}" for each in weights)}"')
        return Description(
            "a combination of methods",
            f"The quantiles of their forecasts are averaged: {shares}.",
            tuple(given),
        )

    def train(self, request: TrainingRequest) -> Fit:
        """Train each member, and average them.

        Raises:
            RekalError: a member cannot learn from the data, a filter was asked for, or the members have
                different scales.
            KeyboardInterrupt: Ctrl-C, whatever was trained by then.
        """
        from rekalman.methods.train import train_on
        from rekalman.training.combination import combine

        if request.filtering is not None:
            raise RekalError(
                "the members of a combination have filters of their own: leave filtering out"
            )
        fits = []
        for i, each in enumerate(self.methods):
            own = dataclasses.replace(
                request,
                prefix=f"{request.prefix}{each.title()}: ",
                seed=request.seed + self.methods[:i].count(each),
            )
            fits.append(train_on(each, own))
            if fits[-1].history.stopped == "interrupted":
                raise KeyboardInterrupt  # an average of what is half trained is no average
        return combine(fits, request.data, self.shares, [written(each) for each in self.methods])
