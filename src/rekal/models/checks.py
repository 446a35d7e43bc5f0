"""What a Gaussian model refuses when it is made, in one sentence each.

Values that are being traced (inside `jit` or `grad`) cannot be looked at and pass.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from rekal.errors import RekalError

MEANING = {"Q": "process noise", "R": "observation noise", "P": "initial state"}


def check_block_shapes(blocks: Mapping[str, Array], states: int, obs: int, inputs: int) -> None:
    """Every block fits the shapes of A and C.

    Raises:
        RekalError: one does not; both shapes are named.
    """
    n, p, k = states, obs, inputs
    shapes = {
        "A": (n, n), "B": (n, k), "c": (n,), "C": (p, n), "D": (p, k), "d": (p,),
        "Q": (n, n), "R": (p, p), "m": (n,), "P": (n, n),
    }  # fmt: skip
    for name, block in blocks.items():
        if block.shape != shapes[name]:
            raise RekalError(
                f"{name} has shape {block.shape}, but with {n} states, {p} observations and "
                f"{k} inputs {shapes[name]} would fit"
            )


def check_covariances(blocks: Mapping[str, Array]) -> None:
    """Every covariance is symmetric and has no negative eigenvalue beyond rounding.

    Raises:
        RekalError: one is not; its name and smallest eigenvalue are given.
    """
    for name, block in blocks.items():
        if isinstance(block, Tracer):
            continue
        what = f"{name}, the covariance of the {MEANING[name]},"
        for i, matrix in enumerate(np.atleast_3d(np.asarray(block, np.float64).T).T):
            where = f" at step {i}" if block.ndim == 3 else ""
            if not np.isfinite(matrix).all():
                raise RekalError(f"{what} holds a value that is not finite{where}")
            size = np.abs(matrix).max(initial=0.0)
            if np.abs(matrix - matrix.T).max(initial=0.0) > 1e-5 * size:
                raise RekalError(f"{what} is not symmetric{where}")
            least = np.linalg.eigvalsh(matrix).min(initial=0.0)
            if least < -1e-5 * size:
                raise RekalError(
                    f"{what} is not positive semi-definite{where}: its smallest eigenvalue is "
                    f"{least:.3g}"
                )


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
