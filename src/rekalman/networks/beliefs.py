"""What a network carries through time, and what enters and leaves it."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree


class Factorised(eqx.Module):
    r"""A Gaussian belief whose covariance keeps three vectors (Becker et al. 2019, section 3.1).

    The state is $[p; q]$: the observable part $p$, of which the encoder speaks, and the memory $q$. Of the
    covariance only $\operatorname{Var}(p_i)$, $\operatorname{Var}(q_i)$ and $\operatorname{Cov}(p_i, q_i)$
    are kept, so an update needs no inverse.

    Attributes:
        mean: $[p; q]$, `(..., 2 m)`.
        upper: variances of $p$, `(..., m)`.
        lower: variances of $q$.
        side: covariances of $p_i$ and $q_i$.
        features: of the last frame, where the next transition is mixed by them, else None.
    """

    mean: Float[Array, "*batch states"]
    upper: Float[Array, "*batch latent"]
    lower: Float[Array, "*batch latent"]
    side: Float[Array, "*batch latent"]
    features: Float[Array, "*batch features"] | None = None

    @property
    def spread(self) -> Float[Array, "*batch spread"]:
        """Upper, lower and side variances as one vector, which a head for variances reads."""
        return jnp.concatenate([self.upper, self.lower, self.side], -1)


class Hidden(eqx.Module):
    """The belief of a network without variances of its own: vectors that mean what training made of them.

    Attributes:
        hidden: `(..., units)`.
        memory: the cell of an LSTM, `(..., units)`, else None.
        pending: the belief one step earlier, while nothing has been decided about the present step.
    """

    hidden: Float[Array, "*batch units"]
    memory: Float[Array, "*batch units"] | None = None
    pending: PyTree = None


class Evidence(NamedTuple):
    """What an encoder says of the observations.

    Attributes:
        mean: latent observation `w`, `(..., m)`.
        var: its variance, positive.
        seen: whether there was an observation, `(...)`; where not, mean and variance are finite.

    Examples:
        >>> import jax.numpy as jnp
        >>> import rekalman
        >>> two_series = rekalman.Evidence(jnp.zeros((2, 9, 4)), jnp.ones((2, 9, 4)), jnp.ones((2, 9), bool))
        >>> two_series.mean.shape
        (2, 9, 4)
    """

    mean: Float[Array, "*batch latent"]
    var: Float[Array, "*batch latent"]
    seen: Bool[Array, "*batch"]


class Readout(NamedTuple):
    """What a decoder is given of a belief: a vector for the means and one for the variances."""

    mean: Float[Array, "*batch features"]
    spread: Float[Array, "*batch spread"]


class Track(NamedTuple):
    """What a layer leaves of a whole series.

    Attributes:
        posterior: beliefs after each observation, leaves `(batch, time, ...)`.
        prior: beliefs before it, or None where they were not asked for.
        last: the last belief, to carry on from.
    """

    posterior: PyTree
    prior: PyTree
    last: PyTree
