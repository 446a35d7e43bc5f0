"""What filtering or smoothing a data set leaves: moments of the state, predictions, likelihood, frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import ndtr

from rekalman.data import AnyArray, Sequences
from rekalman.data.numeric import numeric_array
from rekalman.data.scales.box_cox import BoxCox
from rekalman.evaluation.diagnostics import Diagnostics, diagnose
from rekalman.evaluation.holding import scores
from rekalman.evaluation.innovations import Nees, nees
from rekalman.evaluation.posterior_facts import posterior_facts, predictions_facts
from rekalman.forecasting.inverse_mixtures import inverse_moments
from rekalman.foundation.errors import RekalError
from rekalman.foundation.facts import shown, shown_html
from rekalman.foundation.printable import printable_line

Kind = Literal["filtered", "smoothed"]


class Scored(eqx.Module):
    """One-step predictions of a filter against what came.

    Attributes:
        log_evidence: one-step predictive log densities `(batch, steps)` in nats; zero in padding.
        data: the series that were filtered.
        white: innovations scaled to unit covariance `(batch, steps, obs)`, NaN where there is none, or None.
        pit: probability integral transform of each entry one step ahead, same shape.
    """

    log_evidence: eqx.AbstractVar[Float[AnyArray, "batch steps"]]
    data: eqx.AbstractVar[Sequences]
    white: eqx.AbstractVar[Float[AnyArray, "batch steps obs"] | None]
    pit: eqx.AbstractVar[Float[AnyArray, "batch steps obs"] | None]

    @property
    def log_likelihood(self) -> float:
        """Sum of the one-step predictive log densities over all observed entries, in nats."""
        return float(np.sum(self.log_evidence))

    def diagnose(self) -> Diagnostics:
        """Whether the one-step predictions kept what they promised: NIS, whiteness, PIT, coverage.

        Raises:
            RekalError: the noise of the model is not additive and Gaussian, or nothing was observed.
        """
        if self.white is None or self.pit is None:
            raise RekalError(
                "diagnostics need a model with additive Gaussian noise, whose innovations have a known law"
            )
        white = np.asarray(self.white)
        pit, names = np.asarray(self.pit), self.data.names
        if not self.data.measured:  # errors of one frame resemble those of the last, and rightly so
            return diagnose(white, pit, names, test_whiteness=False)
        beside = scores(self.data, self.log_evidence, np.isfinite(white))
        return diagnose(white, pit, names, beside)

    def _lines(self, what: str) -> list[str]:
        """What was found, and whether the filter keeps what it promises, in a few lines."""
        series = f", {self.data.batch} series" if self.data.batch > 1 else ""
        entries = int(np.asarray(self.data.mask).sum())
        lines = [
            f"{what}, {', '.join(map(printable_line, self.data.names))}{series}",
            f"log-likelihood  {self.log_likelihood:.1f} nats "
            f"({self.log_likelihood / max(entries, 1):.3f} per value)",
        ]
        if self.white is None or not np.isfinite(np.asarray(self.white)).any():
            return lines
        return [*lines, self.diagnose().summary()]

    def _frames(self, columns: Callable[[int, int], dict[str, AnyArray]]) -> Any:
        """One row per series and step, of the columns of series `i` up to its length."""
        frames, kind = [], self.data.frame_kind
        for i in range(self.data.batch):
            stamps = kind.stamps(self.data.index(i))
            frame = pd.DataFrame(columns(i, int(self.data.lengths[i])), index=stamps)
            frame.insert(0, "series", self.data.series_names[i] if self.data.series_names else i)
            frames.append(frame)
        joined = pd.concat(frames)
        joined["series"] = kind.ids(pd.Series(joined["series"]))
        series, _ = kind.columns(self.data.time_name, joined.columns[1:])
        joined = joined.rename(columns={"series": series})
        time = str(joined.index.name)
        return kind.give(joined, time, (series, time))


class Predictions(Scored):
    """What a network said of every step before it saw it.

    Attributes:
        mean: of each entry, `(batch, steps, obs)`.
        var: its variances.
        log_evidence: one-step predictive log densities `(batch, steps)` in nats; zero in padding.
        data: the series that were filtered.
        white: errors scaled to unit covariance, NaN where nothing was observed.
        pit: probability integral transform of each entry, same shape.
    """

    mean: Float[AnyArray, "batch steps obs"]
    var: Float[AnyArray, "batch steps obs"]
    log_evidence: Float[AnyArray, "batch steps"]
    data: Sequences
    white: Float[AnyArray, "batch steps obs"] | None
    pit: Float[AnyArray, "batch steps obs"] | None

    @classmethod
    def of(
        cls,
        mean: Float[np.ndarray, "batch steps obs"],
        var: Float[np.ndarray, "batch steps obs"],
        log_evidence: Float[np.ndarray, "batch steps"],
        data: Sequences,
        white: Float[np.ndarray, "batch steps obs"] | None = None,
        transform: BoxCox | None = None,
        gaussian: bool = True,
    ) -> Predictions:
        """Compare predictions with the data.

        Args:
            mean: of each entry, in the units of the transform, raw ones where there is none.
            var: its variances.
            log_evidence: log densities of the rows, in raw units.
            data: the series.
            white: errors scaled to unit covariance; default for independent entries.
            transform: of the observations; mean and variance are then those of its inverse.
            gaussian: whether the law of an entry is Gaussian; of others the errors have no known law.
        """
        curved = data if transform is None else transform.apply_to(data)
        observed = np.where(np.asarray(curved.mask), np.asarray(curved.values), np.nan)
        error = (observed - mean) / np.sqrt(var)
        white = error if white is None else white
        if transform is not None:
            mean, var = inverse_moments(mean, var, np.asarray(transform.power))
        evidence = np.where(data.valid(), log_evidence, 0.0)
        return cls(
            mean=mean,
            var=var,
            log_evidence=evidence,
            data=data,
            white=white if gaussian else None,
            pit=ndtr(error) if gaussian else None,
        )

    def __repr__(self) -> str:
        return shown(self, predictions_facts)

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return shown_html(self, predictions_facts)

    def summary(self) -> str:
        """How well each step was predicted, in a few lines."""
        if not self.data.measured:
            return "\n".join(self._lines(f"{'estimated':<15} from frames"))
        return "\n".join(self._lines(f"{'predicted':<15} one step ahead"))

    def to_frame(self) -> Any:
        """One row per series and step: mean and standard deviation of each column one step ahead.

        It is of the kind of table that the data came from.
        """

        def columns(i: int, steps: int) -> dict[str, AnyArray]:
            made = {}
            for j, name in enumerate(self.data.names):
                made[f"{name} (predicted)"] = np.asarray(self.mean)[i, :steps, j]
                made[f"{name} sd"] = np.sqrt(np.asarray(self.var)[i, :steps, j])
            return made

        return self._frames(columns)


class Posterior(Scored):
    """Moments of the state at every step of every series.

    Attributes:
        mean: `(batch, steps, states)`.
        cov: covariances `(batch, steps, states, states)`.
        observed_mean: mean of what the state says of the observations `(batch, steps, obs)`; where they were
            transformed (`rekalman.fit(transform=...)`) the median.
        log_evidence: one-step predictive log densities `(batch, steps)` in nats; zero in padding.
        kind: "filtered" (given the data up to each step) or "smoothed" (given all).
        precision: "float64" or "float32", in which it was computed.
        data: the series that were filtered.
        white: innovations scaled to unit covariance `(batch, steps, obs)`, entry k given the columns before
            it; NaN where nothing was observed, or the start not determined yet. None for a model whose noise
            is not additive and Gaussian, as is `pit`.
        pit: probability integral transform of each entry one step ahead, same shape.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> data = rekalman.load_example("nile")
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(one, one, 1469 * one, 15099 * one, initial="diffuse")
        >>> smoothed = rekalman.smooth(rekalman.Kalman(model), data)
        >>> smoothed.mean.shape, smoothed.cov.shape
        ((1, 100, 1), (1, 100, 1, 1))
        >>> smoothed.to_frame().shape
        (100, 4)
    """

    mean: Float[AnyArray, "batch steps states"]
    cov: Float[AnyArray, "batch steps states states"]
    observed_mean: Float[AnyArray, "batch steps obs"]
    log_evidence: Float[AnyArray, "batch steps"]
    kind: Kind = eqx.field(static=True)
    data: Sequences
    precision: str = eqx.field(static=True, default="float64", kw_only=True)
    white: Float[AnyArray, "batch steps obs"] | None = eqx.field(default=None, kw_only=True)
    pit: Float[AnyArray, "batch steps obs"] | None = eqx.field(default=None, kw_only=True)

    @property
    def var(self) -> Float[AnyArray, "batch steps states"]:
        """Variances of the state variables."""
        return np.diagonal(np.asarray(self.cov), axis1=-2, axis2=-1)

    def nees(self, truth: Any) -> Nees:
        """Estimation errors against the claimed covariances, where the true states are known.

        Args:
            truth: true states `(batch, steps, states)`, or `(steps, states)` of a single series, in the
                coordinates of the model; NaN = unknown.

        Raises:
            RekalError: no real numbers, infinite ones, another shape, or no state is known.
        """
        states = numeric_array(truth, "truth")
        if np.isinf(states).any():
            raise RekalError("truth holds an infinite state: give NaN where it is not known")
        states = states[None] if states.ndim == 2 else states
        if states.shape != self.mean.shape:
            raise RekalError(f"truth has shape {np.shape(truth)}, but {self.mean.shape} would fit")
        error = np.where(self.data.valid()[..., None], states - np.asarray(self.mean), np.nan)
        return nees(error, np.asarray(self.cov))

    def __repr__(self) -> str:
        return shown(self, posterior_facts)

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return shown_html(self, posterior_facts)

    def summary(self) -> str:
        """What was found, and whether the filter keeps what it promises, in a few lines."""
        return "\n".join(
            self._lines(f"{self.kind:<15} {self.mean.shape[-1]} states, {self.precision}")
        )

    def to_frame(self) -> Any:
        """One row per series and step: mean and standard deviation of each state variable.

        It is of the kind of table that the data came from.
        """

        def columns(i: int, steps: int) -> dict[str, AnyArray]:
            made = {f"{name} ({self.kind})": self.observed_mean[i, :steps, j]
                    for j, name in enumerate(self.data.names)}  # fmt: skip
            for j in range(self.mean.shape[-1]):
                made[f"state {j + 1}"] = self.mean[i, :steps, j]
                made[f"state {j + 1} sd"] = np.sqrt(self.var[i, :steps, j])
            return made

        return self._frames(columns)
