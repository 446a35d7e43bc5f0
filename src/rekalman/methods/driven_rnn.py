"""driven-rnn: a network that inputs drive, trained to simulate freely."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.methods.em_rnn import MOST
from rekalman.methods.options import option
from rekalman.methods.registry import register
from rekalman.methods.state_space import StateSpaceMethod

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.scales.standardiser import Standardiser
    from rekalman.fitting.progress import Report
    from rekalman.fitting.result import Fit
    from rekalman.fitting.trained import Trained
    from rekalman.learners.driven.networks import Shape
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest

SIZES = ((3, 8), (2, 4))
"""Linear states and bounded units of the networks that are tried by default."""


@register("driven-rnn")
@dataclasses.dataclass(frozen=True, kw_only=True)
class DrivenRNN(StateSpaceMethod):
    """Linear states and bounded units, trained on the error of their free simulation.

    Networks and linear models are compared on held-out simulation; the noise is learned afterwards.

    Examples:
        >>> import rekalman
        >>> rekalman.methods.DrivenRNN(states=4).restarts
        8
    """

    summary: ClassVar[str] = "simulation of a system from its inputs alone"
    dynamics: ClassVar[str] = "nonlinear"
    cost: ClassVar[float] = 40.0
    needs: ClassVar[str] = "inputs"
    learners: ClassVar[tuple[str | type, ...]] = ("SimulationError",)
    learner_defaults: ClassVar[dict[str, Any]] = {"iterations": 60, "tolerance": 1e-5}
    learner_settings: ClassVar[tuple[str, ...]] = ("iterations", "tolerance")
    default_filter: ClassVar[str] = "extended"
    least_states: ClassVar[int] = SIZES[0][0]

    states: int | None = option(
        None, help="Linear states of each network.", by_default="3 and 2 are tried"
    )
    units: int | None = option(
        None,
        help="Bounded units of each network beside its linear states.",
        at_most=MOST,
        by_default="8 and 4 are tried",
    )
    restarts: int = option(
        8, help="Random starts of which held-out simulation selects.", at_most=MOST
    )

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method: of a network, or of the linear model that beat it."""
        from rekalman.methods.description import Description, counted, network_settings
        from rekalman.methods.linear import Linear
        from rekalman.models.stochastic_rnn import StochasticRNN

        beside = (
            "Random starts competed on the loss of their free simulation. What is drawn is how "
            "the noise was learned afterwards."
        )
        if not isinstance(fit.model, StochasticRNN):
            plain = Linear.describe(fit)
            return plain._replace(arguments=plain.arguments[:1], beside_starts=beside, falls="")
        linear, count = fit.model.linear_units, fit.model.states
        units = counted(count - linear, "unit").removeprefix(f"{count - linear} ")
        return Description(
            "a recurrent network",
            f"{linear} linear and {count - linear} bounded {units}, trained on its free simulation; "
            "then EM learned the noise.",
            (f'"{fit.kind}"', f"states={linear}", f"units={count - linear}"),
            network_settings(fit),
            beside,
        )

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The sizes of the networks that are tried."""
        from rekalman.learners.driven.networks import Shape

        each = (Shape(self.states or states, self.units or units) for states, units in SIZES)
        return tuple(dict.fromkeys(each))

    def learn(
        self,
        prepared: Sequences,
        request: TrainingRequest,
        scales: Standardiser,
        report: Report | None,
    ) -> Trained:
        """Learn a network from standardised data with inputs.

        Raises:
            RekalError: the data have no inputs, or not even a linear model of them has a bounded response.
        """
        from rekalman.training.driven import train_driven

        return train_driven(
            prepared,
            self.default_learner() if request.learner is None else request.learner,
            self.shapes,
            self.restarts,
            self.filtering(request),
            request.seed,
            report,
        )
