"""What a linear filter and smoother leave of a series."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rekalman.core.beliefs import DiffuseMoments, GaussianPath, SmoothedPath, reported
from rekalman.filters.kalman.forms import Form
from rekalman.filters.kalman.gains import Gains
from rekalman.filters.kalman.means import Means
from rekalman.filters.kalman.system import LinearSystem
from rekalman.models.gaussian import LOG_2PI
from rekalman.smoothers.adjoint import LinearSmoothed


def linear_path(system: LinearSystem, result: Gains, run: Means, form: Form) -> GaussianPath:
    """The beliefs of a filtered series.

    Args:
        system: the model and the data.
        result: the gains.
        run: the means.
        form: what the carries of the gains are.
    """
    leave = jax.vmap(form.leave)
    cov, prior_cov = leave(result.posterior)[result.where], leave(result.prior)[result.where]
    diffuse = None
    if result.diffuse is not None:
        diffuse = DiffuseMoments(cov, result.diffuse.posterior, prior_cov, result.diffuse.prior)
        cov = reported(cov, result.diffuse.posterior)
        prior_cov = reported(prior_cov, result.diffuse.prior)
    return GaussianPath(
        mean=run.posterior[..., 0],
        cov=cov,
        prior_mean=run.prior[..., 0],
        prior_cov=prior_cov,
        log_evidence=evidence(system, result, run)[:, 0],
        white=run.white[..., 0],
        judged=result.judged[result.where],
        diffuse=diffuse,
    )


def evidence(system: LinearSystem, result: Gains, run: Means) -> Float[Array, "steps columns"]:
    """One-step log densities of every series, minus infinity where the model rules an observation out."""
    constant = result.log_f[result.where] + LOG_2PI * (system.seen - result.void[result.where])
    density = -0.5 * ((run.white**2).sum(1) + constant[:, None])
    refused = jax.lax.cond(
        (system.noise == 0).any(),
        lambda: contradicted(system, run).any(1),
        lambda: jnp.zeros(density.shape, bool),
    )
    return jnp.where(refused, -jnp.inf, density)


def contradicted(system: LinearSystem, run: Means) -> Bool[Array, "steps p columns"]:
    """Noise-free entries that the state cannot take: the filtered mean does not meet them.

    They were known exactly from earlier ones, and are something else. Rounding is far below the cube root of
    the machine epsilon, in units of the largest number that went in.
    """
    exact = (system.noise == 0)[:, :, None]
    fitted = system.C @ run.posterior
    moved = jnp.abs(run.prior) + jnp.abs(run.posterior)
    size = jnp.abs(system.y).max(0) + jnp.abs(system.C) @ moved
    return exact & (jnp.abs(system.y - fitted) > jnp.finfo(fitted.dtype).eps ** (1 / 3) * size)


def smoothed_path(smoothed: LinearSmoothed) -> SmoothedPath:
    """The smoothed moments of a series."""
    cov = smoothed.cov
    if smoothed.unknown is not None:
        cov = reported(cov, smoothed.unknown)
    return SmoothedPath(smoothed.mean[..., 0], cov, smoothed.lag)
