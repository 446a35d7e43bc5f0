r"""The E-step of a linear Gaussian model: exact expected sufficient statistics (Shumway and Stoffer 1982).

With the smoothed moments `E x_t`, `P_t = Cov x_t` and `L_t = Cov(x_t, x_{t-1})` given the whole series, and
`phi_t = [x_{t-1}; u_t; 1]`, `psi_t = [x_t; u_t; 1]`, all sums are products of means plus summed covariances:

    sum E[x_t phi_t']   = sum E[x_t] E[phi_t]' + [sum L_t, 0],
    sum E[phi phi']     = sum E[phi] E[phi]'   + diag(sum P_{t-1}, 0),     and likewise for psi and x_t.

Missing entries. Given the state, the missing entries of `y_t` are Gaussian: with `K` the regression of all
entries on the observed ones (unit rows for those), `G = (I - K) V` and `V = [C D d]`,

    E[y_t | x_t] = K y_t + G psi_t,   Cov[y_t | x_t] = R - K R,

so that `E[y psi'] = E[y] E[psi]' + G Cov(psi)` and `E[y y'] = E[y] E[y]' + G Cov(psi) G' + R - K R`. Steps
without any observation are left out of the observation regression.

Residuals under the current weights are summed apart, from the means of the residuals themselves: with
`w^_t = E[x_t] - A E[x_{t-1}] - B u_t - c` and `W_t = P_t - L_t A' - A L_t' + A P_{t-1} A'`,

    sum E[w w'] = sum w^ w^' + sum W_t,      sum E[w phi'] = sum w^ E[phi]' + [sum L_t - A P_{t-1}, 0],

and likewise for `e_t = K (y_t - V psi_t)`, whose second moment has `K C P_t C' K' + R - K R` added. A
direction of a diffuse start that no observation fixes has no residual: it is left out of all covariances.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rekalman.filters.kalman.filter import Kalman
from rekalman.filters.kalman.forms import Form
from rekalman.filters.kalman.gains import Gains, gains
from rekalman.filters.kalman.means import means, small
from rekalman.filters.kalman.paths import evidence
from rekalman.filters.kalman.system import decorrelate, linear_system
from rekalman.learners.batch import Batch
from rekalman.learners.em.statistics import Regression, Residual, Statistics
from rekalman.models.linear import LinearGaussian
from rekalman.smoothers.adjoint import smooth_linear


class Moments(NamedTuple):
    """Smoothed moments of the states of one series.

    Attributes:
        mean: `E x_t`.
        cov: `Cov x_t`.
        lag: `Cov(x_t, x_{t-1})`.
    """

    mean: Float[Array, "steps n"]
    cov: Float[Array, "steps n n"]
    lag: Float[Array, "steps n n"]


def linear_e_step(
    model: LinearGaussian, batch: Batch, complete: bool, even: bool, form: Form | None = None
) -> tuple[Statistics, Float[Array, ""]]:
    """Statistics summed over all series, and their exact log-likelihood in nats.

    Args:
        model: the current parameters.
        batch: the series, padded at their ends.
        complete: no entry of a real step is missing; the settled covariance is then worked out once.
        even: all series are equally long; they are then filtered side by side.
        form: how covariances are carried; None asks the model, which cannot tell while it is traced whether
            its observations are free of noise.
    """
    form = Kalman(model).arithmetic if form is None else form
    lengths = batch.valid.sum(1)
    first = jax.tree.map(lambda leaf: leaf[0], batch)
    shared = None
    if complete:
        shared = gains(linear_system(model, first.values, None, first.inputs), form)

    def one(row: tuple[Batch, Int[Array, ""]]) -> tuple[Statistics, Array]:
        return linear_statistics(model, *row, form, shared)

    if complete and even:
        each, value = jax.vmap(lambda series: one((series, lengths[0])))(batch)
    else:
        each, value = jax.lax.map(one, (batch, lengths))
    return jax.tree.map(lambda leaf: leaf.sum(0), each), value.sum()


def linear_statistics(
    model: LinearGaussian,
    series: Batch,
    length: Int[Array, ""],
    form: Form,
    shared: Gains | None = None,
) -> tuple[Statistics, Float[Array, ""]]:
    """Smooth one series and collect its statistics; also its log-likelihood.

    Args:
        model: the current parameters.
        series: one series (no batch axis).
        length: number of real steps.
        form: how covariances are carried.
        shared: the gains, where nothing is missing; None works them out from the mask.
    """
    mask = None if shared is not None else series.mask
    system = linear_system(model, series.values, mask, series.inputs)
    result = gains(system, form) if shared is None else shared
    run = means(system, result)
    live = jnp.arange(series.values.shape[0]) < length
    smoothed = smooth_linear(system, result, run, form, length)
    value = jnp.where(live, evidence(system, result, run)[:, 0], 0.0).sum()
    moments = Moments(smoothed.mean[..., 0], smoothed.cov, smoothed.lag)
    return _collected(model, series, live, mask, moments), value


def _collected(
    model: LinearGaussian,
    series: Batch,
    live: Bool[Array, " steps"],
    mask: Bool[Array, "steps obs"] | None,
    moments: Moments,
) -> Statistics:
    """The statistics from the smoothed moments of one series."""
    mean, cov, lag = moments.mean, moments.cov, moments.lag
    one = live.astype(mean.dtype)
    tail = one[:, None]
    if series.inputs is not None and model.n_inputs:
        tail = jnp.concatenate([series.inputs * tail, tail], 1)
    moved = one[1:, None]
    phi = jnp.concatenate([mean[:-1] * moved, tail[1:]], 1)
    target = mean[1:] * moved
    transition = Regression(
        features=_widened(phi.T @ phi, _summed(cov[:-1], one[1:])),
        cross=_widened(target.T @ phi, _summed(lag[1:], one[1:])),
        targets=target.T @ target + _summed(cov[1:], one[1:]),
        count=one[1:].sum(),
        residual=_disturbance(model, moments, phi, one[1:]),
    )
    first = mean[0] - model.m
    initial = Regression(
        features=jnp.ones((1, 1), mean.dtype),
        cross=one[0] * mean[0][:, None],
        targets=one[0] * (cov[0] + mean[0][:, None] * mean[0][None, :]),
        count=jnp.ones((), mean.dtype),
        residual=Residual(first[:, None], cov[0] + first[:, None] * first[None, :]),
    )
    psi = jnp.concatenate([mean, tail], 1)
    return Statistics(
        transition, _observation(model, series.values, mask, psi, moments, one), initial
    )


def _disturbance(
    model: LinearGaussian,
    moments: Moments,
    phi: Float[Array, "moves q"],
    moved: Float[Array, " moves"],
) -> Residual:
    """Moments of the process noise."""
    A = model.A
    weights = jnp.concatenate([A, model.B, model.c[:, None]], 1)
    w = moments.mean[1:] * moved[:, None] - phi @ weights.T
    S1, S0 = (_summed(rows, moved) for rows in (moments.cov[1:], moments.cov[:-1]))
    L = _summed(moments.lag[1:], moved)
    targets = w.T @ w + S1 - L @ A.T - A @ L.T + A @ S0 @ A.T
    beside = L - A @ S0
    return Residual(_widened(w.T @ phi, beside), 0.5 * (targets + targets.T))


def _observation(
    model: LinearGaussian,
    values: Float[Array, "steps obs"],
    mask: Bool[Array, "steps obs"] | None,
    psi: Float[Array, "steps q"],
    moments: Moments,
    live: Float[Array, " steps"],
) -> Regression:
    """The observation regression, missing entries completed by their conditional moments."""
    cov, dtype = moments.cov, psi.dtype
    V = jnp.concatenate([model.C, model.D, model.d[:, None]], 1)
    if mask is None:
        seen = live
        psi, y = psi * seen[:, None], values * seen[:, None]
        e = y - psi @ V.T
        C = model.C
        sums = dict(
            features=_widened(psi.T @ psi, _summed(cov, seen)),
            cross=y.T @ psi,
            targets=y.T @ y,
            count=seen.sum(),
        )
        given = _summed(moments.cov, seen)
        targets, beside = C @ given @ C.T, -C @ given
    else:
        seen = mask.any(1).astype(dtype)
        eye = jnp.eye(mask.shape[1], dtype=dtype)
        K = jax.vmap(_regression_on_observed, in_axes=(None, 0))(model.R, mask)
        rest = eye - K
        y = jnp.where(mask, values, 0.0)
        z = (K * y[:, None, :]).sum(-1) + (rest * (psi @ V.T)[:, None, :]).sum(-1)
        e = (K * jnp.where(mask, y - psi @ V.T, 0.0)[:, None, :]).sum(-1) * seen[:, None]
        spread = small(small(rest, model.C[None]), cov)
        psi, z = psi * seen[:, None], z * seen[:, None]
        left = _summed(small(rest, model.R[None]), seen)
        G = small(rest, model.C[None])
        sums = dict(
            features=_widened(psi.T @ psi, _summed(cov, seen)),
            cross=_widened(z.T @ psi, _summed(spread, seen)),
            targets=z.T @ z + _summed(small(spread, G.mT), seen) + left,
            count=seen.sum(),
        )
        KC = small(K, model.C[None])
        spread = small(KC, moments.cov)
        targets = _summed(small(spread, KC.mT), seen) + left
        beside = -_summed(spread, seen)
    targets = targets + e.T @ e
    residual = Residual(_widened(e.T @ psi, beside), 0.5 * (targets + targets.T))
    return Regression(**sums, residual=residual)


def _regression_on_observed(
    R: Float[Array, "obs obs"], mask: Bool[Array, " obs"]
) -> Float[Array, "obs obs"]:
    """`K`: the rows of observed entries are unit vectors, those of missing ones `R_mo R_oo^{-1}`."""
    eye = jnp.eye(R.shape[0], dtype=R.dtype)
    shape, noise = decorrelate(jnp.where(mask[:, None] & mask[None, :], R, eye))
    shape = shape * mask[None, :] * mask[:, None]
    inverse = jnp.where(noise > 0, 1 / jnp.where(noise > 0, noise, 1.0), 0.0)
    half = small(R[None], shape.T[None])[0] * inverse
    return jnp.where(mask[:, None], eye, small(half[None], shape[None])[0])


def _summed(
    matrices: Float[Array, "steps a b"], weights: Float[Array, " steps"]
) -> Float[Array, "a b"]:
    return (matrices * weights[:, None, None]).sum(0)


def _widened(outer: Float[Array, "p q"], corner: Float[Array, "a b"]) -> Float[Array, "p q"]:
    """`outer` with `corner` added to its upper left."""
    return outer.at[: corner.shape[0], : corner.shape[1]].add(corner)
