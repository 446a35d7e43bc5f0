"""Affine maps, networks of them, layer normalisation, and the weights of convolutions."""

from __future__ import annotations

import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.models.activations import Activation, activation_function


def glorot(shape: tuple[int, ...], key: PRNGKeyArray) -> Float[Array, "*shape"]:
    """Weights drawn evenly within `sqrt(6 / (fan in + fan out))` (Glorot and Bengio 2010; Keras' default).

    Args:
        shape: `(..., inputs, outputs)`; what stands before are positions of a convolution kernel.
        key: randomness.
    """
    positions = math.prod(shape[:-2])
    bound = math.sqrt(6 / (positions * (shape[-2] + shape[-1])))
    # Drawn as a vector: of four axes XLA takes seconds to compile the draw.
    flat = jax.random.uniform(key, (math.prod(shape),), jnp.float32, -bound, bound)
    return flat.reshape(shape)


def rows_times(
    x: Float[Array, "*batch inputs"], weight: Float[Array, "inputs outputs"]
) -> Float[Array, "*batch outputs"]:
    """`x @ weight`, as a product of two matrices.

    With more axes than two, XLA copies and turns everything round for the gradient of the weights.
    """
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return (rows @ weight).reshape(*x.shape[:-1], weight.shape[-1])


class Dense(eqx.Module):
    """`x W + b`; `W` starts as `glorot`, `b` as zeros.

    Attributes:
        weight: `(inputs, outputs)`.
        bias: `(outputs,)`.
    """

    weight: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"]

    def __init__(self, inputs: int, outputs: int, *, key: PRNGKeyArray):
        self.weight = glorot((inputs, outputs), key)
        self.bias = jnp.zeros(outputs, jnp.float32)

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        """The outputs."""
        return rows_times(x, self.weight) + self.bias


class Convolution(eqx.Module):
    """Weights of a convolution; the kernel starts as `glorot`, the bias as zeros.

    Attributes:
        kernel: `(side, side, inputs, outputs)`.
        bias: `(outputs,)`.
    """

    kernel: Float[Array, "side side inputs outputs"]
    bias: Float[Array, " outputs"]

    def __init__(self, side: int, inputs: int, outputs: int, *, key: PRNGKeyArray):
        self.kernel = glorot((side, side, inputs, outputs), key)
        self.bias = jnp.zeros(outputs, jnp.float32)


class LayerNorm(eqx.Module):
    """Each sample to mean 0 and variance 1 over all its axes jointly, then scale and offset by channel.

    This is TensorFlow's layer norm on images: one mean and one variance for height, width and channels
    together (Ba et al. 2016). `eps` bounds the gradient on constant samples, where TensorFlow's 1e-12 lets it
    grow a million times.

    Attributes:
        scale: `(channels,)`, starts at 1.
        offset: `(channels,)`, starts at 0.
        eps: added to the variance.
    """

    scale: Float[Array, " channels"]
    offset: Float[Array, " channels"]
    eps: float = eqx.field(static=True, default=1e-5)

    def __init__(self, channels: int, eps: int | float = 1e-5):
        self.scale = jnp.ones(channels, jnp.float32)
        self.offset = jnp.zeros(channels, jnp.float32)
        self.eps = float(eps)

    def repeated(self, places: int) -> LayerNorm:
        """The same for an axis that holds the channels of several places one after another."""
        vectors = (jnp.tile(self.scale, places), jnp.tile(self.offset, places))
        return eqx.tree_at(lambda norm: (norm.scale, norm.offset), self, vectors)

    def __call__(
        self, x: Float[Array, "batch *rest channels"]
    ) -> Float[Array, "batch *rest channels"]:
        """Normalise each `x[i]`."""
        axes = tuple(range(1, x.ndim))
        centred = x - x.mean(axes, keepdims=True)
        var = jnp.square(centred).mean(axes, keepdims=True)
        return centred * jax.lax.rsqrt(var + self.eps) * self.scale + self.offset


class MLP(eqx.Module):
    """Dense layers, each followed by the activation, the last one too.

    Attributes:
        layers: the affine maps; none at all gives the identity.
        norms: a layer norm between each affine map and its activation, or none.
        outputs: number of features that come out.
        activation: name or elementwise function.
    """

    layers: tuple[Dense, ...]
    norms: tuple[LayerNorm, ...]
    outputs: int = eqx.field(static=True)
    activation: Activation = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        sizes: tuple[int, ...],
        activation: Activation = "relu",
        *,
        norm: bool = False,
        key: PRNGKeyArray,
    ):
        activation_function(activation)
        widths = itertools.pairwise((inputs, *sizes))
        keys = jax.random.split(key, max(len(sizes), 1))
        self.layers = tuple(Dense(a, b, key=k) for (a, b), k in zip(widths, keys, strict=False))
        self.norms = tuple(LayerNorm(size) for size in sizes) if norm else ()
        self.outputs = sizes[-1] if sizes else inputs
        self.activation = activation

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        """The features of the last layer."""
        bend = activation_function(self.activation)
        for i, layer in enumerate(self.layers):
            x = layer(x)
            x = bend(self.norms[i](x) if self.norms else x)
        return x
