"""Whether what users compile is right with many particles, draws or steps in single precision.

The compiler of jaxlib 0.10.2 spoils, on a CPU in float32, a sum over the last axis of a product whose first
factor is broadcast along the first axis of the second, when something elementwise follows and the result has
between 32,768 and some 130,000 numbers:

    jax.jit(lambda M, x, z: (M * x[:, None, :]).sum(-1) + z)(M, x, z)      # M (3, 3), x and z (20000, 3)

is wrong from row 10,922 = 32,768 / 3 on. `x[:, None, :] * M`, `x @ M.T` and sums written out are right, and
so is everything with XLA_FLAGS=--xla_cpu_experimental_ynn_fusion_type= (empty). Run this with the flags that
users have (none); it prints one JSON object. `tests/test_compiler_fusion.py` reads it. With the argument
"all" it tries more sizes and models, which takes three times as long.
"""

from __future__ import annotations

import json
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from naive import JointGaussian

import rekalman
from rekalman.numerics.precision import single_precision


def smallest() -> dict[str, float]:
    """The largest error of the smallest program, and of the formulations that rekalman uses."""
    rng = np.random.default_rng(0)
    M, x, z = (rng.normal(size=s).astype(np.float32) for s in ((3, 3), (20_000, 3), (20_000, 3)))
    right = x.astype(float) @ M.T.astype(float) + z
    ways = {
        "matrix first": lambda M, x, z: (M * x[:, None, :]).sum(-1) + z,
        "rows first": lambda M, x, z: (x[:, None, :] * M).sum(-1) + z,
        "product": lambda M, x, z: x @ M.T + z,
        "written out": lambda M, x, z: sum(x[:, k : k + 1] * M[:, k] for k in range(3)) + z,
    }
    return {name: float(np.abs(jax.jit(way)(M, x, z) - right).max()) for name, way in ways.items()}


def linear(n: int, p: int) -> rekalman.LinearGaussian:
    rng = np.random.default_rng(n)
    A = 0.7 * np.eye(n) + 0.2 / n
    return rekalman.LinearGaussian.create(
        A, rng.normal(size=(p, n)), 0.3 * np.eye(n), 0.4 * np.eye(p)
    )


def exact(n: int, p: int, y) -> JointGaussian:
    """The joint law of states and observations `y`, in double precision."""
    return JointGaussian(linear(n, p), np.asarray(y, float), np.ones(y.shape, bool), None)


def draws(count: int, n: int, p: int, steps: int = 5) -> dict[str, float]:
    """Mean and variance of the last draws of the simulation smoother, in standard errors."""
    with single_precision():
        model = linear(n, p)
        y = jnp.asarray(np.random.default_rng(1).normal(size=(steps, p)), jnp.float32)
        x = rekalman.simulation_smoother(model, y, None, None, jax.random.key(0), count)
        assert x.dtype == jnp.float32
    mean, cov = exact(n, p, y).given(steps)
    var = np.stack([cov[t, :, t].diagonal() for t in range(steps)])
    last = np.asarray(x, float)[count // 2 :]
    off = np.abs(last.mean(0) - mean) / np.sqrt(var / len(last))
    broad = np.abs(last.var(0) / var - 1) / np.sqrt(2 / len(last))
    return {"mean": float(off.max()), "variance": float(broad.max())}


def particles(count: int, n: int, p: int, proposal: str, kind: str, steps: int = 8) -> float:
    """Mean error of the likelihood, as a ratio to the exact one, over three runs."""
    with single_precision():
        model = linear(n, p)
        A, C, Q, R = (jnp.asarray(getattr(model, name)) for name in "ACQR")
        if kind == "network":
            model = rekalman.StochasticRNN.create(A, C, Q, R, P=jnp.eye(n), activation="identity")
        if kind == "own functions":
            f, h = (
                lambda x, u, dt: (A * x).sum(-1),
                lambda x, u: jnp.sinh(jnp.arcsinh((C * x).sum(-1))),
            )
            model = rekalman.NonlinearGaussian.create(f, h, Q, R, jnp.zeros(n), jnp.eye(n))
        y = jnp.asarray(np.random.default_rng(1).normal(size=(steps, p)), jnp.float32)
        right = exact(n, p, y).log_likelihood()
        algorithm = rekalman.ParticleFilter(model, count, proposal)
        run = eqx.filter_jit(lambda key: algorithm.run(y, y == y, None, None, key).log_likelihood)
        runs = [float(run(jax.random.key(seed))) - right for seed in range(3)]
    return float(np.mean(np.exp(runs)) - 1)


FEW_DRAWS = ((20_000, 3, 2),)
FEW_PARTICLES = (
    (20_000, 3, 2, "guided", "network"),
    (20_000, 3, 3, "bootstrap", "own functions"),
)
MORE_DRAWS = ((100_000, 3, 2), (20_000, 5, 1))
MORE_PARTICLES = (
    (20_000, 2, 3, "bootstrap", "network"),
    (100_000, 3, 1, "guided", "linear"),
)


def main(every_case: bool) -> None:
    draw_cases = FEW_DRAWS + MORE_DRAWS * every_case
    particle_cases = FEW_PARTICLES + MORE_PARTICLES * every_case
    errors = {
        "jaxlib": jax.lib.__version__,
        "smallest": smallest(),
        "draws": {" ".join(map(str, case)): draws(*case) for case in draw_cases},
        "particles": {" ".join(map(str, case)): particles(*case) for case in particle_cases},
    }
    json.dump(errors, sys.stdout)


if __name__ == "__main__":
    main(every_case="all" in sys.argv)
