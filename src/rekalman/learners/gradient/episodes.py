"""Series as the arrays that gradient training reads, whatever container they came in."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from rekalman.data import AnyArray, Sequences
from rekalman.data.filmed import FilmedSequences
from rekalman.data.images import Frames
from rekalman.foundation.errors import RekalError
from rekalman.networks.network import Network


class Episodes(NamedTuple):
    """Several series: arrays of numpy, or of JAX once they are on the devices.

    Frames stay bytes there too: the encoder makes numbers of them.

    Attributes:
        values: observations; anything where `seen` is False.
        seen: whether the step was observed.
        targets: what is wanted of each step; unknown entries are NaN.
        wanted: whether the step counts: it is no padding, and something of its target is known.
        inputs: known inputs, or None.
        dt: time since the step before, or None.
    """

    values: Shaped[AnyArray, "series time ..."]
    seen: Bool[AnyArray, "series time"]
    targets: Shaped[AnyArray, "series time ..."]
    wanted: Bool[AnyArray, "series time"]
    inputs: Float[AnyArray, "series time input"] | None = None
    dt: Float[AnyArray, "series time"] | None = None

    @property
    def series(self) -> int:
        """Number of series."""
        return self.seen.shape[0]

    @property
    def steps(self) -> int:
        """Length of the time axis."""
        return self.seen.shape[1]

    def take(self, which: Int[np.ndarray, " some"]) -> Episodes:
        """Some of the series, by an index array."""
        return jax.tree.map(lambda array: array[which], self)

    def lengthened(self, steps: int) -> Episodes:
        """Padded at the end to so many steps, which are neither seen nor wanted."""
        more = steps - self.steps
        if not more:
            return self

        def pad(array: AnyArray) -> np.ndarray:
            return np.pad(array, [(0, 0), (0, more)] + [(0, 0)] * (array.ndim - 2))

        padded: Episodes = jax.tree.map(pad, self)
        if self.dt is None:
            return padded
        return padded._replace(dt=np.pad(self.dt, [(0, 0), (0, more)], mode="edge"))  # never 0


def as_episodes(data: Frames | Sequences, network: Network, name: str = "the data") -> Episodes:
    """Arrays for a network.

    A network that tells of a step before it is seen (`decodes="prior"`) is trained on the values themselves
    where there are no targets.

    Args:
        data: frames, or a table whose columns are the observations. A step with a missing entry is taken
            as not seen.
        network: what they are for.
        name: what to call the data in a refusal.

    Raises:
        RekalError: observations, targets or inputs of another shape than the network takes; an infinite
            target; nothing to learn from.
    """
    if isinstance(data, FilmedSequences):
        result = _of_films(data)
    elif isinstance(data, Sequences):
        result = _of_sequences(data, network, name)
    else:
        result = _of_frames(data)
    shape, expected = result.values.shape[2:], tuple(network.encoder.shape)
    if shape != expected:
        raise RekalError(
            f"the network sees observations of shape {expected}, but {name} have {shape}"
        )
    width = 0 if result.inputs is None else result.inputs.shape[2]
    if width != network.layer.n_inputs:
        raise RekalError(
            f"the network has {network.layer.n_inputs} inputs, but {name} have {width}"
        )
    target, decoded = result.targets.shape[2:], network.target_shape
    if target != decoded:
        raise RekalError(
            f"the network tells targets of shape {decoded}, but those of {name} have {target}"
        )
    if result.targets.dtype != np.uint8 and np.isinf(result.targets).any():
        raise RekalError(f"a target of {name} is infinite: give NaN where it is unknown")
    if not result.seen.any():
        raise RekalError(
            f"nothing of {name} is seen: a step counts as seen where no entry is missing"
        )
    if not result.wanted.any():
        raise RekalError(f"{name} have no known target, so there is nothing to learn from")
    return result


def _of_frames(data: Frames) -> Episodes:
    images = data.targets.dtype == np.uint8
    wanted = np.ones(data.mask.shape, bool) if images else np.any(np.isfinite(data.targets), axis=2)
    return Episodes(data.values, data.mask, data.targets, wanted, data.inputs, data.dt)


def _of_films(data: FilmedSequences) -> Episodes:
    mask = np.asarray(data.mask)
    targets = np.where(mask, np.asarray(data.values), np.nan)
    return Episodes(
        np.asarray(data.frames),
        np.asarray(data.seen),
        targets.reshape(*targets.shape[:2], *data.target_shape).astype(np.float32),
        data.valid() & mask.any(2),
        None if data.inputs is None else np.asarray(data.inputs, np.float32),
        None if data.dt is None else np.asarray(data.dt, np.float32),
    )


def _of_sequences(data: Sequences, network: Network, name: str) -> Episodes:
    mask = np.asarray(data.mask)
    if data.targets is not None:
        targets = np.asarray(data.targets)
    elif network.decodes == "prior":
        targets = np.where(mask, np.asarray(data.values), np.nan)
    else:
        raise RekalError(
            f"{name} have no targets, and a network that tells of a step after seeing it would only copy: "
            "give targets, or make the network with decodes='prior'"
        )
    return Episodes(
        np.asarray(data.values, np.float32),
        np.all(mask, axis=2),
        targets.astype(np.float32),
        data.valid() & np.any(np.isfinite(targets), axis=2),
        None if data.inputs is None else np.asarray(data.inputs, np.float32),
        None if data.dt is None else np.asarray(data.dt, np.float32),
    )
