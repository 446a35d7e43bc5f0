r"""Moments of Gaussian kernels under a Gaussian (Ghahramani and Roweis 1999, section 3), in closed form.

A kernel is a multiple of a Gaussian density, `rho_k(z) = |2 pi S_k|^{1/2} N(z; c_k, S_k)`. For `z ~ N(m, V)`,
`M_k = S_k + V` and `v_k = M_k^{-1} (c_k - m)`,

    E rho_k = (|S_k| / |M_k|)^{1/2} exp(-1/2 (c_k - m)' v_k),
    Cov(a, rho_k) = Cov(a, z) v_k E rho_k       for any `a` that is jointly Gaussian with `z`,

the second because `E[grad rho_k] = v_k E rho_k` (Stein 1981). A product of two kernels is a kernel,

    rho_i rho_j = exp(-1/2 (c_i - c_j)' (S_i + S_j)^{-1} (c_i - c_j)) rho_ij,
    S_ij = S_i (S_i + S_j)^{-1} S_j,   c_ij = c_i + S_i (S_i + S_j)^{-1} (c_j - c_i),

so that second moments are first moments of the products. Inputs are known: their rows of `V` are zero.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.filters.kalman.system import decorrelate
from rekalman.models.products import rows_times
from rekalman.models.rbf import Kernels


class KernelProducts(NamedTuple):
    """All products of two kernels: their factors and the kernels they are."""

    factor: Float[Array, "kernels kernels"]
    kernels: Kernels


def kernel_products(kernels: Kernels) -> KernelProducts:
    """The products `rho_i rho_j`; kernel `i count + j` is that of the pair `(i, j)`."""
    c, S = kernels.centers, kernels.spreads
    count, z = c.shape

    def pair(c_i: Array, S_i: Array, c_j: Array, S_j: Array) -> tuple[Array, Array, Array]:
        gap = c_j - c_i
        gain = jnp.linalg.solve(S_i + S_j, S_i).T
        height = jnp.exp(-0.5 * gap @ jnp.linalg.solve(S_i + S_j, gap))
        spread = gain @ S_j
        return height, c_i + gain @ gap, 0.5 * (spread + spread.T)

    inner = jax.vmap(pair, in_axes=(None, None, 0, 0))
    factor, centers, spreads = jax.vmap(inner, in_axes=(0, 0, None, None))(c, S, c, S)
    return KernelProducts(
        factor, Kernels(centers.reshape(count**2, z), spreads.reshape(count**2, z, z))
    )


def expected_kernels(
    kernels: Kernels,
    mean: Float[Array, " states"],
    cov: Float[Array, "states states"],
    u: Float[Array, " input"] | None,
) -> tuple[Float[Array, " kernels"], Float[Array, "kernels states"]]:
    """`E rho_k`, and `E[d rho_k / dx]`, for `x ~ N(mean, cov)` and a known input."""
    n, z = mean.size, kernels.centers.shape[1]
    u = jnp.zeros(z - n, mean.dtype) if u is None else u
    center = jnp.concatenate([mean, u]) if z > n else mean
    V = jnp.pad(cov, ((0, z - n), (0, z - n)))

    def one(c: Array, S: Array) -> tuple[Array, Array]:
        rows, pivots = decorrelate(S + V)
        scaled = rows_times((c - center)[None], rows)[0]
        v = rows_times((scaled / pivots)[None], rows.T)[0]
        log_size = jnp.log(decorrelate(S)[1]).sum() - jnp.log(pivots).sum()
        height = jnp.exp(0.5 * (log_size - (scaled**2 / pivots).sum()))
        return height, v[:n] * height

    return jax.vmap(one)(kernels.centers, kernels.spreads)


def kernel_features(
    kernels: Kernels,
    products: KernelProducts,
    mean: Float[Array, " states"],
    cov: Float[Array, "states states"],
    u: Float[Array, " input"] | None,
) -> tuple[Float[Array, " q"], Float[Array, "q q"], Float[Array, "q states"]]:
    """First and second moments of `z = [x; rho(x, u)]`, and the expected slope `E[dz / dx]`.

    With the slope `W`, `Cov(a, z) = Cov(a, x) W'` for any `a` jointly Gaussian with `x`.
    """
    n, count = mean.size, kernels.count
    heights, slopes = expected_kernels(kernels, mean, cov, u)
    both = expected_kernels(products.kernels, mean, cov, u)[0].reshape(count, count)
    first = jnp.concatenate([mean, heights])
    slope = jnp.concatenate([jnp.eye(n, dtype=mean.dtype), slopes])
    second = first[:, None] * first[None, :]
    spread = rows_times(slope, cov)
    second = second.at[:, :n].add(spread).at[:n, n:].add(spread[n:].T)
    return first, second.at[n:, n:].set(products.factor * both), slope
