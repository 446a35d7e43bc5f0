"""One batch over many devices: series are split among them, parameters are the same everywhere.

Each device works on its series alone, and gradients are summed once in each step (`gradient_step.py`). What
else is computed follows from arrays whose place is fixed here.

Several hosts are the same to it as several devices of one: each host has all of the data in its own memory,
and gives its devices their part of each batch.
"""

from __future__ import annotations

from typing import TypeVar

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int, PyTree

from rekalman.data import AnyArray
from rekalman.foundation.errors import RekalError

Tree = TypeVar("Tree", bound=PyTree)

SHARE_OF_MEMORY = 0.3  # how much of a device's free memory data may take that stay there


class Devices:
    """All devices of all hosts, in the order of the hosts.

    Attributes:
        count: how many there are.
        same: the placement "on every device".
    """

    def __init__(self) -> None:
        devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
        mesh = Mesh(np.array(devices), ("batch",))
        self.count = len(devices)
        self.same = NamedSharding(mesh, PartitionSpec())
        self._rows = NamedSharding(mesh, PartitionSpec("batch"))

    def check(self, batch: int) -> None:
        """A batch can be split.

        Raises:
            RekalError: it does not divide by the number of devices.
        """
        if batch % self.count:
            raise RekalError(
                f"a batch of {batch} series cannot be split evenly over {self.count} devices: make it a "
                f"multiple of {self.count}"
            )

    def everywhere(self, tree: Tree) -> Tree:
        """Put the arrays of a tree on every device; what is no array is left alone."""
        arrays, rest = eqx.partition(tree, eqx.is_array)
        return eqx.combine(jax.tree.map(lambda a: _place(self.same, a, a.shape), arrays), rest)

    def split(self, tree: Tree) -> Tree:
        """Put the arrays of a batch on the devices, each its part of the first axis."""
        return jax.tree.map(lambda a: _place(self._rows, a[own_rows(len(a))], a.shape), tree)

    def split_series(self, tree: Tree, index: Int[np.ndarray, " batch"]) -> Tree:
        """Pick series from arrays in the memory of the host, and put them on the devices as a batch."""
        own = index[own_rows(len(index))]
        return jax.tree.map(lambda a: _place(self._rows, a[own], (len(index), *a.shape[1:])), tree)

    def fit(self, tree: PyTree) -> bool:
        """Whether arrays fit onto every device and leave it room; a device that does not tell has room."""
        stats = jax.local_devices()[0].memory_stats()
        if not stats or "bytes_limit" not in stats:
            return True
        free = stats["bytes_limit"] - stats.get("bytes_in_use", 0)
        return sum(array.nbytes for array in jax.tree.leaves(tree)) <= SHARE_OF_MEMORY * free


def own_rows(batch: int) -> slice:
    """The rows of a batch that this host gives."""
    size = batch // jax.process_count()
    return slice(jax.process_index() * size, (jax.process_index() + 1) * size)


def _place(where: NamedSharding, array: AnyArray, shape: tuple[int, ...]) -> Array:
    return jax.make_array_from_process_local_data(where, np.asarray(array), shape)
