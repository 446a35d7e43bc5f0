"""rbf: a network of radial basis functions, trained by expectation-maximisation."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.foundation.errors import RekalError
from rekalman.methods.em_rnn import MOST, MOST_ITERATIONS
from rekalman.methods.options import option
from rekalman.methods.registry import register
from rekalman.methods.state_space import StateSpaceMethod

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.scales.standardiser import Standardiser
    from rekalman.filters.choice import Filtering
    from rekalman.fitting.progress import Report
    from rekalman.fitting.result import Fit
    from rekalman.fitting.trained import Trained
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest


@register("rbf")
@dataclasses.dataclass(frozen=True, kw_only=True)
class RBF(StateSpaceMethod):
    """Linear dynamics plus a weighted sum of Gaussian kernels of the state.

    Of two starts held-out likelihood selects one, which is trained on everything.

    Examples:
        >>> import rekalman
        >>> rekalman.methods.RBF(kernels=20).states
        2
    """

    summary: ClassVar[str] = "smooth nonlinear dynamics of few states, low noise"
    dynamics: ClassVar[str] = "nonlinear"
    cost: ClassVar[float] = 30.0
    needs: ClassVar[str] = "some hundred samples"
    learners: ClassVar[tuple[str | type, ...]] = ("EM",)
    learner_defaults: ClassVar[dict[str, Any]] = {
        "iterations": 150,
        "tolerance": 3e-4,
        "smoother": "gaussian",
        "window": 5,
        "average": 1,
    }
    learner_settings: ClassVar[tuple[str, ...]] = (
        "iterations",
        "tolerance",
        "window",
        "average",
        "process_noise",
        "observation_noise",
        "freeze",
        "fixed",
        "strength",
        "approximation",
    )
    learner_refusals: ClassVar[dict[str, str]] = {
        "MaximumLikelihood": "a network has no exact likelihood to maximise: train it by EM"
    }
    default_filter: ClassVar[str] = "unscented"

    states: int = option(2, help="Number of states.")
    kernels: int = option(10, help="Number of radial basis functions.", at_most=MOST)
    hold_out: int | float = option(
        0.2, help="Share of each series that selects the start.", above=0, below=1
    )
    trial_iterations: int = option(
        40, help="Iterations of EM of each start before one is selected.", at_most=MOST_ITERATIONS
    )

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method."""
        from rekalman.methods.description import Description, counted

        states, kernels = fit.model.states, fit.model.kernels.count
        return Description(
            "a network of radial basis functions",
            f"{counted(states, 'state')} moved by {counted(kernels, 'kernel')}, trained by EM.",
            (f'"{fit.kind}"', f"states={states}", f"kernels={kernels}"),
            (("kernels", kernels),),
        )

    def check_learner(self, learner: Any) -> None:
        """Refuse a learner that cannot train this method, EM with particles among them.

        Raises:
            RekalError: it cannot, or is none.
        """
        super().check_learner(learner)
        if learner is not None and learner.smoother != "gaussian":
            raise RekalError(
                "the model rbf is trained by EM(smoother='gaussian'), not by particles"
            )

    def usual_filter(self, learner: Any) -> Filtering:
        """The Gaussian filter of the E-step."""
        from rekalman.filters.choice import Filtering

        return Filtering(learner.approximation)

    def learn(
        self,
        prepared: Sequences,
        request: TrainingRequest,
        scales: Standardiser,
        report: Report | None,
    ) -> Trained:
        """Learn a network from standardised data.

        Raises:
            RekalError: as for `EM.run`, or the filter cannot filter it.
        """
        import numpy as np

        from rekalman.data.scales.volume import log_volume
        from rekalman.learners.start.rbf_start import rbf_starts
        from rekalman.training.stochastic.network import train_network

        def starts(batch: Any, key: Any) -> Any:
            return rbf_starts(
                np.asarray(prepared.values),
                np.asarray(prepared.mask),
                self.states,
                self.kernels,
                inputs=None if prepared.inputs is None else np.asarray(prepared.inputs),
                lengths=np.asarray(prepared.lengths),
            )

        em = self.default_learner() if request.learner is None else request.learner
        return train_network(
            prepared,
            starts,
            em,
            hold_out=self.hold_out,
            trial_iterations=self.trial_iterations,
            volume=log_volume(scales, request.data),
            following=self.filtering(request, em),
            seed=request.seed,
            report=report,
            advise=False,  # its states have no bound that data could leave
        )
