"""em-rnn: a stochastic recurrent network, trained by expectation-maximisation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

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

STATES = 5
"""Hidden units where nothing else is asked for."""
UNTRAINED = (
    "the linear model is the best start and stays as it is, so that the given learner has no effect: "
    "restarts=1 trains one network from a random start"
)
MOST = 10_000
"""More than anybody has use for; beyond it is a slip that would fill the memory."""
MOST_ITERATIONS = 10_000_000
ACTIVATIONS = ("tanh", "identity", "relu", "softplus", "sigmoid", "softsign", "sin", "erf")


@register("em-rnn")
@dataclasses.dataclass(frozen=True, kw_only=True)
class EMRNN(StateSpaceMethod):
    r"""A network `x_t = A f(x_{t-1}) + B u_t + c + w_t`, `y_t = C f(x_t) + D u_t + d + v_t`.

    Restarts, the fitted linear model among them, are selected on held-out likelihood; the best is trained on
    everything. Of few data the noise is the one under which held-out data are likeliest.

    Examples:
        >>> import rekalman
        >>> rekalman.methods.EMRNN(states=3).restarts
        3
    """

    summary: ClassVar[str] = "nonlinear oscillations and noise, with states to look at"
    dynamics: ClassVar[str] = "nonlinear"
    cost: ClassVar[float] = 40.0
    needs: ClassVar[str] = "some hundred samples"
    learners: ClassVar[tuple[str | type, ...]] = ("EM",)
    learner_defaults: ClassVar[dict[str, Any]] = {"iterations": 150, "tolerance": 3e-4}
    learner_refusals: ClassVar[dict[str, str]] = {
        "MaximumLikelihood": "a network has no exact likelihood to maximise: train it by EM"
    }
    default_filter: ClassVar[str] = "particles"
    default_transform: ClassVar[str] = "auto"

    states: int | None = option(
        None,
        help="Number of hidden units, which are the states.",
        by_default="that of the linear model where it is the start, else 5",
    )
    restarts: int = option(
        3,
        help="Starts of which held-out data select one, the linear model among them; 1 = one random start.",
        at_most=MOST,
    )
    hold_out: int | float = option(
        0.2, help="Share of each series that selects the start.", above=0, below=1
    )
    trial_iterations: int = option(
        40, help="Iterations of EM of each start before one is selected.", at_most=MOST_ITERATIONS
    )
    activation: str | Callable[..., Any] = option(
        "tanh", help="Elementwise function of the hidden units.", choices=ACTIVATIONS
    )
    linear_observation: bool = option(False, help="The outputs read C x instead of C f(x).")

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method."""
        from rekalman.methods.description import (
            Description,
            activation_argument,
            counted,
            network_settings,
        )

        size = counted(fit.model.states, "hidden unit")
        whole = [name for name, _ in fit.history.trials if "whole training" not in name]
        starts = (("starts", max(1, len(whole))),)
        return Description(
            "a recurrent network",
            f"{size}, trained by expectation-maximisation.",
            (f"states={fit.model.states}", *activation_argument(fit)),
            (*network_settings(fit), *starts),
        )

    def usual_filter(self, learner: Any) -> Filtering:
        """Particles, as many as in the training and at least 300."""
        from rekalman.filters.choice import Filtering

        return Filtering("particles", max(learner.particles, 300), learner.proposal)

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
        from rekalman.data.scales.volume import log_volume
        from rekalman.training.stochastic.linear_start import linear_start
        from rekalman.training.stochastic.network import random_starts, train_network

        em = self.default_learner() if request.learner is None else request.learner
        linear = None
        if self.restarts > 1 and not em.freeze and not em.fixed:
            linear = linear_start(
                prepared,
                self.states,
                self.hold_out,
                activation=self.activation,
                linear_observation=self.linear_observation,
            )

        def starts(batch: Any, key: Any) -> list[tuple[str, Any]]:
            return random_starts(
                prepared,
                batch,
                self.states or STATES,
                self.restarts - (linear is not None),
                key,
                activation=self.activation,
                linear_observation=self.linear_observation,
            )

        trained = train_network(
            prepared,
            starts,
            em,
            hold_out=self.hold_out,
            trial_iterations=self.trial_iterations,
            volume=log_volume(scales, request.data),
            following=self.filtering(request, em),
            seed=request.seed,
            report=report,
            advise=request.advise,
            linear=linear,
        )
        if linear is None or request.learner is None or not trained.trials:
            return trained
        if not trained.trials[0][0].startswith(linear.name) or "trained" in trained.trials[0][0]:
            return trained
        return trained._replace(warnings=(*trained.warnings, UNTRAINED))
