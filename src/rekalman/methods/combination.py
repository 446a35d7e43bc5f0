"""combination: the average of the forecasts of several methods."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekalman.foundation.errors import RekalError
from rekalman.methods.base import Method
from rekalman.methods.members import read_methods
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.methods) < 2:
            raise RekalError(
                "a combination needs two members or more: name them, or fit the one itself"
            )
        for each in self.methods:
            if isinstance(each, type(self)):
                raise RekalError("a combination cannot be a member of another: name its members")

    @property
    def methods(self) -> tuple[Method, ...]:
        """The members with their options."""
        return read_methods(self.members)

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
        from rekalman.methods.description import Description

        names = ", ".join(str(name) for _, name in fit.algorithm.settings)
        return Description(
            "a combination of methods",
            f"The quantiles of these filters are averaged: {names}.",
            (f'"{fit.kind}"',),
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
        return combine(fits, request.data)
