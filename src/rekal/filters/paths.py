"""What a linear filter and smoother leave, the diffuse coordinates of the start integrated out.

Until then every mean is a set of columns (`system.py`), and a covariance is one given those coordinates.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rekal.beliefs import GaussianPath, SmoothedPath, combined
from rekal.filters.forms import Form
from rekal.filters.gains import Gains
from rekal.filters.means import LOG_2PI, Means
from rekal.filters.start import determined, evidence_by_step, products, start_law
from rekal.filters.system import LinearSystem
from rekal.smoothers.adjoint import LinearSmoothed


def linear_path(system: LinearSystem, found: Gains, run: Means, form: Form) -> GaussianPath:
    """The beliefs of a filtered series.

    Args:
        system: the model and the data.
        found: the gains.
        run: the means.
        form: what the carries of the gains are.
    """
    leave = jax.vmap(form.leave)
    given = leave(found.posterior)[found.where]
    given_before = leave(found.prior)[found.where]
    constant = found.log_f[found.where] + LOG_2PI * system.seen
    if system.start.shape[1] == 1:
        white = run.white[..., 0]
        evidence = -0.5 * ((white**2).sum(-1) + constant)
        mean, prior = run.posterior[..., 0], run.prior[..., 0]
        return GaussianPath(mean, given, prior, given_before, evidence, white)
    squares = jnp.cumsum(products(run.white), 0)
    before = jnp.concatenate([jnp.zeros_like(squares[:1]), squares[:-1]])
    return GaussianPath(
        *combined(run.posterior, given, squares),
        *combined(run.prior, given_before, before),
        evidence_by_step(squares, constant),
        jax.vmap(whitened)(run.white, before),
    )


def smoothed_path(
    run: Means, smoothed: LinearSmoothed, length: Int[Array, ""] | None = None
) -> SmoothedPath:
    """The smoothed moments of a series.

    Args:
        run: the means.
        smoothed: moments given the diffuse coordinates.
        length: number of real steps.
    """
    white = run.white
    if length is not None:
        white = jnp.where((jnp.arange(len(white)) < length)[:, None, None], white, 0)
    total = products(white).sum(0)
    mean, cov = combined(smoothed.mean, smoothed.cov, total)
    lag = smoothed.lag
    if total.shape[0] > 1:
        effect = smoothed.mean[..., 1:]
        lag = lag.at[1:].add(effect[1:] @ start_law(total).cov @ effect[:-1].mT)
    return SmoothedPath(mean, cov, lag)


def whitened(
    white: Float[Array, "obs columns"], before: Float[Array, "columns columns"]
) -> Float[Array, " obs"]:
    """The innovation scaled to unit covariance, the uncertainty of a diffuse start included.

    Args:
        white: columns of the innovation, scaled given the diffuse coordinates.
        before: summed products of the earlier ones.
    """
    if before.shape[0] == 1:
        return white[:, 0]
    law = start_law(before)
    effect = white[:, 1:]
    spread = jnp.eye(white.shape[0], dtype=white.dtype) + effect @ law.cov @ effect.T
    innovation = white[:, 0] + effect @ law.mean
    scaled = jax.scipy.linalg.solve_triangular(jnp.linalg.cholesky(spread), innovation, lower=True)
    return jnp.where(determined(before[None])[0], scaled, 0.0)
