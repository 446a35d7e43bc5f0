"""What a filter may be able to do beyond the recursion: whoever needs it asks for it, never for the kind."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from rekalman.core.filter import Filter
from rekalman.core.trajectory import Trajectory


class Moments(NamedTuple):
    """Moments of the state at every step of several series.

    Series that share their covariances hold them once, with a leading axis of one.

    Attributes:
        mean: `(batch, steps, states)`.
        cov: `(batch, steps, states, states)`.
        observed_mean: mean of what the state says of the observations, `(batch, steps, obs)`.
    """

    mean: Float[Array, "batch steps states"]
    cov: Float[Array, "#batch steps states states"]
    observed_mean: Float[Array, "batch steps obs"]


class Band(NamedTuple):
    """Mean and quantiles of the noise-free observations of one series, `(steps, obs)` each.

    Attributes:
        mean: of each entry.
        low: lower quantile, NaN where it is not known yet.
        high: upper quantile.
    """

    mean: Float[np.ndarray, "steps obs"]
    low: Float[np.ndarray, "steps obs"]
    high: Float[np.ndarray, "steps obs"]


class Predictive(NamedTuple):
    """One-step predictions against what was observed; anything where nothing was.

    Attributes:
        white: innovations scaled to unit covariance; NaN where there is no predictive density.
        pit: probability that the prediction gave to values below the observed one; NaN where the variance of
            the prediction is zero or infinite.
    """

    white: Float[Array, "batch steps obs"]
    pit: Float[Array, "batch steps obs"]


class EstimatesState(eqx.Module):
    """A filter whose belief is about the state of a model.

    Examples:
        >>> import rekalman
        >>> from rekalman.core.capabilities import EstimatesState
        >>> issubclass(rekalman.Kalman, EstimatesState)
        True
    """

    @abc.abstractmethod
    def state_moments(
        self, path: Any, inputs: Float[Array, "batch steps input"] | None = None
    ) -> Moments:
        """Moments of the beliefs of several series.

        Args:
            path: what `run_batch` or `smooth_batch` left of them.
            inputs: known inputs.
        """

    @abc.abstractmethod
    def state_mean(self, belief: Any) -> Float[Array, " states"]:
        """Mean of the state.

        Args:
            belief: of one step, before or after its observation.
        """

    @abc.abstractmethod
    def signal_band(
        self, path: Any, inputs: Float[Array, "steps input"] | None, tail: float
    ) -> Band:
        """The observations without noise as the beliefs of one series have them.

        Args:
            path: what `run_batch` left of the series alone.
            inputs: its known inputs.
            tail: probability below the band, and above it.
        """

    @abc.abstractmethod
    def predictive(
        self,
        path: Any,
        values: Float[Array, "batch steps obs"],
        mask: Bool[Array, "batch steps obs"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
    ) -> Predictive | None:
        """Predictions one step ahead against what came; None where their law is not known.

        Args:
            path: what `run_batch` left of the series.
            values: the observations.
            mask: True where observed.
            inputs: known inputs.
            dt: time since the step before, of a filter in continuous time.
        """


class Smooths(EstimatesState):
    """A filter of which the law of each state given the whole series is known.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> kalman = rekalman.Kalman(rekalman.LinearGaussian.create(A=one, C=one, Q=one, R=one))
        >>> path, smoothed = kalman.smooth_batch(jnp.zeros((2, 5, 1)), jnp.ones((2, 5, 1), bool))
        >>> kalman.state_moments(smoothed).mean.shape
        (2, 5, 1)
    """

    @abc.abstractmethod
    def smooth_batch(
        self,
        values: Float[Array, "batch steps obs"],
        mask: Bool[Array, "batch steps obs"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
        key: PRNGKeyArray | None = None,
        lengths: Int[Array, " batch"] | None = None,
    ) -> tuple[Trajectory, PyTree]:
        """Filter and smooth several series, padded at their ends to one length.

        Args:
            values: the observations.
            mask: True where observed, False in the padding.
            inputs: known inputs.
            dt: time since the step before, of a filter in continuous time.
            key: start of the randomness, where there is any.
            lengths: numbers of real steps; default all.

        Returns:
            What `run_batch` leaves, and a path of which `state_moments` gives the smoothed moments.
        """

    def sturdier(self, path: Any, smoothed: Any) -> Smooths | None:
        """The filter to smooth by instead, where this one lost its digits; None where it did not.

        Args:
            path: what `smooth_batch` left of the filter.
            smoothed: what it left of the smoother.
        """
        return None


class LearnsOnline(eqx.Module):
    """A filter that was trained online, and can go on learning.

    Examples:
        >>> from rekalman.core.capabilities import LearnsOnline
        >>> from rekalman.filters.learning.trained import TrainedOnline
        >>> issubclass(TrainedOnline, LearnsOnline)
        True
    """

    @abc.abstractmethod
    def learning(self) -> Filter:
        """The filter that learns from each observation, and begins where the training ended."""
