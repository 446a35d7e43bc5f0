"""Linear models beside other programs: one model, one series, and what the other program says of them."""

from __future__ import annotations

import os
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.linalg

from rekalman.filters.kalman.filter import Kalman
from rekalman.models.linear import LinearGaussian
from rekalman.models.time_varying import LinearTimeVarying

FORMS = ("covariance", "square-root", "parallel")
SIZES = (
    (5, 2, 128),
    (16, 2, 208),
)  # states, observations, steps to which cases are padded: compiled once each
INPUTS = 5
AHEAD = 2
LOG_2PI = float(np.log(2 * np.pi))


class Cases:
    """Cases by their names: `@case` on a function that gives what `check` takes."""

    def __init__(self) -> None:
        self.all: dict = {}

    def __call__(self, function):
        self.all[function.__name__] = function
        return function

    @property
    def names(self) -> list[str]:
        return list(self.all)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@eqx.filter_jit
def run(kalman: Kalman, y, mask, u, length):
    """Filter and smoother, and moments of the observations after the end."""
    path, smoothed = kalman.smooth(y, mask, u, None, length)
    ahead = (
        [path.prior_mean[length + h] for h in range(AHEAD)],
        [path.prior_cov[length + h] for h in range(AHEAD)],
    )
    return path, smoothed, ahead


def check(
    model, y, right: dict, u=None, *, form: str, rtol: float = 1e-7, atol: float = 1e-8
) -> None:
    """Compare with what another program found.

    Args:
        model: the linear model.
        y: the series `(steps, obs)` or `(steps,)`, NaN where missing.
        right: `log_likelihood`; `filtered`, `filtered_var`, `smoothed`, `smoothed_var` as `{step: row}`;
            `ahead` and `ahead_var`, rows of the observations after the end. What is there is compared.
        u: inputs, of the steps to forecast as well.
        form: form of the filter.
        rtol: relative tolerance, by the largest of its kind.
        atol: absolute tolerance.
    """
    y = np.asarray(y, float).reshape(len(y), -1)
    n, p = model.states, model.observations
    states, obs, steps = next(size for size in SIZES if size[0] >= n and size[2] >= len(y) + AHEAD)
    rows = ((0, steps - len(y)), (0, obs - p))
    mask = np.pad(np.isfinite(y), rows)
    inputs = np.zeros((steps, INPUTS))
    if u is not None:
        inputs[: len(u), : np.shape(u)[1]] = u
    whole, order = padded(model, states, obs, steps)
    data = (jnp.asarray(part) for part in (np.pad(np.nan_to_num(y), rows), mask, inputs, len(y)))
    result = run(Kalman(whole, form), *data)
    path, smoothed, (mean, cov) = jax.tree.map(np.asarray, result)

    def close(what: str, ours, theirs) -> None:
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        most = atol + rtol * np.abs(theirs).max(initial=0.0)
        assert np.abs(ours - theirs).max() <= most, (
            f"{what}: {ours.tolist()}, not {theirs.tolist()}"
        )

    back = np.argsort(order)[:n]
    diagonal = lambda cov: np.diagonal(cov, axis1=-2, axis2=-1)[:, back]  # noqa: E731
    ours = {
        "filtered": path.mean[:, back], "filtered_var": diagonal(path.cov),
        "smoothed": smoothed.mean[:, back], "smoothed_var": diagonal(smoothed.cov),
    }  # fmt: skip
    total = path.log_evidence[: len(y)].sum()
    close("log-likelihood", total, right.get("log_likelihood", total))
    for what, values in ours.items():
        for t, row in right.get(what, {}).items():
            close(f"{what}, step {t}", values[t][: len(row)], row)
    R, D, d = (np.asarray(getattr(whole, name)) for name in "RDd")
    C = np.broadcast_to(whole.C, (steps, obs, states))
    for h, row in enumerate(right.get("ahead", [])):
        t = len(y) + h
        close(f"forecast {h + 1}", (C[t] @ mean[h] + D @ inputs[t] + d)[:p], row)
    for h, row in enumerate(right.get("ahead_var", [])):
        t = len(y) + h
        close(f"variance of forecast {h + 1}", np.diag(C[t] @ cov[h] @ C[t].T + R)[:p], row)


def padded(model, states: int, obs: int, steps: int):
    """The model among states that are zero and columns that are missing, its diffuse coordinates in front.

    Returns:
        That model, and which coordinate each of its states was.
    """
    n, p = model.states, model.observations
    order = [*model.diffuse, *(i for i in range(states) if i not in model.diffuse)]

    def wide(block, *sizes: int) -> np.ndarray:
        block = np.asarray(block)
        extra = [size - have for size, have in zip(sizes, block.shape[-len(sizes) :], strict=True)]
        lead = [(0, 0)] * (block.ndim - len(sizes))
        return np.pad(block, [*lead, *((0, more) for more in extra)])

    m, P = model.initial_moments()
    R = wide(model.R, obs, obs)
    R[p:, p:] = np.eye(obs - p)
    C = wide(model.C, obs, states)[..., order]
    blocks = {
        "A": wide(model.A, states, states)[np.ix_(order, order)], "B": wide(model.B, states, INPUTS)[order],
        "c": wide(model.c, states)[order], "D": wide(model.D, obs, INPUTS), "d": wide(model.d, obs),
        "Q": wide(model.Q, states, states)[np.ix_(order, order)], "m": wide(m, states)[order],
        "P": wide(P, states, states)[np.ix_(order, order)], "R": R,
    }  # fmt: skip
    if model.diffuse:
        blocks |= {"initial": "diffuse", "flat": tuple(range(len(model.diffuse)))}
    assert max(model.diffuse, default=0) < n
    if isinstance(model, LinearTimeVarying):
        C = np.pad(C, ((0, steps - len(C)), (0, 0), (0, 0)))
        return LinearTimeVarying.create(C=C, **blocks, varying=("C",)), order
    return LinearGaussian.create(C=C, **blocks), order


def classic(name: str, columns: list[str] | None = None) -> np.ndarray:
    """A classic series, from the folder of real data."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    file = Path(os.environ.get("REKAL_DATA", beside)) / "classic_ssm" / f"{name}.csv"
    if not file.exists():
        pytest.skip(f"needs real data: set REKAL_DATA to their folder ({file} does not exist)")
    return pd.read_csv(file)[columns or "value"].to_numpy(float)


def build(A, C, Q, R, **more) -> LinearGaussian:
    """A model from nested lists; a list of numbers as `Q` or `R` is a diagonal."""
    square = lambda M: np.diag(M) if np.ndim(M) == 1 else np.asarray(M, float)  # noqa: E731
    return LinearGaussian.create(
        np.atleast_2d(np.asarray(A, float)),
        np.atleast_2d(np.asarray(C, float)),
        square(Q),
        square(R),
        **more,
    )


def side_by_side(*parts):
    """The blocks of components that add up: transitions on a diagonal, rows of the observation in a row."""
    A, C, Q = zip(*parts, strict=True)
    return (
        scipy.linalg.block_diag(*(np.atleast_2d(a) for a in A)),
        np.concatenate([np.atleast_2d(c) for c in C], 1),
        np.diag(np.concatenate(Q)),
    )


def level(variance: float):
    """A random walk."""
    return [[1.0]], [[1.0]], [variance]


def trend(level: float, slope: float):
    """A level with a slope, both random walks."""
    return [[1.0, 1.0], [0.0, 1.0]], [[1.0, 0.0]], [level, slope]


def seasonal(period: int, variance: float):
    """Effects that add up to noise over a period."""
    n = period - 1
    return (
        np.vstack([-np.ones((1, n)), np.eye(n)[:-1]]),
        np.eye(n)[:1],
        [variance, *[0.0] * (n - 1)],
    )


def cycle(frequency: float, variance: float, damping: float = 1.0):
    """A damped rotation."""
    c, s = damping * np.cos(frequency), damping * np.sin(frequency)
    return [[c, s], [-s, c]], [[1.0, 0.0]], [variance, variance]


def autoregression(weights, variance: float):
    """The companion form."""
    n = len(weights)
    return (
        np.vstack([np.atleast_2d(weights), np.eye(n)[:-1]]),
        np.eye(n)[:1],
        [variance, *[0.0] * (n - 1)],
    )


def constant(number: int, row):
    """Coefficients that do not change, each with its own column of a constant row."""
    return np.eye(number), np.atleast_2d(row), [0.0] * number
