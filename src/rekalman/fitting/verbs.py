"""`filter` and `smooth`: a filter of one's own over a whole data set."""

from __future__ import annotations

from typing import Any, overload

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from rekalman.core.capabilities import EstimatesState, Moments, Smooths
from rekalman.core.filter import Filter
from rekalman.core.trajectory import Trajectory
from rekalman.data import Sequences
from rekalman.evaluation.posterior import Kind, Posterior, Predictions
from rekalman.foundation.arguments import seed_of
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch, with_frames
from rekalman.numerics.placing import first_steps, placed
from rekalman.numerics.precision import precision_name, precision_of


def filter_paths(algorithm: Filter, data: Sequences, key: PRNGKeyArray) -> Trajectory:
    """Beliefs of every series, padding cut off: leaves `(batch, steps, ...)`.

    Raises:
        RekalError: `algorithm` is no filter of such data, or broke down.
    """
    check_filter(algorithm)
    batch = with_frames(as_batch(data, algorithm), data, algorithm)
    series, steps = batch.valid.shape
    algorithm.check_memory(series, steps)
    path = algorithm.run_batch(*batch.rows, batch.inputs, batch.dt, key, _lengths(data))
    algorithm.check_path(path, np.asarray(data.lengths), batch.inputs, batch.dt)
    return first_steps(path, data.steps)


def check_filter(algorithm: Any) -> None:
    """Refuse what is no filter of the rows of a table.

    Raises:
        RekalError: it is something else.
    """
    if not isinstance(algorithm, Filter):
        raise RekalError(
            f"this filters with a Kalman filter, a ParticleFilter or another rekalman.core.filter.Filter, "
            f"not with {type(algorithm).__name__}; a Network is one of films as FilmNetwork.of(network)"
        )


@overload
def filter(algorithm: EstimatesState, data: Sequences, seed: int = 0) -> Posterior: ...
@overload
def filter(algorithm: Filter, data: Sequences, seed: int = 0) -> Posterior | Predictions: ...
def filter(algorithm: Any, data: Sequences, seed: int = 0) -> Posterior | Predictions:
    """Filter every series of the data.

    Args:
        algorithm: a filter, in the units of the data.
        data: one or several series.
        seed: start of the randomness (of a particle filter).

    Returns:
        Moments of the state, or of a filter without one its predictions of each step.

    Raises:
        RekalError: `algorithm` is no filter of such data, or broke down (`filters/finite.py`).

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> data = rekalman.load_example("nile")
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(one, one, 1469 * one, 15099 * one, initial="diffuse")
        >>> filtered = rekalman.filter(rekalman.Kalman(model), data)
        >>> round(float(filtered.log_likelihood), 2)
        -632.55
    """
    check_filter(algorithm)
    algorithm, key = algorithm.suited(), jax.random.key(seed_of(seed))
    with precision_of(algorithm):
        return filtered(algorithm, data, filter_paths(algorithm, data, key))


def filtered(algorithm: Filter, data: Sequences, path: Trajectory) -> Posterior | Predictions:
    """What a filter left of the data (`filter_paths`), as moments of the state or as predictions.

    Raises:
        RekalError: a filter of one's own whose `run` leaves neither.
    """
    if isinstance(algorithm, EstimatesState):
        moments = algorithm.state_moments(path, _arrays(data)[1])
        return _posterior(algorithm, data, path, moments, "filtered")
    mean, var, white = one_step(path, data)
    evidence = np.asarray(path.log_evidence, np.float64)
    return Predictions.of(mean, var, evidence, data, white, gaussian=path.gaussian)


def one_step(path: Trajectory, data: Sequences) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """What a filter without a state said of every step: mean, variance and white errors (`OneStep`).

    Args:
        path: what it left of the series.
        data: the series, in its units.

    Raises:
        RekalError: a filter of one's own whose `run` leaves no predictions.
    """
    observed = np.where(np.asarray(data.mask), np.asarray(data.values), np.nan)
    mean, var, white = path.one_step(placed(observed, jnp.result_type(float)))
    return (
        np.asarray(mean, np.float64),
        np.asarray(var, np.float64),
        None if white is None else np.asarray(white, np.float64),
    )


def smooth(algorithm: Filter, data: Sequences, seed: int = 0) -> Posterior:
    """Smooth every series of the data.

    A Gaussian filter brings its own smoother; particles are smoothed by the marginal forward-backward
    smoother.

    Raises:
        RekalError: `algorithm` is no filter of such data, has no smoother, or broke down
            (`filters/finite.py`); or process noise is singular and too few ancestral lines of the particles
            are left.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> data = rekalman.load_example("nile")
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(one, one, 1469 * one, 15099 * one, initial="diffuse")
        >>> smoothed = rekalman.smooth(rekalman.Kalman(model), data)
        >>> smoothed.mean[0, 27:29, 0].round().tolist()  # the level in 1898 and 1899
        [1000.0, 951.0]
    """
    check_filter(algorithm)
    if not isinstance(algorithm, Smooths):
        raise RekalError(
            f"a {type(algorithm).__name__} has no smoother: smooth by a filter of a state-space model, such "
            "as Kalman, ExtendedKalman, UnscentedKalman or ParticleFilter"
        )
    suited: Any = algorithm.suited()
    with precision_of(suited):
        return _smoothed(suited, data, seed)


def _smoothed(algorithm: Any, data: Sequences, seed: int) -> Posterior:
    batch = as_batch(data, algorithm)
    algorithm.check_memory(batch.mask.shape[0], batch.mask.shape[1], smoothing=True)
    key = jax.random.key(seed_of(seed))
    rows = (batch.values, batch.mask, batch.inputs, batch.dt)
    path, smoothed = algorithm.smooth_batch(*rows, key, _lengths(data))
    algorithm.check_path(path, np.asarray(data.lengths), batch.inputs, batch.dt)
    path, smoothed = first_steps((path, smoothed), data.steps)
    sturdier = algorithm.sturdier(path, smoothed)
    if sturdier is not None:
        return _smoothed(sturdier, data, seed)
    moments = algorithm.state_moments(smoothed, _arrays(data)[1])
    return _posterior(algorithm, data, path, moments, "smoothed")


def _posterior(
    algorithm: Any, data: Sequences, path: Trajectory, moments: Moments, kind: Kind
) -> Posterior:
    values, inputs = _arrays(data)
    dt = None if data.dt is None else placed(np.asarray(data.dt), values.dtype)
    mask = np.asarray(data.mask)
    made = algorithm.predictive(path, values, placed(mask), inputs, dt)
    scores = {} if made is None else made._asdict()
    mean = np.asarray(moments.mean)
    return Posterior(
        mean=mean,
        cov=np.broadcast_to(np.asarray(moments.cov), (*mean.shape, mean.shape[-1])),
        observed_mean=np.asarray(moments.observed_mean),
        log_evidence=np.where(data.valid(), np.asarray(path.log_evidence), 0.0),
        kind=kind,
        data=data,
        precision=precision_name(algorithm),
        **{name: np.where(mask, np.asarray(score), np.nan) for name, score in scores.items()},
    )


def _lengths(data: Sequences) -> Array:
    return placed(np.asarray(data.lengths))


def _arrays(data: Sequences) -> tuple[Array, Array | None]:
    """Values and inputs in the computation's precision."""
    dtype = jnp.result_type(float)
    inputs = None if data.inputs is None else placed(np.asarray(data.inputs), dtype)
    return placed(np.asarray(data.values), dtype), inputs
