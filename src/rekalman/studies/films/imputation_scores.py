"""How a network that fills in frames is scored: cross-entropy with the clean frames, hidden ones apart."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from rekalman.data.images import Frames
from rekalman.datasets.filmed import Filmed
from rekalman.networks.network import Network


def imputed(network: Network, film: Filmed) -> dict[str, float]:
    """Run a network over films and score the frames that it tells.

    The negative log-likelihood of a frame is that of Becker et al. (2019): its pixels divided by 255 are
    soft targets of Bernoulli variables, in nats, summed over the pixels. It is the mean over all frames, as
    published, and over hidden and observed ones apart.
    """
    loss, hidden = losses(network, film.frames), film.factor == 0
    parts = {"": np.ones_like(hidden), "_hidden": hidden, "_observed": ~hidden}
    return {
        f"negative_log_likelihood{name}": float(loss[part].mean())
        for name, part in parts.items()
        if part.any()
    }


def losses(network: Network, frames: Frames, at_once: int = 100) -> Float[np.ndarray, "batch time"]:
    """Negative log-likelihood of every frame, some series at a time: only they become numbers."""
    parts = []
    for begin in range(0, frames.batch, at_once):
        some = frames.take(slice(begin, begin + at_once))
        parts.append(np.asarray(_losses(network, some.values, some.mask, some.targets), float))
    return np.concatenate(parts)


@eqx.filter_jit
def _losses(
    network: Network,
    values: UInt8[np.ndarray, "batch time ..."] | Array,
    seen: Bool[np.ndarray, "batch time"] | Array,
    targets: UInt8[np.ndarray, "batch time ..."] | Array,
) -> Float[Array, "batch time"]:
    output = network.run(jnp.asarray(values), jnp.asarray(seen)).distribution
    return -output.log_prob(jnp.asarray(targets))
