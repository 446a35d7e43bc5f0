"""One step of gradient training, compiled once for all batches of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from rekalman.data import AnyArray
from rekalman.learners.gradient.episodes import Episodes
from rekalman.learners.gradient.optimiser import (
    OptimiserSettings,
    State,
    descend,
    flatten,
    with_parameters,
)
from rekalman.networks.network import Network


class Minibatch(NamedTuple):
    """Some series, on the devices.

    Attributes:
        pool: the series these are taken from.
        which: their numbers; None = all, in their order.
        counts: False for series that only fill up a batch.
        hidden: steps hidden from the network, or None.
        scrambled: steps whose entries change places, or None.
        places: where each of their entries then comes from, or None.
    """

    pool: Episodes
    which: Int[AnyArray, " batch"] | None
    counts: Bool[AnyArray, " batch"]
    hidden: Bool[AnyArray, "batch time"] | None
    scrambled: Bool[AnyArray, "batch time"] | None = None
    places: Int[AnyArray, " entries"] | None = None


class StepInputs(NamedTuple):
    """What a step reads.

    Attributes:
        optimiser_settings: how parameters are moved.
        network: the network, with any parameters.
        same: the placement "on every device".
        batch: the series.
        begin: first step of the window.
        length: length of the window.
    """

    optimiser_settings: OptimiserSettings
    network: Network
    same: NamedSharding
    batch: Minibatch
    begin: Int[np.ndarray, ""]
    length: int


class Judged(NamedTuple):
    """A loss: its sum over steps of series, in nats, and the number of these steps."""

    total: Float[Array, ""]
    steps: Float[Array, ""]


@eqx.filter_jit(donate="all-except-first")
def step(given: StepInputs, state: State, belief: Any) -> tuple[State, Any, Judged]:
    """Move the parameters along the gradient of one window.

    The loss is minus the log density of the target in nats, summed over the entries of the target, mean over
    all steps of the batch that count (Becker et al. 2019). The belief that is carried on is a constant to the
    next window: back-propagation is truncated there.

    Args:
        given: what is read.
        state: what is changed; its memory is used again.
        belief: the belief after the window before, or None at the start of the series; likewise.

    Returns:
        The new state, the belief after the window, and the loss before the step, whose total is NaN where the
        loss or its gradient is not finite.
    """

    def part(parameters: Array, batch: Minibatch, belief: Any) -> tuple[tuple[Judged, Array], Any]:
        def loss(network: Network) -> tuple[Float[Array, ""], tuple[Judged, Any]]:
            judged, last = _judge(network, batch, given.begin, given.length, belief)
            return judged.total, (judged, last)

        network = with_parameters(given.network, parameters)
        (_, (judged, last)), gradient = eqx.filter_value_and_grad(loss, has_aux=True)(network)
        return (judged, flatten(gradient)), last

    whole = on_each(part, given.same, given.batch)
    (judged, gradient), last = whole(state.parameters, given.batch, belief)
    state, norm = descend(
        given.optimiser_settings, state, gradient / jnp.maximum(judged.steps, 1.0)
    )
    total = jnp.where(jnp.isfinite(norm), judged.total, jnp.nan)
    return eqx.filter_shard(state, given.same), last, judged._replace(total=total)


@eqx.filter_jit
def judge(
    parameters: Float[Array, " parameters"], network: Network, same: NamedSharding, batch: Minibatch
) -> Judged:
    """The loss of whole series under given parameters."""

    def part(parameters: Array, batch: Minibatch, belief: None) -> tuple[Judged, None]:
        begin = jnp.zeros((), jnp.int32)
        full = with_parameters(network, parameters)
        return _judge(full, batch, begin, batch.pool.steps, belief)[0], None

    return on_each(part, same, batch)(parameters, batch, None)[0]


def on_each(part: Callable[..., Any], same: NamedSharding, batch: Minibatch) -> Callable[..., Any]:
    """Run a function of parameters, a batch and beliefs on each device with its part of the series.

    Devices meet once, when what it returns first is summed over them; its second result stays in parts. Left
    to itself, the compiler would let them meet in every step of a recursion.

    Args:
        part: the function.
        same: the placement "on every device".
        batch: what tells which arrays are split.
    """
    rows, everywhere = PartitionSpec("batch"), PartitionSpec()
    pool = rows if batch.which is None else everywhere
    split = Minibatch._make((pool, rows, rows, rows, rows, everywhere))

    def run(*given: Any) -> Any:
        sums, last = part(*given)
        return jax.lax.psum(sums, "batch"), last

    return jax.shard_map(
        run,
        mesh=same.mesh,
        in_specs=(everywhere, split, rows),
        out_specs=(everywhere, rows),
        check_vma=False,
    )


def _judge(
    network: Network, batch: Minibatch, begin: Int[Any, ""], length: int, belief: Any
) -> tuple[Judged, Any]:
    def cut(array: Array) -> Array:
        if batch.which is None:
            return jax.lax.dynamic_slice_in_dim(array, begin, length, 1)
        return array[batch.which[:, None], begin + jnp.arange(length)]

    window: Any = jax.tree.map(cut, batch.pool)
    values, seen = window.values, window.seen
    wanted = window.wanted & batch.counts[:, None]
    if batch.hidden is not None:
        seen = seen & ~jax.lax.dynamic_slice_in_dim(batch.hidden, begin, length, 1)
    if batch.scrambled is not None:
        at = jax.lax.dynamic_slice_in_dim(batch.scrambled, begin, length, 1)
        mixed = values.reshape(*at.shape, -1)[:, :, batch.places].reshape(values.shape)
        values = jnp.where(jnp.expand_dims(at, tuple(range(2, values.ndim))), mixed, values)
    output = network.run(values, seen, window.inputs, window.dt, belief)
    density = jnp.where(wanted, output.distribution.log_prob(window.targets), 0.0)
    return Judged(-density.sum(), wanted.sum(dtype=density.dtype)), output.last
