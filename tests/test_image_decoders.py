"""Decoders of images against XLA's transposed convolutions, values and gradients."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rekalman.foundation.errors import RekalError
from rekalman.networks.vision.image_decoder import ImageDecoder
from rekalman.networks.vision.patch_decoder import PatchDecoder
from rekalman.networks.vision.tiles import from_blocks, to_blocks
from rekalman.networks.vision.upsampling import Upsampling

KEY = jax.random.key(3)
RNG = np.random.default_rng(3)


def transposed(x, kernel, stride):
    """The gradient of a convolution with respect to its input, as TensorFlow defines it."""

    def convolution(image):
        return jax.lax.conv_general_dilated(
            image,
            kernel.swapaxes(2, 3),
            (stride, stride),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    n, height, width, _ = x.shape
    image = jnp.zeros((n, height * stride, width * stride, kernel.shape[3]))
    return jax.vjp(convolution, image)[1](x)[0]


def naive_image(decoder, features):
    height, width, _ = decoder.shape
    unit = 4 * decoder.stride
    x = jax.nn.relu(decoder.dense(features))
    x = x.reshape(len(x), height // unit, width // unit, -1)
    for i, stride in enumerate((4, decoder.stride, 1)):
        layer = decoder.convolutions[i]
        x = transposed(x, layer.kernel, stride) + layer.bias
        if i < 2:
            x = jax.nn.relu(decoder.norms[i](x) if decoder.norms else x)
    return x


def naive_patches(decoder, features):
    height, width, _ = decoder.shape
    first, second, *rest = decoder.stages
    x = jax.nn.relu(second(jax.nn.relu(first(features))))
    side = decoder.patch * 2 ** (len(rest) - 1)
    x = x.reshape(len(x), height // side, width // side, -1)
    for i, stage in enumerate(rest):
        last = i == len(rest) - 1
        side = decoder.patch if last else 2
        kernel = stage.weight.reshape(x.shape[-1], side, side, -1).transpose(1, 2, 0, 3)
        bias = jnp.tile(stage.bias.reshape(side, side, -1), (x.shape[1], x.shape[2], 1))
        x = transposed(x, kernel, side) + bias
        x = x if last else jax.nn.relu(x)
    return x


def stirred(tree):
    return jax.tree.map(lambda x: x + 0.2 * RNG.normal(size=x.shape).astype(np.float32), tree)


def ours(decoder, features):
    return decoder(features, features[:, :2]).logits


def loss(call, decoder, features):
    logits = call(decoder, features)
    return jnp.sum(jnp.sin(logits)), logits


@pytest.mark.parametrize(
    ("decoder", "naive"),
    [
        (ImageDecoder(5, (24, 24, 1), key=KEY), naive_image),
        (ImageDecoder(5, (16, 32, 2), (4, 3), 4, norm=False, key=KEY), naive_image),
        (PatchDecoder(5, (16, 24, 2), (7, 8, 6, 4), 2, key=KEY), naive_patches),
    ],
)
def test_values_and_gradients_are_those_of_transposed_convolutions(decoder, naive):
    decoder = stirred(decoder)
    features = jnp.asarray(RNG.normal(size=(3, 5)), jnp.float32)

    @jax.jit
    def both(decoder, features):
        return [
            jax.value_and_grad(partial(loss, call), (0, 1), has_aux=True)(decoder, features)
            for call in (ours, naive)
        ]

    result, expected = (jax.tree.leaves(side) for side in both(decoder, features))
    assert len(result) == len(expected)
    for a, b in zip(result, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=5e-5 * max(1.0, float(abs(b).max())))


@pytest.mark.parametrize(
    ("kernel", "stride", "block"),
    [(5, 4, 1), (3, 2, 1), (3, 1, 2), (3, 4, 2), (4, 2, 3), (2, 2, 1)],
)
@pytest.mark.parametrize("outputs", [1, 40])
def test_upsampling_is_a_transposed_convolution(kernel, stride, block, outputs):
    step = Upsampling(kernel, stride, block)
    x = RNG.normal(size=(2, 6, 12, 3)).astype(np.float32)
    weights = RNG.normal(size=(kernel, kernel, 3, outputs)).astype(np.float32)
    blocks = step(to_blocks(jnp.asarray(x), block), step.matrices(jnp.asarray(weights)))
    image = from_blocks(blocks, block * stride)
    image = image[:, step.cut : step.cut + 6 * stride, step.cut : step.cut + 12 * stride]
    # XLA's own turns the kernel round.
    expected = jax.lax.conv_transpose(
        x, weights[::-1, ::-1], (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(image, expected, atol=1e-4)


def test_images_that_cannot_be_divided_are_refused():
    with pytest.raises(RekalError, match=r"divisible by 16, not \(24, 24, 1\)"):
        ImageDecoder(5, (24, 24, 1), stride=4, key=KEY)
    with pytest.raises(RekalError, match=r"divisible by 8, not \(20, 24, 1\)"):
        PatchDecoder(5, (20, 24, 1), key=KEY)
