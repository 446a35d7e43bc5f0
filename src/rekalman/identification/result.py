"""The result of an identification: numbers, a page of text, a dictionary."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from rekalman.foundation.plain import plain
from rekalman.identification.linear import LinearFacts
from rekalman.identification.modes import FixedPoint
from rekalman.identification.text import summary


@dataclass(frozen=True)
class Identification:
    """The dynamics and the noise of a model. Numbers that do not exist are None (NaN in arrays).

    Attributes:
        attractor: where the noise-free dynamics end: "fixed point", "limit cycle", "quasi-periodic or
            chaotic", "diverges".
        period_steps: steps per cycle of a limit cycle.
        period: the same in time units.
        amplitude: half the peak-to-peak range of each output on the attractor.
        center: mean of each output on the attractor.
        harmonic_share: share of a limit cycle's variance in its fundamental sine.
        cycle: one stretch of the noise-free outputs, `(steps, obs)`, in output units.
        fixed_points: those found, the one closest to the mean of the state under noise first.
        process_std: standard deviation of the process noise of each state, per step.
        observation_std: standard deviation of the observation noise of each output.
        output_std: standard deviation of each output under simulation, noise included.
        explained: share of each output's variance under simulation that is not observation noise.
        interval: time units between two steps.
        names: names of the outputs.
        time_unit: what a time unit is called, or None.
        warnings: what could not be identified, one sentence each.
        linear: what is known of a linear model beyond that, or None.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> turn = 0.95 * np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
        >>> model = rekalman.LinearGaussian.create(A=turn, C=np.eye(1, 2), Q=np.eye(2), R=np.eye(1))
        >>> description = rekalman.identify(model, interval=0.1, time_unit="s")
        >>> description.attractor, float(description.observation_std[0])
        ('fixed point', 1.0)
    """

    attractor: str
    period_steps: float | None
    period: float | None
    amplitude: np.ndarray
    center: np.ndarray
    harmonic_share: float | None
    cycle: np.ndarray
    fixed_points: tuple[FixedPoint, ...]
    process_std: np.ndarray
    observation_std: np.ndarray
    output_std: np.ndarray
    explained: np.ndarray
    interval: float
    names: tuple[str, ...]
    time_unit: str | None
    warnings: tuple[str, ...]
    linear: LinearFacts | None = None

    @property
    def spectral_radius(self) -> float | None:
        """Largest modulus of the Jacobian's eigenvalues at the first fixed point."""
        return self.fixed_points[0].spectral_radius if self.fixed_points else None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and texts, ready for JSON; NaN becomes None. Without the cycle."""
        apart = ("cycle", "fixed_points", "linear")
        values = {k: plain(v) for k, v in vars(self).items() if k not in apart}
        if self.linear is not None:
            values["linear"] = self.linear.to_dict()
        points = [plain(point.to_dict()) for point in self.fixed_points]
        return {**values, "spectral_radius": self.spectral_radius, "fixed_points": points}

    def to_frame(self) -> pd.DataFrame:
        """The modes: a row for each mode of each fixed point."""
        rows = [
            {"fixed_point": i, **asdict(mode)}
            for i, point in enumerate(self.fixed_points)
            for mode in point.modes
        ]
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """A page of text."""
        return summary(self)

    def __str__(self) -> str:
        return self.summary()
