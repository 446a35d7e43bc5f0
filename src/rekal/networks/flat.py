"""Between what users see, `(batch, time, features)`, and what the recursion runs on: flat, the batch last."""

from __future__ import annotations

from jaxtyping import Array, Float

from rekal.networks.banded import Moments
from rekal.networks.beliefs import Factorised


def columns(x: Float[Array, "*batch features"]) -> Float[Array, " flat"]:
    """Any leading axes as one batch, which becomes the fastest axis."""
    return x.reshape(-1, x.shape[-1]).T.reshape(-1)


def rows(x: Float[Array, " flat"], lead: tuple[int, ...], size: int) -> Array:
    """The inverse of `columns`."""
    return x.reshape(size, -1).T.reshape(*lead, size)


def time_major(x: Float[Array, "batch time features"]) -> Float[Array, "time flat"]:
    """Time first, then features times batch."""
    return x.transpose(1, 2, 0).reshape(x.shape[1], -1)


def batch_major(x: Float[Array, "time flat"], batch: int) -> Float[Array, "batch time features"]:
    """The inverse of `time_major`."""
    return x.reshape(len(x), -1, batch).transpose(2, 0, 1)


def moments_of(belief: Factorised) -> Moments:
    """A belief with any leading axes, flat."""
    latent = belief.upper.shape[-1]
    parts = (belief.mean[..., :latent], belief.mean[..., latent:])
    return Moments(*(columns(x) for x in (*parts, belief.upper, belief.lower, belief.side)))
