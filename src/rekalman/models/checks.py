"""What a Gaussian model refuses when it is made, in one sentence each.

Values that are being traced (inside `jit` or `grad`) cannot be looked at and pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from rekalman.foundation.errors import RekalError

MEANING = {
    "Q": "process noise",
    "R": "observation noise",
    "P": "initial state",
    "spreads": "kernels",
}


def block_shapes(states: int, obs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    """The shape of every block of a linear model."""
    n, p, k = states, obs, inputs
    return {
        "A": (n, n), "B": (n, k), "c": (n,), "C": (p, n), "D": (p, k), "d": (p,),
        "Q": (n, n), "R": (p, p), "m": (n,), "P": (n, n), "F": (n, n), "G": (n, k), "g": (n,),
    }  # fmt: skip


def check_block_shapes(
    blocks: Mapping[str, Array],
    states: int,
    obs: int,
    inputs: int,
    varying: tuple[str, ...] = (),
) -> None:
    """Every block fits the shapes of A and C; those named in `varying` have one more axis in front.

    Raises:
        RekalError: one does not; both shapes are named.
    """
    shapes = block_shapes(states, obs, inputs)
    for name, block in blocks.items():
        shape = block.shape[1:] if name in varying else block.shape
        if shape != shapes[name] or (name in varying and block.ndim == 0):
            fits = str(shapes[name])
            if name in varying:
                fits = "(steps, " + ", ".join(map(str, shapes[name])) + ")"
            raise RekalError(
                f"{name} has shape {block.shape}, but with {states} states, {obs} observations and "
                f"{inputs} inputs {fits} would fit"
            )


def check_covariances(blocks: Mapping[str, Array], each_is: str = "step") -> None:
    """Every covariance, or stack of them, is symmetric and positive semi-definite but for rounding.

    Args:
        blocks: covariances by name.
        each_is: what each matrix of a stack belongs to.

    Raises:
        RekalError: one is not; its name and smallest eigenvalue are given.
    """
    for name, block in blocks.items():
        if isinstance(block, Tracer):
            continue
        what = f"{name}, the covariance of the {MEANING[name]},"
        matrices = np.asarray(block, np.float64)
        each = matrices[None] if matrices.ndim == 2 else matrices
        if not each.size:
            continue

        def where(wrong: Any, stacked: bool = matrices.ndim == 3) -> str:
            return f" at {each_is} {int(np.argmax(wrong))}" if stacked else ""

        infinite = ~np.isfinite(each).all((1, 2))
        if infinite.any():
            raise RekalError(f"{what} holds a value that is not finite{where(infinite)}")
        size = np.abs(each).max((1, 2))
        lopsided = np.abs(each - each.transpose(0, 2, 1)).max((1, 2)) > 1e-5 * size
        if lopsided.any():
            raise RekalError(f"{what} is not symmetric{where(lopsided)}")
        least = np.linalg.eigvalsh(each)[:, 0]
        negative = least < -1e-5 * size
        if negative.any():
            raise RekalError(
                f"{what} is not positive semi-definite{where(negative)}: its smallest eigenvalue is "
                f"{least[np.argmax(negative)]:.3g}"
            )


def is_singular(block: Array) -> bool:
    """Whether a covariance, or one of a stack, has no density; False while it is traced.

    Scaled to a diagonal of one, an eigenvalue lost in the rounding of its type counts as zero.
    """
    if isinstance(block, Tracer):
        return False
    matrices = np.asarray(block, np.float64).reshape(-1, *np.shape(block)[-2:])
    if not matrices.size:
        return False
    variances = np.diagonal(matrices, axis1=1, axis2=2)
    if (variances <= 0).any():
        return True
    scale = np.sqrt(variances)
    scaled = matrices / scale[:, :, None] / scale[:, None, :]
    lost = matrices.shape[-1] * float(jnp.finfo(block.dtype).eps)
    return bool((np.linalg.eigvalsh(scaled)[:, 0] <= lost).any())


PRECISE = 1e8
"""Variances that differ by this factor leave half of the digits of double precision."""


def is_precise(C: Array, P: Array, R: Array) -> bool:
    """Whether the observations of a known start are so precise that covariances lose digits.

    Either `R`, or one of a stack, is singular, or its least variance is tiny beside the largest of `C P C'`.
    False while one of them is traced.
    """
    if any(isinstance(block, Tracer) for block in (C, P, R)):
        return False
    if is_singular(R):
        return True
    if not np.size(C) or not np.size(P):
        return False
    rows, cov, noise = (np.asarray(block, np.float64) for block in (C, P, R))
    spread = np.einsum("...pn,nm,...pm->...p", rows, cov, rows).max()
    return bool(spread > PRECISE * np.linalg.eigvalsh(noise).min())


def check_stable(A: Array) -> None:
    """A stationary law exists.

    Raises:
        RekalError: an eigenvalue of A lies on or outside the unit circle.
    """
    if isinstance(A, Tracer):
        return
    radius = float(np.abs(np.linalg.eigvals(np.asarray(A, np.float64))).max(initial=0.0))
    if radius >= 1 - 4 * float(jnp.finfo(A.dtype).eps):
        raise RekalError(
            f"a stationary start needs a stable model, but the largest eigenvalue of A has modulus "
            f"{radius:.6g}: use initial='diffuse' or give m and P"
        )


def check_stable_flow(F: Array) -> None:
    """A stationary law of `dx = F x dt + ...` exists.

    Raises:
        RekalError: an eigenvalue of F does not lie left of the imaginary axis.
    """
    if isinstance(F, Tracer):
        return
    flow = np.asarray(F, np.float64)
    rate = float(np.linalg.eigvals(flow).real.max(initial=-np.inf))
    if rate >= -4 * float(jnp.finfo(F.dtype).eps) * np.abs(flow).max(initial=0.0):
        raise RekalError(
            "a stationary start needs a stable model, but the largest real part of an eigenvalue of "
            f"F is {rate:.6g}: use initial='diffuse' or give m and P"
        )
