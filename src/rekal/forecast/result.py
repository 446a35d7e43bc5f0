"""A forecast: a predictive distribution at every origin and horizon for every observed column."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from scipy.special import log_softmax

from rekal import mixtures
from rekal.arguments import probability, whole
from rekal.errors import RekalError
from rekal.forecast.labels import Labels
from rekal.forecast.units import rescaled
from rekal.metrics import crps_mixture

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from rekal.sequences import AnyArray, Sequences


class Forecast(eqx.Module):
    """Gaussian mixtures over particles, one for each origin, horizon and column.

    Each particle of the filter was pushed through the noisy dynamics; the observation noise enters in
    closed form, so that quantiles are smooth even with a hundred particles. The origins of all
    series stand one after the other on the first axis, hence series may differ in length.

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
        horizons: steps ahead, static.
        labels: names, units and clock, static.
    """

    means: Float[AnyArray, "origins horizons particles obs"]
    log_weights: Float[AnyArray, "origins particles"]
    cov: Float[AnyArray, "*lead obs obs"]
    path: Float[AnyArray, "origins horizons obs"]
    origins: Int[AnyArray, " origins"]
    series: Int[AnyArray, " origins"]
    times: Float[AnyArray, " origins"] | None = None
    targets: Float[AnyArray, "origins horizons"] | None = None
    horizons: tuple[int, ...] = eqx.field(static=True, kw_only=True)
    labels: Labels = eqx.field(static=True, kw_only=True)

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
        with self.precision():
            return self._given(jnp.diagonal(jnp.asarray(self.cov), axis1=-2, axis2=-1))

    @property
    def mean(self) -> Float[AnyArray, "origins horizons obs"]:
        """Mean of the distribution."""
        with self.precision():
            weights = jnp.exp(jnp.asarray(self.log_weights, np.asarray(self.means).dtype))
            return self._given(jnp.einsum("on,ohnk->ohk", weights, self.means))

    @property
    def std(self) -> Float[AnyArray, "origins horizons obs"]:
        """Standard deviation of the distribution, observation noise included."""
        with self.precision():
            return self._given(jnp.sqrt(self._by_origin(mixtures.mixture_var)))

    def quantile(
        self, q: int | float | Sequence[float]
    ) -> Float[AnyArray, "*levels origins horizons obs"]:
        """Quantiles of each distribution.

        Args:
            q: a probability between 0 and 1, or several (a first axis for them is added).

        Raises:
            RekalError: a probability is not between 0 and 1.
        """
        if isinstance(q, Sequence) and not isinstance(q, str):
            if not q:
                raise RekalError("quantiles need at least one probability")
            every = [self.quantile(level) for level in q]
            with self.precision():
                return self._given(jnp.stack(every))
        q = probability(q, "the probability of a quantile")
        every = np.full(np.shape(self.path), q)
        return self._by_origin(mixtures.mixture_quantile, every)

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
        return self._by_origin(mixtures.mixture_cdf, y)

    def log_score(
        self, y: Float[AnyArray, "origins horizons obs"]
    ) -> Float[AnyArray, "origins horizons obs"]:
        """Log density of `y` in nats; the higher the better."""
        return self._by_origin(mixtures.mixture_log_density, y)

    def crps(
        self, y: Float[AnyArray, "origins horizons obs"]
    ) -> Float[AnyArray, "origins horizons obs"]:
        """Continuous ranked probability score of `y` in its own unit; the lower the better."""
        return self._by_origin(crps_mixture, y)

    def _by_origin(
        self, statistic: Callable[..., Array], *rest: AnyArray
    ) -> Float[AnyArray, "origins horizons obs"]:
        with self.precision():
            means = jnp.asarray(self.means)
            weights, *more = (jnp.asarray(v, means.dtype) for v in (self.log_weights, *rest))
            var = jnp.asarray(self.var)
            return self._given(_by_origin(statistic, means, weights, var, tuple(more)))

    def _given(self, numbers: Array) -> AnyArray:
        """Double precision as NumPy has it: outside of `precision`, JAX would cut it off."""
        return np.asarray(numbers) if numbers.dtype == np.float64 else numbers

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
            pick_key, noise_key = jax.random.split(key)
            means = jnp.asarray(self.means)
            cumulative = jnp.cumsum(jnp.exp(jnp.asarray(self.log_weights)), axis=1)
            uniform = (
                jax.random.uniform(pick_key, (len(means), n), means.dtype) * cumulative[:, -1:]
            )
            chosen = jax.vmap(lambda c, u: jnp.searchsorted(c, u, side="right"))(
                cumulative, uniform
            )
            chosen = jnp.minimum(chosen, means.shape[2] - 1).T
            drawn = means[jnp.arange(len(means)), :, chosen]
            root = _root(jnp.asarray(self.cov))
            noise = jax.random.normal(noise_key, drawn.shape, drawn.dtype)
            return self._given(drawn + (root * noise[..., None, :]).sum(-1))

    def score(self, values: Any, mask: Any = None, pooled: bool = False) -> pd.DataFrame:
        """How good the forecasts were, by horizon and column: see `forecast.scores.score`."""
        from rekal.forecast.scores import score

        return score(self, values, mask, pooled)

    def rescale(self, location: Any, scale: Any) -> Forecast:
        """The forecast of `y * scale + location`, for instance in the units before standardising.

        It is in double precision where single precision would round it off: far from zero, or in a unit that
        is very large or very small.

        Args:
            location: one number for each column.
            scale: one positive number for each column.

        Raises:
            RekalError: the variances are beyond all numbers.
        """
        means, path, cov = rescaled(self.means, self.path, self.cov, location, scale)
        weights = np.asarray(self.log_weights)
        if means.dtype != weights.dtype:  # far from zero it matters that they sum to one
            weights = log_softmax(weights.astype(means.dtype), axis=1)
        return dataclasses.replace(self, means=means, path=path, cov=cov, log_weights=weights)

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

    def to_frame(self) -> pd.DataFrame:
        """A row for each origin, horizon and column: see `forecast.tables.to_frame`."""
        from rekal.forecast.tables import to_frame

        return to_frame(self)

    def plot(
        self, data: Sequences | None = None, horizon: int | None = None, series: int = 0
    ) -> go.Figure:
        """The fan of a forecast, or the band of a rolling one: see `forecast.tables.plot`."""
        from rekal.forecast.tables import plot

        return plot(self, data, horizon, series)


def _root(cov: Float[Array, "*lead obs obs"]) -> Float[Array, "*lead obs obs"]:
    """A matrix `L` with `L L' = cov`: the triangular one where there is one, for a singular `cov` another."""
    values, vectors = jnp.linalg.eigh(cov)
    singular = vectors * jnp.sqrt(jnp.maximum(values, 0))[..., None, :]
    triangular = jnp.linalg.cholesky(cov)
    return jnp.where(jnp.isfinite(triangular).all((-2, -1), keepdims=True), triangular, singular)


MIXTURES_AT_ONCE = 256


@eqx.filter_jit
def _by_origin(
    statistic: Callable[..., Array],
    means: Float[Array, "origins horizons particles obs"],
    log_weights: Float[Array, "origins particles"],
    var: Float[Array, "*lead obs"],
    rest: tuple[Float[Array, "origins horizons obs"], ...],
) -> Float[Array, "origins horizons obs"]:
    """A statistic of all mixtures, a few origins at a time.

    Whatever a statistic needs on the way (weights at every component, say) exists for those alone.
    """
    count, horizons, _, obs = means.shape
    size = min(count, max(1, MIXTURES_AT_ONCE // (horizons * obs)))
    chunks = -(-count // size)
    # The last chunk is filled up with the last origin.
    index = jnp.minimum(jnp.arange(chunks * size), count - 1)
    var = jnp.broadcast_to(var, (count, horizons, obs))

    def one(rows: Array) -> Array:
        components = jnp.moveaxis(means[rows], -2, -1)
        weights = jnp.broadcast_to(log_weights[rows][:, None, None, :], components.shape)
        # Laid out flat in memory first: twice as fast as when the compiler fuses the transposition
        # and the repetition of the weights into each loop over the components.
        flat = jax.lax.optimization_barrier(
            [v[rows].reshape(-1) for v in rest]
            + [v.reshape(-1, v.shape[-1]) for v in (components, var[rows][..., None], weights)]
        )
        return statistic(*flat)

    return jax.lax.map(one, index.reshape(chunks, size)).reshape(-1, horizons, obs)[:count]
