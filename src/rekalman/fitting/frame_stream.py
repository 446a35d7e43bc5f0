"""A trained network that watches a camera: one belief, updated frame by frame."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from rekalman.core.belief_arrays import belief_arrays, belief_from, is_finite
from rekalman.data.numeric import numeric_array
from rekalman.foundation.archive import save_archive
from rekalman.foundation.arguments import positive_time, whole
from rekalman.foundation.errors import RekalError
from rekalman.foundation.facts import Facts, shown, shown_html
from rekalman.networks.network import Network
from rekalman.networks.serial import network_arrays, network_config

FRAME_STREAM = "frame-stream"
"""Kind of the file of a stream of frames."""


class FrameStream:
    """A belief that takes one frame after the other and tells of the target.

    A frame that is refused leaves everything as it was. Several threads may use a stream: each frame is taken
    whole before the next, in the order in which they arrive.

    Attributes:
        belief: after the last frame.
        step: number of frames taken so far, missing ones too.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> import rekalman
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> layer = rekalman.Elman.create(4, key=keys[0])
        >>> encoder = rekalman.PatchEncoder((8, 8, 1), 4, key=keys[1])
        >>> network = rekalman.Network(encoder, layer, rekalman.GaussianHead(*layer.sizes, 2, key=keys[2]))
        >>> stream = rekalman.FrameStream(network)
        >>> stream.update(np.zeros((8, 8, 1), np.uint8)).mean.shape  # of the target
        (2,)
        >>> stream.update(None).mean.shape  # a frame is missing
        (2,)
        >>> stream.step
        2
    """

    belief: Any
    step: int

    def __init__(self, network: Network) -> None:
        """Start before the first frame.

        Args:
            network: trained on `Frames`; what it tells is in the units of their targets.
        """
        self._network, self._lock = network, threading.RLock()
        self.belief, self.step = network.init(), 0

    def __repr__(self) -> str:
        return shown(self, _facts)

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return shown_html(self, _facts)

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
            RekalError: a frame of another size or type than the network was trained on, inputs or times that
                it does not take, or after which its belief would no longer be finite. The stream is then as
                it was before.
        """
        with self._lock:
            pixels = jnp.asarray(self._pixels(frame))
            seen, drive = jnp.asarray(frame is not None), self._drive(u, dt)
            target, belief, finite = _watch(
                self._network, self.belief, pixels, seen, drive, self.step == 0
            )
            if not bool(finite):
                raise RekalError(
                    f"frame {self.step + 1} cannot be taken, since the belief would no longer be finite: its "
                    "inputs or its dt are far from what the network was trained on"
                )
            self.belief, self.step = belief, self.step + 1
            return target

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
        with self._lock:
            belief, at = self.belief, self.step
        if at == 0:
            raise RekalError("a stream can forecast after its first frame")
        horizon = whole("horizon", horizon)
        width, u = self._network.layer.n_inputs, None
        if future_inputs is not None:
            u = _single(numeric_array(future_inputs, "future_inputs"))
        if (None if u is None else u.shape) != ((horizon, width) if width else None):
            given = "none are given" if u is None else f"shape {u.shape} is given"
            raise RekalError(f"future_inputs are ({horizon}, {width}) numbers here, but {given}")
        if u is not None and not bool(jnp.isfinite(u).all()):
            raise RekalError("future_inputs hold an entry that is missing or infinite")
        made = _ahead(self._network, belief, u, _time(dt), horizon)
        if not bool(is_finite(made)):
            raise RekalError("the forecast is not finite: the network, or its inputs, explode")
        return made

    def save(self, path: str | Path) -> None:
        """Write one file: the network and the belief. `rekalman.load_stream` goes on exactly here.

        Raises:
            RekalError: the file cannot be written, or the network holds what a file cannot.
        """
        with self._lock:
            belief, step = self.belief, self.step
        network = network_arrays(self._network)
        config = {
            "kind": FRAME_STREAM,
            "network": network_config(self._network),
            "step": step,
        }
        arrays = {f"network.{name}": array for name, array in network.items()}
        mine = belief_arrays(belief) if step else {}
        save_archive(path, config, arrays | {f"stream.{name}": v for name, v in mine.items()})

    def resume(self, step: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on where another stream of the same network was saved.

        Args:
            step: number of frames it had taken.
            arrays: what `save` wrote of it.

        Raises:
            RekalError: an array is missing, unknown, of another shape or another precision.
        """
        belief = self.belief
        for first in (True, False)[: min(step, 2)]:
            belief = self._after(belief, first)
        if step:
            belief = belief_from(belief, arrays)
        elif arrays:
            raise RekalError(f"the stream has no array {min(arrays)!r}")
        with self._lock:
            self.belief, self.step = belief, step

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the lock, so that a stream can be copied."""
        with self._lock:
            return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, held: dict[str, Any]) -> None:
        vars(self).update(held, _lock=threading.RLock())

    def _pixels(self, frame: Any) -> np.ndarray:
        shape = tuple(self._network.encoder.shape)
        if frame is None:
            return np.zeros(shape, np.uint8)
        if isinstance(frame, np.ma.MaskedArray) and np.ma.getmaskarray(frame).any():
            raise RekalError(
                f"frame {self.step + 1} hides some of its pixels, but a frame is seen or missing whole: "
                "give None where it is missing"
            )
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
        given = None if u is None else np.atleast_1d(numeric_array(u, "inputs"))
        if (given is not None or width) and (given is None or given.shape != (width,)):
            raise RekalError(f"the network has {width} inputs, which every frame must bring")
        if given is not None and not np.isfinite(given).all():
            raise RekalError(f"an input of frame {self.step + 1} is missing: it must be known")
        return None if given is None else _single(given), _time(dt)

    def _after(self, belief: Any, first: bool) -> Any:
        """Shapes of the belief after a frame."""
        shape, width = tuple(self._network.encoder.shape), self._network.layer.n_inputs
        pixels = jax.ShapeDtypeStruct(shape, jnp.uint8)
        u = jax.ShapeDtypeStruct((width,), jnp.float32) if width else None
        seen = jax.ShapeDtypeStruct((), bool)
        return eqx.filter_eval_shape(_watch, self._network, belief, pixels, seen, (u, None), first)[
            1
        ]


def _facts(stream: FrameStream) -> Facts:
    """The layer of the network, and how many frames came."""
    layer = type(stream._network.layer).__name__  # pyright: ignore[reportPrivateUsage]
    return Facts("Stream of frames", (("network", layer), ("frames", str(stream.step))))


def _time(dt: int | float | None) -> Array | None:
    return None if dt is None else _single(np.float64(positive_time(dt, "dt")))


def _single(numbers: np.ndarray | np.float64) -> Array:
    """Numbers in single precision, infinite where they are too large: what comes of them is refused."""
    with np.errstate(over="ignore"):
        return jnp.asarray(numbers, jnp.float32)


@eqx.filter_jit
def _watch(
    network: Network,
    belief: Any,
    pixels: Array,
    seen: Array,
    drive: tuple[Array | None, Array | None],
    first: bool,
) -> tuple[Any, Any, Array]:
    """The distribution of the target, the belief after the frame, and whether both are finite."""
    prior = belief if first else network.predict(belief, *drive)
    posterior, _ = network.update(prior, network.encode(pixels, seen))
    target = network.observe(prior if network.told == "prior" else posterior)
    return target, posterior, is_finite((target, posterior))


@eqx.filter_jit
def _ahead(network: Network, belief: Any, u: Array | None, dt: Array | None, horizon: int) -> Any:
    def step(belief: Any, u: Array | None) -> tuple[Any, PyTree]:
        prior = network.predict(belief, u, dt)
        after = network.skip(prior)
        return after, network.observe(prior if network.told == "prior" else after)

    return jax.lax.scan(step, belief, u, length=horizon)[1]
