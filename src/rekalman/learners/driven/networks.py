r"""Networks that learn to simulate: where they begin, and the stages of their training.

Two kinds of starts compete:

* "linear": the linear units hold an output-error model. The bounded units look at them and at the inputs in
  random directions, and their outputs carry no weight, so that the network simulates what the linear model
  does. The ridge draws every weight to that start;
* "random": the slow linear system of `simulation_starts.py` with random bends. The ridge draws to zero.

Why the ridge must not draw the directions of a linear start to zero: while the outputs `C_h`, `A_zh` carry no
weight, the error does not depend on the directions `V`, so that the first Gauss-Newton step goes where the
ridge alone wants it, `V = 0`. There the gradient by `C_h` and `A_zh` vanishes as well, and the search ends
on a saddle, with the linear model.

After each stage the network is a candidate: the held-out stretches choose when to stop.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from rekalman.learners.batch import Batch
from rekalman.learners.driven.simulation_error import SimulationError
from rekalman.learners.driven.simulation_starts import simulation_start
from rekalman.learners.em.held_out import Member
from rekalman.models.stochastic_rnn import StochasticRNN

Kind = Literal["linear", "random"]
STAGES: dict[Kind, tuple[tuple[float, float], ...]] = {
    "linear": ((10.0, 0.2), (1.0, 0.2), (1.0, 0.6)),
    "random": ((1.0, 0.3), (1.0, 0.3), (1.0, 0.4)),
}
"""Of each stage the penalty, as a multiple of the learner's, and its share of the iterations."""


class Shape(NamedTuple):
    """How large a network is."""

    states: int
    units: int


class Start(NamedTuple):
    """Where a network begins.

    Attributes:
        kind: "linear" or "random".
        shape: its size.
        seed: start of its randomness.
    """

    kind: Kind
    shape: Shape
    seed: int


def network_start(linear: Member, units: int, seed: int) -> Member:
    """A network that does what a linear model does.

    Args:
        linear: a linear model with states of about unit variance.
        units: number of bounded units.
        seed: start of the randomness of their directions.
    """
    random = np.random.default_rng(seed)
    base, n = linear.model, linear.model.states
    V = random.normal(size=(units, n))
    W, b = random.normal(size=(units, base.n_inputs)), 0.5 * random.normal(size=units)
    A, B, c = (np.asarray(each, np.float64) for each in (base.A, base.B, base.c))
    grown = np.zeros((n + units, n + units))
    grown[:n, :n], grown[n:, :n] = A, V @ A  # z_t = A z_{t-1} + B u_t + c,  h_t = V z_t + W u_t + b
    model = StochasticRNN.create(
        jnp.asarray(grown), jnp.concatenate([base.C, jnp.zeros((base.observations, units))], 1),
        jnp.eye(n + units), base.R, B=jnp.concatenate([base.B, jnp.asarray(V @ B + W)]),
        c=jnp.concatenate([base.c, jnp.asarray(V @ c + b)]), D=base.D, d=base.d, linear_units=n,
    )  # fmt: skip
    model = eqx.tree_at(lambda m: m.m, model, jnp.concatenate([base.m, jnp.zeros(units)]))
    return Member(model, np.hstack([linear.firsts, linear.firsts @ V.T]))


def random_start(batch: Batch, shape: Shape, seed: int) -> Member:
    """A slow linear system with random bends."""
    assert batch.inputs is not None
    p, k = batch.values.shape[2], batch.inputs.shape[2]
    start = simulation_start("rnn", shape.states, p, k, shape.units, seed)
    model = cast(StochasticRNN, start)
    model = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), model)
    return Member(model, np.zeros((len(batch.values), model.states)))


def network_path(
    start: Start, linear: Member | None, batch: Batch, learner: SimulationError, last: int = -1
) -> list[Member]:
    """The network after each stage of its training.

    Args:
        start: where to begin.
        linear: the model that a start of the kind "linear" holds.
        batch: series; masked entries take no part.
        learner: whose iterations the stages share.
        last: index of the last stage; default all.

    Raises:
        RekalError: the start cannot be simulated.
        KeyboardInterrupt: Ctrl-C.
    """
    if start.kind == "linear":
        assert linear is not None
        member = network_start(linear, start.shape.units, start.seed)
        center = member.model
    else:
        member, center = random_start(batch, start.shape, start.seed), None
    stages, path = STAGES[start.kind], []
    for factor, share in stages if last < 0 else stages[: last + 1]:
        stage = SimulationError(
            iterations=max(1, round(share * learner.iterations)),
            ridge=learner.ridge * factor,
            tolerance=learner.tolerance,
            warm_up=learner.warm_up,
        )
        firsts = jnp.asarray(member.firsts)
        result = stage.minimise(member.model, batch, center=center, firsts=firsts)
        if result.stopped == "interrupted":
            raise KeyboardInterrupt
        member = Member(result.model, np.asarray(result.firsts))
        path.append(member)
    return path
