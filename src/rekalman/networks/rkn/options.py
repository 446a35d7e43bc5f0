"""How a Recurrent Kalman Network is made: the paper's choices as defaults, all others by name.

The published implementations (LCAS/RKN, which is the paper's; ALRhub/rkn_share; Continuous Recurrent Units)
differ in the order of the steps, the positive map, the first variances and the coefficient network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any, Literal, get_args, get_type_hints

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.foundation.errors import RekalError
from rekalman.models.activations import Activation, activation_function
from rekalman.networks.dense import MLP, Dense
from rekalman.networks.positive import positive


@dataclass(frozen=True)
class RKNOptions:
    """Options of `RKN.create`.

    Attributes:
        bases: number `K` of basis matrices.
        bandwidth: diagonals on each side of the main one in each of the four blocks; `latent - 1` = full.
        hidden: hidden layers of the coefficient network; the paper has none, its quad-link script (128, 128).
        activation: of these layers ("relu" in the paper's code, "tanh" in the later one).
        mixed_by: what the coefficients depend on: the "state", or the latent observation of the frame before
            ("encoder"). Then, where the bandwidth is 0, `run` can be an associative scan over time.
        scan: whether it is ("parallel") or not ("serial"); "auto" = on accelerators. On two cores it is ten
            times slower than the serial recursion.
        order: whether the constant first belief stands before the transition into the first step ("predict",
            the paper) or after it ("update", the later code).
        positive_map: of the process noise and the first variances: "elu1" (paper), "softplus" or "exp".
        noise: process variance at the start, everywhere.
        start_var: variance of the first belief.
        learn_start: whether it is learned (later code) or fixed (paper).
        turn: how far upper and lower half turn into each other at the start: `B12 = turn I = -B21`.
        spread: deviation of random numbers added to the bands of the bases; the paper's start all alike (0).
        timed: what a time step does: nothing ("ignored"), enter the coefficient network ("coefficients"), or
            set the length of the steps of a model in continuous time ("continuous"): the mixed matrix minus
            the identity is then a rate, and noise and control are rates too.
        substeps: Euler steps for each time step in continuous time.
        control: hidden layers of the network of the inputs.

    Examples:
        >>> import jax
        >>> import rekalman
        >>> layer = rekalman.RKN.create(3, bases=4, hidden=(16,), key=jax.random.key(0))
        >>> layer.options.bases, layer.options.hidden
        (4, (16,))
    """

    bases: int = 15
    bandwidth: int = 3
    hidden: tuple[int, ...] = ()
    activation: Activation = "relu"
    mixed_by: Literal["state", "encoder"] = "state"
    scan: Literal["auto", "serial", "parallel"] = "auto"
    order: Literal["predict", "update"] = "predict"
    positive_map: Literal["elu1", "softplus", "exp"] = "elu1"
    noise: int | float = 0.1
    start_var: int | float = 10.0
    learn_start: bool = False
    turn: int | float = 0.2
    spread: int | float = 0.0
    timed: Literal["ignored", "coefficients", "continuous"] = "ignored"
    substeps: int = 1
    control: tuple[int, ...] = (30,)

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for name in ("mixed_by", "scan", "order", "positive_map", "timed"):
            known = get_args(hints[name])
            if getattr(self, name) not in known:
                raise RekalError(
                    f"there is no {name} {getattr(self, name)!r}: use {' or '.join(map(repr, known))}"
                )
        for name in ("bases", "substeps"):
            _whole(name, getattr(self, name), 1)
        _whole("bandwidth", self.bandwidth, 0)
        for name in ("hidden", "control"):
            sizes = getattr(self, name)
            if not isinstance(sizes, tuple):
                raise RekalError(f"{name} is a tuple of sizes, such as (64,), but is {sizes!r}")
            for size in sizes:
                _whole(name, size, 1)
        for name in ("noise", "start_var"):
            if not 0 < getattr(self, name) < math.inf:
                raise RekalError(f"{name} is a variance above 0, but is {getattr(self, name)}")
        if not (math.isfinite(self.turn) and 0 <= self.spread < math.inf):
            raise RekalError(
                f"turn must be finite and spread at least 0, but they are {self.turn} and {self.spread}"
            )
        if self.substeps > 1 and self.timed != "continuous":
            raise RekalError("substeps belong to timed='continuous': leave them out")
        if self.scan == "parallel" and not self._separable:
            raise RekalError("scan='parallel' needs mixed_by='encoder' and bandwidth=0")
        activation_function(self.activation)

    @classmethod
    def of(cls, options: dict[str, Any]) -> RKNOptions:
        """Options by name.

        Raises:
            RekalError: one is unknown or out of range.
        """
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                raise RekalError(f"an RKN has no option {name!r}: use one of {', '.join(known)}")
        chosen: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in options.items()
        }
        return cls(**chosen)

    @property
    def parallel(self) -> bool:
        """Whether the recursion runs as an associative scan."""
        if self.scan == "auto":
            return self._separable and jax.default_backend() != "cpu"
        return self.scan == "parallel"

    @property
    def _separable(self) -> bool:
        """Whether transitions are known beforehand and coordinates do not mix."""
        return self.mixed_by == "encoder" and self.bandwidth == 0

    @property
    def takes_time(self) -> bool:
        """Whether time steps are given."""
        return self.timed != "ignored"

    def known(self, latent: int) -> int:
        """Number of features that the coefficient network takes beside the state."""
        return (2 * latent + 1) * (self.mixed_by == "encoder") + (self.timed == "coefficients")

    def draw_bases(
        self, latent: int, key: PRNGKeyArray
    ) -> Float[Array, "bases 4 diagonals latent"]:
        """The basis matrices, all alike but for `spread`: identity, turned a little."""
        b = min(self.bandwidth, latent - 1)
        main = jnp.array([1.0, self.turn, -self.turn, 1.0], jnp.float32)
        bases = jnp.zeros((self.bases, 4, 2 * b + 1, latent), jnp.float32)
        bases = bases.at[:, :, b].set(main[:, None])
        return bases + self.spread * jax.random.normal(key, bases.shape, bases.dtype)

    def raw(self, var: int | float, latent: int) -> Float[Array, "2 latent"]:
        """Equal variances of both halves before the positive map."""
        value = positive(self.positive_map).inverse(jnp.asarray(var, jnp.float32))
        return jnp.full((2, latent), value, jnp.float32)

    def var(self, raw: Float[Array, "2 latent"]) -> Float[Array, "2 latent"]:
        """The inverse of `raw`."""
        return positive(self.positive_map).forward(raw)


def _whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, Integral) or value < least:
        raise RekalError(f"{name} must be a whole number of at least {least}, but is {value!r}")


class Control(eqx.Module):
    """What an input adds to the predicted mean (Shaj et al. 2020): a network of the input alone."""

    hidden: MLP
    out: Dense

    def __call__(self, u: Float[Array, "*batch input"]) -> Float[Array, "*batch states"]:
        """The addition to `[p; q]`."""
        return self.out(self.hidden(u))

    @classmethod
    def create(
        cls,
        inputs: int,
        sizes: tuple[int, ...],
        states: int,
        activation: Activation,
        key: PRNGKeyArray,
    ) -> Control:
        """Draw a network."""
        first, last = jax.random.split(key)
        hidden = MLP(inputs, sizes, activation, key=first)
        return cls(hidden, Dense(hidden.outputs, states, key=last))
