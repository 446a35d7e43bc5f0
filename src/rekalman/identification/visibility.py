r"""Which modes of a linear model can be seen in the outputs, and which anything drives.

A mode with right eigenvector `v` and left eigenvector `w` shows in the outputs only if `C v` is not zero,
and is moved only if `w'[B, Q^{1/2}]` is not (Popov, Belevitch and Hautus; Kailath 1980, section 6.2.4). The
data cannot tell the parameters of a mode of either kind.
"""

from __future__ import annotations

import math

import numpy as np

from rekalman.models.linear import LinearGaussian

NOTHING = 1e-7  # share of the largest effect below which there is none


def hidden_modes(model: LinearGaussian) -> tuple[str, ...]:
    """One sentence for each mode that cannot be identified."""
    A, B, C, Q = (np.asarray(getattr(model, name), np.float64) for name in "ABCQ")
    values, right = np.linalg.eig(A)
    if len(values) == 0:
        return ()
    said = []
    if np.linalg.cond(right) > 1e10:
        said.append(
            "Several poles coincide: modes of their own cannot be told apart, so the count of what is "
            "visible or driven is left out."
        )
        return tuple(said)
    left = np.linalg.inv(right)
    size, root = np.linalg.eigh(Q)
    drive = np.hstack([B, root * np.sqrt(np.maximum(size, 0))])
    seen = np.linalg.norm(C @ right, axis=0)
    driven = np.linalg.norm(left @ drive, axis=1) * np.linalg.norm(right, axis=0)
    for value, out, into in zip(values, seen, driven, strict=True):
        if value.imag < 0:
            continue
        name = named_pole(complex(value))
        if out <= NOTHING * max(float(seen.max()), 1e-300):
            said.append(
                f"{name} does not show in any output: the data say nothing of it (not observable)."
            )
        elif into <= NOTHING * max(float(driven.max()), 1e-300):
            said.append(
                f"{name} is driven by no input and no noise: only the first state moves it (not "
                "controllable)."
            )
    return tuple(said)


def named_pole(value: complex) -> str:
    """A mode as the subject of a sentence."""
    if abs(value.imag) < 1e-9 * max(1.0, abs(value)):
        return f"The mode with pole {value.real:.4g}"
    period = 2 * math.pi / abs(math.atan2(value.imag, value.real))
    return f"The mode with poles of modulus {abs(value):.4g} and a period of {period:.4g} steps"
