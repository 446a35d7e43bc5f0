"""Random linear models with exact data: any rank of their covariances, any diffuse coordinates, any gaps.

All numbers of a model are small multiples of 1/4 and its series are drawn from it without rounding: an
observation that earlier ones determine agrees with them exactly, and ranks are no matter of rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from rekalman.models.linear import LinearGaussian
from rekalman.models.time_varying import LinearTimeVarying

STEPS, AHEAD = 6, 2  # observed steps at most, and steps to forecast


class Sizes(NamedTuple):
    """What a compiled function depends on."""

    states: int
    obs: int
    inputs: int
    diffuse: tuple[int, ...]
    varying: bool


FEW = [
    Sizes(1, 1, 0, (0,), False),
    Sizes(2, 1, 1, (0, 1), True),
    Sizes(3, 2, 1, (), False),
    Sizes(3, 2, 1, (0, 2), True),
    Sizes(4, 3, 1, (1,), False),
    Sizes(4, 3, 0, (0, 1, 2, 3), True),
]
EVERY = [
    Sizes(n, p, (n + p) % 2, tuple(i for i in range(n) if pattern >> i & 1), bool((n + p + pattern) % 3))
    for n in range(1, 5)
    for p in range(1, 4)
    for pattern in {0, 1, 2**n - 1, 5 % 2**n}
]  # fmt: skip


class Case(NamedTuple):
    """One model and a series drawn from it, with inputs beyond its end."""

    model: LinearGaussian | LinearTimeVarying
    y: np.ndarray
    mask: np.ndarray
    u: np.ndarray | None
    length: int


def cases(
    sizes: list[Sizes], make=lambda *args, **more: make_cases(*args, **more)[0]
) -> st.SearchStrategy:
    return st.builds(
        make,
        st.sampled_from(sizes),
        seed=st.integers(0, 2**32 - 1),
        transition=st.sampled_from(["dense", "walk", "companion", "forgetful"]),
        ranks=st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 4)),
        missing=st.sampled_from([0.0, 0.3, 0.6]),
        length=st.integers(1, STEPS),
    )


def make_cases(
    sizes: Sizes,
    seed: int,
    transition: str,
    ranks: tuple[int, int, int],
    missing: float,
    length: int,
    series: int = 1,
) -> list[Case]:
    """One model and some series of it; the first has `length` steps, each other one less."""
    n, p, k, diffuse, varying = sizes
    rng = np.random.default_rng(seed)
    few = lambda *shape: rng.integers(-4, 5, shape) / 4 * (rng.uniform(size=shape) < 0.7)  # noqa: E731
    A = transition_matrix(rng, n, transition)
    C = few(STEPS + AHEAD, p, n) if varying else few(p, n)
    G, H, S = (few(size, min(rank, size)) for size, rank in zip((n, p, n), ranks, strict=True))
    S[list(diffuse)] = 0
    m, c, d, B, D = few(n), few(n), few(p), few(n, k), few(p, k)
    start = {"initial": "diffuse", "flat": diffuse} if diffuse else {}
    blocks = {
        "A": A, "C": C, "Q": G @ G.T, "R": H @ H.T, "B": B, "D": D, "c": c, "d": d, "m": m, "P": S @ S.T
    }  # fmt: skip
    if varying:
        model = LinearTimeVarying.create(**blocks, varying=("C",), **start)
    else:
        model = LinearGaussian.create(**blocks, **start)
    draw = lambda root: root @ (rng.integers(-4, 5, root.shape[1]) / 2)  # noqa: E731
    result = []
    for i in range(series):
        u = few(STEPS + AHEAD, k)
        x, y = m + draw(S), np.zeros((STEPS + AHEAD, p))
        x[list(diffuse)] += rng.integers(-3, 4, len(diffuse))
        for t in range(STEPS):
            x = x if t == 0 else A @ x + B @ u[t] + c + draw(G)
            y[t] = (C[t] if varying else C) @ x + D @ u[t] + d + draw(H)
        last = max(1, length - i)
        mask = (rng.uniform(size=y.shape) >= missing) & (np.arange(len(y)) < last)[:, None]
        result.append(Case(model, y, mask, u if k else None, last))
    return result


def transition_matrix(rng: np.random.Generator, n: int, kind: str) -> np.ndarray:
    A = rng.integers(-3, 4, (n, n)) / 4
    if kind == "walk":
        return np.eye(n) + np.triu(rng.integers(0, 2, (n, n)), 1)
    if kind == "companion":
        return np.vstack([A[:1], np.eye(n)[:-1]])
    if kind == "forgetful":  # singular, often nilpotent
        return np.triu(A, 1)
    return A
