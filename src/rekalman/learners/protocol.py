"""What all learners share: from a start and data to what was learned, and how that went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import numpy as np
from jaxtyping import Float, PRNGKeyArray

LIKELIHOOD = "log-likelihood"
POSTERIOR = "log-likelihood plus log prior"


class Progress(NamedTuple):
    """What a progress display is told after each iteration.

    Attributes:
        iteration: the number of it, from 1.
        iterations: how many there are at most.
        log_likelihood: in nats; of a learner that lowers a loss, minus that loss (of squared errors, half).
    """

    iteration: int
    iterations: int
    log_likelihood: float


Callback = Callable[[Progress], None]


class Iterations(eqx.Module):
    """How a training went, iteration by iteration.

    Attributes:
        objective: what was raised or lowered, such as "log-likelihood" or "loss".
        unit: of its values, such as "nats".
        values: the objective before or after each iteration.
        stopped: why it stopped, a key of `rekalman.fitting.history.REASONS`.
        seconds: wall time.
        entries: number of observed entries that were trained on.
        log_likelihood: of the training data for the same iterations, in nats; of length zero where a learner
            does not work it out.
        rises: whether more is better.
        monotone: whether no iteration may be worse than the one before it, but for rounding.
    """

    objective: str = eqx.field(static=True)
    unit: str = eqx.field(static=True)
    values: Float[np.ndarray, " iterations"]
    stopped: str = eqx.field(static=True)
    seconds: float = eqx.field(static=True)
    entries: int = eqx.field(static=True)
    log_likelihood: Float[np.ndarray, " known"] = eqx.field(default_factory=lambda: np.zeros(0))
    rises: bool = eqx.field(static=True, default=True)
    monotone: bool = eqx.field(static=True, default=False)

    @classmethod
    def by_likelihood(
        cls,
        log_likelihood: Float[np.ndarray, " iterations"],
        stopped: str = "iterations",
        seconds: float = 0.0,
        entries: int = 1,
        *,
        monotone: bool = False,
    ) -> Iterations:
        """Those of a learner that raises the log-likelihood.

        Args:
            log_likelihood: of the training data before or after each iteration, in nats.
            stopped: why the training stopped.
            seconds: wall time.
            entries: number of observed entries.
            monotone: whether the likelihood may not fall.
        """
        each = (log_likelihood, stopped, seconds, entries, log_likelihood)
        return cls(LIKELIHOOD, "nats", *each, monotone=monotone)

    @property
    def converged(self) -> bool:
        """Whether the learner found nothing more to gain, and was not merely ended."""
        return self.stopped in ("tolerance", "converged", "patience")

    @property
    def penalised(self) -> Float[np.ndarray, " raised"]:
        """The log-likelihood plus log prior, where that was raised; else of length zero."""
        return self.values if self.objective == POSTERIOR else np.zeros(0)

    @property
    def per_entry(self) -> Float[np.ndarray, " known"]:
        """The log-likelihood in nats per observed entry, which compares learners on the same data."""
        return self.log_likelihood / max(self.entries, 1)


class TrainResult(eqx.Module):
    """What a learner leaves.

    Attributes:
        model: what was learned: a state-space model, a network, or weights.
        history: how that went.

    Examples:
        >>> import jax
        >>> import rekalman
        >>> nile = rekalman.load_example("nile")
        >>> start = rekalman.local_level().start(nile.values[0])
        >>> result = rekalman.MaximumLikelihood().run(start, nile)
        >>> result.history.objective, result.history.converged
        ('log-likelihood', True)
        >>> round(float(result.log_likelihood[-1]), 2)
        -632.55
    """

    model: Any
    history: Iterations

    @property
    def log_likelihood(self) -> Float[np.ndarray, " known"]:
        """Of the training data by iteration, in nats; of length zero where it is not known."""
        return self.history.log_likelihood

    @property
    def stopped(self) -> str:
        """Why the training stopped."""
        return self.history.stopped

    @property
    def seconds(self) -> float:
        """Wall time of the training."""
        return self.history.seconds

    def interrupted(self) -> TrainResult:
        """The same of a training that Ctrl-C ended."""
        return replace(self, history=replace(self.history, stopped="interrupted"))


@runtime_checkable
class Learner(Protocol):
    """A way of learning: an object that holds its options, and runs.

    Examples:
        >>> import rekalman
        >>> from rekalman.learners.protocol import Learner
        >>> isinstance(rekalman.EM(iterations=20), Learner)
        True
    """

    def run(
        self,
        start: Any,
        data: Any,
        *,
        key: PRNGKeyArray | None = None,
        callback: Callback | None = None,
    ) -> TrainResult:
        """Learn from data.

        Args:
            start: where to begin: a model, a structure or a network.
            data: the series, as `Sequences` or as what else the learner takes.
            key: start of the randomness; a learner that draws nothing does not use it.
            callback: called after each iteration.

        Raises:
            RekalError: the data do not fit the start, or cannot be learned from.
            KeyboardInterrupt: Ctrl-C before anything was learned; later it ends the training with the best
                so far.
        """
        ...
