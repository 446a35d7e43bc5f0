"""What recurrent networks on tables share: they correct the forecast of a linear filter, step by step."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.foundation.errors import RekalError
from rekalman.methods.base import Method
from rekalman.methods.em_rnn import MOST
from rekalman.methods.options import option, options_of

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.fitting.result import Fit
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest
    from rekalman.networks.layer import Layer
    from rekalman.networks.network import Network


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecurrentMethod(Method):
    """A method whose model is a recurrent layer between an encoder and a decoder; a subclass says which.

    Attributes:
        states: size of the latent observation.
        hold_out: share of each series, at its end, that selects the epoch; of five films or more the share of
            them that are held out whole.
    """

    dynamics: ClassVar[str] = "nonlinear"
    hidden: ClassVar[bool] = False
    cost: ClassVar[float] = 20.0
    needs: ClassVar[str] = "hundreds of samples or many series"
    simulates: ClassVar[bool] = True
    irregular: ClassVar[bool] = True
    inputs: ClassVar[bool] = True
    missing: ClassVar[bool] = True
    films: ClassVar[bool] = True
    learners: ClassVar[tuple[str | type, ...]] = ("Backprop",)
    learner_defaults: ClassVar[dict[str, Any]] = {
        "batch": 16,
        "rate": 3e-3,
        "mask_probability": 0.3,
        "span_length": 6.0,
    }
    default_transform: ClassVar[str] = "auto"
    checkpoints: ClassVar[bool] = True

    states: int = option(10, help="Size of the latent observation.")
    hold_out: int | float = option(
        0.2,
        help="Share of each series, at its end, that selects the epoch; of five films or more, of the films.",
        above=0,
        below=1,
    )

    @abstractmethod
    def layer(self, data: Sequences, key: Any) -> Layer:
        """The recurrent layer with fresh weights.

        Args:
            data: whose rows, inputs and time steps it takes.
            key: randomness of the weights.
        """

    def network(self, data: Sequences, key: Any) -> Network:
        """The whole network with fresh weights, for the rows of some data.

        Args:
            data: whose rows, inputs and time steps it takes.
            key: randomness of the weights.
        """
        from rekalman.training.film_network import make_film_network
        from rekalman.training.recurrent import make_network

        layer = lambda key: self.layer(data, key)  # noqa: E731
        if not data.measured:
            return make_film_network(layer, data, self.states, key)
        return make_network(layer, data, self.states, key)

    def check_learner(self, learner: Any) -> None:
        """Refuse a learner that cannot train this method, or that holds whole series out.

        Raises:
            RekalError: it cannot, or is none.
        """
        super().check_learner(learner)
        if getattr(learner, "hold_out", None):
            raise RekalError(
                "hold_out of Backprop is a share of whole series: give that of fit instead"
            )

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method."""
        from rekalman.methods.description import Description

        table: Any = fit.algorithm
        return Description(
            f"a network ({fit.kind})",
            f"A {table.size}, trained by back-propagation through time {cls.purpose(fit)}.",
            (f'"{fit.kind}"', *cls.repeated(fit)),
            (("network", table.size), ("epochs", len(fit.history.held_out))),
        )

    @classmethod
    def purpose(cls, fit: Fit) -> str:
        """What the network was trained to do."""
        if fit.algorithm.frame_shape is None:
            return "to predict each step before it comes"
        return "to tell the targets of each step from the frames so far"

    @classmethod
    def repeated(cls, fit: Fit) -> tuple[str, ...]:
        """The options that a fit shows, as arguments."""
        table: Any = fit.algorithm
        return (f"states={table.network.layer.latent}",)

    def train(self, request: TrainingRequest) -> Fit:
        """Learn from data; what is learned is not judged yet.

        Raises:
            RekalError: a part of the data is too short, a filter was asked for, or as for `Backprop.run`.
        """
        from rekalman.training.films import train_on_films
        from rekalman.training.recurrent import train_recurrent

        standardiser = self.standardiser(request)
        if request.filtering is not None:
            raise RekalError("a network is its own filter: leave filtering out")
        train = train_recurrent if request.data.measured else train_on_films
        return train(
            request.data,
            self.title(),
            lambda key: self.network(request.data, key),
            request.learner,
            self.default_learner(),
            self.hold_out,
            standardiser,
            request.seed,
            request.progress,
            request.checkpoint,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class HiddenUnitsMethod(RecurrentMethod):
    """A recurrent method whose belief is a hidden vector; a subclass names the layer.

    Attributes:
        units: length of the hidden vector.
    """

    learners: ClassVar[tuple[str | type, ...]] = ("Backprop", "Online")

    units: int | None = option(
        None,
        help="Length of the hidden vector.",
        at_most=MOST,
        by_default="4 for each state, 16 where it is learned online",
    )

    @staticmethod
    @abstractmethod
    def layer_class() -> type[Any]:
        """The class of the layer."""

    @classmethod
    def repeated(cls, fit: Fit) -> tuple[str, ...]:
        """The options that a fit shows, as arguments."""
        table: Any = fit.algorithm
        return (*super().repeated(fit), f"units={table.network.layer.units}")

    def layer(self, data: Sequences, key: Any) -> Layer:
        """The recurrent layer with fresh weights, see `RecurrentMethod.layer`."""
        timed = data.dt is not None
        return self.layer_class().create(
            self.states, units=self.units, inputs=data.n_inputs, timed=timed, key=key
        )

    def train(self, request: TrainingRequest) -> Fit:
        """Learn from data, by back-propagation or online; what is learned is not judged yet.

        Raises:
            RekalError: as for `RecurrentMethod.train`, or `states` or frames where it is learned online.
        """
        from rekalman.learners.online.learner import Online

        if not isinstance(request.learner, Online):
            return super().train(request)
        from rekalman.training.predictors.online import train_online

        if self.states != options_of(type(self))["states"].default:
            raise RekalError(
                f"states is of no use to {self.phrase()} learned online, which has no encoder: leave it out, "
                "and give units"
            )
        return train_online(self, request, self.standardiser(request))

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method."""
        from rekalman.core.capabilities import LearnsOnline
        from rekalman.methods.description import Description

        if not isinstance(fit.algorithm, LearnsOnline):
            return super().describe(fit)
        learning: Any = fit.algorithm.learning()
        network, rule = learning.predictor, learning.rule.long_name
        return Description(
            f"a network learned online ({fit.kind})",
            f"{network.described}, learned forward through time by {rule} to predict each step before it "
            f"comes; weights changed by {learning.update_rule.long_name}.",
            (f'"{fit.kind}"', f"units={network.layer.units}", "learner=..."),
            (("network", network.described), ("derivatives", rule)),
        )
