"""What a trained model says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rekalman.foundation.facts import Facts, counted, listed, nats

if TYPE_CHECKING:
    from rekalman.fitting.result import Fit


def facts(fit: Fit) -> Facts:
    """Kind, columns, filter, and how likely the data are."""
    history, labels = fit.history, fit.labels
    rows = [("filter", type(fit.algorithm).__name__)]
    if len(labels.series_names) > 1:
        rows.append(("series", str(len(labels.series_names))))
    if len(history.log_likelihood):
        rows.append(("log-likelihood", nats(history.log_likelihood[-1], history.entries)))
    elif len(history.held_out):
        rows.append(("held out", f"{float(max(history.held_out)):.3f} nats per value"))
    rows.append(("trained on", counted(history.entries, "value")))
    return Facts(f"{fit.kind} fitted to {listed(labels.names, labels.units)}", tuple(rows))
