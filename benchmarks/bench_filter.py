"""The bootstrap filter from 10^3 to 10^6 particles, ours against `particles`."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest
from conftest import FIGURES, fact, precision, ratio
from problem import make_problem, ours, run_particles

from rekalman.filters.particle import ParticleFilter

STEPS = {1_000: 1000, 10_000: 300, 100_000: 50, 1_000_000: 10}


def group_of(particles: int) -> str:
    return f"bootstrap filter, N = {particles}, T = {STEPS[particles]}, 5 states"


@pytest.mark.parametrize("particles", STEPS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ours(comparison, dtype: str, particles: int) -> None:
    """Without history, as the peer: likelihood and filtered mean of each step."""
    with precision(dtype):
        model, y, mask = ours(make_problem(STEPS[particles]))
        algorithm = ParticleFilter(model, particles, "bootstrap")
        call = jax.jit(lambda key: algorithm.run(y, mask, None, None, key).log_likelihood)
        group, name = group_of(particles), f"rekalman {dtype}"
        total = comparison(group, name, functools.partial(call, jax.random.key(0)), rounds=9)
        fact(group, name, log_likelihood=float(total))


@pytest.mark.parametrize("particles", STEPS)
def test_particles(comparison, particles: int) -> None:
    np.random.seed(0)
    call = functools.partial(run_particles, make_problem(STEPS[particles]), particles, False)
    group = group_of(particles)
    filtered = comparison(group, "particles float64", call, rounds=4)
    fact(group, "particles float64", log_likelihood=float(filtered.logLt))


@pytest.mark.parametrize("particles", STEPS)
def test_same_likelihood_and_how_fast(particles: int) -> None:
    group = group_of(particles)
    goal = ">= 5" if particles >= 10_000 else ">= 0"
    for dtype in ("float32", "float64"):
        name = f"rekalman {dtype}"
        ratio(f"particles float64 / {name}", group, "particles float64", name, goal)
    values = [entry["log_likelihood"] for entry in FIGURES[group].values()]
    assert max(values) - min(values) < 5 * np.sqrt(STEPS[particles] / particles) + 0.05
