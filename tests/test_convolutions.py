"""The convolutional encoder against XLA's convolutions and pooling, values and gradients."""

from __future__ import annotations

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rekalman.foundation.errors import RekalError
from rekalman.networks.chunks import CHUNK, join, split
from rekalman.networks.vision.conv_encoder import ConvEncoder

KEY = jax.random.key(2)
RNG = np.random.default_rng(2)


def convolve(x, weights, stride):
    out = jax.lax.conv_general_dilated(
        x,
        weights.kernel,
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision="highest",
    )
    return out + weights.bias


def largest(x):
    window = (1, 2, 2, 1)
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")


def naive(encoder: ConvEncoder, frames):
    """The encoder as the paper's code writes it."""
    x = frames.astype(jnp.float32) * encoder.scale
    for i, stride in enumerate((encoder.stride, 2)):
        x = convolve(x, encoder.convolutions[i], stride)
        x = largest(jax.nn.relu(encoder.norms[i](x) if encoder.norms else x))
    return encoder.head(jax.nn.relu(encoder.dense(x.reshape(len(x), -1))))


def ours(encoder, frames):
    return encoder(frames)


def stirred(tree):
    """Every parameter moved by noise, so that none is 0 or 1."""
    return jax.tree.map(lambda x: x + 0.3 * RNG.normal(size=x.shape).astype(np.float32), tree)


def turned(encoder):
    """Every other channel with a negative scale: there the smallest number of a pool comes through."""
    signs = [norm.scale * (-1.0) ** np.arange(len(norm.scale)) for norm in encoder.norms]
    return (
        eqx.tree_at(lambda e: [norm.scale for norm in e.norms], encoder, signs)
        if signs
        else encoder
    )


def loss(call, encoder, frames):
    mean, var = call(encoder, frames)
    return jnp.sum(jnp.sin(3 * mean) + jnp.log1p(var)), (mean, var)


def assert_close(found, expected, atol=5e-5):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, atol=atol * max(1.0, float(abs(b).max())))


@pytest.mark.parametrize(
    ("n", "shape", "stride", "norm", "dtype"),
    [
        (3, (24, 24, 1), 1, True, np.uint8),
        (2, (32, 48, 2), 2, True, np.float32),
        (CHUNK + 3, (8, 16, 1), 1, False, np.uint8),
    ],
)
def test_values_and_gradients_are_those_of_plain_convolutions(n, shape, stride, norm, dtype):
    scale = 0.004 if dtype == np.float32 else 1 / 255
    made = ConvEncoder(shape, 4, (12, 10, 20), stride, norm=norm, scale=scale, key=KEY)
    encoder = turned(stirred(made))
    frames = RNG.integers(0, 256, (n, *shape)).astype(dtype)
    frames[0, : shape[0] // 2] = 0  # ties in the maxima
    argnums = (0, 1) if dtype == np.float32 else 0  # bytes have no gradient

    @jax.jit
    def both(encoder, frames):
        return [
            jax.value_and_grad(partial(loss, call), argnums, has_aux=True)(encoder, frames)
            for call in (ours, naive)
        ]

    assert_close(*both(encoder, jnp.asarray(frames)))


@pytest.mark.parametrize("n", [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK - 1])
def test_chunks_and_back(n):
    x = jnp.arange(2 * n).reshape(n, 2)
    chunks = split(x)
    assert chunks.shape[1] <= CHUNK
    assert chunks.shape[0] * chunks.shape[1] < n + max(chunks.shape[0], 1)
    np.testing.assert_array_equal(join(chunks, n), x)


def test_constant_frames_have_finite_gradients():
    encoder = ConvEncoder((8, 8, 1), 4, (3, 4, 5), eps=1e-12, key=KEY)
    frames = jnp.zeros((2, 8, 8, 1), jnp.uint8).at[1].set(255)
    gradient, _ = jax.jit(jax.grad(partial(loss, ours), has_aux=True))(encoder, frames)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_frames_that_cannot_be_divided_are_refused():
    with pytest.raises(RekalError, match=r"divisible by 16, not \(24, 24, 1\)"):
        ConvEncoder((24, 24, 1), 4, stride=2, key=KEY)
    with pytest.raises(RekalError, match="must be 1 or 2, not 3"):
        ConvEncoder((24, 24, 1), 4, stride=3, key=KEY)
