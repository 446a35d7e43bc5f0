"""The patch encoder against naive strided convolutions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rekalman.foundation.errors import RekalError
from rekalman.networks.vision.patch_encoder import PatchEncoder

KEY = jax.random.key(1)
RNG = np.random.default_rng(1)


def strided(x, dense, side):
    """A convolution whose stride is its width."""
    kernel = dense.weight.reshape(side, side, x.shape[-1], -1)
    out = jax.lax.conv_general_dilated(
        x, kernel, (side, side), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return out + dense.bias


@pytest.mark.parametrize(
    ("shape", "widths", "norm"),
    [((24, 24, 1), (8, 12, 16), False), ((16, 32, 3), (4, 6, 8, 10), True)],
)
def test_patch_encoder_against_convolutions(shape, widths, norm):
    encoder = PatchEncoder(shape, 5, widths, norm=norm, key=KEY)
    frames = jnp.asarray(RNG.integers(0, 256, (3, *shape)).astype(np.uint8))

    def naive(encoder):
        x = frames.astype(jnp.float32) / 255
        for i, dense in enumerate(encoder.stages):
            last = i == len(widths) - 1
            x = dense(x.reshape(3, -1)) if last else strided(x, dense, 2 if i else 4)
            x = jax.nn.relu(encoder.norms[i](x) if norm else x)
        return encoder.head(x)

    def loss(encode, encoder):
        mean, var = encode(encoder)
        return jnp.sum(jnp.sin(3 * mean) + var**2)

    result = jax.jit(jax.value_and_grad(lambda e: loss(lambda e: e(frames), e)))(encoder)
    expected = jax.jit(jax.value_and_grad(lambda e: loss(naive, e)))(encoder)
    for a, b in zip(jax.tree.leaves(result), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_patches_must_divide_the_frame():
    with pytest.raises(RekalError, match=r"divisible by 8, not \(20, 24, 1\)"):
        PatchEncoder((20, 24, 1), 5, key=KEY)
    encoder = PatchEncoder((24, 24, 1), 5, key=KEY)
    with pytest.raises(RekalError, match=r"shape \(24, 24, 1\), not \(48, 48, 1\)"):
        encoder(jnp.zeros((2, 48, 48, 1), jnp.uint8))
    with pytest.raises(RekalError, match=r"made for bytes \(uint8, 0 to 255\), not float32"):
        encoder(jnp.zeros((2, 24, 24, 1)))
