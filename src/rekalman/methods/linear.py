"""linear: a linear Gaussian model from subspace identification, trained by exact EM."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.methods.options import option
from rekalman.methods.registry import register
from rekalman.methods.state_space import StateSpaceMethod

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.scales.standardiser import Standardiser
    from rekalman.fitting.progress import Report
    from rekalman.fitting.result import Fit
    from rekalman.fitting.trained import Trained
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest


@register("linear")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Linear(StateSpaceMethod):
    r"""The model `x_t = A x_{t-1} + B u_t + c + w_t`, `y_t = C x_t + D u_t + d + v_t`.

    Where neither states nor a learner are given, a vector autoregression (`RidgeAR`) takes its place
    if that predicts the last fifth of the data better; `fit.history.trials` has the scores of all.

    Examples:
        >>> import rekalman
        >>> rekalman.methods.Linear(states=4).options
        {'states': 4}
    """

    summary: ClassVar[str] = "linear dynamics of one or many columns, exact and fast"
    cost: ClassVar[float] = 4.0
    needs: ClassVar[str] = "some fifty samples"
    intervals_from_data: ClassVar[bool] = True
    learners: ClassVar[tuple[str | type, ...]] = ("EM", "MaximumLikelihood")
    learner_defaults: ClassVar[dict[str, Any]] = {
        "iterations": 300,
        "tolerance": 1e-6,
        "process_noise": "full",
        "observation_noise": "full",
    }
    learner_settings: ClassVar[tuple[str, ...]] = (
        "iterations",
        "tolerance",
        "freeze",
        "fixed",
        "process_noise",
        "observation_noise",
        "strength",
    )

    states: int | None = option(
        None, help="Number of states.", by_default="chosen by BIC and held-out data"
    )

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method."""
        from rekalman.methods.description import WEAK_PRIORS, Description, counted

        size, by = counted(fit.model.states, "state"), fit.algorithm.long_name
        chosen = dict(fit.history.criteria)
        if "lags" in chosen:
            lags = counted(int(chosen["lags"]), "lag")
            return Description(
                "a linear model",
                f"A vector autoregression of {lags} ({size}) by ridge regression, followed by {by}.",
                (f'"{fit.kind}"',),
            )
        return Description(
            "a linear model",
            f"{size}, trained on all data at once and followed by {by}.",
            (f'"{fit.kind}"', f"states={fit.model.states}"),
            falls=WEAK_PRIORS,
        )

    def learn(
        self,
        prepared: Sequences,
        request: TrainingRequest,
        scales: Standardiser,
        report: Report | None,
    ) -> Trained:
        """Learn a linear model from standardised data.

        Raises:
            RekalError: as for the learner, or the filter cannot filter it.
        """
        from rekalman.training.linear import train_linear

        learner = self.default_learner() if request.learner is None else request.learner
        following = self.filtering(request)
        # An autoregression is learned by no learner, and without observation noise followed by no particles.
        choosing = request.learner is None and following.kind == self.default_filter
        return train_linear(prepared, None, learner, self.states, following, report, choosing)
