"""`filter` and `smooth`: a filter of one's own model over a whole data set."""

from __future__ import annotations

from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rekal.arguments import seed_of
from rekal.beliefs import GaussianPath, Path, SmoothedPath
from rekal.errors import RekalError
from rekal.filters.finite import check_finite, check_particles, is_sound
from rekal.filters.gaussian import GaussianFilter
from rekal.filters.particle import ParticleFilter
from rekal.filters.predictive import Predictive, gaussian_predictive, particle_predictive
from rekal.learning.batch import Batch, as_batch, check_moments_memory
from rekal.memory import check_memory
from rekal.models.gaussian import GaussianModel
from rekal.placing import first_steps, placed, taken
from rekal.posterior import Kind, Posterior
from rekal.precision import in_double_here, in_single, precision_name, precision_of
from rekal.sequences import Sequences
from rekal.smoothers.marginal import check_lines, smooth_marginal
from rekal.smoothers.root import VAST

Filter = TypeVar("Filter", bound=ParticleFilter | GaussianFilter)

MANY = 10_000  # particles from which single precision is enough, and twice as fast


@eqx.filter_jit
def _smooth(algorithm: ParticleFilter, batch: Batch, path: Path) -> Array:
    def one(row: tuple[Batch, Path]) -> Array:
        series, path = row
        nothing = jnp.zeros((*path.x.shape[:2], 0), path.x.dtype)
        model, inputs = algorithm.model, series.inputs
        how = (inputs, series.dt, series.valid)
        return smooth_marginal(model, path, *how, nothing, nothing).weights

    return jax.lax.map(one, (batch, path))


def _run_batch(algorithm: Any, batch: Batch, key: PRNGKeyArray | None = None) -> Any:
    lengths = batch.valid.sum(1)
    return algorithm.run_batch(batch.values, batch.mask, batch.inputs, batch.dt, key, lengths)


def filter_paths(
    algorithm: ParticleFilter | GaussianFilter, data: Sequences, key: PRNGKeyArray
) -> Path | GaussianPath:
    """Beliefs of every series, padding cut off: leaves `(batch, steps, ...)`."""
    check_filter(algorithm)
    batch = as_batch(data, algorithm.model)
    if isinstance(algorithm, GaussianFilter):
        check_moments_memory(algorithm.model.states, batch)
        path = _run_batch(algorithm, batch)
        _check(algorithm, data, batch, path)
    else:
        check_path_memory(algorithm, batch)
        path = _run_batch(algorithm, batch, key)
        _check_particles(data, path)
    return first_steps(path, data.steps)


def _check(algorithm: GaussianFilter, data: Sequences, batch: Batch, path: GaussianPath) -> None:
    """Say where a filter broke down: compiled code cannot look at numbers."""
    numbers = jax.tree.map(np.asarray, path)
    if is_sound(algorithm.model, numbers):
        return
    for i in range(data.batch):
        one = jax.tree.map(lambda leaf: leaf[i % len(leaf), : int(data.lengths[i])], numbers)  # noqa: B023
        drive = (None if leaf is None else taken(leaf, i) for leaf in (batch.inputs, batch.dt))
        check_finite(algorithm.model, one, *drive)


def _vast(path: GaussianPath, smoothed: SmoothedPath) -> bool:
    """Whether a filtered variance is so large beside the smoothed one that its subtraction costs digits."""
    before, after = (
        np.diagonal(np.asarray(P), axis1=-2, axis2=-1) for P in (path.cov, smoothed.cov)
    )
    return bool((before > VAST * np.maximum(after, 0)).any())


def _check_particles(data: Sequences, path: Path) -> None:
    numbers = jax.tree.map(np.asarray, path)
    for i in range(data.batch):
        one = jax.tree.map(lambda leaf: leaf[i, : int(data.lengths[i])], numbers)  # noqa: B023
        check_particles(one)


def check_filter(algorithm: Any) -> None:
    """Refuse what is no filter of a state space model.

    Raises:
        RekalError: it is something else.
    """
    if not isinstance(algorithm, ParticleFilter | GaussianFilter):
        raise RekalError(
            f"this filters with a ParticleFilter, a Kalman filter or another Gaussian one, not with "
            f"{type(algorithm).__name__}; a Network is its own filter: Network.run, FrameStream"
        )


def suited(algorithm: Filter) -> Filter:
    """The same filter in the precision that suits it: single for very many particles.

    Whoever has switched JAX to double precision keeps it.
    """
    many = isinstance(algorithm, ParticleFilter) and algorithm.particles >= MANY
    if not many or in_double_here():
        return algorithm
    return in_single(algorithm)


def check_path_memory(algorithm: ParticleFilter, batch: Batch) -> None:
    """Refuse a path of particles that no memory could hold.

    Raises:
        RekalError: it is too large.
    """
    series, steps = batch.mask.shape[:2]
    each = (algorithm.model.states + 2) * algorithm.particles * batch.values.dtype.itemsize
    check_memory(
        float(each) * series * steps,
        f"filtering {series * steps} steps with {algorithm.particles} particles",
        "use fewer particles",
    )


def filtered_posterior(
    algorithm: ParticleFilter | GaussianFilter, data: Sequences, path: Path | GaussianPath
) -> Posterior:
    """Moments of the filtered beliefs."""
    if isinstance(path, Path):
        assert isinstance(algorithm, ParticleFilter)
        weights = placed(np.exp(np.asarray(path.log_weights)))
        return _posterior(algorithm, data, path, weights, "filtered")
    assert isinstance(algorithm, GaussianFilter)
    return _gaussian_posterior(algorithm, data, path, path.mean, path.cov, "filtered")


def filter(algorithm: ParticleFilter | GaussianFilter, data: Sequences, seed: int = 0) -> Posterior:
    """Filter every series of the data.

    Args:
        algorithm: a filter with its model, in the units of the data.
        data: one or several series.
        seed: start of the randomness (of a particle filter).

    Raises:
        RekalError: `algorithm` is none of these filters, or broke down (`filters/finite.py`).

    Examples:
        >>> import numpy as np
        >>> import rekal
        >>> data = rekal.load_example("nile")
        >>> one = np.eye(1)
        >>> model = rekal.LinearGaussian.create(A=one, C=one, Q=1469 * one, R=15099 * one, initial="diffuse")
        >>> filtered = rekal.filter(rekal.Kalman(model), data)
        >>> round(float(filtered.log_likelihood), 2)
        -632.55
    """
    check_filter(algorithm)
    algorithm, key = suited(algorithm), jax.random.key(seed_of(seed))
    with precision_of(algorithm):
        return filtered_posterior(algorithm, data, filter_paths(algorithm, data, key))


def smooth(algorithm: ParticleFilter | GaussianFilter, data: Sequences, seed: int = 0) -> Posterior:
    """Smooth every series of the data.

    A Gaussian filter brings its own smoother; particles are smoothed by the marginal forward-backward
    smoother.

    Raises:
        RekalError: `algorithm` is none of these filters, or broke down (`filters/finite.py`); or process
            noise is singular and too few ancestral lines of the particles are left.

    Examples:
        >>> import numpy as np
        >>> import rekal
        >>> data = rekal.load_example("nile")
        >>> one = np.eye(1)
        >>> model = rekal.LinearGaussian.create(A=one, C=one, Q=1469 * one, R=15099 * one, initial="diffuse")
        >>> smoothed = rekal.smooth(rekal.Kalman(model), data)
        >>> smoothed.mean[0, 27:29, 0].round().tolist()  # the level in 1898 and 1899
        [1000.0, 951.0]
    """
    check_filter(algorithm)
    algorithm = suited(algorithm)
    with precision_of(algorithm):
        return _smoothed(algorithm, data, seed)


def _smoothed(algorithm: ParticleFilter | GaussianFilter, data: Sequences, seed: int) -> Posterior:
    batch = as_batch(data, algorithm.model)
    cut = lambda tree: first_steps(tree, data.steps)  # noqa: E731
    if isinstance(algorithm, GaussianFilter):
        check_moments_memory(algorithm.model.states, batch, smoothing=True)
        rows = (batch.values, batch.mask, batch.inputs, batch.dt)
        path, smoothed = cut(algorithm.smooth_batch(*rows, batch.valid.sum(1)))
        _check(algorithm, data, batch, path)
        sturdier = algorithm.sturdier()
        if sturdier is not None and _vast(path, smoothed):
            return _smoothed(sturdier, data, seed)
        return _gaussian_posterior(algorithm, data, path, smoothed.mean, smoothed.cov, "smoothed")
    check_path_memory(algorithm, batch)
    path = _run_batch(algorithm, batch, jax.random.key(seed_of(seed)))
    _check_particles(data, path)
    weights = _smooth(algorithm, batch, path)
    for i in range(data.batch):
        check_lines(algorithm.model, weights[i, : int(data.lengths[i])])
    return _posterior(algorithm, data, cut(path), cut(weights), "smoothed")


def _posterior(
    algorithm: ParticleFilter,
    data: Sequences,
    path: Path,
    weights: Array,
    kind: Kind,
) -> Posterior:
    steps = None if data.inputs is None else placed(np.asarray(data.inputs), path.x.dtype)
    mean, cov, observed = _moments(algorithm, path.x, weights, steps)
    told = None
    if isinstance(algorithm.model, GaussianModel):
        values, inputs = _arrays(data)
        dt = None if data.dt is None else placed(np.asarray(data.dt), values.dtype)
        key = jax.random.fold_in(jax.random.key(algorithm.seed), 1)
        seen = placed(np.asarray(data.mask))
        told = particle_predictive(algorithm.model, path, values, seen, inputs, dt, key)
    return Posterior(
        mean=np.asarray(mean),
        cov=np.asarray(cov),
        observed_mean=np.asarray(observed),
        log_evidence=np.where(data.valid(), np.asarray(path.log_evidence), 0.0),
        kind=kind,
        data=data,
        precision=precision_name(algorithm.model),
        **_scored(told, np.asarray(data.mask)),
    )


def _gaussian_posterior(
    algorithm: GaussianFilter,
    data: Sequences,
    path: GaussianPath,
    mean: Array,
    cov: Array,
    kind: Kind,
) -> Posterior:
    values, inputs = _arrays(data)
    told = gaussian_predictive(algorithm, path, values, inputs)
    return Posterior(
        mean=np.asarray(mean),
        cov=np.broadcast_to(np.asarray(cov), (*mean.shape, mean.shape[-1])),
        observed_mean=np.asarray(_signal(algorithm, mean, cov, inputs)),
        log_evidence=np.where(data.valid(), np.asarray(path.log_evidence), 0.0),
        kind=kind,
        data=data,
        precision=precision_name(algorithm.model),
        **_scored(told, np.asarray(data.mask)),
    )


def _scored(told: Predictive | None, known: np.ndarray) -> dict[str, np.ndarray]:
    """White innovations and PIT, NaN where there is none."""
    if told is None:
        return {}
    return {
        name: np.where(known, np.asarray(found), np.nan) for name, found in told._asdict().items()
    }


def _arrays(data: Sequences) -> tuple[Array, Array | None]:
    """Values and inputs in the computation's precision."""
    dtype = jnp.result_type(float)
    inputs = None if data.inputs is None else placed(np.asarray(data.inputs), dtype)
    return placed(np.asarray(data.values), dtype), inputs


@eqx.filter_jit
def _signal(algorithm: GaussianFilter, mean: Array, cov: Array, inputs: Array | None) -> Array:
    """What each belief says of the observations, in the mean."""

    def step(mean: Array, cov: Array, t: Array, u: Array | None) -> Array:
        return algorithm.observe(algorithm.belief(mean, cov, t), u).mean

    one = lambda m, P, u: jax.vmap(step)(m, P, jnp.arange(len(m)), u)  # noqa: E731
    if len(cov) < len(mean):  # all series share it
        return jax.vmap(lambda m, u: one(m, cov[0], u))(mean, inputs)
    return jax.vmap(one)(mean, cov, inputs)


@eqx.filter_jit
def _moments(
    algorithm: ParticleFilter,
    x: Float[Array, "batch steps particles states"],
    weights: Float[Array, "batch steps particles"],
    inputs: Float[Array, "batch steps input"] | None,
) -> tuple[Array, Array, Array]:
    """Mean and covariance of clouds, and the mean of what they say of the observations."""
    mean = jnp.einsum("btn,btns->bts", weights, x)
    # Centred first: in float32 the difference of two second moments may have no digit left.
    centred = x - mean[:, :, None]
    cov = jnp.einsum("btn,btni,btnj->btij", weights, centred, centred)
    each = jax.vmap(jax.vmap(algorithm.model.observation_mean))(x, inputs)
    return mean, cov, jnp.einsum("btn,btnp->btp", weights, each)
