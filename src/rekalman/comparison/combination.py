"""The average of methods that were compared already, without training them again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rekalman.comparison.candidate import Tick
from rekalman.comparison.trained_methods import LearnedFit, TrainedMethod
from rekalman.data import Sequences
from rekalman.data.scales.panel import Panel
from rekalman.data.scales.standardiser import Standardiser
from rekalman.filters.averaged import shares_in_words
from rekalman.foundation.errors import RekalError
from rekalman.methods.combination import Combination
from rekalman.methods.members import written
from rekalman.training.combination import combine


@dataclasses.dataclass(frozen=True)
class Remembered(TrainedMethod):
    """A method that keeps what it learned.

    Attributes:
        learned: what it learned last, the only entry of the list.
    """

    learned: list[LearnedFit] = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, method: TrainedMethod) -> Remembered:
        """The same method."""
        return cls(**{f.name: getattr(method, f.name) for f in dataclasses.fields(method)})

    @property
    def scales(self) -> Standardiser | Panel:
        """Those of what it learned last; members of a combination have the same."""
        return self.learned[0].fit.standardiser

    def learn(self, data: Sequences, seed: int, tick: Tick) -> LearnedFit:
        """Train the method."""
        self.learned[:] = [super().learn(data, seed, tick)]
        return self.learned[0]


@dataclasses.dataclass(frozen=True)
class Average(TrainedMethod):
    """A combination whose members are trained already.

    Attributes:
        average: what they learned, as one fit.
    """

    average: LearnedFit | None = None

    def learn(self, data: Sequences, seed: int, tick: Tick) -> LearnedFit:
        """Nothing is left to be learned."""
        assert self.average is not None
        return self.average


def combination_of(
    candidates: Sequence[Remembered], weights: Sequence[float], data: Sequences
) -> Average | None:
    """The average of some methods; None where there are less than two, or they do not go together.

    Args:
        candidates: methods with the same transform, trained on the data.
        weights: of each, with sum 1.
        data: in raw units.
    """
    if len(candidates) < 2:
        return None
    first = candidates[0]
    usual = first.method.default_transform
    transform = usual if first.transform is None else first.transform
    labels = shares_in_words((each.method.title() for each in candidates), weights)
    try:
        names = [written(each.method) for each in candidates]
        method = Combination(
            members=", ".join(names), weights=", ".join(f"{each:.3f}" for each in weights)
        )
        trained = TrainedMethod(
            method, f"combination of {', '.join(labels[:-1])} and {labels[-1]}", transform
        )
        trained.check(data)
        fits = [each.learned[0].fit for each in candidates]
        fit = combine(fits, trained.fitting(data), method.shares, names)
    except RekalError:
        return None
    return Average(
        trained.method,
        trained.label,
        trained.transform,
        average=LearnedFit(fit, trained.fitting),
    )
