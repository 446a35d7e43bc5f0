"""Encoder, recurrent layer and decoder as one filter."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rekalman.data import AnyArray
from rekalman.foundation.errors import RekalError
from rekalman.networks.beliefs import Evidence
from rekalman.networks.layer import Layer
from rekalman.networks.recurrent import count_parameters


class Decoded(NamedTuple):
    """What a network says of whole series.

    Attributes:
        distribution: of the target at each step, leaves `(batch, time, ...)`.
        last: the belief after the last step, to carry on from.
    """

    distribution: Any
    last: Any


class Network(eqx.Module):
    """A network that is its own filter.

    Frames are encoded once, outside the time loop; the layer carries the belief; the decoder says what the
    belief means for the target.

    Attributes:
        encoder: observations `(n, *shape)` to latent observations and variances `(n, m)`.
        layer: `RKN`, `LSTM`, `GRU` or `Elman`.
        decoder: a readout `(n, ...)` to a distribution.
        decodes: whether the target of a step is decoded after its observation ("posterior", filtering) or
            before it ("prior", one-step forecasts).

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import rekalman
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> layer = rekalman.GRU.create(2, key=keys[0])
        >>> network = rekalman.Network(
        ...     rekalman.DenseEncoder((1,), 2, (8,), key=keys[1]),
        ...     layer,
        ...     rekalman.GaussianHead(*layer.sizes, 1, key=keys[2]),
        ... )
        >>> network.run(jnp.zeros((4, 20, 1))).distribution.mean.shape
        (4, 20, 1)
    """

    encoder: Any
    layer: Layer
    decoder: Any
    decodes: Literal["posterior", "prior"] = eqx.field(static=True, default="posterior")

    def __check_init__(self) -> None:
        """Refuse a moment that is none."""
        if self.decodes not in ("posterior", "prior"):
            raise RekalError(f"decodes is 'posterior' or 'prior', not {self.decodes!r}")

    @property
    def described(self) -> str:
        """The size of the network in words."""
        units = getattr(self.layer, "units", None)
        hidden = "" if units is None else f", {units} units"
        latent, parameters = self.layer.latent, count_parameters(self)
        return f"latent observation of {latent} entries{hidden}, {parameters} parameters"

    @property
    def target_shape(self) -> tuple[int, ...]:
        """Shape of what it tells at each step."""
        return jax.eval_shape(lambda: self.observe(self.init()).mean).shape

    def encode(self, values: AnyArray, seen: Bool[AnyArray, "*batch"] | None = None) -> Evidence:
        """Encode observations `(..., *shape)`; what was not seen may hold anything, NaN too.

        Raises:
            RekalError: observations or a mask of another shape, or a mask that is not of booleans.
        """
        values = jnp.asarray(values)
        split = values.ndim - len(self.encoder.shape)
        lead, shape = values.shape[:split], values.shape[split:]
        if shape != self.encoder.shape:
            raise RekalError(
                f"the network was made for observations of shape {self.encoder.shape}, not {shape}"
            )
        seen = jnp.ones(lead, bool) if seen is None else jnp.asarray(seen)
        if seen.shape != lead:
            raise RekalError(f"a mask for {lead} observations has that shape, not {seen.shape}")
        if seen.dtype != bool:  # `~1` would be true
            raise RekalError(f"a mask is of booleans, True = seen, not of type {seen.dtype}")
        # Replaced before the encoder, not after: a NaN behind a `where` still poisons gradients.
        hidden = jnp.expand_dims(~seen, tuple(range(len(lead), values.ndim)))
        clean = jnp.where(hidden, jnp.zeros((), values.dtype), values)
        mean, var = self.encoder(clean.reshape(-1, *self.encoder.shape))
        return Evidence(mean.reshape(*lead, -1), var.reshape(*lead, -1), seen)

    def init(self, shape: tuple[int, ...] = ()) -> Any:
        """The belief before the first observation."""
        return self.layer.init(shape)

    def predict(self, belief: Any, u: Array | None = None, dt: Array | None = None) -> Any:
        """One step through time."""
        return self.layer.predict(belief, u, dt)

    def update(self, belief: Any, evidence: Evidence) -> tuple[Any, Float[Array, "*batch"]]:
        """One encoded observation enters (`Layer.update`)."""
        return self.layer.update(belief, evidence)

    def skip(self, belief: Any) -> Any:
        """A predicted belief after its step has passed with nothing observed."""
        lead = self.layer.read(belief).mean.shape[:-1]
        nothing = jnp.zeros((*lead, self.layer.latent))
        return self.update(belief, Evidence(nothing, nothing + 1, jnp.zeros(lead, bool)))[0]

    def observe(self, belief: Any, u: Array | None = None) -> Any:
        """What a belief says of the target: a distribution with the leading axes of the belief."""
        mean, spread = self.layer.read(belief)
        lead = mean.shape[:-1]
        flat = self.decoder(mean.reshape(-1, mean.shape[-1]), spread.reshape(-1, spread.shape[-1]))
        return flat.reshape(lead)

    def run(
        self,
        values: AnyArray,
        seen: Bool[AnyArray, "batch time"] | None = None,
        inputs: Float[AnyArray, "batch time input"] | None = None,
        dt: Float[AnyArray, "batch time"] | None = None,
        start: Any = None,
    ) -> Decoded:
        """Filter whole series and decode every step.

        Args:
            values: `(batch, time, *shape)`.
            seen: which steps were observed; None = all.
            inputs: `u_t` drives the step into `t`.
            dt: time since the step before.
            start: the belief after the step before the first; None = `init`.
        """
        inputs, dt = (None if each is None else jnp.asarray(each) for each in (inputs, dt))
        ahead = self.decodes == "prior"
        track = self.layer.run(self.encode(values, seen), inputs, dt, start, prior=ahead)
        return Decoded(self.observe(track.prior if ahead else track.posterior), track.last)
