"""Backward passes: ours against `particles` and cuthbert, and backward simulation at any size."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path

import cuthbert
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import FIGURES, fact, precision, ratio, temporary_mib
from problem import cuthbert_functions, make_problem, ours, run_particles

from rekalman.filters.particle import ParticleFilter
from rekalman.smoothers.backward import smooth_backward
from rekalman.smoothers.marginal import smooth_marginal

STEPS, PARTICLES = 1000, 100
PROBLEM = make_problem(STEPS)
GROUP = "backward pass, N = M = 100, T = 1000, 5 states"
MEANS: dict[str, np.ndarray] = {}


def _output(x) -> np.ndarray:
    """Smoothed mean of the noise-free output, from trajectories `(steps, M, states)`."""
    return (np.tanh(np.asarray(x)) @ PROBLEM.C.T).mean(1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", ["marginal", "exact", "mcmc"])
def test_ours(comparison, dtype: str, method: str) -> None:
    with precision(dtype):
        model, y, mask = ours(PROBLEM)
        algorithm = ParticleFilter(model, PARTICLES, "bootstrap")
        path = jax.jit(ParticleFilter.run)(algorithm, y, mask, None, None, jax.random.key(0))
        valid = jnp.ones(STEPS, bool)
        if method == "marginal":
            call = jax.jit(
                lambda path: smooth_marginal(
                    model, path, None, None, valid, path.x, model.f(path.x)
                )
            )
            result = comparison(
                GROUP, f"rekalman {method} {dtype}", functools.partial(call, path),
                rounds=25, temporary_mib=temporary_mib(call, path),
            )  # fmt: skip
            mean = (result.weights[..., None] * model.observation_mean(path.x)).sum(1)
        else:
            call = jax.jit(
                lambda path, key: smooth_backward(
                    model, path, None, None, valid, PARTICLES, key, method
                )
            )
            key = jax.random.key(1)
            result = comparison(
                GROUP, f"rekalman {method} {dtype}", functools.partial(call, path, key),
                rounds=25, temporary_mib=temporary_mib(call, path, key),
            )  # fmt: skip
            mean = model.observation_mean(result).mean(1)
    MEANS[f"rekalman {method} {dtype}"] = np.asarray(mean)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cuthbert_exact(comparison, dtype: str) -> None:
    with precision(dtype):
        filter_object, smoother_object, y = cuthbert_functions(PROBLEM, PARTICLES)
        start = filter_object.init_prepare(key=jax.random.key(0))
        run = jax.jit(lambda key: cuthbert.filtering.filter(filter_object, y, start, key=key))
        states = run(jax.random.key(1))
        call = jax.jit(
            lambda states, key: cuthbert.smoothing.smoother(smoother_object, states, key=key)
        )
        key = jax.random.key(2)
        result = comparison(
            GROUP, f"cuthbert exact {dtype}", functools.partial(call, states, key),
            rounds=7, temporary_mib=temporary_mib(call, states, key),
        )  # fmt: skip
    # It keeps a state before the first observation.
    MEANS[f"cuthbert exact {dtype}"] = _output(result.particles)[1:]


def test_particles_exact(comparison) -> None:
    np.random.seed(0)  # the package draws from numpy's global generator
    filtered = run_particles(PROBLEM, PARTICLES, history=True)
    call = functools.partial(filtered.hist.backward_sampling_ON2, PARTICLES)
    result = comparison(GROUP, "particles exact float64", call, rounds=2)
    MEANS["particles exact float64"] = _output(np.stack(result))


def test_all_compute_the_same_thing_and_how_fast() -> None:
    for dtype in ("float32", "float64"):
        for method in ("marginal", "exact"):
            name = f"rekalman {method} {dtype}"
            ratio(f"particles exact / {name}", GROUP, "particles exact float64", name, ">= 400")
            ratio(
                f"cuthbert exact {dtype} / {name}", GROUP, f"cuthbert exact {dtype}", name, ">= 12"
            )
    # Away from both ends (where conventions differ) the smoothed outputs agree within their noise:
    # each candidate ran a filter of its own with 100 particles.
    reference = MEANS["rekalman marginal float64"][50:-50]
    for name, mean in MEANS.items():
        distance = np.sqrt(np.mean((mean[50:-50] - reference) ** 2))
        fact(GROUP, name, rms_distance_of_smoothed_outputs=float(distance))
        assert distance < 0.2 * reference.std(), name


@pytest.mark.parametrize("particles", [1_000, 10_000, 100_000, 1_000_000])
def test_simulation_cost_is_flat(comparison, particles: int) -> None:
    steps = {1_000: 1000, 10_000: 300, 100_000: 60, 1_000_000: 12}[particles]
    model, y, mask = ours(make_problem(steps))
    algorithm = ParticleFilter(model, particles, "bootstrap")
    path = jax.jit(ParticleFilter.run)(algorithm, y, mask, None, None, jax.random.key(0))
    valid = jnp.ones(steps, bool)
    call = jax.jit(
        lambda path, key: smooth_backward(model, path, None, None, valid, particles, key, "mcmc")
    )
    group, name = "backward simulation (mcmc, float32, M = N)", f"N = {particles}"
    comparison(group, name, functools.partial(call, path, jax.random.key(1)), rounds=7, steps=steps)
    seconds = FIGURES[group][name]["seconds"]
    fact(group, name, nanoseconds_per_particle_and_step=seconds / particles / (steps - 1) * 1e9)


def test_a_hundred_thousand_particles_for_a_thousand_steps_fit_in_memory() -> None:
    script = Path(__file__).with_name("large.py")
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    facts = json.loads(run.stdout.splitlines()[-1])
    fact("large backward simulation (mcmc, float32)", "N = M = 100000, T = 1000", **facts)
    assert facts["peak_gib"] < 24
