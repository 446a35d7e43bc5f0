r"""What later data say, carried backwards: the adjoint form of the Rauch-Tung-Striebel smoother.

Let `r_t` and `-N_t` be the gradient and the curvature of the log-likelihood of `y_t ... y_T` with respect to
the predicted mean at `t`. With the white innovations `e_t = U_t (y_t - C_t x_t^-)` and `Phi_t = A_{t+1} J_t`

    r_t = C'U'e_t + Phi_t' r_{t+1},    N_t = C'U'U C + Phi_t' N_{t+1} Phi_t

(Bryson and Frazier 1963; de Jong 1989), and the smoothed moments are `x^- + P^- r` and `P^- - P^- N P^-`. No
covariance is inverted, so singular ones are fine, and the same two quantities give the gradient of the
likelihood with respect to every parameter (`learners/likelihood/score.py`). What a diffuse start adds is in
`diffuse.py`.

While the gains are settled, so is `N`, from either end of its own transient: the loop jumps over the middle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from rekalman.filters.kalman.forms import CovarianceForm, Form
from rekalman.filters.kalman.gains import ROUNDING, Gains
from rekalman.filters.kalman.means import Means, applied, each, product, small
from rekalman.filters.kalman.system import LinearSystem, at
from rekalman.smoothers.diffuse import smoothed_covariances, unknown_means


def gradients(
    system: LinearSystem, result: Gains, run: Means, length: Int[Array, ""] | int | None = None
) -> Float[Array, "steps n columns"]:
    """`r_t` of every step, as columns.

    Args:
        system: the model and the data.
        result: the gains.
        run: the means.
        length: number of real steps; later ones are padding and count for nothing.
    """
    steps, n = system.y.shape[0], system.P.shape[0]
    white = run.white
    if length is not None:
        white = jnp.where((jnp.arange(steps) < length)[:, None, None], white, 0.0)
    J = jnp.eye(n, dtype=system.P.dtype) - small(result.gain, system.C)
    UC = small(result.whitener, system.C)
    push = each(UC.mT[result.where], white)
    A = system.A
    Phi = small(jnp.concatenate([A[1:], A[-1:]]) if A.shape[0] > 1 else A, J)

    def step(r: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        i, push = row
        r = applied(Phi[i].T, r) + push
        return r, r

    return jax.lax.scan(step, jnp.zeros_like(push[0]), (result.where, push), reverse=True)[1]


class Step(NamedTuple):
    """One step of the curvature recursion.

    Attributes:
        N: curvature at the predicted mean.
        moved: curvature of the later data at the filtered mean, `A_{t+1}' N_{t+1} A_{t+1}`.
        times: how many steps it stands for.
    """

    N: Float[Array, "n n"]
    moved: Float[Array, "n n"]
    times: Int[Array, ""]


def curvatures(
    system: LinearSystem,
    result: Gains,
    sink: Callable[[PyTree, Int[Array, ""], Step], PyTree],
    start: PyTree,
    length: Int[Array, ""] | int | None = None,
) -> tuple[PyTree, Int[Array, " steps"]]:
    """Run the recursion of `N` from the end of a series to its beginning.

    Args:
        system: the model and the data.
        result: the gains.
        sink: told of every step that is worked out, with what it has collected so far.
        start: what it starts with.
        length: number of real steps.

    Returns:
        What the sink has collected, and which worked-out step stands for each step.
    """
    steps = system.y.shape[0]
    n, dtype = system.P.shape[0], system.P.dtype
    last = jnp.asarray(steps if length is None else length, jnp.int32) - 1
    tolerance = ROUNDING * jnp.finfo(dtype).eps

    def backwards(
        state: tuple[Array, Array, Array, Array, PyTree],
    ) -> tuple[Array, Array, Array, Array, PyTree]:
        t, later, still, end, collected = state
        i = result.where[t]
        C, A = at(system.C, i), at(system.A, jnp.minimum(t + 1, steps - 1))
        UC = product(result.whitener[i], C)
        J = jnp.eye(n, dtype=dtype) - product(result.gain[i], C)
        moved = product(A.T, product(later, A))
        N = product(UC.T, UC) + product(J.T, product(moved, J))
        N = 0.5 * (N + N.T)
        # One step late: a comparison of numbers may be compiled once for each use, and rounded otherwise each
        # time. What the loop carries is the same for all.
        jump = still & (t >= result.worked) & (end < 0)
        times = jnp.where(jump, t - result.worked + 2, 1)
        collected = sink(collected, t, Step(N, moved, times))
        following = jnp.where(jump, result.worked - 2, t - 1)
        still = jnp.max(jnp.abs(N - later), initial=0.0) <= tolerance * jnp.max(N, initial=0.0)
        return following, N, still, jnp.where(jump, t, end), collected

    state = (
        last,
        jnp.zeros((n, n), dtype),
        jnp.zeros((), bool),
        jnp.full((), -1, jnp.int32),
        start,
    )
    *_, end, collected = jax.lax.while_loop(lambda state: state[0] >= 0, backwards, state)
    every = jnp.arange(steps)
    skipped = (every >= result.worked - 1) & (every <= end)
    return collected, jnp.where(skipped, end, every)


class LinearSmoothed(NamedTuple):
    """Smoothed moments.

    Attributes:
        mean: columns of the smoothed mean.
        cov: covariance.
        lag: `Cov(x_t, x_{t-1})`; the first step has none (zero).
        unknown: basis of the directions that no observation fixes, or None; `cov` is that of the others.
    """

    mean: Float[Array, "steps n columns"]
    cov: Float[Array, "steps n n"]
    lag: Float[Array, "steps n n"]
    unknown: Float[Array, "steps n d"] | None = None


def every_curvature(
    system: LinearSystem, result: Gains, run: Means, length: Int[Array, ""] | int | None = None
) -> Float[Array, "steps n n"]:
    """`N_t` of every step."""
    steps, n = system.y.shape[0], system.P.shape[0]
    empty = jnp.zeros((steps, n, n), system.P.dtype)
    record = lambda buffer, t, step: buffer.at[t].set(step.N)  # noqa: E731
    buffer, where = curvatures(system, result, record, empty, length)
    return buffer[where]


def smooth_linear(
    system: LinearSystem,
    result: Gains,
    run: Means,
    form: Form = CovarianceForm,
    length: Int[Array, ""] | int | None = None,
) -> LinearSmoothed:
    """Smoothed moments of one series from the adjoint.

    Args:
        system: the model and the data.
        result: the gains.
        run: the means.
        form: what the carries of the gains are.
        length: number of real steps.
    """
    r = gradients(system, result, run, length)
    N = every_curvature(system, result, run, length)
    return smoothed_moments(system, result, run, form, r, N)


def smoothed_moments(
    system: LinearSystem,
    result: Gains,
    run: Means,
    form: Form,
    r: Float[Array, "steps n columns"],
    N: Float[Array, "steps n n"],
) -> LinearSmoothed:
    r"""Smoothed moments from the filtered ones and the adjoint.

    Taken after the update, `x + P A'r_{t+1}` and `P - P A'N_{t+1}A P`: a prediction may be vast where the
    filtered variance is not, and what is known exactly stays so. With `P^- J' = P` the covariance with the
    state before is `(I - P A'N_{t+1}A) J A P_{t-1}`.
    """
    leave = jax.vmap(form.leave)
    before, posterior = leave(result.prior), leave(result.posterior)[result.where]
    steps, n = posterior.shape[:2]
    A = system.A[1:] if system.A.shape[0] > 1 else system.A
    last = ((0, 1), (0, 0), (0, 0))
    r_after, N_after = jnp.pad(each(A.mT, r[1:]), last), jnp.pad(small(A.mT, small(N[1:], A)), last)
    NP = small(N_after, posterior)
    cov = posterior - small(posterior, NP)
    mean = run.posterior + each(posterior, r_after)
    J = jnp.eye(n, dtype=cov.dtype) - small(result.gain, system.C)
    gained = small(J[result.where[1:]], small(A, posterior[:-1]))
    lag = gained - small(NP[1:].mT, gained)
    lag, unknown = jnp.concatenate([jnp.zeros_like(lag[:1]), lag]), None
    if result.diffuse is not None:
        early = (jnp.arange(steps) < result.diffuse.steps)[:, None, None]
        mean = jnp.where(early, smoothed_means(system, result, run, before, r), mean)
        cov, lag, unknown = smoothed_covariances(system, result, form, before, cov, lag, N)
    return LinearSmoothed(mean, 0.5 * (cov + cov.mT), lag, unknown)


def smoothed_means(
    system: LinearSystem,
    result: Gains,
    run: Means,
    prior: Float[Array, "worked n n"],
    r: Float[Array, "steps n columns"],
    length: Int[Array, ""] | None = None,
) -> Float[Array, "steps n columns"]:
    """The means alone; no covariance is inverted.

    Args:
        system: the model and the data.
        result: the gains.
        run: the means of the filter.
        prior: covariances before each worked-out step.
        r: gradients of the adjoint.
        length: number of real steps.
    """
    mean = run.prior + each(prior[result.where], r)
    if result.diffuse is None:
        return mean
    return mean + each(result.diffuse.prior, unknown_means(system, result, run, prior, r, length))
