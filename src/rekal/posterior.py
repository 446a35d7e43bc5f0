"""What filtering or smoothing a data set leaves: moments of the state, likelihood, frames."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import numpy as np
import pandas as pd
from jaxtyping import Float

from rekal.sequences import AnyArray, Sequences

Kind = Literal["filtered", "smoothed"]


class Posterior(eqx.Module):
    """Moments of the state at every step of every series.

    Attributes:
        mean: `(batch, steps, states)`.
        var: variances, same shape.
        observed_mean: mean of what the state says of the observations `(batch, steps, obs)`.
        log_evidence: one-step predictive log densities `(batch, steps)` in nats; zero in padding.
        kind: "filtered" (given the data up to each step) or "smoothed" (given all).
        data: the series that were filtered.
        white: innovations of a Gaussian filter scaled to unit covariance `(batch, steps, obs)`, NaN where
            nothing was observed; None for particles.
    """

    mean: Float[AnyArray, "batch steps states"]
    var: Float[AnyArray, "batch steps states"]
    observed_mean: Float[AnyArray, "batch steps obs"]
    log_evidence: Float[AnyArray, "batch steps"]
    kind: Kind = eqx.field(static=True)
    data: Sequences
    white: Float[AnyArray, "batch steps obs"] | None = None

    @property
    def log_likelihood(self) -> float:
        """Sum of the one-step predictive log densities over all observed entries, in nats."""
        return float(np.sum(self.log_evidence))

    def to_frame(self) -> pd.DataFrame:
        """One row per series and step: mean and standard deviation of each state variable."""
        frames = []
        for i in range(self.data.batch):
            steps = int(self.data.lengths[i])
            columns = {f"{name} ({self.kind})": self.observed_mean[i, :steps, j]
                       for j, name in enumerate(self.data.names)}  # fmt: skip
            for j in range(self.mean.shape[-1]):
                columns[f"state {j + 1}"] = self.mean[i, :steps, j]
                columns[f"state {j + 1} sd"] = np.sqrt(self.var[i, :steps, j])
            frame = pd.DataFrame(columns, index=self.data.index(i))
            frame.insert(0, "series", self.data.series_names[i] if self.data.series_names else i)
            frames.append(frame)
        return pd.concat(frames)
