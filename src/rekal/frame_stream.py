"""A trained network that watches a camera: one belief, updated frame by frame."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from rekal.errors import RekalError
from rekal.networks.network import Network


class FrameStream:
    """A belief that takes one frame after the other and tells of the target.

    Attributes:
        belief: after the last frame.
        step: number of frames taken so far, missing ones too.
    """

    belief: Any
    step: int

    def __init__(self, network: Network) -> None:
        """Start before the first frame.

        Args:
            network: trained on `Frames`; what it tells is in the units of their targets.
        """
        self._network = network
        self.belief, self.step = network.init(), 0

    def update(self, frame: Any, u: Any = None, dt: int | float | None = None) -> Any:
        """Take one frame.

        Args:
            frame: bytes `(height, width, channel)`, without the last axis where there is one channel; None =
                missing.
            u: inputs of this step, for a network that has inputs.
            dt: time since the frame before, for a network that was trained on times.

        Returns:
            The distribution of the target of this step, after the frame or before it as the network was made.

        Raises:
            RekalError: a frame of another size or type than the network was trained on, or inputs or times
                that it does not take.
        """
        pixels = jnp.asarray(self._pixels(frame))
        seen, drive = jnp.asarray(frame is not None), self._drive(u, dt)
        told, self.belief = _watch(self._network, self.belief, pixels, seen, drive, self.step == 0)
        self.step += 1
        return told

    def forecast(
        self, horizon: int, future_inputs: Any = None, dt: int | float | None = None
    ) -> Any:
        """The distribution of the target at each of the next steps, none of which is seen.

        Args:
            horizon: number of steps, at least 1.
            future_inputs: `(horizon, input)`, for a network that has inputs.
            dt: length of each step, for a network that was trained on times.

        Returns:
            A distribution whose first axis is the step.

        Raises:
            RekalError: no frame was taken yet, or inputs that do not fit.
        """
        if self.step == 0:
            raise RekalError("a stream can forecast after its first frame")
        if horizon < 1:
            raise RekalError(f"horizon must be at least 1, but is {horizon}")
        width, u = self._network.layer.n_inputs, None
        if future_inputs is not None:
            u = jnp.asarray(future_inputs, jnp.float32)
        if (None if u is None else u.shape) != ((horizon, width) if width else None):
            given = "none are given" if u is None else f"shape {u.shape} is given"
            raise RekalError(f"future_inputs are ({horizon}, {width}) numbers here, but {given}")
        return _ahead(self._network, self.belief, u, _time(dt), horizon)

    def _pixels(self, frame: Any) -> np.ndarray:
        shape = tuple(self._network.encoder.shape)
        if frame is None:
            return np.zeros(shape, np.uint8)
        pixels = np.asarray(frame)
        if pixels.shape == shape[:2] and shape[2:] == (1,):
            pixels = pixels[..., None]
        if pixels.shape != shape or pixels.dtype != np.uint8:
            raise RekalError(
                f"the network was trained on frames of shape {shape} of bytes (uint8), but frame "
                f"{self.step + 1} has shape {np.shape(frame)} and type {pixels.dtype}"
            )
        return pixels

    def _drive(self, u: Any, dt: int | float | None) -> tuple[Array | None, Array | None]:
        width = self._network.layer.n_inputs
        if (u is not None or width) and (u is None or np.shape(u) != (width,)):
            raise RekalError(f"the network has {width} inputs, which every frame must bring")
        if u is not None and not np.isfinite(np.asarray(u, np.float64)).all():
            raise RekalError(f"an input of frame {self.step + 1} is missing: it must be known")
        return None if u is None else jnp.asarray(u, jnp.float32), _time(dt)


def _time(dt: int | float | None) -> Array | None:
    if dt is None:
        return None
    if not (dt > 0 and np.isfinite(dt)):
        raise RekalError(f"dt must be a time above 0, but is {dt}")
    return jnp.asarray(dt, jnp.float32)


@eqx.filter_jit
def _watch(
    network: Network,
    belief: Any,
    pixels: Array,
    seen: Array,
    drive: tuple[Array | None, Array | None],
    first: bool,
) -> tuple[Any, Any]:
    prior = belief if first else network.predict(belief, *drive)
    posterior, _ = network.update(prior, network.encode(pixels, seen))
    return network.observe(prior if network.told == "prior" else posterior), posterior


@eqx.filter_jit
def _ahead(network: Network, belief: Any, u: Array | None, dt: Array | None, horizon: int) -> Any:
    def step(belief: Any, u: Array | None) -> tuple[Any, PyTree]:
        prior = network.predict(belief, u, dt)
        after = network.skip(prior)
        return after, network.observe(prior if network.told == "prior" else after)

    return jax.lax.scan(step, belief, u, length=horizon)[1]
