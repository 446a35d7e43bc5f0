"""Bulk normals and small products: exact words, the right law, the plain product."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rekalman.models.products import UNROLLED, row_dots, rows_times
from rekalman.numerics.normals import open_uniforms, standard_normals, threefry


def test_threefry_gives_the_published_words():
    # Random123's known-answer vectors for threefry2x32-20.
    cases = [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ]
    for key, (first, second), expected in cases:
        counter = (jnp.asarray([first], jnp.uint32), jnp.asarray([second], jnp.uint32))
        words = threefry(jnp.asarray(key, jnp.uint32), *counter)
        assert tuple(int(word[0]) for word in words) == expected


@pytest.mark.parametrize("x64", [False, True])
def test_normals_are_standard_and_independent(x64):
    with jax.enable_x64(x64):
        dtype = jnp.float64 if x64 else jnp.float32
        x = np.asarray(standard_normals(jax.random.key(3), 200, (333, 3), dtype))
    assert x.dtype == dtype
    flat = x.reshape(-1)
    assert stats.kstest(flat, "norm").pvalue > 1e-3
    assert abs(np.mean(flat**4) - 3) < 0.1
    bound = 5 / np.sqrt(flat.size)
    for lag in (1, 2, 3, 333, 500, 999):
        assert abs(np.mean(flat[lag:] * flat[:-lag])) < bound, lag
        assert abs(np.corrcoef(flat[lag:] ** 2, flat[:-lag] ** 2)[0, 1]) < bound, lag
    # Float64 must not repeat the resolution of float32.
    assert (len(np.unique(flat)) == flat.size) == x64


@pytest.mark.parametrize("x64", [False, True])
def test_uniforms_fill_the_open_interval(x64):
    with jax.enable_x64(x64):
        dtype = jnp.float64 if x64 else jnp.float32
        u = np.asarray(open_uniforms(jax.random.key(3), 300, (2, 501), dtype)).reshape(-1)
    assert 0 < u.min() < 1e-4 and 1 - 1e-4 < u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert np.log(u).mean() == pytest.approx(-1, abs=0.01)


def test_a_longer_draw_begins_with_the_shorter_one():
    draw = lambda steps: standard_normals(jax.random.key(0), steps, (5, 3), jnp.float32)  # noqa: E731
    np.testing.assert_array_equal(draw(4), draw(9)[:4])


def test_keys_give_different_normals_under_vmap_as_alone():
    keys = jax.random.split(jax.random.key(1), 3)
    one = lambda key: standard_normals(key, 2, (5,), jnp.float32)  # noqa: E731
    together = jax.vmap(one)(keys)
    assert len(np.unique(together)) == together.size
    np.testing.assert_array_equal(together[1], one(keys[1]))


@pytest.mark.parametrize("inner", [0, 1, 5, UNROLLED, UNROLLED + 3])
def test_products_are_plain_products(inner):
    rng = np.random.default_rng(inner)
    rows, matrix = rng.normal(size=(2, 7, inner)), rng.normal(size=(4, inner))
    ours = rows_times(jnp.asarray(rows), jnp.asarray(matrix))
    np.testing.assert_allclose(ours, rows @ matrix.T, rtol=2e-5, atol=2e-5)


def test_inner_products_of_rows():
    left, right = np.random.default_rng(0).normal(size=(2, 3, 7, 5))
    ours = row_dots(jnp.asarray(left), jnp.asarray(right))
    np.testing.assert_allclose(ours, (left * right).sum(-1), rtol=1e-5, atol=1e-5)
