"""A network and films so small that training them costs nothing."""

from __future__ import annotations

import jax
import numpy as np

from rekalman.data.images import Frames
from rekalman.learners.gradient.backprop import Backprop
from rekalman.networks.decoders import GaussianHead
from rekalman.networks.elman import Elman
from rekalman.networks.encoders import BYTE, DenseEncoder
from rekalman.networks.network import Network


def small_network(
    seed: int = 0,
    *,
    shape: tuple[int, ...] = (3, 3, 1),
    targets: int = 1,
    decodes: str = "posterior",
) -> Network:
    """An Elman network of 6 units on frames of 3x3 pixels, or on columns."""
    keys = jax.random.split(jax.random.key(seed), 3)
    scale = BYTE if len(shape) == 3 else 1.0
    encoder = DenseEncoder(shape, 3, (5,), scale=scale, key=keys[0])
    layer = Elman.create(3, units=6, key=keys[1])
    return Network(encoder, layer, GaussianHead(*layer.sizes, targets, (4,), key=keys[2]), decodes)  # pyright: ignore


def small_frames(series: int = 10, steps: int = 7, seed: int = 0) -> Frames:
    """Frames whose brightness swings, under pixel noise; the target is the brightness."""
    random = np.random.default_rng(seed)
    phase = random.uniform(0, 2 * np.pi, (series, 1)) + 0.7 * np.arange(steps)
    light = 128 + 90 * np.sin(phase)[..., None, None] + random.normal(0, 20, (series, steps, 3, 3))
    seen = random.random((series, steps)) < 0.8
    targets = np.sin(phase)[..., None]
    return Frames.from_arrays(light.clip(0, 255).astype(np.uint8), targets, mask=seen)


def small_run(epochs: int = 3) -> Backprop:
    """Training of a small network on small frames with everything switched on: 3 batches of 2 windows."""
    return Backprop(
        epochs=epochs,
        batch=8,
        rate=1e-2,
        window=4,
        mask_probability=0.2,
        permute_probability=0.2,
        average=0.9,
        hold_out=0.3,
        seed=3,
    )
