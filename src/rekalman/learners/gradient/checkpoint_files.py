"""The network of a run that goes on, or that went wrong: out of its checkpoints."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp

from rekalman.foundation.errors import RekalError
from rekalman.learners.gradient.checkpoints import Checkpoints
from rekalman.learners.gradient.configuration import describe, other_network
from rekalman.learners.gradient.optimiser import with_parameters
from rekalman.networks.network import Network


def load_checkpoint(network: Network, folder: str | Path) -> Network:
    """The best network so far of a run of `Backprop`, as its last checkpoint has it.

    To continue the run itself needs no more than the call that began it.

    Args:
        network: one built like that of the run; its parameters do not matter.
        folder: `checkpoint` of the run.

    Raises:
        RekalError: there is no checkpoint, it cannot be read, or it is of a network of another kind.

    Examples:
        >>> import jax
        >>> import rekalman
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> layer = rekalman.Elman.create(2, key=keys[0])
        >>> encoder = rekalman.DenseEncoder((1,), 2, key=keys[1])
        >>> network = rekalman.Network(encoder, layer, rekalman.GaussianHead(*layer.sizes, 1, key=keys[2]))
        >>> network = rekalman.load_checkpoint(network, "run")  # doctest: +SKIP
        >>> try:
        ...     rekalman.load_checkpoint(network, "nowhere")
        ... except rekalman.RekalError as error:
        ...     print(error)
        nowhere: there is no such folder of checkpoints
    """
    if not Path(folder).is_dir():
        raise RekalError(f"{folder}: there is no such folder of checkpoints")
    checkpoints = Checkpoints(folder, describe("network", network), only_read=True)
    try:
        result = checkpoints.load(compare=other_network)
    finally:
        checkpoints.close()
    if result is None:
        raise RekalError(f"{folder}: there is no checkpoint of a whole epoch in this folder")
    return with_parameters(network, jnp.asarray(result.arrays[-1]))  # the best stands last
