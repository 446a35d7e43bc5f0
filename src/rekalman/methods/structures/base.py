"""What structural models share: components whose variances are found by maximum likelihood."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.foundation.errors import RekalError
from rekalman.methods.state_space import StateSpaceMethod

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.scales.panel import Panel
    from rekalman.data.scales.standardiser import Standardiser
    from rekalman.fitting.progress import Report
    from rekalman.fitting.result import Fit
    from rekalman.fitting.trained import Trained
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest
    from rekalman.models.structures.structures import Structure


@dataclasses.dataclass(frozen=True, kw_only=True)
class StructureMethod(StateSpaceMethod):
    """A method whose model is a structure; a subclass says which.

    Attributes:
        irregular: a structure whose components have a form in continuous time takes irregular sampling.

    Examples:
        >>> import rekalman
        >>> issubclass(rekalman.methods.LocalLevel, rekalman.methods.StructureMethod)
        True
        >>> rekalman.methods.LocalLevel().structure(rekalman.load_example("nile")).names
        ('level variance', 'noise variance')
    """

    irregular: ClassVar[bool] = True
    multivariate: ClassVar[bool] = False
    cost: ClassVar[float] = 0.5
    needs: ClassVar[str] = "one column"
    intervals_from_data: ClassVar[bool] = True
    learners: ClassVar[tuple[str | type, ...]] = ("MaximumLikelihood",)
    learner_defaults: ClassVar[dict[str, Any]] = {"iterations": 500, "tolerance": 1e-5}
    learner_settings: ClassVar[tuple[str, ...]] = ("iterations", "tolerance", "freeze")
    learner_refusals: ClassVar[dict[str, str]] = {
        "EM": "the parameters of a structure have no closed-form M-step: use MaximumLikelihood"
    }

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method."""
        from rekalman.methods.description import Description, counted

        size, by = counted(fit.model.states, "state"), fit.algorithm.long_name
        return Description(
            f"the structure {fit.kind}",
            f"{size}, fitted by maximum likelihood and followed by {by}.",
            (f'"{fit.kind}"', *cls.repeated(fit)),
        )

    @classmethod
    def repeated(cls, fit: Fit) -> tuple[str, ...]:
        """The options that a fit shows, as arguments."""
        return ()

    @abstractmethod
    def structure(self, data: Sequences) -> Structure:
        """The structure that is fitted to some data.

        Raises:
            RekalError: an option is needed that was not given, or does not go with the structure.
        """

    def check(self, data: Sequences) -> None:
        """Refuse data that are shorter than a season, or that the method cannot learn from.

        Raises:
            RekalError: they are.
        """
        if data.dt is not None:
            self.structure(data).continuous(data.interval or 1.0)
        longest = int(data.lengths.max())
        if self.season is not None and self.season >= longest:
            raise RekalError(
                f"a period of {self.season:g} steps cannot be seen in {longest} samples: it must be shorter"
            )
        super().check(data)

    def standardiser(self, request: TrainingRequest) -> Standardiser | Panel:
        """Means and one scale for all columns of a series, which share their noise.

        Raises:
            RekalError: the scale that is asked for is unknown or does not go with these data.
        """
        return super().standardiser(request).with_one_scale()

    def diffuse_states(self, data: Sequences) -> int:
        """How many directions of the first state are diffuse, and take a first observation each."""
        return self.structure(data).diffuse_states

    def learn(
        self,
        prepared: Sequences,
        request: TrainingRequest,
        scales: Standardiser,
        report: Report | None,
    ) -> Trained:
        """Find the parameters that make the data most likely.

        Raises:
            RekalError: as for `MaximumLikelihood.run`, or the data do not go with the structure.
        """
        from rekalman.training.structure import train_structure

        learner = self.default_learner() if request.learner is None else request.learner
        structure, following = self.structure(request.data), self.filtering(request)
        return train_structure(
            request.data, structure, learner, scales, following, report, own=self.holds_values
        )

    def learn_with_scales(
        self, standardiser: Standardiser | Panel, request: TrainingRequest, report: Report | None
    ) -> tuple[Standardiser | Panel, Trained]:
        """Fit the structure and, where each series has a scale of its own, the scales in turn.

        Raises:
            RekalError: as for `learn`.
        """
        from rekalman.data.scales.panel import Panel
        from rekalman.training.scales import with_likeliest_scales

        if not isinstance(standardiser, Panel):
            return super().learn_with_scales(standardiser, request, report)

        def fit(scales: Standardiser) -> Trained:
            return self.learn(scales.apply(request.data), request, scales, report)

        return with_likeliest_scales(standardiser, request.data, fit)

    @property
    def holds_values(self) -> bool:
        """Whether the structure holds values, in raw units, that frozen parameters keep."""
        return False
