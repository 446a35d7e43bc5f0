"""How a model was found: likelihood by iteration, competing starts, why it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from rekalman.data import AnyArray
from rekalman.evaluation.backtest import WIDTH, Backtest
from rekalman.evaluation.diagnostics import Diagnostics

REASONS = {
    "tolerance": "it had settled",
    "iterations": "all iterations were used",
    "interrupted": "it was interrupted",
    "converged": "it had converged",
    "no better point": "no better point was found",
    "epochs": "all epochs were used",
    "patience": "held-out data were predicted no better for a while",
}

ARRAYS = ("log_likelihood", "held_out", "trained", "objective")


class History(eqx.Module):
    """How a model was found.

    Attributes:
        log_likelihood: training log-likelihood per iteration, in nats of the raw units; none of a network,
            which is trained with steps hidden.
        trials: (name of the start or candidate, held-out log-likelihood in nats per observed entry), the one
            that was kept first; empty when there was one only.
        stopped: a key of `REASONS`.
        seconds: wall time of the training.
        entries: number of observed entries trained on.
        criteria: names and values of information criteria; empty where there are none.
        diagnostics: how the filter of the final model predicts the training data one step ahead; None where
            that was not looked at.
        backtest: how a model trained without the end of each series predicts it; None where that was not
            looked at.
        held_out: of a network, log-likelihood of held-out data after each epoch in nats per value of the
            raw units; the best epoch was kept.
        trained: of a network, the same of the data that were trained on, as the training saw them: with
            steps hidden, and parameters changing.
        starts: of maximum likelihood, (name of the start, log-likelihood in nats where its climb was left),
            best first; the first went on to the estimate.
        choice: why this method was chosen, where the choice was left open, in a sentence; else empty.
        objective: of EM with priors on a linear model, log-likelihood plus log prior per iteration, in nats:
            what never falls.
    """

    log_likelihood: Float[AnyArray, " iterations"]
    trials: tuple[tuple[str, float], ...] = eqx.field(static=True)
    stopped: str = eqx.field(static=True)
    seconds: float = eqx.field(static=True)
    entries: int = eqx.field(static=True)
    criteria: tuple[tuple[str, float], ...] = eqx.field(static=True, default=())
    diagnostics: Diagnostics | None = eqx.field(static=True, default=None)
    held_out: Float[AnyArray, " epochs"] = eqx.field(default_factory=lambda: np.zeros(0))
    trained: Float[AnyArray, " passes"] = eqx.field(default_factory=lambda: np.zeros(0))
    backtest: Backtest | None = eqx.field(static=True, default=None)
    starts: tuple[tuple[str, float], ...] = eqx.field(static=True, default=())
    objective: Float[AnyArray, " raised"] = eqx.field(default_factory=lambda: np.zeros(0))
    linear: str = eqx.field(static=True, default="")
    linear_score: float | None = eqx.field(static=True, default=None)
    warnings: tuple[str, ...] = eqx.field(static=True, default=())
    choice: str = eqx.field(static=True, default="")

    @property
    def kept(self) -> int:
        """Number of the epoch, from 0, whose parameters a network kept."""
        return int(np.argmax(self.held_out))

    def lines(self) -> list[str]:
        """What a summary says of the training."""
        lines = _wrapped("chosen", self.choice) if self.choice else []
        count = len(self.log_likelihood)
        if count:
            last = float(self.log_likelihood[-1])
            after = f" after {count} iterations; {REASONS[self.stopped]}" if count > 1 else ""
            lines.append(
                f"log-likelihood  {last:.1f} nats ({last / self.entries:.3f} per value){after}"
            )
        if len(self.objective):
            lines.append(
                f"objective       {float(self.objective[-1]):.1f} nats with the log prior, which is what EM "
                "raises"
            )
        if len(self.starts) > 1:
            reached = "; ".join(f"{name} {value:.1f}" for name, value in self.starts)
            lines.append(f"starts          {reached} (nats after some steps, the best went on)")
        if len(self.held_out):
            lines.append(
                f"held out        {float(max(self.held_out)):.3f} nats per value after epoch "
                f"{self.kept + 1} of {len(self.held_out)}, which was kept; {REASONS[self.stopped]}"
            )
        if self.linear:
            lines.append(f"linear part     {self.linear}; {self._worth()}")
        if self.trials:
            held = ", ".join(f"{name} {score:.3f}" for name, score in self.trials)
            lines.append(f"starts          {held} (held-out nats per value, the first was kept)")
        if self.criteria:
            figures = ", ".join(
                f"{name} {value:.2f}" if abs(value) >= 1 else f"{name} {value:.2g}"
                for name, value in self.criteria
            )
            lines.append(f"criteria        {figures}")
        lines += [f"warning         {sentence}" for sentence in self.warnings]
        if self.backtest is not None:
            lines += self.backtest.lines()
        elif self.diagnostics is not None:
            lines += self.diagnostics.summary().splitlines()
        return lines

    def _worth(self) -> str:
        """What the network adds to its linear part."""
        if self.linear_score is None:
            return "held-out data are too few to judge it"
        alone = f"held out {self.linear_score:.3f} nats per value alone"
        if not len(self.held_out) or max(self.held_out) <= self.linear_score:
            return f"{alone}, to which the network adds nothing"
        return f"{alone}, with the network {float(max(self.held_out)):.3f}"

    def settings(self) -> dict[str, Any]:
        """All but the arrays, as JSON types."""
        return {
            "trials": self.trials,
            "starts": self.starts,
            "stopped": self.stopped,
            "seconds": self.seconds,
            "entries": self.entries,
            "criteria": self.criteria,
            "diagnostics": None if self.diagnostics is None else self.diagnostics.to_dict(),
            "backtest": None if self.backtest is None else self.backtest.to_dict(),
            "linear": self.linear,
            "linear_score": self.linear_score,
            "warnings": self.warnings,
            "choice": self.choice,
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {name: np.asarray(getattr(self, name)) for name in ARRAYS}

    @classmethod
    def of(cls, settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> History:
        """What `settings` and `arrays` were made from."""
        # Files of earlier versions hold neither.
        diagnostics, backtest = settings.get("diagnostics"), settings.get("backtest")
        trials = tuple((name, float(score)) for name, score in settings["trials"])
        starts = tuple((name, float(value)) for name, value in settings.get("starts", ()))
        return cls(
            **{name: arrays[name] for name in ARRAYS if name in arrays},  # older files have one
            trials=trials,
            starts=starts,
            stopped=settings["stopped"],
            seconds=settings["seconds"],
            entries=settings["entries"],
            criteria=tuple((name, float(value)) for name, value in settings["criteria"]),
            diagnostics=None if diagnostics is None else Diagnostics.of(diagnostics),
            backtest=None if backtest is None else Backtest.of(backtest),
            linear=settings.get("linear", ""),
            linear_score=settings.get("linear_score"),
            warnings=tuple(settings.get("warnings", ())),
            choice=settings.get("choice", ""),
        )


def _wrapped(title: str, sentence: str) -> list[str]:
    """A sentence of a summary on lines that are not too long."""
    indent = " " * 16
    return wrap(sentence, WIDTH, initial_indent=f"{title:<16}", subsequent_indent=indent)
