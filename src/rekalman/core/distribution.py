"""What a belief says of an observation before it is seen: a probability distribution.

Forecasts, scores, streams and simulation ask a `Distribution` and know no kind of it.
"""

import abc
from typing import TYPE_CHECKING

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from rekalman.foundation.arguments import probability
from rekalman.numerics.precision import in_own_precision


class Distribution(eqx.Module):
    """The law of a vector of observations (or of an image), with any leading axes.

    `log_prob` and `sample` are of the whole vector; `cdf`, `quantile`, `interval` and `crps` are of each
    entry by itself. All arrays have the shape `(*lead, *event)`, where an event is one observation.

    Attributes:
        mean: of each entry.
        var: variance of each entry.
        cov: covariance of the entries of a vector, `(*lead, obs, obs)`.

    Examples:
        >>> import jax.numpy as jnp
        >>> from rekalman.core.distribution import Distribution
        >>> from rekalman.core.gaussian import DiagonalGaussian
        >>> ahead = DiagonalGaussian(jnp.zeros(2), jnp.ones(2))
        >>> isinstance(ahead, Distribution)
        True
        >>> print(ahead.quantile(0.95).round(2), ahead.log_prob(jnp.zeros(2)).round(2))
        [1.64 1.64] -1.8399999
    """

    if TYPE_CHECKING:  # a subclass has each as a field or as a property

        @property
        def mean(self) -> Array:
            """Mean of each entry."""
            ...

        @property
        def var(self) -> Array:
            """Variance of each entry."""
            ...

        @property
        def cov(self) -> Array:
            """Covariance of the entries of a vector."""
            ...

    else:
        mean: eqx.AbstractVar[Float[Array, "*shape"]]
        var: eqx.AbstractVar[Float[Array, "*shape"]]
        cov: eqx.AbstractVar[Float[Array, "*lead obs obs"]]

    @property
    def gaussian(self) -> bool:
        """Whether the law of each entry is Gaussian."""
        return False

    def as_vector(self) -> "Distribution":
        """The same with the entries of an event, of an image say, in one axis."""
        return self

    @property
    @in_own_precision
    def std(self) -> Float[Array, "*shape"]:
        """Standard deviation of each entry."""
        return jnp.sqrt(self.var)

    @abc.abstractmethod
    def log_prob(self, y: Shaped[Array, "*shape"]) -> Float[Array, "*lead"]:
        """Log density (or probability) of each observation, in nats; NaN entries are unknown and left out."""

    @abc.abstractmethod
    def cdf(self, y: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Probability that an entry is at most `y`."""

    @abc.abstractmethod
    def quantile(self, q: int | float) -> Float[Array, "*shape"]:
        """The smallest value whose `cdf` reaches `q`.

        Raises:
            RekalError: `q` is not between 0 and 1.
        """

    @abc.abstractmethod
    def crps(self, y: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Continuous ranked probability score of each entry, in its own unit; the lower the better."""

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "*shape"]:
        """Independent draws `(*shape, *lead, *event)`."""

    @in_own_precision
    def interval(self, level: int | float) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
        """Ends of the central interval that holds each entry with probability `level`.

        Raises:
            RekalError: the level is not between 0 and 1.
        """
        level = probability(level, "the level of an interval")
        return self.quantile((1 - level) / 2), self.quantile((1 + level) / 2)


def diagonal(var: Float[Array, "*lead obs"]) -> Float[Array, "*lead obs obs"]:
    """The covariance of independent entries."""
    return var[..., None] * jnp.eye(var.shape[-1], dtype=var.dtype)
