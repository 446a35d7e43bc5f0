r"""Normals and uniforms in bulk, several times cheaper than those of `jax.random` on a CPU.

The generator is the same, Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw 2011, "Parallel
random numbers: as easy as 1, 2, 3"), a bijection of a 64-bit counter keyed by 64 bits, and so is the
map from uniforms, `sqrt(2) erfinv(u)`. Two things differ: both words of a block are used (JAX xors
them into one), and the rounds are written out, so that the compiler fuses counter, rounds and `erfinv`
into one pass without a table in between.

The counter is (step, position), hence the first steps of a longer draw are the shorter draw.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, UInt32

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA


def standard_normals(
    key: PRNGKeyArray, steps: int, shape: tuple[int, ...], dtype: jnp.dtype | type
) -> Float[Array, "steps ..."]:
    """Independent standard normals `(steps, *shape)`.

    Args:
        key: the randomness.
        steps: length of the leading axis.
        shape: what is drawn at each step.
        dtype: float32 uses one 32-bit word for each number, float64 two.
    """
    halves = _symmetric_uniforms(key, steps, math.prod(shape), dtype)
    return _joined([math.sqrt(2) * jax.lax.erf_inv(half) for half in halves], shape)


def open_uniforms(
    key: PRNGKeyArray, steps: int, shape: tuple[int, ...], dtype: jnp.dtype | type
) -> Float[Array, "steps ..."]:
    """Independent uniforms on the open interval (0, 1), with the arguments of `standard_normals`."""
    halves = _symmetric_uniforms(key, steps, math.prod(shape), dtype)
    below_one = 1 - jnp.finfo(dtype).epsneg
    return _joined([jnp.minimum(0.5 * half + 0.5, below_one) for half in halves], shape)


def _joined(halves: list[Array], shape: tuple[int, ...]) -> Float[Array, "steps ..."]:
    """Two halves side by side, in the shape asked for.

    The concatenation also keeps XLA from computing in the shape of the result, whose short last axis
    costs float64 its vector instructions (38 ns a normal instead of 16).
    """
    count = math.prod(shape)
    return jnp.concatenate(halves, 1)[:, :count].reshape(halves[0].shape[0], *shape)


def _symmetric_uniforms(
    key: PRNGKeyArray, steps: int, count: int, dtype: jnp.dtype | type
) -> list[Float[Array, "steps half"]]:
    """Uniforms on (-1, 1) in two arrays of half the count each, rounded up."""
    half = -(-count // 2)
    key_words = jax.random.bits(key, (2,), jnp.uint32)
    step = jnp.arange(steps, dtype=jnp.uint32)[:, None]

    def words(start: int) -> tuple[Array, Array]:
        position = jnp.arange(start, start + half, dtype=jnp.uint32)[None, :]
        return threefry(key_words, *jnp.broadcast_arrays(step, position))

    if jnp.dtype(dtype).itemsize == 8:
        return [_wide_uniform(*words(start)) for start in (0, half)]
    return [_uniform(word).astype(dtype) for word in words(0)]


def threefry(
    key: UInt32[Array, " 2"], first: UInt32[Array, "*shape"], second: UInt32[Array, "*shape"]
) -> tuple[UInt32[Array, "*shape"], UInt32[Array, "*shape"]]:
    """Threefry-2x32-20 of each counter `(first, second)`."""
    keys = (key[0], key[1], key[0] ^ key[1] ^ jnp.uint32(PARITY))
    first, second = first + keys[0], second + keys[1]
    for group in range(5):
        for turn in ROTATIONS[group % 2]:
            first = first + second
            second = (second << turn) | (second >> (32 - turn))
            second = first ^ second
        first = first + keys[(group + 1) % 3]
        second = second + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    return first, second


def _uniform(word: UInt32[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Words as odd multiples of 2^-24 in (-1, 1): symmetric about zero, which is never hit."""
    signed = (word >> 8).astype(jnp.int32)
    return ((2 * signed + 1) - (1 << 24)).astype(jnp.float32) * jnp.float32(2.0**-24)


def _wide_uniform(
    high: UInt32[Array, "*shape"], low: UInt32[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Two words as an odd multiple of 2^-53 in (-1, 1)."""
    upper = high.astype(jnp.int32).astype(jnp.float64) * 2.0**-31
    return upper + (2.0 * (low >> 11).astype(jnp.int32).astype(jnp.float64) + 1) * 2.0**-53
