"""How a model was found: likelihood by iteration, competing starts, why it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from rekal.diagnostics import Diagnostics
from rekal.sequences import AnyArray

REASONS = {
    "tolerance": "it had settled",
    "iterations": "all iterations were used",
    "interrupted": "it was interrupted",
    "converged": "it had converged",
    "no better point": "no better point was found",
    "epochs": "all epochs were used",
    "patience": "held-out data were predicted no better for a while",
}

ARRAYS = ("log_likelihood", "held_out", "trained")


class History(eqx.Module):
    """How a model was found.

    Attributes:
        log_likelihood: training log-likelihood per iteration, in nats of the raw units; none of a network,
            which is trained with steps hidden.
        trials: (name of the start, held-out log-likelihood in nats per observed entry), best first;
            empty when there was one start only.
        stopped: a key of `REASONS`.
        seconds: wall time of the training.
        entries: number of observed entries trained on.
        criteria: names and values of information criteria; empty where there are none.
        diagnostics: how the filter of the final model predicts the training data one step ahead; None where
            that was not looked at.
        held_out: of a network, log-likelihood of held-out data after each epoch in nats per value of the
            raw units; the best epoch was kept.
        trained: of a network, the same of the data that were trained on, as the training saw them: with
            steps hidden, and parameters changing.
    """

    log_likelihood: Float[AnyArray, " iterations"]
    trials: tuple[tuple[str, float], ...] = eqx.field(static=True)
    stopped: str = eqx.field(static=True)
    seconds: float = eqx.field(static=True)
    entries: int = eqx.field(static=True)
    criteria: tuple[tuple[str, float], ...] = eqx.field(static=True, default=())
    diagnostics: Diagnostics | None = eqx.field(static=True, default=None)
    held_out: Float[AnyArray, " epochs"] = eqx.field(default_factory=lambda: np.zeros(0))
    trained: Float[AnyArray, " epochs"] = eqx.field(default_factory=lambda: np.zeros(0))

    @property
    def kept(self) -> int:
        """Number of the epoch, from 0, whose parameters a network kept."""
        return int(np.argmax(self.held_out))

    def lines(self) -> list[str]:
        """What a summary says of the training."""
        lines = []
        count = len(self.log_likelihood)
        if count:
            last = float(self.log_likelihood[-1])
            lines.append(
                f"log-likelihood  {last:.1f} nats ({last / self.entries:.3f} per value) after "
                f"{count} iterations; {REASONS[self.stopped]}"
            )
        if len(self.held_out):
            lines.append(
                f"held out        {float(max(self.held_out)):.3f} nats per value after epoch "
                f"{self.kept + 1} of {len(self.held_out)}, which was kept; {REASONS[self.stopped]}"
            )
        if self.trials:
            held = ", ".join(f"{name} {score:.3f}" for name, score in self.trials)
            lines.append(f"starts          {held} (held-out nats per value, the best was kept)")
        if self.criteria:
            told = ", ".join(f"{name} {value:.2f}" for name, value in self.criteria)
            lines.append(f"criteria        {told}")
        if self.diagnostics is not None:
            lines += self.diagnostics.summary().splitlines()
        return lines

    def settings(self) -> dict[str, Any]:
        """All but the arrays, as JSON types."""
        return {
            "trials": self.trials,
            "stopped": self.stopped,
            "seconds": self.seconds,
            "entries": self.entries,
            "criteria": self.criteria,
            "diagnostics": None if self.diagnostics is None else self.diagnostics.to_dict(),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {name: np.asarray(getattr(self, name)) for name in ARRAYS}

    @classmethod
    def of(cls, settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> History:
        """What `settings` and `arrays` were made from."""
        told = settings.get("diagnostics")  # files of earlier versions hold none
        trials = tuple((name, float(score)) for name, score in settings["trials"])
        return cls(
            **{name: arrays[name] for name in ARRAYS if name in arrays},  # older files have one
            trials=trials,
            stopped=settings["stopped"],
            seconds=settings["seconds"],
            entries=settings["entries"],
            criteria=tuple((name, float(value)) for name, value in settings["criteria"]),
            diagnostics=None if told is None else Diagnostics.of(told),
        )
