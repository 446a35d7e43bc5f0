"""Networks as a JSON configuration plus named arrays, and back; and files of them.

The configuration is the tree of the modules (`core/serial.py`). All classes of this folder are registered,
and so what is added here can be saved at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rekalman.core.serial import arrays_of, described, rebuilt, store_package
from rekalman.foundation.archive import load_archive, save_archive
from rekalman.foundation.entries import Entries, reading
from rekalman.foundation.errors import RekalError
from rekalman.networks.network import Network

KIND = "network"


def register_networks() -> None:
    """Let trees of modules that hold a network be stored (`core/serial.py`)."""
    store_package("rekalman.networks")


register_networks()


def save_network(network: Network, path: str | Path) -> None:
    """Write one file: JSON configuration and arrays, never code.

    Raises:
        RekalError: the file cannot be written, or the network holds what a file cannot.

    Examples:
        >>> import jax
        >>> import rekalman
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> layer = rekalman.RKN.create(2, key=keys[0])
        >>> encoder = rekalman.DenseEncoder((1,), 2, key=keys[1])
        >>> network = rekalman.Network(encoder, layer, rekalman.GaussianHead(*layer.sizes, 1, key=keys[2]))
        >>> rekalman.save_network(network, "small.rekalman")
        >>> rekalman.load_network("small.rekalman").layer.latent
        2
    """
    config = {"kind": KIND, "network": network_config(network)}
    save_archive(path, config, network_arrays(network))


def load_network(path: str | Path) -> Network:
    """Read what `save_network` wrote.

    Raises:
        RekalError: the file is missing, altered, holds something else, or an array is missing, unknown or of
            another shape.

    Examples:
        >>> import rekalman
        >>> network = rekalman.load_network("pendulum.rekalman")  # doctest: +SKIP
        >>> try:
        ...     rekalman.load_network("nowhere.rekalman")
        ... except rekalman.RekalError as error:
        ...     print(error)
        nowhere.rekalman: there is no such file.
    """
    config, arrays = load_archive(path)
    with reading(path):
        entries = Entries(config)
        if entries.take("kind", str) != KIND:
            raise RekalError(
                "it holds a trained model, not a network alone: read it by rekalman.load"
            )
        network = network_from(entries.take("network", dict), arrays)
        entries.end()
        return network


def network_config(network: Network) -> dict[str, Any]:
    """Classes, settings and shapes.

    Raises:
        RekalError: a part of the network is of a class, or a setting of a kind, that a file cannot hold.
    """
    return described(network, "network")


def network_arrays(network: Network) -> dict[str, np.ndarray]:
    """All arrays by their places in the network."""
    return arrays_of(network)


def network_from(config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Network:
    """Rebuild a network.

    Args:
        config: what `network_config` gave.
        arrays: what `network_arrays` gave.

    Raises:
        RekalError: an unknown class or setting; an array that is missing, unknown or of another shape.
    """
    left = dict(arrays)
    network = rebuilt(config, left)
    if left:
        raise RekalError(f"the network has no array {min(left)!r}")
    if not isinstance(network, Network):
        raise RekalError("this is no network")
    return network
