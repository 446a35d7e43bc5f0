"""A forecast: a predictive distribution at every origin and horizon for every observed column."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray
from scipy.special import log_softmax

from rekalman.core import mixtures
from rekalman.data.scales.box_cox import BoxCox
from rekalman.forecasting import inverse_mixtures
from rekalman.forecasting.facts import forecast_facts
from rekalman.forecasting.labels import Labels
from rekalman.forecasting.laws import BINARY, GAUSSIAN, TRANSFORMED, Law, Statistic, by_origin
from rekalman.forecasting.sampling import joint_draws
from rekalman.forecasting.units import rescaled
from rekalman.foundation.arguments import probability, whole
from rekalman.foundation.errors import RekalError
from rekalman.foundation.facts import shown, shown_html
from rekalman.numerics.placing import placed

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from rekalman.data import AnyArray, Sequences


class Forecast(eqx.Module):
    """Gaussian mixtures over particles, one for each origin, horizon and column.

    Each particle of the filter was pushed through the noisy dynamics; the observation noise enters in
    closed form, so that quantiles are smooth even with a hundred particles. The origins of all
    series stand one after the other on the first axis, hence series may differ in length.

    Where the observations were transformed (`rekalman.fit(transform=...)`), `means`, `cov` and `var` are
    those of transformed values, in which the mixture is Gaussian. All else is in raw units: the noise-free
    path, and every statistic.

    Attributes:
        means: mean of the observation given each particle.
        log_weights: normalised log weights of the particles at each origin.
        cov: covariance of the observation given each particle: `R`, shape `(obs, obs)`, or
            another for each origin and horizon, shape `(origins, horizons, obs, obs)`.
        path: the forecast of Unkelbach et al. (2009): filter mean, then noise-free dynamics.
        origins: step after whose observation each forecast was made, counted from 0.
        series: which series each origin belongs to, counted from 0.
        times: time stamp of each origin as a number, or None = the step number.
        targets: time stamps of the steps that are forecast, or None where they come in equal steps.
        transform: of the observations, before the model saw them, or None.
        horizons: steps ahead, static.
        labels: names, units and clock, static.
        binary: whether the columns are pixels that are on (1) or off (0); `means` are then probabilities and
            `cov` is zero: the variance follows from the probability. Static.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> data = rekalman.load_example("nile")
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(one, one, 1469 * one, 15099 * one, initial="diffuse")
        >>> ahead = rekalman.forecast(rekalman.Kalman(model), data, horizon=3)
        >>> ahead.mean.shape  # (origins, horizons, columns)
        (1, 3, 1)
        >>> low, high = ahead.interval(0.9)
        >>> low[0, :, 0].round().tolist()
        [562.0, 554.0, 546.0]
    """

    means: Float[AnyArray, "origins horizons particles obs"]
    log_weights: Float[AnyArray, "origins particles"]
    cov: Float[AnyArray, "*lead obs obs"]
    path: Float[AnyArray, "origins horizons obs"]
    origins: Int[AnyArray, " origins"]
    series: Int[AnyArray, " origins"]
    times: Float[AnyArray, " origins"] | None = None
    targets: Float[AnyArray, "origins horizons"] | None = None
    transform: BoxCox | None = None
    horizons: tuple[int, ...] = eqx.field(static=True, kw_only=True)
    labels: Labels = eqx.field(static=True, kw_only=True)
    binary: bool = eqx.field(static=True, default=False, kw_only=True)

    def __repr__(self) -> str:
        return shown(self, forecast_facts)

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return shown_html(self, forecast_facts)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.labels.names

    @property
    def units(self) -> tuple[str | None, ...]:
        """Units of the columns, None where unknown."""
        return self.labels.units

    @property
    def var(self) -> Float[AnyArray, "*lead obs"]:
        """Variance of the observation given each particle: the diagonal of `R`."""
        if self.binary:
            on = np.asarray(self.means)[:, :, 0]
            return self._given(on * (1 - on))
        return self._given(np.diagonal(np.asarray(self.cov), axis1=-2, axis2=-1))

    @property
    def mean(self) -> Float[AnyArray, "origins horizons obs"]:
        """Mean of the distribution.

        Raises:
            RekalError: it is beyond all numbers, as it may be far ahead after a logarithm.
        """
        if self.transform is not None:
            return self._finite(self._by_origin(inverse_mixtures.inverse_mean), "mean")
        means = np.asarray(self.means)
        weights = np.exp(np.asarray(self.log_weights, means.dtype))
        return self._given(np.einsum("on,ohnk->ohk", weights, means))

    @property
    def std(self) -> Float[AnyArray, "origins horizons obs"]:
        """Standard deviation of the distribution, observation noise included.

        Raises:
            RekalError: as for `mean`.
        """
        if self.transform is not None:
            spread = self._by_origin(inverse_mixtures.inverse_std)
            return self._finite(spread, "standard deviation")
        with self.precision():
            var = np.asarray(self._by_origin(mixtures.mixture_var))
            return self._given(np.sqrt(var))

    def quantile(
        self, q: int | float | Sequence[float]
    ) -> Float[AnyArray, "*levels origins horizons obs"]:
        """Quantiles of each distribution.

        Args:
            q: a probability between 0 and 1, or several (a first axis for them is added).

        Raises:
            RekalError: a probability is not between 0 and 1, or as for `mean`.
        """
        if isinstance(q, Sequence) and not isinstance(q, str):
            if not q:
                raise RekalError("quantiles need at least one probability")
            every = [self.quantile(level) for level in q]
            return self._given(np.stack([np.asarray(level) for level in every]))
        q = probability(q, "the probability of a quantile")
        every = np.full(np.shape(self.path), q)
        reached = self._by_origin(self._law.quantile, every)
        return reached if self.transform is None else self._finite(reached, "quantile")

    def interval(
        self, level: int | float
    ) -> tuple[Float[AnyArray, "origins horizons obs"], Float[AnyArray, "origins horizons obs"]]:
        """Lower and upper end of the central interval that holds `level` of the probability.

        Raises:
            RekalError: the level is not between 0 and 1.
        """
        level = probability(level, "the level of an interval")
        return self.quantile((1 - level) / 2), self.quantile((1 + level) / 2)

    def cdf(
        self, y: Float[AnyArray, "origins horizons obs"]
    ) -> Float[AnyArray, "origins horizons obs"]:
        """Distribution functions at `y` (the PIT, where `y` is what was observed)."""
        return self._by_origin(self._law.cdf, y)

    def log_score(
        self, y: Float[AnyArray, "origins horizons obs"]
    ) -> Float[AnyArray, "origins horizons obs"]:
        """Log density of `y` in nats; the higher the better.

        It is minus infinity where the observations were transformed and `y` is 0 or less.
        """
        return self._by_origin(self._law.log_density, y)

    def crps(
        self, y: Float[AnyArray, "origins horizons obs"]
    ) -> Float[AnyArray, "origins horizons obs"]:
        """Continuous ranked probability score of `y` in its own unit; the lower the better."""
        return self._by_origin(self._law.crps, y)

    @property
    def _law(self) -> Law:
        if self.binary:
            return BINARY
        return GAUSSIAN if self.transform is None else TRANSFORMED

    def _by_origin(
        self, statistic: Statistic, *rest: AnyArray
    ) -> Float[AnyArray, "origins horizons obs"]:
        """A statistic of each mixture; one of a transformed one takes the powers after `rest`."""
        if self.transform is not None:
            rest = (*rest, np.broadcast_to(self.transform.power, np.shape(self.path)))
        means = np.asarray(self.means)
        weights, var, *more = (
            np.asarray(v, means.dtype) for v in (self.log_weights, self.var, *rest)
        )
        with self.precision():
            return self._given(by_origin(statistic, means, weights, var, tuple(more)))

    def _finite(self, numbers: AnyArray, what: str) -> AnyArray:
        """Numbers after the inverse of a transform, which may be too large for any.

        Raises:
            RekalError: one is.
        """
        if np.isfinite(np.asarray(numbers)).all():
            return numbers
        raise RekalError(
            f"the {what} of the forecast is beyond all numbers, so little does the model know of the "
            "transformed values: take a shorter horizon, or fit without a transform"
        )

    def _given(self, numbers: AnyArray) -> AnyArray:
        """Double precision as NumPy has it: outside of `precision`, JAX would cut it off."""
        return np.asarray(numbers) if numbers.dtype == np.float64 else placed(numbers)

    def precision(self) -> AbstractContextManager[Any]:
        """The precision that the numbers are held in."""
        double = np.asarray(self.means).dtype == np.float64
        return jax.enable_x64(True) if double else contextlib.nullcontext()

    def samples(self, key: PRNGKeyArray, n: int) -> Float[AnyArray, "samples origins horizons obs"]:
        """Draw possible futures.

        The horizons of one draw follow one particle and its columns share their noise, so a draw is
        a joint one of all that is forecast from an origin.
        """
        n = whole("the number of samples", n)
        with self.precision():
            values = self._given(joint_draws(self, key, n))
        if self.transform is None:
            return values
        return self._finite(self.transform.invert(values), "draw")

    def to_inference_data(self, draws: int = 1000, *, seed: int = 0) -> Any:
        """Joint draws (`samples`) as ArviZ takes them: an `InferenceData`, from ArviZ 1.0 on a `DataTree`.

        * `predictions`: a variable for each column, in its unit, with the dimensions `chain` (one), `draw`,
          `series` and `horizon`. Where there are several origins of a series, `origin` takes the place of
          `series`: numbers of steps, of several series with their names.
        * `predictions_constant_data`: the `time` stamp of each step that is forecast, of dates with a time
          zone in UTC, and the step `origin` of each series after which it was made.

        Args:
            draws: how many.
            seed: start of their randomness.

        Raises:
            RekalError: ArviZ is not installed, `draws` is no whole number above 0, or as for `mean`.
        """
        from rekalman.forecasting.inference_data import inference_data

        return inference_data(self, draws, seed)

    def score(self, values: Any, mask: Any = None, pooled: bool = False) -> pd.DataFrame:
        """How good the forecasts were, by horizon and column: see `forecast.scores.score`."""
        from rekalman.forecasting.scores import score

        return score(self, values, mask, pooled)

    def rescale(self, location: Any, scale: Any) -> Forecast:
        """The forecast of `y * scale + location`, for instance in the units before standardising.

        It is in double precision where single precision would round it off: far from zero, or in a unit that
        is very large or very small.

        Args:
            location: one number for each column, or for each origin and column `(origins, obs)`.
            scale: likewise, positive.

        Raises:
            RekalError: the variances are beyond all numbers, or the forecast is of transformed values, which
                it has in raw units already.
        """
        if self.transform is not None:
            raise RekalError("a forecast of transformed values is in raw units already")
        means, path, cov = rescaled(self.means, self.path, self.cov, location, scale)
        weights = np.asarray(self.log_weights)
        if means.dtype != weights.dtype:  # far from zero it matters that they sum to one
            weights = log_softmax(weights.astype(means.dtype), axis=1)
        return dataclasses.replace(self, means=means, path=path, cov=cov, log_weights=weights)

    def inverted(self, transform: BoxCox | None) -> Forecast:
        """The forecast of raw values, where this one is of transformed values.

        It is in double precision, for an exponential makes rounding larger.

        Args:
            transform: of the observations; None leaves the forecast as it is.

        Raises:
            RekalError: the noise-free path is beyond all numbers.
        """
        if transform is None:
            return self
        means, cov, weights = (
            np.asarray(v, np.float64) for v in (self.means, self.cov, self.log_weights)
        )
        return dataclasses.replace(
            self,
            means=means,
            cov=cov,
            log_weights=log_softmax(weights, axis=1),
            path=self._finite(transform.invert(self.path), "noise-free path"),
            transform=transform,
        )

    def label(self, data: Sequences, step: float | None = None) -> Forecast:
        """The same forecast with the names, units and time stamps of the data it was made on.

        Args:
            data: what it was made on.
            step: time between the steps after the end of a series, in steps where the data have no time
                stamps; default the sampling interval.
        """
        labels = Labels.of(data)
        labels = labels if step is None else dataclasses.replace(labels, interval=step)
        if len(labels.names) != len(self.names):
            raise RekalError(
                f"the forecast has {len(self.names)} columns and the data {len(labels.names)}"
            )
        times = targets = None
        series, origins = np.asarray(self.series), np.asarray(self.origins)
        ahead = np.array(self.horizons)
        if data.times is not None:
            known, ends = np.asarray(data.times, np.float64), np.asarray(data.lengths)

            def stamps(series: np.ndarray, steps: np.ndarray) -> np.ndarray:
                last = np.minimum(steps, ends[series] - 1)
                return known[series, last] + (steps - last) * labels.interval

            times = stamps(series, origins)
            if data.dt is not None:
                targets = stamps(series[:, None], origins[:, None] + ahead)
        elif labels.interval != 1:  # numbers of steps that lie between those of the data
            targets = origins[:, None] + ahead * float(labels.interval)
        return dataclasses.replace(self, labels=labels, times=times, targets=targets)

    def to_frame(self, levels: int | float | Sequence[int | float] | None = None) -> Any:
        """A row for each origin, horizon and column: see `rekalman.forecasting.tables.to_frame`.

        It is of the kind of table that the data came from: a frame of pandas, polars or pyarrow, or a data
        set of xarray.
        """
        from rekalman.forecasting.tables import to_frame

        return to_frame(self, levels)

    def plot(
        self, data: Sequences | None = None, horizon: int | None = None, series: int = 0
    ) -> go.Figure:
        """The fan of a forecast, or the band of a rolling one: see `forecast.tables.plot`."""
        from rekalman.forecasting.tables import plot

        return plot(self, data, horizon, series)
