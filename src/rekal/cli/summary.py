"""What `rekal fit` says it learned: how the training went, then the dynamics in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rekal.fit import Fit
    from rekal.sequences import Sequences

REASONS = {
    "tolerance": "it had settled",
    "iterations": "all iterations were used",
    "interrupted": "it was interrupted",
}


def summary(trained: Fit, data: Sequences) -> str:
    """A page of text: data, training, dynamics."""
    from rekal.cli.identify import described

    history = trained.history
    series = "" if data.batch == 1 else f" in {data.batch} series"
    missing = data.fraction_missing
    gaps = f", {100 * missing:.0f} % of the entries missing" if missing > 0 else ""
    lines = [f"data            {int(data.lengths.sum())} samples{series}{gaps}"]
    inputs = f", driven by {', '.join(trained.input_names)}" if trained.input_names else ""
    lines.append(
        f"model           {trained.model.states} states, {', '.join(trained.labels.names)}{inputs}"
    )
    count = len(history.log_likelihood)
    if count:
        last = float(history.log_likelihood[-1])
        lines.append(
            f"log-likelihood  {last:.1f} nats ({last / history.entries:.3f} per value) after {count} "
            f"iterations; {REASONS[history.stopped]}"
        )
    if history.trials:
        held = ", ".join(f"{name} {score:.3f}" for name, score in history.trials)
        lines.append(f"starts          {held} (held-out nats per value, the best was kept)")
    return "\n".join([*lines, "", described(trained).summary()])
