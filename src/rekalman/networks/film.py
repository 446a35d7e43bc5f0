r"""A network that watches films: a filter whose step brings a frame, and that tells of targets.

What it has a law of are the targets, given the frames: `log_prob` is $\log p(z_t \mid o_{1:t})$ of the target
$z_t$ after frame $o_t$ (`decodes="posterior"`), or $\log p(z_t \mid o_{1:t-1})$ before it ("prior"), in nats,
0 where the target is not known. Of the frames themselves it has no law, and so none can be drawn.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from rekalman.core.distribution import Distribution
from rekalman.core.row import FilmRow
from rekalman.core.serial import storable
from rekalman.foundation.arguments import real
from rekalman.foundation.errors import RekalError
from rekalman.networks.network import Network
from rekalman.networks.network_filter import NetworkFilter
from rekalman.networks.table import TablePath
from rekalman.numerics.placing import AnyArray


class FilmPath(TablePath):
    """What a network leaves of films: beliefs after each frame, and what it told of the targets.

    Attributes:
        binary: whether the targets are pixels that are on or off.
    """

    binary: bool = eqx.field(static=True, default=False, kw_only=True)

    @property
    def gaussian(self) -> bool:
        """Whether the law of a target is Gaussian; that of a pixel is not."""
        return not self.binary


@storable
class FilmNetwork(NetworkFilter):
    """A network as a filter of films.

    Attributes:
        network: its encoder takes frames; its decoder tells of targets, numbers or images.
        observations: number of targets; of images the number of pixels.
        interval: the time step that the network knows as 1, or None where it runs in equal steps.
        widening: factor of the standard deviation of each target (Gaussian ones), or None.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> import rekalman
        >>> from rekalman.networks.film import FilmNetwork
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> layer = rekalman.Elman.create(4, key=keys[0])
        >>> encoder = rekalman.PatchEncoder((8, 8, 1), 4, key=keys[1])
        >>> network = rekalman.Network(encoder, layer, rekalman.GaussianHead(*layer.sizes, 2, key=keys[2]))
        >>> watcher = FilmNetwork.of(network)
        >>> belief, log_prob = watcher.update(watcher.init(), np.zeros((8, 8, 1), np.uint8))
        >>> watcher.observe(belief).mean.shape, float(log_prob)  # of the targets, of which none is known
        ((2,), 0.0)
    """

    network: Network
    observations: int = eqx.field(static=True)  # pyright: ignore[reportIncompatibleMethodOverride]
    interval: float | None = eqx.field(static=True, default=None)  # pyright: ignore[reportIncompatibleMethodOverride]
    widening: Float[AnyArray, " obs"] | None = None

    def __check_init__(self) -> None:
        if self.interval is not None:
            real("interval", self.interval, above=0)
        target = self.network.target_shape
        if int(np.prod(target)) != self.observations:
            raise RekalError(
                f"the network tells targets of shape {target}, which are not {self.observations} numbers"
            )
        self._check_timed()
        factor = self.widening
        if factor is None or isinstance(factor, Tracer):
            return
        fits = np.shape(factor) == (self.observations,) and bool((np.asarray(factor) > 0).all())
        if not fits or not np.isfinite(np.asarray(factor)).all():
            raise RekalError(
                f"widening is {self.observations} factors above 0, one for each target"
            )

    def _check_timed(self) -> None:
        """Refuse an interval for a network in equal steps, and none for one that was trained on times.

        Raises:
            RekalError: it does not fit.
        """
        u = jnp.zeros(self.n_inputs) if self.n_inputs else None
        dt = None if self.interval is None else jnp.ones(())
        try:
            eqx.filter_eval_shape(lambda: self.network.predict(self.network.init(), u, dt))
        except RekalError:
            raise RekalError(
                "the network was made for time steps: give interval, the step that it knows as 1"
                if dt is None
                else "the network runs in equal steps: leave interval out"
            ) from None

    @classmethod
    def of(cls, network: Network, interval: float | None = None) -> FilmNetwork:
        """The filter of a network whose targets are in its own units.

        Args:
            network: trained on `Frames`.
            interval: the time step that it knows as 1, where it was trained on times.
        """
        return cls(network, int(np.prod(network.target_shape)), interval)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Height, width and channels of a frame."""
        return tuple(self.network.encoder.shape)

    @property
    def binary(self) -> bool:
        """Whether the targets are pixels that are on or off."""
        return not eqx.filter_eval_shape(lambda: self.network.observe(self.init())).gaussian

    @property
    def estimates_target(self) -> bool:
        """Whether the target of a step is told after its frame."""
        return self.network.decodes == "posterior"

    @property
    def generative(self) -> bool:
        """No frames can be drawn: there is no law of them."""
        return False

    @property
    def size(self) -> str:
        """The size of the network in words."""
        height, width, _ = self.frame_shape
        return f"{self.network.described}, on frames of {height} x {width}"

    @property
    def nothing(self) -> tuple[Any, Any]:
        """A step without a frame and without a target."""
        return self._row(None), FilmRow(jnp.zeros((), bool), jnp.zeros(self.observations, bool))

    def update(
        self, belief: Any, y: Any, mask: Any = None, u: Any = None
    ) -> tuple[Any, Float[Array, ""]]:
        """One frame enters; also the log density of its target, 0 where that is not known.

        Args:
            belief: before the frame.
            y: bytes `(height, width, channel)`, or a `FilmRow` of them and the target; None = no frame.
            mask: whether there is a frame, or a `FilmRow` of that and of what is known of the target.
            u: not used: inputs drive `predict`.

        Raises:
            RekalError: a frame of another shape.
        """
        row = y if isinstance(y, FilmRow) else self._row(y)
        if not isinstance(mask, FilmRow):
            there = jnp.asarray(y is not None if mask is None or y is None else mask)
            mask = FilmRow(there, ~jnp.isnan(row.target))
        target = jnp.where(mask.target, row.target, jnp.nan)
        evidence = self.network.encode(row.frame, jnp.asarray(mask.frame))
        after, _ = self.network.update(belief, evidence)
        distribution = self.observe(belief if self.network.decodes == "prior" else after)
        return after, distribution.log_prob(target)

    def observe(self, belief: Any, u: Float[Array, " input"] | None = None) -> Distribution:
        """The distribution of the target that a belief tells of."""
        return self._law(self.network.observe(belief))

    def forecast(
        self,
        belief: Any,
        steps: int,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        key: PRNGKeyArray | None = None,
        particles: int | None = None,
    ) -> Distribution:
        """The distributions of the next targets while no frame is seen (`key` is not used)."""

        def step(belief: Any, row: tuple[Array | None, Array | None]) -> tuple[Any, Distribution]:
            prior = self.predict(belief, *row)
            after = self.network.skip(prior)
            return after, self.observe(prior if self.network.decodes == "prior" else after)

        return jax.lax.scan(step, belief, (inputs, dt), length=steps)[1]

    def run(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        values: FilmRow,
        mask: FilmRow,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> FilmPath:
        """Filter one film (`key` is not used)."""
        one = jax.tree.map(lambda leaf: leaf[None], (values, mask, inputs, dt))
        return jax.tree.map(lambda leaf: leaf[0], self.run_batch(*one))

    @eqx.filter_jit
    def run_batch(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        values: FilmRow,
        mask: FilmRow,
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
        key: PRNGKeyArray | None = None,
        lengths: Int[Array, " batch"] | None = None,
    ) -> FilmPath:
        """Filter several films at once.

        Args:
            values: frames `(batch, steps, height, width, channel)` and targets `(batch, steps, obs)`.
            mask: which frames are seen `(batch, steps)`, which targets are known `(batch, steps, obs)`.
            inputs: known inputs.
            dt: time since the frame before, of a network that was trained on times.
            key: not used.
            lengths: not used.
        """
        before = self.network.decodes == "prior"
        dt = self.in_steps(mask.frame.shape, dt)
        evidence = self.network.encode(values.frame, mask.frame)
        track = self.network.layer.run(evidence, inputs, dt, prior=before)
        target = self.observe(track.prior if before else track.posterior)
        density = target.log_prob(jnp.where(mask.target, values.target, jnp.nan))
        return FilmPath(
            track.posterior, target.mean, target.var, density, binary=not target.gaussian
        )

    def _law(self, distribution: Any) -> Distribution:
        """A distribution of the targets as one vector, as wide as was found right on held-out films."""
        flat = distribution.as_vector()
        if self.widening is None:
            return flat
        return dataclasses.replace(flat, var=flat.var * self.widening**2)

    def _row(self, frame: Shaped[Any, ...] | None) -> FilmRow:
        """A frame whose target is not known."""
        shape = self.frame_shape
        pixels = jnp.zeros(shape, jnp.uint8) if frame is None else jnp.asarray(frame)
        if pixels.shape != shape:
            raise RekalError(f"the network takes frames of shape {shape}, not {pixels.shape}")
        return FilmRow(pixels, jnp.full(self.observations, jnp.nan))
