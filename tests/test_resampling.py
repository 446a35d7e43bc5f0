"""Systematic resampling: counts, unbiasedness and weights that try to break it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rekalman.filters.resampling import systematic

SIZE = 16
draw_jit = jax.jit(systematic, static_argnames="slots")
weights_of_16 = st.lists(st.floats(0, 1, width=32), min_size=SIZE, max_size=SIZE).filter(
    lambda w: sum(w) > 1e-3
)
uniforms = st.floats(0, 1, exclude_max=True, width=32)


def drawn(weights, uniform: float, slots: int) -> np.ndarray:
    w = jnp.asarray(weights, jnp.float32)
    return np.asarray(draw_jit(w, jnp.asarray(uniform, jnp.float32), slots))


@given(weights=weights_of_16, uniform=uniforms, slots=st.sampled_from([1, 5, SIZE, 100]))
@example(weights=[1.0] + [0.0] * (SIZE - 1), uniform=0.0, slots=SIZE)
@example(weights=[0.0] * (SIZE - 1) + [1.0], uniform=0.0, slots=SIZE)
@example(weights=[0.0] * (SIZE - 1) + [1.0], uniform=1 - 2.0**-24, slots=SIZE)
@example(weights=[1.0] * SIZE, uniform=0.0, slots=SIZE)
def test_counts_are_the_floor_or_the_ceiling_of_their_share(weights, uniform, slots):
    ancestors = drawn(weights, uniform, slots)
    counts = np.bincount(ancestors, minlength=SIZE)
    share = slots * np.asarray(weights) / sum(weights)
    rounding = 1e-4
    assert len(ancestors) == slots and len(counts) == SIZE
    assert (np.diff(ancestors) >= 0).all()
    assert (counts >= np.floor(share - rounding)).all()
    assert (counts <= np.ceil(share + rounding)).all()


@given(weights=weights_of_16, uniform=uniforms)
def test_slots_hold_the_positions_of_the_definition(weights, uniform):
    edges = np.cumsum(np.asarray(weights, float)) / sum(weights)
    positions = (np.arange(SIZE) + uniform) / SIZE
    clear = abs(positions[:, None] - edges).min(1) > 1e-5  # not on an edge, within rounding
    expected = np.searchsorted(edges, positions, side="right")
    np.testing.assert_array_equal(drawn(weights, uniform, SIZE)[clear], expected[clear])


@pytest.mark.parametrize("slots", [3, 10])
def test_expected_counts_are_the_weights(slots):
    weights = jnp.asarray([0.02, 0.5, 0.0, 0.13, 0.35])
    uniform = (jnp.arange(20_000) + 0.5) / 20_000
    ancestors = jax.vmap(lambda u: systematic(weights, u, slots))(uniform)
    counts = np.bincount(np.asarray(ancestors).reshape(-1), minlength=5) / 20_000
    np.testing.assert_allclose(counts, slots * weights, atol=2e-4)


@pytest.mark.parametrize("place", [0, 7, SIZE - 1])
def test_one_heavy_particle_takes_all(place):
    weights = np.full(SIZE, 1e-38)
    weights[place] = 1.0
    for uniform in (0.0, 0.5, 1 - 2.0**-24):
        counts = np.bincount(drawn(weights, uniform, SIZE), minlength=SIZE)
        assert counts[place] >= SIZE - 1  # a position of exactly 0 may fall to the first particle


def test_weights_need_not_sum_to_one():
    weights = np.random.default_rng(0).exponential(size=SIZE)
    np.testing.assert_array_equal(drawn(weights, 0.3, SIZE), drawn(weights * 512, 0.3, SIZE))


def test_float32_is_exact_enough_for_a_million_particles():
    size = 1_000_000
    weights = np.random.default_rng(1).exponential(size=size).astype(np.float32)
    counts = np.bincount(drawn(weights, 0.37, size), minlength=size)
    share = size * weights.astype(float) / weights.sum(dtype=float)
    assert counts.sum() == size
    # Cumulated in float32 the edges of some slots move by one place, never by more.
    assert abs(counts - share).max() < 2.1
    broad = np.add.reduceat(counts - share, np.arange(0, size, 10_000))
    assert abs(broad).max() < 10
