"""What filtered and smoothed series say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rekalman.foundation.facts import Facts, counted, listed, nats

if TYPE_CHECKING:
    from rekalman.evaluation.posterior import Posterior, Predictions


def posterior_facts(posterior: Posterior) -> Facts:
    """Whose states, how many, and the log-likelihood."""
    states = counted(posterior.mean.shape[-1], "state")
    rows = (("sizes", f"{states}, {_sizes(posterior)}"), ("log-likelihood", _likelihood(posterior)))
    return Facts(f"{posterior.kind} states of {listed(posterior.data.names)}".capitalize(), rows)


def predictions_facts(predictions: Predictions) -> Facts:
    """Of which columns, how many steps, and the log-likelihood."""
    rows = (("sizes", _sizes(predictions)), ("log-likelihood", _likelihood(predictions)))
    return Facts(f"One-step predictions of {listed(predictions.data.names)}", rows)


def _sizes(scored: Posterior | Predictions) -> str:
    steps = counted(scored.data.steps, "step")
    return f"{counted(scored.data.batch, 'series', 'series')} of {steps}"


def _likelihood(scored: Posterior | Predictions) -> str:
    return nats(scored.log_likelihood, int(np.asarray(scored.data.mask).sum()))
