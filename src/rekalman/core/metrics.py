r"""How good a forecast is: errors, proper scores and calibration.

Scores of one observation: `crps_*` and `log_score_gaussian` (Gneiting and Raftery 2007, JASA 102).
Summaries over many: `rmse`, `coverage`, `mean_width`, `pit_histogram`, `uniformity`; they take a mask,
and entries where it is False are not scored, whatever stands in them (NaN included). With nothing to
score the result is NaN.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rekalman.numerics.placing import AnyArray, fori_loop, namespace, special

LOG_2PI = 1.8378770664093453
SQRT_2 = 1.4142135623730951
SQRT_PI = 1.7724538509055159


def masked_mean(
    values: Float[AnyArray, "*shape"], mask: Bool[AnyArray, "*#shape"] | None = None
) -> Float[AnyArray, ""]:
    """Mean of the entries where `mask` is True; NaN if there is none."""
    xp = namespace(values, mask)
    if mask is None:
        return xp.asarray(values.mean())
    used = xp.broadcast_to(mask, values.shape)
    return xp.asarray(xp.where(used, values, 0).sum() / used.sum())


def rmse(
    y: Float[AnyArray, "*shape"],
    forecast: Float[AnyArray, "*#shape"],
    mask: Bool[AnyArray, "*#shape"] | None = None,
) -> Float[AnyArray, ""]:
    """Root mean squared error, in the unit of `y`."""
    xp = namespace(y, forecast, mask)
    return xp.asarray(xp.sqrt(masked_mean((y - forecast) ** 2, mask)))


def log_score_gaussian(
    y: Float[Array, "*shape"], mean: Float[Array, "*#shape"], var: Float[Array, "*#shape"]
) -> Float[Array, "*shape"]:
    """Log density of `N(mean, var)` at `y`, in nats; the higher the better."""
    return -0.5 * ((y - mean) ** 2 / var + jnp.log(var) + LOG_2PI)


def crps_gaussian(
    y: Float[AnyArray, "*shape"], mean: Float[AnyArray, "*#shape"], var: Float[AnyArray, "*#shape"]
) -> Float[AnyArray, "*shape"]:
    r"""CRPS of a Gaussian with mean $\mu$ and variance $s^2$.

    $$
    \mathrm{CRPS} = s \left[ z (2 \Phi(z) - 1) + 2 \varphi(z) - \frac{1}{\sqrt{\pi}} \right],
    \qquad z = \frac{y - \mu}{s}.
    $$

    In the unit of `y`; the lower the better (Gneiting et al. 2005, Mon. Weather Rev. 133, eq. 5).
    """
    s = namespace(var).sqrt(var)
    return _expected_distance(y - mean, s) - s / SQRT_PI


def crps_mixture(
    y: Float[AnyArray, "*lead"],
    means: Float[AnyArray, "*lead components"],
    var: Float[AnyArray, "*#lead #components"],
    log_weights: Float[AnyArray, "*#lead components"],
) -> Float[AnyArray, "*lead"]:
    r"""CRPS of a mixture of Gaussians, in closed form (Grimit et al. 2006, QJRMS 132, eq. 5).

    $\mathrm{CRPS} = \operatorname{E}|X - y| - \tfrac{1}{2} \operatorname{E}|X - X'|$ with independent draws
    $X$, $X'$ of the mixture. The difference of two components is
    $\mathcal{N}(\mu_i - \mu_j, s_i^2 + s_j^2)$, and the mean absolute value of $\mathcal{N}(\mu, s^2)$ is

    $$
    A(\mu, s^2) = 2 s\, \varphi(\mu / s) + \mu\, (2 \Phi(\mu / s) - 1),
    $$

    so that

    $$
    \mathrm{CRPS} = \sum_i w_i A(y - \mu_i, s_i^2)
    - \tfrac{1}{2} \sum_{i,j} w_i w_j A(\mu_i - \mu_j, s_i^2 + s_j^2).
    $$

    Each pair is met once by comparing the components with themselves shifted by 1, 2, ... N/2 places
    around a circle; no table of pairs is made.

    Args:
        y: what was observed.
        means: means of the components, on the last axis.
        var: their variances; of length one if all are the same.
        log_weights: their normalised log weights.
    """
    xp, count = namespace(means), means.shape[-1]
    weights, s = xp.broadcast_to(xp.exp(log_weights), means.shape), xp.sqrt(var)
    near = (weights * _expected_distance(y[..., None] - means, s)).sum(-1)
    same = (weights**2 * s).sum(-1) / SQRT_PI  # half of A(0, 2 s^2) = 2 s / sqrt(pi)
    shared = var.shape[-1] == 1
    # With one variance for all, distances are counted in units of 2 s = sqrt(2 (s^2 + s^2)).
    unit = 2 * _positive(s) if shared else xp.ones_like(var)
    x = means / unit
    around = lambda v: xp.concatenate([v, v], -1)  # noqa: E731
    x2, weights2, var2 = around(x), around(weights), var if shared else around(var)

    def turned(v: AnyArray, k: AnyArray | int) -> AnyArray:
        return v[..., k : k + count] if xp is np else jax.lax.dynamic_slice_in_dim(v, k, count, -1)

    def add(k: AnyArray | int, total: AnyArray) -> AnyArray:
        gap = x - turned(x2, k)
        distance = (
            _unit_distance(gap)
            if shared
            else _expected_distance(gap, xp.sqrt(var + turned(var2, k)))
        )
        # Opposite places on an even circle are met from both sides.
        once = xp.where(2 * k == count, 0.5, 1.0).astype(means.dtype)
        return total + once * (weights * turned(weights2, k) * distance).sum(-1)

    pairs = fori_loop(xp, 1, count // 2 + 1, add, xp.zeros_like(near))
    return near - same - pairs * (unit[..., 0] if shared else 1.0)


def crps_ensemble(
    y: Float[Array, "*lead"], ensemble: Float[Array, "*lead members"], fair: bool = False
) -> Float[Array, "*lead"]:
    r"""CRPS of an ensemble of equally likely values.

    $$
    \mathrm{CRPS} = \frac{1}{M} \sum_i |x_i - y| - \frac{1}{2 M^2} \sum_{i,j} |x_i - x_j|,
    $$

    by sorting. The fair one divides by $2 M (M - 1)$ instead: its expectation does not depend on the size of
    an ensemble that is drawn from a distribution (Ferro 2014, QJRMS 140).

    Args:
        y: what was observed.
        ensemble: values, at least two for the fair score.
        fair: unbiased in the number of members.
    """
    count = ensemble.shape[-1]
    # Of the sorted values the k-th is the larger one in k pairs and the smaller in M - 1 - k:
    # sum_{i<j} |x_i - x_j| = sum_k (2 k - M + 1) x_(k).
    rank = 2 * jnp.arange(count, dtype=ensemble.dtype) - count + 1
    centred = ensemble - y[..., None]
    pairs = (rank * jnp.sort(centred, -1)).sum(-1)
    return jnp.abs(centred).mean(-1) - pairs / (count * (count - 1 if fair else count))


def energy_score(
    y: Float[np.ndarray, "*lead obs"], ensemble: Float[np.ndarray, "members *lead obs"]
) -> Float[np.ndarray, "*lead"]:
    r"""Energy score of an ensemble of equally likely vectors; the lower the better.

    $$
    \mathrm{ES} = \frac{1}{M} \sum_i \lVert x_i - y \rVert
    - \frac{1}{2 M^2} \sum_{i,j} \lVert x_i - x_j \rVert
    $$

    (Gneiting and Raftery 2007, eq. 22, with exponent 1); of one column it is the CRPS of the ensemble. With
    $\lVert x_i - x_j \rVert^2 = \lVert x_i \rVert^2 + \lVert x_j \rVert^2 - 2 x_i' x_j$ of vectors about
    their mean the pairs are one matrix product.

    Args:
        y: what was observed.
        ensemble: possible values, on the first axis.
    """
    near = np.sqrt(((ensemble - y) ** 2).sum(-1)).mean(0)
    x = np.moveaxis(ensemble, 0, -2)
    x = x - x.mean(-2, keepdims=True)
    square = (x**2).sum(-1)
    distance = square[..., :, None] + square[..., None, :] - 2 * x @ np.swapaxes(x, -1, -2)
    return near - 0.5 * np.sqrt(np.maximum(distance, 0.0)).mean((-1, -2))


def interval_score(
    y: Float[Array, "*shape"],
    lower: Float[Array, "*#shape"],
    upper: Float[Array, "*#shape"],
    level: int | float,
) -> Float[Array, "*shape"]:
    """Winkler's score of a central interval: its width plus `2 / (1 - level)` times the miss."""
    miss = jnp.maximum(lower - y, 0) + jnp.maximum(y - upper, 0)
    return upper - lower + 2 / (1 - level) * miss


def coverage(
    y: Float[Array, "*shape"],
    lower: Float[Array, "*#shape"],
    upper: Float[Array, "*#shape"],
    mask: Bool[Array, "*#shape"] | None = None,
) -> Float[AnyArray, ""]:
    """Share of the observations inside their intervals."""
    return masked_mean(((y >= lower) & (y <= upper)).astype(y.dtype), mask)


def coverage_from_pit(
    pit: Float[AnyArray, "*shape"],
    level: int | float,
    mask: Bool[AnyArray, "*#shape"] | None = None,
) -> Float[AnyArray, ""]:
    """Coverage of the central intervals of a level: how often `|PIT - 1/2| <= level / 2`."""
    return masked_mean((abs(pit - 0.5) <= level / 2).astype(pit.dtype), mask)


def mean_width(
    lower: Float[Array, "*shape"],
    upper: Float[Array, "*shape"],
    mask: Bool[Array, "*#shape"] | None = None,
) -> Float[AnyArray, ""]:
    """Mean width of the intervals (sharpness), in the unit of the data."""
    return masked_mean(upper - lower, mask)


def pit_gaussian(
    y: Float[Array, "*shape"], mean: Float[Array, "*#shape"], var: Float[Array, "*#shape"]
) -> Float[Array, "*shape"]:
    """Probability integral transform `Phi((y - mean) / s)`; uniform if the forecasts are right."""
    return jax.scipy.special.ndtr((y - mean) / jnp.sqrt(var))


def pit_histogram(
    pit: Float[Array, "*shape"], mask: Bool[Array, "*#shape"] | None = None, bins: int = 10
) -> Float[Array, " bins"]:
    """Share of the PIT values in each of `bins` equal bins; all `1 / bins` if calibrated."""
    used = jnp.ones(pit.shape, bool) if mask is None else jnp.broadcast_to(mask, pit.shape)
    which = jnp.clip(jnp.floor(jnp.where(used, pit, 0) * bins), 0, bins - 1).astype(int)
    counts = jnp.zeros(bins, pit.dtype).at[which.ravel()].add(used.ravel().astype(pit.dtype))
    return counts / counts.sum()


def uniformity(
    pit: Float[Array, "*shape"], mask: Bool[Array, "*#shape"] | None = None, bins: int = 10
) -> Float[Array, ""]:
    """How far the PIT histogram is from flat: half the sum of the absolute differences.

    Zero is calibrated, `1 - 1 / bins` the worst: the share of the forecasts that would have to move to
    another bin. Unlike a test it does not grow with the number of observations.
    """
    return 0.5 * jnp.abs(pit_histogram(pit, mask, bins) - 1 / bins).sum()


def _expected_distance(mu: AnyArray, s: AnyArray) -> AnyArray:
    """`E|N(mu, s^2)| = 2 s phi(mu / s) + mu (2 Phi(mu / s) - 1)`, and `|mu|` where `s` is 0."""
    unit = SQRT_2 * _positive(s)
    return unit * _unit_distance(mu / unit)


def _unit_distance(a: AnyArray) -> AnyArray:
    """`E|N(a, 1 / 2)| = exp(-a^2) / sqrt(pi) + a erf(a)`."""
    return namespace(a).exp(-a * a) / SQRT_PI + a * special(a).erf(a)


def _positive(s: AnyArray) -> AnyArray:
    return namespace(s).maximum(s, jnp.finfo(s.dtype).tiny ** 0.5)
