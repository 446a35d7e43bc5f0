"""A method: what may be asked of it, what it needs, what it can, and how it trains."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices
from rekalman.methods.learners import LEARNERS, learner_class, learner_name
from rekalman.methods.lookup import methods_that, methods_trained_by, methods_with
from rekalman.methods.options import options_of

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.scales.panel import Panel
    from rekalman.data.scales.standardiser import Standardiser
    from rekalman.fitting.result import Fit
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest

Made = TypeVar("Made", bound="Method")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """A way of learning the dynamics under series; each subclass is a frozen dataclass of its options.

    An option is a field that is made by `option`, which says its default, its range and what it is. Options
    are checked when the method is made.

    Attributes:
        name: under which it is registered.
        summary: one line: what it is for.
        needs: which data it needs, in a few words.
        smooths: whether a trained model gives states from all data.
        simulates: whether a trained model draws new series.
        identifies: whether a trained model has a state equation to be described.
        irregular: whether it takes series that are sampled irregularly.
        inputs: whether it takes known inputs.
        missing: whether it takes missing entries.
        films: whether it learns from films (`rekalman.Frames`), too.
        multivariate: whether it takes several observed columns.
        learners: who trains it, as classes or as names of `learners.LEARNERS`, the default first.
        learner_defaults: settings of the default learner that differ from the learner's own.
        learner_settings: names of the settings that are of use to it; None = all of the default learner.
        learner_refusals: why it cannot be trained by another learner, by the name of that.
        default_filter: kind of filter that follows the trained model; empty = a network, its own filter.
        default_transform: of positive columns, where nothing else is asked for.
        advises_transform: whether a likelier transform is worth a warning.
        checkpoints: whether the training continues from a folder of checkpoints.
        least_states: number of states at least where the options do not say it.
        intervals_from_data: whether the training data give the numbers of the model intervals.
        baseline: whether it is a simple forecast, which any model must beat.
        dynamics: "naive", "linear" or "nonlinear": what kind of dynamics it learns.
        hidden: whether what is observed is taken for a state behind noise.
        cost: CPU seconds that a training on a thousand samples of one column usually takes, compiled already;
            a comparison runs cheap methods first.

    Examples:
        >>> import rekalman
        >>> method = rekalman.methods.get("seasonal")
        >>> issubclass(method, rekalman.methods.Method), method.needs
        (True, 'one column, a known period')
    """

    name: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    needs: ClassVar[str] = ""
    smooths: ClassVar[bool] = False
    simulates: ClassVar[bool] = False
    identifies: ClassVar[bool] = False
    irregular: ClassVar[bool] = False
    inputs: ClassVar[bool] = False
    missing: ClassVar[bool] = False
    films: ClassVar[bool] = False
    multivariate: ClassVar[bool] = True
    learners: ClassVar[tuple[str | type, ...]] = ()
    learner_defaults: ClassVar[Mapping[str, Any]] = {}
    learner_settings: ClassVar[tuple[str, ...] | None] = None
    learner_refusals: ClassVar[Mapping[str, str]] = {}
    default_filter: ClassVar[str] = ""
    default_transform: ClassVar[str] = "none"
    advises_transform: ClassVar[bool] = True
    checkpoints: ClassVar[bool] = False
    least_states: ClassVar[int] = 1
    intervals_from_data: ClassVar[bool] = False
    baseline: ClassVar[bool] = False
    dynamics: ClassVar[str] = "linear"
    hidden: ClassVar[bool] = True
    cost: ClassVar[float] = 10.0

    def __new__(cls: type[Made], *args: Any, **options: Any) -> Made:
        """Refuse bad options before the dataclass does so in other words."""
        known = options_of(cls)
        for name, value in options.items():
            cls.check_option(name)
            if name in known:
                known[name].check(value, cls.title())
        return object.__new__(cls)

    def __post_init__(self) -> None:
        for name, declared in options_of(type(self)).items():
            value = declared.check(getattr(self, name), self.title())
            object.__setattr__(self, name, value)

    @classmethod
    def title(cls) -> str:
        """The name of the method, for sentences."""
        return cls.name or cls.__name__

    @classmethod
    def phrase(cls) -> str:
        """What the method is called in a refusal."""
        return f"the model {cls.title()}"

    @classmethod
    def check_option(cls, name: str) -> None:
        """Refuse an option that the method does not have.

        Raises:
            RekalError: the sentence names the nearest option, or the methods that have this one.
        """
        if name in {each.name for each in dataclasses.fields(cls)}:
            return

        known, others = options_of(cls), methods_with(name)
        if others:
            cure = f"leave it out; it is an option of {', '.join(others)}"
        elif known:
            cure = choices(name, known)
        else:
            cure = "leave it out"
        raise RekalError(f"{name} is of no use to {cls.phrase()}: {cure}")

    @property
    def options(self) -> dict[str, Any]:
        """The values of the options by name."""
        return {name: getattr(self, name) for name in options_of(type(self))}

    @property
    def season(self) -> float | None:
        """Steps after which the series repeats, where the options say so."""
        return None

    def check(self, data: Sequences) -> None:
        """Refuse data that the method cannot learn from; a subclass may refuse more.

        Raises:
            RekalError: there are no more samples than states; the data are sampled irregularly, have inputs
                or miss entries, and the method does not take such data.
        """
        if not data.measured and not self.films:
            raise RekalError(
                f"{self.phrase()} takes rows of numbers, not frames: use one of {methods_that('films')}, or "
                "a Network of your own"
            )
        if data.dt is not None and not self.irregular:
            raise RekalError(
                "the series are sampled irregularly, but this model runs in equal steps: resample them to a "
                f"constant interval, or use LinearContinuous or one of {methods_that('irregular')}"
            )
        if data.n_inputs and not self.inputs:
            raise RekalError(
                f"{self.phrase()} takes no inputs: leave them out, or use one of {methods_that('inputs')}"
            )
        if not self.missing and data.fraction_missing:
            raise RekalError(
                f"{self.phrase()} takes no missing entries: fill them, or use one of "
                f"{methods_that('missing')}"
            )
        longest = int(data.lengths.max())
        states = self.options.get("states") or self.least_states
        if states >= longest:
            raise RekalError(
                f"{states} states cannot be learned from {longest} samples: use fewer states or more data"
            )

    def check_learner(self, learner: Any) -> None:
        """Refuse a learner that cannot train this method; None stands for the default.

        Raises:
            RekalError: it cannot, or is none.
        """
        own = tuple(map(learner_class, self.learners))
        if learner is None or isinstance(learner, own):
            return
        known = [*map(learner_class, LEARNERS), *own]
        if not isinstance(learner, tuple(known)):
            every = [each.__name__ for each in dict.fromkeys(known)]
            raise RekalError(
                f"a learner is an {', '.join(every[:-1])} or {every[-1]}, not {learner!r}"
            )
        kind = type(learner).__name__
        usual = " or ".join(map(learner_name, self.learners))
        cure = f"use {usual}" if usual else "leave learner out"
        reason = f"{kind} trains {methods_trained_by(kind)}, not {self.phrase()}: {cure}"
        raise RekalError(self.learner_refusals.get(kind, reason))

    def default_learner(self, **settings: Any) -> Any:
        """What trains where no learner is given, with some settings of one's own; None where nothing does.

        Args:
            settings: as for the first class of `learners`.

        Raises:
            RekalError: a setting is of no use to this method, or out of range.

        Examples:
            >>> import rekalman
            >>> rekalman.methods.Linear().default_learner(tolerance=0).iterations
            300
        """
        for name in settings:
            if name not in self.settings():
                raise RekalError(f"{name} is of no use to {self.phrase()}: leave it out")
        if not self.learners:
            return None
        return learner_class(self.learners[0])(**{**self.learner_defaults, **settings})

    @classmethod
    def settings(cls) -> tuple[str, ...]:
        """The settings of the default learner that are of use to the method."""
        if cls.learner_settings is not None or not cls.learners:
            return cls.learner_settings or ()
        return tuple(each.name for each in dataclasses.fields(learner_class(cls.learners[0])))

    def standardiser(self, request: TrainingRequest) -> Standardiser | Panel:
        """Where zero and one lie on the scales of the training.

        Raises:
            RekalError: the scale that is asked for is unknown or does not go with these data.
        """
        from rekalman.training.scales import standardiser_of

        return standardiser_of(request.data, request.scale, request.transform)

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method; a subclass may say more."""
        from rekalman.methods.description import Description

        training = f"Followed by {fit.algorithm.long_name or 'a filter of its own'}."
        return Description(f"the model {fit.kind}", training, (f'"{fit.kind}"',))

    @abstractmethod
    def train(self, request: TrainingRequest) -> Fit:
        """Learn from data; what is learned is not judged yet.

        Raises:
            RekalError: the data cannot be learned from, or what was asked for does not go with them.
        """
