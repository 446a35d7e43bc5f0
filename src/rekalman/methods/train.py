"""A method, asked to train: what any method refuses, its own training, and what that is worth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.filters.choice import Filtering
    from rekalman.fitting.result import Fit
    from rekalman.learners.protocol import Learner, Progress
    from rekalman.methods.base import Method
    from rekalman.methods.request import TrainingRequest


def train_on(method: Method, request: TrainingRequest) -> Fit:
    """What a method learns, not judged yet.

    Raises:
        RekalError: the data cannot be learned from, or what was asked for does not go with the method.
    """
    from rekalman.data.checks import check_learnable
    from rekalman.learners.gradient.checkpoints import check_checkpoints

    check_learnable(request.data, "the data")
    if request.checkpoint is not None and not method.checkpoints:
        raise RekalError(f"checkpoint is of no use to {method.phrase()}: leave it out")
    method.check(request.data)
    method.check_learner(request.learner)
    if request.checkpoint is not None:
        check_checkpoints(request.checkpoint)
    return method.train(request)


def fit_method(
    data: Sequences,
    method: Method,
    *,
    learner: Learner | None = None,
    filtering: str | Filtering | None = None,
    scale: str | None = None,
    transform: str | int | float | None = None,
    checkpoint: str | Path | None = None,
    backtest: int | float = 0.0,
    seed: int = 0,
    progress: bool | Callable[[str, Progress], None] = True,
) -> Fit:
    """Train a method and judge it; the arguments are those of `rekalman.fit`.

    Raises:
        RekalError: as for `rekalman.fit`.
    """
    from rekalman.data.checks import check_learnable
    from rekalman.fitting.backtesting import check_backtest
    from rekalman.foundation.arguments import seed_of
    from rekalman.methods.request import TrainingRequest
    from rekalman.training.as_fit import with_first_state
    from rekalman.training.judging import backtested, judged
    from rekalman.training.transform import TransformChoice

    seed = seed_of(seed)
    check_learnable(data, "the data")
    check_backtest(data, backtest)
    choice = TransformChoice.of(
        transform, method.default_transform, method.advises_transform, data, method.season
    )

    def train(
        part: Sequences,
        prefix: str = "",
        checkpoint: str | Path | None = None,
        advise: bool = True,
    ) -> Any:
        request = TrainingRequest(
            data=part,
            learner=learner,
            filtering=filtering,
            scale=scale,
            transform=choice.transform(part),
            checkpoint=checkpoint,
            seed=seed,
            progress=progress,
            prefix=prefix,
            advise=advise,
        )
        return train_on(method, request)

    trained = with_first_state(train(data, checkpoint=checkpoint), data)
    trained = judged(trained, data, choice.advice(data))
    if not backtest or trained.history.stopped == "interrupted":
        return trained
    again = lambda part: train(part, "backtest: ", advise=False)  # noqa: E731
    return backtested(trained, data, again, backtest, method.season)
