"""One EM iteration of the stochastic network, and what its parts take."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import pytest
from conftest import precision, ratio, temporary_mib
from problem import make_problem, ours

from rekalman.filters.particle import ParticleFilter
from rekalman.learners.em.maximise import Constraints, Priors, maximise
from rekalman.learners.em.particle_statistics import expected_statistics
from rekalman.learners.em.priors import PriorStrength
from rekalman.models.stochastic_rnn import StochasticRNN
from rekalman.smoothers.marginal import smooth_marginal

STEPS, PARTICLES = 1000, 100
FREE = Constraints(None, None, (), "diagonal", "diagonal")


def group_of(dtype: str) -> str:
    return f"EM iteration, N = 100, T = 1000, 5 states, {dtype}"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("proposal", ["bootstrap", "guided"])
def test_whole_iteration(comparison, dtype: str, proposal: str) -> None:
    with precision(dtype):
        model, y, mask = ours(make_problem(STEPS))
        valid, key = jnp.ones(STEPS, bool), jax.random.key(0)

        def statistics(model: StochasticRNN, key):
            algorithm = ParticleFilter(model, PARTICLES, proposal)
            return expected_statistics(model, algorithm, y, mask, None, valid, key)

        priors = PriorStrength().priors(jax.jit(statistics)(model, key)[0])

        @jax.jit
        def iteration(model: StochasticRNN, priors: Priors, key):
            expected, path = statistics(model, key)
            return maximise(model, expected, priors, FREE), path.log_likelihood

        comparison(
            group_of(dtype), f"{proposal}: whole iteration",
            functools.partial(iteration, model, priors, key), rounds=25,
            temporary_mib=temporary_mib(iteration, model, priors, key),
        )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("part", ["bootstrap: filter", "guided: filter", "backward pass"])
def test_parts(comparison, dtype: str, part: str) -> None:
    with precision(dtype):
        model, y, mask = ours(make_problem(STEPS))
        proposal = part.split(":")[0] if "filter" in part else "bootstrap"
        algorithm = ParticleFilter(model, PARTICLES, proposal)
        run = jax.jit(lambda key: algorithm.run(y, mask, None, None, key))
        call = functools.partial(run, jax.random.key(0))
        if part == "backward pass":
            path, valid = call(), jnp.ones(STEPS, bool)
            smooth = jax.jit(
                lambda path: smooth_marginal(
                    model, path, None, None, valid, path.x, model.f(path.x)
                )
            )
            call = functools.partial(smooth, path)
        comparison(group_of(dtype), part, call, rounds=25)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ratio_of_an_iteration_to_its_backward_pass(dtype: str) -> None:
    for proposal in ("bootstrap", "guided"):
        whole = f"{proposal}: whole iteration"
        ratio(f"{whole} / backward pass", group_of(dtype), whole, "backward pass", "<= 2")
