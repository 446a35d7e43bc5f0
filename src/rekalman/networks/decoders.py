"""From what a layer believes to a distribution of a target with few entries.

A decoder takes the two vectors of `Layer.read`, `(n, features)` and `(n, spread)`, and gives a distribution
with the leading axis `n`.
"""

from __future__ import annotations

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.core.gaussian import DiagonalGaussian
from rekalman.models.activations import Activation
from rekalman.networks.dense import MLP, Dense
from rekalman.networks.positive import positive


class GaussianHead(eqx.Module):
    """A mean and a variance for each entry of the target, from two networks that share nothing.

    The paper has one hidden layer of 10 ReLU in each; the authors' later code 30 tanh (pendulum) or 64 and 64
    tanh (quad link).

    Attributes:
        mean_body: hidden layers of the mean, which reads the first vector.
        mean: to the mean.
        var_body: hidden layers of the variance, which reads the second vector.
        var: to what `variance` maps onto the variance.
        variance: name of the positive map.
        floor: added to the variance, so that no density grows without bound (the authors' 1e-8).

    Examples:
        >>> import jax
        >>> import rekalman
        >>> layer = rekalman.RKN.create(2, key=jax.random.key(0))
        >>> layer.sizes  # numbers of means and of variances that a head on this layer reads
        (4, 6)
        >>> head = rekalman.GaussianHead(*layer.sizes, targets=1, key=jax.random.key(1))
    """

    mean_body: MLP
    mean: Dense
    var_body: MLP
    var: Dense
    variance: str = eqx.field(static=True)
    floor: float = eqx.field(static=True)

    def __init__(
        self,
        features: int,
        spread: int,
        targets: int,
        sizes: tuple[int, ...] = (10,),
        activation: Activation = "relu",
        *,
        variance: str = "elu1",
        floor: int | float = 1e-8,
        key: PRNGKeyArray,
    ):
        positive(variance)
        keys = jax.random.split(key, 4)
        self.mean_body = MLP(features, sizes, activation, key=keys[0])
        self.mean = Dense(self.mean_body.outputs, targets, key=keys[1])
        self.var_body = MLP(spread, sizes, activation, key=keys[2])
        self.var = Dense(self.var_body.outputs, targets, key=keys[3])
        self.variance, self.floor = variance, float(floor)

    def __call__(
        self, features: Float[Array, "n features"], spread: Float[Array, "n spread"]
    ) -> DiagonalGaussian:
        """The distribution of the target, leading axis `n`."""
        var = positive(self.variance).forward(self.var(self.var_body(spread)))
        return DiagonalGaussian(self.mean(self.mean_body(features)), var + self.floor)
