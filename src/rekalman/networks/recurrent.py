"""What LSTM, GRU and Elman networks have in common: all but the equations of one step.

They are the baselines of the RKN: the same encoder, decoder and heads around another recursion. At each step
the cell is given `[w; r; seen; u; log dt]`: the latent observation and its variance, zero where nothing was
seen, whether something was, the inputs, and the logarithm of the time step where the layer was made for one
(after Becker et al. 2019, whose baselines are given `[w; r]` and, with masks, the flag).

Such a network is a filter in this way: `predict` is a recurrent step with nothing seen, and `update` the same
step once more, from the same belief, with what was seen. `run`, which needs no prior, takes one step a frame.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import ClassVar, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.nn.initializers import orthogonal
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from rekalman.foundation.errors import RekalError
from rekalman.networks.beliefs import Evidence, Hidden, Readout, Track
from rekalman.networks.dense import glorot
from rekalman.networks.layer import Layer

Kind = TypeVar("Kind", bound="Recurrent")


class Recurrent(Layer):
    """A recurrent network as a filter; a subclass gives the equations of its step.

    Attributes:
        into: weights of what is given to the cell.
        across: weights of the hidden vector of the step before.
        bias: one for each unit and gate.
        latent: size `m` of the latent observation.
        units: length of the hidden vector.
        n_inputs: number of known inputs.
        timed: whether the layer is given time steps.
    """

    gates: ClassVar[int]
    has_memory: ClassVar[bool] = False

    into: Float[Array, "features rows"]
    across: Float[Array, "units rows"]
    bias: Float[Array, " rows"]
    latent: int = eqx.field(static=True)
    units: int = eqx.field(static=True)
    n_inputs: int = eqx.field(static=True)
    timed: bool = eqx.field(static=True)

    @classmethod
    def create(
        cls: type[Kind],
        latent: int,
        *,
        units: int | None = None,
        inputs: int = 0,
        timed: bool = False,
        key: PRNGKeyArray,
    ) -> Kind:
        """A layer with random weights, as Keras draws them: Glorot uniform, orthogonal across steps.

        Args:
            latent: size `m` of the latent observation.
            units: length of the hidden vector; None = `4 m`, which is the paper's.
            inputs: number of known inputs.
            timed: whether it is given the time since the step before, for irregular sampling.
            key: of the weights.

        Raises:
            RekalError: a size that is none.
        """
        units = 4 * latent if units is None else units
        if latent < 1 or units < 2 or inputs < 0:
            raise RekalError(
                f"{cls.__name__}: a layer needs latent >= 1, units >= 2 and inputs >= 0, "
                f"not {latent}, {units} and {inputs}"
            )
        rows = cls.gates * units
        features = 2 * latent + 1 + inputs + timed
        one, other = jax.random.split(key)
        return cls(
            into=glorot((features, rows), one),
            across=orthogonal()(other, (units, rows), jnp.float32),
            bias=cls.start_bias(units),
            latent=latent,
            units=units,
            n_inputs=inputs,
            timed=timed,
        )

    @classmethod
    def start_bias(cls, units: int) -> Float[Array, " rows"]:
        """The bias before training."""
        return jnp.zeros(cls.gates * units, jnp.float32)

    @abc.abstractmethod
    def units_after(
        self,
        given: Float[Array, "*batch rows"],
        carried: Float[Array, "*batch rows"],
        belief: Hidden,
    ) -> Hidden:
        """The equations of one step, unit by unit: what belongs to a unit depends on that unit alone.

        Args:
            given: what is given to the cell, times `into`, plus `bias`.
            carried: the hidden vector of the step before, times `across`.
            belief: of the step before.
        """

    def step(self, given: Float[Array, "*batch rows"], belief: Hidden) -> Hidden:
        """One step.

        Args:
            given: what is given to the cell, times `into`, plus `bias`.
            belief: of the step before.
        """
        return self.units_after(given, belief.hidden @ self.across, belief)

    def init(self, shape: tuple[int, ...] = ()) -> Hidden:
        """The belief before the first observation: a step from zero, with nothing seen."""
        return self._ahead(self._zero(shape), self._no_drive(shape))

    def predict(
        self,
        belief: Hidden,
        u: Float[Array, "*batch input"] | None = None,
        dt: Float[Array, "*batch"] | None = None,
    ) -> Hidden:
        """One recurrent step with nothing seen; what it started from is kept for `update`."""
        before = Hidden(belief.hidden, belief.memory)
        return self._ahead(before, self._drive(belief.hidden.shape[:-1], u, dt))

    def update(self, belief: Hidden, evidence: Evidence) -> tuple[Hidden, Float[Array, "*batch"]]:
        """The predicted step again, now with what was seen; the log density is 0.

        Raises:
            RekalError: the belief was not predicted, so the step has its observation already.
        """
        if belief.pending is None:
            raise RekalError("update follows init or predict: this belief was updated already")
        self.check(evidence)
        before, drive = belief.pending
        # With nothing seen this is the predicted step, so no choice is to be made here.
        after = self.step(self._given(self._seen(evidence), drive), before)
        return after, jnp.zeros(evidence.seen.shape, after.hidden.dtype)

    def run(
        self,
        evidence: Evidence,
        inputs: Float[Array, "batch time input"] | None = None,
        dt: Float[Array, "batch time"] | None = None,
        start: Hidden | None = None,
        prior: bool = False,
    ) -> Track:
        """Filter whole series (`Layer.run`).

        Raises:
            RekalError: evidence, inputs or time steps that the layer does not take, or that are missing.
        """
        self.check(evidence)
        shape = evidence.seen.shape
        drive = self._drive(shape, inputs, dt)
        if start is None:  # nothing drives the step into the first frame
            first, drive = self._zero(shape[:1]), drive.at[:, 0].set(0)
        else:
            first = Hidden(start.hidden, start.memory)
        given = self._given(self._seen(evidence), drive)  # one product for all steps

        def frame(belief: Hidden, row: Array) -> tuple[Hidden, Hidden]:
            after = self.step(row, belief)
            return after, after

        last, path = jax.lax.scan(frame, first, jnp.swapaxes(given, 0, 1))
        posterior = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), path)
        if not prior:
            return Track(posterior, None, last)
        before = jax.tree.map(
            lambda one, all_: jnp.concatenate([one[:, None], all_[:, :-1]], 1), first, posterior
        )
        return Track(posterior, self._ahead(before, drive), last)

    def read(self, belief: Hidden) -> Readout:
        """The hidden vector in two halves, as in the paper's baselines: the second through `exp`.

        Hidden vectors lie between -1 and 1, so `exp` cannot overflow.
        """
        half = self.units // 2
        return Readout(belief.hidden[..., :half], jnp.exp(belief.hidden[..., half:]))

    @property
    def sizes(self) -> tuple[int, int]:
        """Lengths of the two vectors of `read`."""
        return self.units // 2, self.units - self.units // 2

    def _ahead(self, before: Hidden, drive: Array) -> Hidden:
        """A step with nothing seen, and what `update` needs to take it again."""
        unseen = jnp.zeros((*drive.shape[:-1], 2 * self.latent + 1), drive.dtype)
        after = self.step(self._given(unseen, drive), before)
        return Hidden(after.hidden, after.memory, (before, drive))

    def _given(self, seen: Array, drive: Array) -> Array:
        return jnp.concatenate([seen, drive], -1) @ self.into + self.bias

    def _seen(self, evidence: Evidence) -> Array:
        """`[w; r; 1]`, or zeros where nothing was seen."""
        flag = evidence.seen[..., None]
        entries = jnp.concatenate([evidence.mean, evidence.var, jnp.ones_like(flag)], -1)
        return jnp.where(flag, entries, 0).astype(self.into.dtype)

    def _drive(self, shape: tuple[int, ...], u: Array | None, dt: Array | None) -> Array:
        """`[u; log dt]`, as far as the layer was made for them."""
        self.check_drive(shape, u, dt, self.timed)
        parts = [] if u is None else [u]
        parts += [] if dt is None else [jnp.log(dt)[..., None]]
        if not parts:
            return self._no_drive(shape)
        return jnp.concatenate(parts, -1).astype(self.into.dtype)

    def _no_drive(self, shape: tuple[int, ...]) -> Array:
        return jnp.zeros((*shape, self.n_inputs + self.timed), self.into.dtype)

    def _zero(self, shape: tuple[int, ...]) -> Hidden:
        zero = jnp.zeros((*shape, self.units), self.into.dtype)
        return Hidden(zero, zero if self.has_memory else None)


def count_parameters(module: PyTree) -> int:
    """How many numbers are trained: those of floating point, but for what layers call `idle`."""
    shapes = [leaf for leaf in jax.tree.leaves(module) if hasattr(leaf, "dtype")]
    nodes = jax.tree.leaves(module, is_leaf=lambda node: isinstance(node, Layer))
    idle = sum(node.idle for node in nodes if isinstance(node, Layer))
    return sum(leaf.size for leaf in shapes if jnp.issubdtype(leaf.dtype, jnp.inexact)) - idle


def matched_units(make: Callable[[int], PyTree], parameters: int) -> int:
    """How many units give about as many parameters, to compare networks of equal size.

    Args:
        make: a layer, or a whole network, with so many units; more units are more parameters.
        parameters: how many there should be.

    Returns:
        The number of units, at least 2, whose count of parameters is nearest.
    """
    count = lambda units: count_parameters(eqx.filter_eval_shape(lambda: make(units)))  # noqa: E731
    low, high = 2, 4
    while count(high) < parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < parameters else (low, middle)
    return min((low, high), key=lambda units: abs(count(units) - parameters))
