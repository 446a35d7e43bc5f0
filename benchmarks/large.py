"""Filter and smooth 10^5 particles over 1000 steps; print seconds and peak memory as JSON.

A program of its own, because peak memory is that of a whole process.
"""

from __future__ import annotations

import json
import resource
import time

import jax
import jax.numpy as jnp
from problem import make_problem, ours

from rekalman.filters.particle import ParticleFilter
from rekalman.smoothers.backward import smooth_backward

STEPS, PARTICLES = 1000, 100_000


def peak_gib() -> float:
    """Peak resident memory of this process (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Run once, compilation included."""
    model, y, mask = ours(make_problem(STEPS))
    start = time.perf_counter()
    algorithm = ParticleFilter(model, PARTICLES, "bootstrap")
    path = jax.jit(ParticleFilter.run)(algorithm, y, mask, None, None, jax.random.key(0))
    jax.block_until_ready(path)
    filtered, filter_peak = time.perf_counter(), peak_gib()
    smooth = jax.jit(
        lambda path, key: smooth_backward(
            model, path, None, None, jnp.ones(STEPS, bool), PARTICLES, key, "mcmc"
        )
    )
    x = jax.block_until_ready(smooth(path, jax.random.key(1)))
    assert bool(jnp.isfinite(x[::100]).all())
    facts = {
        "filter_seconds": filtered - start,
        "smoother_seconds": time.perf_counter() - filtered,
        "filter_peak_gib": filter_peak,
        "peak_gib": peak_gib(),
        "path_gib": sum(leaf.nbytes for leaf in jax.tree.leaves(path)) / 2**30,
        "trajectories_gib": x.nbytes / 2**30,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
