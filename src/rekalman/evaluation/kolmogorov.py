r"""The law of the Kolmogorov-Smirnov statistic of a sample against the law that it is claimed to have.

With $D_n$ the largest distance between the distribution function of $n$ independent numbers and the true
one, and $z = \sqrt n\, d$:

* in the tail $P(D_n \ge d)$ is twice the one-sided probability (Smirnov 1944), but for a share of
  $e^{-6 z^2}$;
* elsewhere $P(D_n < d) = n!\, n^{-n} (H^n)_{kk}$ with a matrix $H$ of $2 k - 1$ rows, $k = \lceil n d \rceil$
  (Marsaglia, Tsang and Wang 2003);
* where that matrix would be large, the expansion of Pelz and Good (1976) in $n^{-1/2}$.

Which is used where follows Simard and L'Ecuyer (2011). `scipy.stats.kstest` has the same numbers; importing
it takes longer than all that is judged here.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln, smirnov

FEW = 140
"""Up to so many numbers the matrix is small wherever the tail does not begin."""
TERMS = np.arange(-40, 41)


def uniform_test(values: Float[np.ndarray, " entries"]) -> tuple[float, float]:
    """Whether numbers are uniform on [0, 1]: the largest distance between the laws, and its p-value."""
    u, n = np.sort(np.clip(values, 0.0, 1.0)), len(values)
    steps = np.arange(n + 1) / n
    distance = float(max((steps[1:] - u).max(), (u - steps[:-1]).max()))
    return distance, probability_beyond(distance, n)


def probability_beyond(distance: float, n: int) -> float:
    """`P(D_n >= distance)` for `n` independent numbers."""
    square = n * distance**2
    if n * distance <= 0.5:
        return 1.0
    if distance >= 0.5 or square >= (4.0 if n <= FEW else 2.2):
        return float(min(1.0, 2 * smirnov(n, distance)))
    inside = _exact if n <= FEW or n * distance**1.5 <= 1.4 else _expanded
    return float(min(1.0, max(0.0, 1 - inside(distance, n))))


def _exact(distance: float, n: int) -> float:
    """`P(D_n < distance)` by the power of a matrix."""
    k = int(np.ceil(n * distance))
    h, m = k - n * distance, 2 * k - 1
    order = np.arange(m)[:, None] - np.arange(m)[None, :] + 1
    H = (order >= 0).astype(float)
    powers = h ** np.arange(1, m + 1)
    H[:, 0] -= powers
    H[-1] -= powers[::-1]
    H[-1, 0] += max(0.0, 2 * h - 1) ** m
    H *= np.exp(-gammaln(np.maximum(order, 0) + 1.0))
    power, scale = _power(H, n)
    log = scale + gammaln(n + 1.0) - n * np.log(n)
    return float(power[k - 1, k - 1] * np.exp(log))


def _power(H: np.ndarray, n: int) -> tuple[np.ndarray, float]:
    """`H^n` over a factor, and the logarithm of that factor."""
    result, log, square, log_square = np.eye(len(H)), 0.0, H, 0.0
    while n:
        if n & 1:
            result, log = result @ square, log + log_square
            size = np.abs(result).max()
            result, log = result / size, log + np.log(size)
        n >>= 1
        if n:
            square, log_square = square @ square, 2 * log_square
            size = np.abs(square).max()
            square, log_square = square / size, log_square + np.log(size)
    return result, float(log)


def _expanded(distance: float, n: int) -> float:
    """`P(D_n < distance)` to the third power of `1 / sqrt(n)`."""
    z = np.sqrt(n) * distance
    half, full = (np.pi * (TERMS + 0.5)) ** 2, (np.pi * TERMS) ** 2
    odd, even = np.exp(-half / (2 * z**2)), np.exp(-full / (2 * z**2))
    root = np.sqrt(np.pi / 2)
    zeroth = root / z * odd.sum()
    first = root / (6 * z**4) * ((half - z**2) * odd).sum()
    second = (
        root
        / (72 * z**7)
        * (
            (6 * z**6 + 2 * z**4 + half * (2 * z**4 - 5 * z**2) + half**2 * (1 - 2 * z**2)) * odd
        ).sum()
    ) - root / (36 * z**3) * (full * even).sum()
    third = (
        root
        / (6480 * z**10)
        * (
            (
                half**3 * (5 - 30 * z**2)
                + half**2 * (-60 * z**2 + 212 * z**4)
                + half * (135 * z**4 - 96 * z**6)
                - (30 * z**6 + 90 * z**8)
            )
            * odd
        ).sum()
    ) + root / (216 * z**6) * ((3 * full * z**2 - full**2) * even).sum()
    return float(zeroth + first / np.sqrt(n) + second / n + third / n**1.5)
