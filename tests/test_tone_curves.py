"""Tone curves: against one frame at a time in NumPy, and for what they are meant."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rekalman.foundation.errors import RekalError
from rekalman.networks.vision.patch_encoder import PatchEncoder
from rekalman.networks.vision.tone_curves import ToneCurves

KEY = jax.random.key(3)
RNG = np.random.default_rng(3)


def naive(curves, frame):
    """One frame, `(places, block)`, curve by curve."""
    means = [np.maximum(frame - k / 8, 0).mean() for k in range(8)]
    hidden = np.tanh(4 * np.array(means) @ curves.hidden.weight + curves.hidden.bias)
    output = hidden @ curves.chosen.weight + curves.chosen.bias
    out = [frame]
    for i in range(curves.count):
        slope = np.exp(np.clip(1 + output[i], -2, 5))
        place = curves.places[i] + 0.3 * output[curves.count + i]
        way = place - frame if i < curves.count // 2 else frame - place
        out.append(np.clip(slope * way, 0, 1))
    return np.concatenate(out, -1)


@pytest.mark.parametrize("count", [2, 4])
def test_curves_against_one_frame_at_a_time(count):
    curves = ToneCurves(count, key=jax.random.key(count))
    x = RNG.uniform(size=(3, 9, 4)).astype(np.float32)
    result = np.asarray(curves(jnp.asarray(x).reshape(3, 3, 3, 4))).reshape(3, 9, -1)
    expected = np.stack([naive(jax.tree.map(np.asarray, curves), frame) for frame in x])
    np.testing.assert_allclose(result, expected, atol=2e-5)


def test_parts_of_a_frame_have_curves_of_their_own():
    whole, parts = (ToneCurves(2, regions, key=KEY) for regions in (1, 2))
    x = jnp.asarray(RNG.uniform(size=(2, 4, 6, 5)).astype(np.float32))
    result = parts(x)
    for rows in (slice(0, 2), slice(2, 4)):
        for columns in (slice(0, 3), slice(3, 6)):
            expected = whole(x[:, rows, columns])
            np.testing.assert_allclose(result[:, rows, columns], expected, atol=1e-6)


def test_the_place_of_a_curve_depends_on_the_frame_and_can_be_learned():
    curves = ToneCurves(2, key=KEY)
    dark, bright = jnp.zeros((1, 3, 3, 4)) + 0.1, jnp.zeros((1, 3, 3, 4)) + 0.9
    patched = jnp.concatenate([dark, bright])
    output = curves(patched.at[:, 0, 0, 0].set(0.5))
    assert abs(output[0, 0, 0, 4] - output[1, 0, 0, 4]) > 1e-3  # the same pixel in another frame

    x = jnp.asarray(RNG.uniform(size=(4, 3, 3, 4)).astype(np.float32))
    gradient = jax.grad(lambda c: (c(x)[..., 4:] ** 2).sum())(curves)
    step = 1e-3
    for leaf in (lambda c: c.hidden.weight, lambda c: c.chosen.bias, lambda c: c.places):
        assert float(jnp.abs(leaf(gradient)).max()) > step


def test_patch_encoder_joins_curves_to_its_patches():
    encoder = PatchEncoder((8, 8, 1), 3, (6, 5), tones=2, key=KEY)
    frames = jnp.asarray(RNG.integers(0, 256, (7, 8, 8, 1)).astype(np.uint8))
    assert encoder.tones is not None
    x = frames.reshape(7, 2, 4, 2, 4).swapaxes(2, 3).reshape(7, 2, 2, 16) / 255
    features = jax.nn.relu(encoder.stages[0](encoder.tones(x)))
    features = jax.nn.relu(encoder.stages[1](features.reshape(7, -1)))
    for result, expected in zip(encoder(frames), encoder.head(features), strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("count", [1, 3, -2])
def test_curves_come_in_pairs(count):
    with pytest.raises(RekalError, match=rf"tone curves come in pairs.*not {count}"):
        ToneCurves(count, key=KEY)
    with pytest.raises(RekalError, match="3 regions must divide the 2 x 2 patches"):
        PatchEncoder((8, 8, 1), 3, (6, 5), tones=2, regions=3, key=KEY)
