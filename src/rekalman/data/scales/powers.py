r"""The power transform of Box and Cox (1964, J. R. Stat. Soc. B 26, 211), its inverse and its slope.

$$
z = \begin{cases} (y^p - 1) / p, & p \neq 0, \\ \log y, & p = 0, \end{cases} \qquad
y = \begin{cases} (1 + p z)^{1/p}, & p \neq 0, \\ e^z, & p = 0, \end{cases}
$$

of positive $y$, with $dz/dy = y^{p-1}$. By `expm1` and `log1p` all digits stay where $p$ is near 0. A power
of 1 leaves numbers as they are, negative ones too. With a power between 0 and 1 the inverse ends at
$z = -1/p$, where $y$ is 0: all below is 0 as well, so that a distribution of $z$ which reaches beyond has an
atom at 0.

The functions take NumPy's arrays, or those of JAX with `xp=jax.numpy`.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

TINY = 1e-100
"""Powers up to this are 0: the difference is beyond double precision."""


def transformed(y: Any, power: Any, xp: ModuleType = np) -> Any:
    """Transform numbers; one below 0, or 0 with a power of 0, gives minus infinity, NaN stays NaN.

    Args:
        y: numbers.
        power: from 0 to 1, of the same shape or one that broadcasts.
        xp: `numpy` or `jax.numpy`.
    """
    curved = power > TINY
    p = xp.where(curved, power, 1.0)
    log = xp.log(xp.where(y > 0, y, 1.0))
    inside = xp.where(curved, xp.expm1(p * log) / p, log)
    edge = xp.where(curved & (y == 0), -1 / p, -xp.inf)
    positive = xp.where(y > 0, inside, edge)
    return xp.where((power == 1) | xp.isnan(y), y, positive)


def inverted(z: Any, power: Any, xp: ModuleType = np) -> Any:
    """Numbers whose transform is `z`; 0 where there is none."""
    curved = (power > TINY) & (power < 1)
    p = xp.where(curved, power, 0.5)
    inside = p * z > -1
    root = xp.where(inside, xp.exp(xp.log1p(xp.where(inside, p * z, 0.0)) / p), 0.0)
    root = xp.where(xp.isnan(z), z, root)
    return xp.where(power == 1, z, xp.where(curved, root, xp.exp(xp.where(curved, 0.0, z))))


def log_slope(y: Any, power: Any, xp: ModuleType = np) -> Any:
    r"""$\log dz/dy = (p - 1) \log y$; minus infinity where $y$ has no transform."""
    slope = (power - 1) * xp.log(xp.where(y > 0, y, 1.0))
    return xp.where(power == 1, 0.0, xp.where(y > 0, slope, -xp.inf))
