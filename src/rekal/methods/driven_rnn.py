"""driven-rnn: a network that inputs drive, trained to simulate freely."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from rekal.methods.em_rnn import MOST
from rekal.methods.options import option
from rekal.methods.registry import register
from rekal.methods.state_space import StateSpaceMethod

if TYPE_CHECKING:
    from rekal.learning.driven_networks import Shape
    from rekal.methods.request import TrainingRequest
    from rekal.progress import Report
    from rekal.sequences import Sequences
    from rekal.sequences.standardiser import Standardiser
    from rekal.trained import Trained

SIZES = ((3, 8), (2, 4))
"""Linear states and bounded units of the networks that are tried by default."""


@register("driven-rnn")
@dataclasses.dataclass(frozen=True, kw_only=True)
class DrivenRNN(StateSpaceMethod):
    """Linear states and bounded units, trained on the error of their free simulation.

    Networks and linear models are compared on held-out simulation; the noise is learned afterwards.

    Examples:
        >>> import rekal
        >>> rekal.methods.DrivenRNN(states=4).restarts
        8
    """

    summary: ClassVar[str] = "simulation of a system from its inputs alone"
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

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The sizes of the networks that are tried."""
        from rekal.learning.driven_networks import Shape

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
        from rekal.train_driven import train_driven

        return train_driven(
            prepared,
            self.default_learner() if request.learner is None else request.learner,
            self.shapes,
            self.restarts,
            self.filtering(request),
            request.seed,
            report,
        )
