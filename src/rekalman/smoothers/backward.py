r"""Backward simulation: whole trajectories from the smoothing law (Godsill, Doucet and West 2004).

A filtered path already holds an approximation of $p(x_t \mid y_{1:t})$ at every step. Given the state
$x_{t+1}$ of a trajectory, the particle it came from has the law of the backward kernel

$$
b_t(i \mid x_{t+1}) = \frac{w_t^i\, p(x_{t+1} \mid x_t^i)}{\sum_k w_t^k\, p(x_{t+1} \mid x_t^k)},
$$

so that drawing $x_T$ from the last weights and then one particle per step, backwards, gives a
trajectory of $p(x_{1:T} \mid y_{1:T})$. Two ways to draw from the kernel:

*exact* evaluates all $N$ densities for each of $M$ trajectories and inverts the cumulated kernel:
$O(N M)$ per step. The inversion works in two levels of about $\sqrt{N}$ rows each.

*mcmc* (Dau and Chopin 2022, section 3.1) starts at the particle's own ancestor, which the filter
remembers, and makes Metropolis steps with independent proposals $i' \sim w_t$. Proposal and target
share the weights, so the acceptance ratio is that of two transition densities:

$$
\frac{b_t(i')\, w_t^i}{b_t(i)\, w_t^{i'}} = \frac{p(x_{t+1} \mid x_t^{i'})}{p(x_{t+1} \mid x_t^i)}.
$$

That is $O(N + M)$ per step. The ancestor of a particle drawn by its weight has (for large $N$) the law of
the backward kernel already, hence the chain starts in equilibrium; the Metropolis step is there to
undo the degeneracy of the genealogy, and a single one suffices.

Proposals in linear time. A systematic draw gives $S = \max(N, M)$ slots in which particle $i$ takes
$\lfloor S w^i \rfloor$ or $\lceil S w^i \rceil$ places; a uniform slot, with a uniform offset of the draw,
is exactly one draw from the weights. Trajectory $m$ takes the slot at position $\beta + \alpha m \bmod 1$
with $\alpha$ and $\beta$ uniform. Its own position is then uniform and independent over steps, so each
trajectory has exactly the law it would have with independent proposals; and any two positions are
independent of each other ($(m - m')\, \alpha \bmod 1$ is uniform), so the variance of an average over
trajectories does not suffer either. Positions are 32-bit integers, whose overflow is the `mod 1`.

Singular process noise. A state can come only from those particles whose mean it differs from by a vector in
the range of `Q`; its ancestor is one of them, and often the only one. Trajectories then follow the ancestral
lines of the filter, which thin out backwards (`marginal.py`): over many steps more particles are needed.

References:
    S. Godsill, A. Doucet, M. West (2004), Monte Carlo smoothing for nonlinear time series.
    H. D. Dau, N. Chopin (2022), On backward smoothing algorithms, arXiv:2207.00976.
"""

from __future__ import annotations

import math
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree, UInt32

from rekalman.core.beliefs import Path
from rekalman.filters.resampling import systematic
from rekalman.foundation.errors import RekalError
from rekalman.models.base import StateSpaceModel
from rekalman.models.gaussian import everywhere
from rekalman.numerics.normals import open_uniforms
from rekalman.numerics.precision import in_own_precision
from rekalman.smoothers.marginal import Smoothed

Method = Literal["exact", "mcmc"]


@in_own_precision
def smooth_backward(
    model: StateSpaceModel,
    path: Path,
    inputs: Float[Array, "steps input"] | None,
    dt: Float[Array, " steps"] | None,
    valid: Bool[Array, " steps"],
    trajectories: int,
    key: PRNGKeyArray,
    method: Method = "exact",
    mcmc_steps: int = 1,
) -> Float[Array, "steps trajectories states"]:
    """Draw trajectories of one series, each with weight `1 / trajectories`.

    Use "exact" up to a few thousand particles; beyond, "mcmc", whose cost per particle does not
    grow with N and whose law differs from the exact one by far less than a trajectory's spread (more
    `mcmc_steps` make it smaller still). For moments alone and N up to about a thousand the
    marginal smoother is better than either: it has no sampling noise of its own.

    Args:
        model: gives the transition densities.
        path: what the filter left.
        inputs: `u_t`, or None.
        dt: time steps, or None.
        valid: False for the padding at the end of a shorter series. There the trajectories are
            draws from the filter's weights, independent of what precedes.
        trajectories: how many to draw.
        key: the randomness.
        method: how to draw from the backward kernel.
        mcmc_steps: Metropolis steps per time step ("mcmc" only).

    Returns:
        Positions `(steps, trajectories, states)`; memory beyond this is O(particles) for "mcmc"
        and O(particles * trajectories) for "exact".

    Raises:
        RekalError: the method is unknown, or a count is not positive.
    """
    if method not in ("exact", "mcmc"):
        raise RekalError(f"method must be 'exact' or 'mcmc', but is {method!r}")
    if trajectories < 1:
        raise RekalError(f"trajectories must be at least 1, but is {trajectories}")
    if mcmc_steps < 1:
        raise RekalError(f"mcmc_steps must be at least 1, but is {mcmc_steps}")
    steps, _, _ = path.x.shape
    start_key, uniform_key, slot_key, shift_key = jax.random.split(key, 4)
    rounds = mcmc_steps if method == "mcmc" else 1
    dtype = path.log_weights.dtype
    uniforms = open_uniforms(uniform_key, steps - 1, (rounds, trajectories), dtype)
    turns = jax.random.bits(slot_key, (steps - 1, rounds, 2), jnp.uint32)
    shifts = jax.random.uniform(shift_key, (steps - 1, rounds), dtype)
    at = lambda leaf, t: None if leaf is None else leaf[t][None]  # noqa: E731

    def tables(x: Array, x_next: Array, t: Array, confined: bool) -> tuple[PyTree, PyTree]:
        both = model.pair_tables(x[None], x_next[None], at(inputs, t + 1), at(dt, t + 1))
        both = jax.tree.map(lambda leaf: leaf[0], both)
        return both if confined else everywhere(both)

    def exact(
        t: Array, x: Array, x_next: Array, index: Array, confined: bool
    ) -> tuple[Array, Array]:
        rows = _padded_rows(x.shape[0])
        x_rows = jnp.pad(x, ((0, rows - x.shape[0]), (0, 0)), mode="edge")
        log_w = jnp.pad(path.log_weights[t], (0, rows - x.shape[0]), constant_values=-jnp.inf)
        log_pairs = model.log_pairs(*tables(x_rows, x_next, t, confined))
        log_kernel = log_w[:, None] + jnp.where(valid[t + 1], log_pairs, 0.0)
        drawn = _invert(log_kernel, uniforms[t, 0])
        if confined:
            # Where rounding hides the way from its ancestor, a state has come from there all the same.
            reached = jnp.isfinite(log_kernel.max(0))
            drawn = jnp.where(reached, drawn, path.ancestors[t + 1][index])
        return x[drawn], drawn

    def mcmc(
        t: Array, x: Array, x_next: Array, index: Array, confined: bool
    ) -> tuple[Array, Array]:
        index = path.ancestors[t + 1][index]
        here = x[index]
        old, new = tables(here, x_next, t, confined)
        level = model.log_matched(old, new)
        weights = jnp.exp(path.log_weights[t])
        count = max(x.shape[0], trajectories)
        for k in range(rounds):
            slots = systematic(weights, shifts[t, k], count)
            proposed = slots[_scattered(turns[t, k], trajectories, count)]
            there = x[proposed]
            new_level = model.log_matched(*tables(there, x_next, t, confined))
            accept = (jnp.log(uniforms[t, k]) < new_level - level) | ~valid[t + 1]
            index = jnp.where(accept, proposed, index)
            here = jnp.where(accept[:, None], there, here)
            level = jnp.where(accept, new_level, level)
        return here, index

    draw = exact if method == "exact" else mcmc

    last = jnp.exp(path.log_weights[-1])
    index = systematic(last, jax.random.uniform(start_key, (), dtype), trajectories)
    start = (path.x[-1][index], index)

    def trajectories_of(confined: bool) -> Array:
        def step(carry: tuple[Array, Array], t: Array) -> tuple[tuple[Array, Array], Array]:
            here, index = draw(t, path.x[t], *carry, confined)
            return (here, index), here

        # Scanning over t and not over slices of the path avoids copies of the whole path.
        return jax.lax.scan(step, start, jnp.arange(steps - 1), reverse=True)[1]

    if model.gaussian:
        singular = model.confined(None if dt is None else dt[1:])
        x = jax.lax.cond(singular, lambda: trajectories_of(True), lambda: trajectories_of(False))
    else:
        x = trajectories_of(False)
    return jnp.concatenate([x, start[0][None]])


def trajectory_moments(
    new: Float[Array, "steps trajectories new"],
    old: Float[Array, "steps trajectories old"],
    valid: Bool[Array, " steps"],
) -> Smoothed:
    r"""What learning needs from equally weighted trajectories, as the marginal smoother gives it.

    Args:
        new: a function `g` of every trajectory's state.
        old: a function `h` of every trajectory's state.
        valid: False for the padding at the end of a shorter series.

    Returns:
        Weights `1 / trajectories` and $\sum_t \operatorname{E}[g(x_t) h(x_{t-1})^\top]$ over the valid
        transitions.
    """
    steps, count, _ = new.shape
    live = valid[1:].astype(new.dtype) / count
    moment = jnp.einsum("tng,tnh->gh", new[1:] * live[:, None, None], old[:-1])
    return Smoothed(jnp.full((steps, count), 1 / count, new.dtype), moment)


def _padded_rows(particles: int) -> int:
    """The next product of two nearly equal integers."""
    width = math.isqrt(particles - 1) + 1
    return width * -(-particles // width)


def _invert(
    log_kernel: Float[Array, "rows trajectories"], uniforms: Float[Array, " trajectories"]
) -> Int[Array, " trajectories"]:
    """One row per column, by its share: inverse cdf, first over blocks of rows, then within one.

    In each level the first row whose cumulated mass exceeds the target is taken. The target is kept
    below the last of them, so a row without mass is never drawn, whatever the rounding.
    """
    rows, count = log_kernel.shape
    width = math.isqrt(rows - 1) + 1
    top = log_kernel.max(0)
    kernel = jnp.exp(log_kernel - jnp.where(jnp.isfinite(top), top, 0.0))
    blocks = kernel.reshape(rows // width, width, count)
    below_one = 1 - jnp.finfo(kernel.dtype).eps

    def first_above(mass: Array, target: Array) -> tuple[Array, Array]:
        total = _running_sum(mass)
        target = jnp.minimum(target, total[-1] * below_one)
        passed = total <= target
        return passed.sum(0), target - jnp.where(passed, mass, 0.0).sum(0)

    sums = blocks.sum(1)
    block, rest = first_above(sums, uniforms * sums.sum(0))
    block = jnp.minimum(block, rows // width - 1)
    inner = jnp.take_along_axis(blocks, block[None, None, :], 0)[0]
    row, _ = first_above(inner, jnp.maximum(rest, 0.0))
    return (block * width + jnp.minimum(row, width - 1)).astype(jnp.int32)


def _running_sum(mass: Float[Array, "rows columns"]) -> Float[Array, "rows columns"]:
    """Cumulated over rows, as one small triangular product (faster than `cumsum` here)."""
    return jnp.tri(mass.shape[0], dtype=mass.dtype) @ mass


def _scattered(turn: UInt32[Array, " 2"], count: int, slots: int) -> Int[Array, " trajectories"]:
    """Slot of each trajectory: `floor(slots * (beta + alpha m mod 1))` in 32-bit fixed point."""
    alpha, beta = turn
    position = beta + alpha * jnp.arange(count, dtype=jnp.uint32)
    # The upper half of a 32 x 32 bit product, by halves of 16 bits.
    high, low = position >> 16, position & 0xFFFF
    n_high, n_low = jnp.uint32(slots >> 16), jnp.uint32(slots & 0xFFFF)
    middle = high * n_low + (low * n_low >> 16)
    carry = low * n_high + (middle & 0xFFFF)
    return (high * n_high + (middle >> 16) + (carry >> 16)).astype(jnp.int32)
