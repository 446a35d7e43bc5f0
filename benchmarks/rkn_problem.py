"""What `bench_rkn.py` and its programs time: the recursion, evidence in and gradients out; an epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn
from torch_rkn import BandedRKN

from rekalman import Backprop, Frames
from rekalman.networks.beliefs import Evidence, Factorised
from rekalman.networks.decoders import GaussianHead
from rekalman.networks.network import Network
from rekalman.networks.rkn.cell import Move, predict, update
from rekalman.networks.rkn.layer import RKN
from rekalman.networks.rkn.steps import belief_of, moments_of, steps_of, time_first

BATCH, TIME = 50, 150
FRAMES = 150_000  # of an epoch
SERIES = 500  # of 75 frames: what is trained on; an epoch is scaled from it


def layer_of(latent: int) -> RKN:
    """15 bases of bandwidth 3 that are not alike."""
    return RKN.create(latent, spread=0.01, key=jax.random.key(0))


def arrays(latent: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latent observations, their variances, and weights that make one number of all posterior moments."""
    rng = np.random.default_rng(0)
    draw = lambda n: rng.normal(size=(BATCH, TIME, n)).astype(np.float32)  # noqa: E731
    return draw(latent), 0.1 + draw(latent) ** 2, draw(5 * latent) / (BATCH * TIME)


def joined(belief: Factorised) -> jax.Array:
    """All moments as one vector, in the order of `BandedRKN`."""
    return jnp.concatenate([belief.mean, belief.spread], -1)


def handwritten(layer: RKN, evidence: Evidence) -> jax.Array:
    """The library: a backward pass written by hand."""
    return joined(layer.run(evidence).posterior)


def by_autodiff(layer: RKN, evidence: Evidence) -> jax.Array:
    """The same forward pass, differentiated by JAX."""
    n, time, _ = evidence.mean.shape
    known = jnp.broadcast_to(layer.coefficients.known.bias, (time, n, 15))
    steps = steps_of(evidence, Move(known), 1)
    entered = update(moments_of(layer.init((n,))), *(leaf[0] for leaf in steps[1:]))

    def step(x: Any, row: Any) -> Any:
        after = update(predict(layer.dynamics, x, row.move)[0], *row[1:])
        return after, after

    _, rest = jax.lax.scan(step, entered, jax.tree.map(lambda leaf: leaf[1:], steps))
    path = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), entered, rest)
    return joined(belief_of(time_first(path), None))


def rekalman_call(
    latent: int, run: Callable[[RKN, Evidence], jax.Array] = handwritten, gradient: bool = True
) -> tuple[Any, tuple[Any, ...]]:
    """A compiled function and its arguments; it gives the value and, if wanted, all gradients."""
    w, r, weights = (jnp.asarray(x) for x in arrays(latent))
    parameters, rest = eqx.partition(layer_of(latent), eqx.is_inexact_array)

    def value(parameters: Any, w: jax.Array, r: jax.Array, weights: jax.Array) -> jax.Array:
        layer = eqx.combine(parameters, rest)
        seen = jnp.ones(w.shape[:2], bool)
        return jnp.vdot(run(layer, Evidence(w, r, seen)), weights)

    call = jax.jit(jax.value_and_grad(value, (0, 1, 2)) if gradient else value)
    return call, (parameters, w, r, weights)


def torch_call(latent: int, units: int | None) -> Callable[[], tuple[Any, ...]]:
    """Value and gradients in PyTorch: of the banded RKN, or of an LSTM with so many units."""
    w, r, weights = (torch.from_numpy(x) for x in arrays(latent))
    w.requires_grad_(), r.requires_grad_()
    if units is None:
        module: nn.Module = BandedRKN(layer_of(latent))
        run = lambda: module(w, r).flatten(2)  # noqa: E731
    else:
        module = nn.LSTM(2 * latent, units, batch_first=True)
        run = lambda: module(torch.cat([w, r], -1))[0]  # noqa: E731
        weights = torch.randn(BATCH, TIME, units) / (BATCH * TIME)
    inputs = [*module.parameters(), w, r]

    def call() -> tuple[Any, ...]:
        loss = (run() * weights).sum()
        return loss, torch.autograd.grad(loss, inputs)

    return call


def films() -> tuple[np.ndarray, np.ndarray]:
    """Frames and targets of the right size; what they show costs nothing."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (SERIES, 75, 24, 24, 1), np.uint8)
    return pixels, rng.normal(size=(SERIES, 75, 2)).astype(np.float32)


def epoch_seconds(encoder: type) -> float:
    """The whole of `Backprop`, three epochs: the median leaves out the one that compiles."""
    keys = jax.random.split(jax.random.key(0), 3)
    layer = RKN.create(15, key=keys[1])
    head = GaussianHead(*layer.sizes, 2, (30,), "tanh", key=keys[2])
    network = Network(encoder((24, 24, 1), 15, key=keys[0]), layer, head)
    done = Backprop(epochs=3, batch=50).run(network, Frames.from_arrays(*films()))
    assert np.isfinite(done.train).all()
    return FRAMES / done.frames_per_second
