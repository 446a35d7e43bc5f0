r"""Where training on free simulation begins: a slow linear system with random bends that do nothing yet.

The linear part is a set of nearly independent decays with time constants of 5 to 50 steps, driven by the
inputs: everything is within reach of a gradient from there. The bends (bounded units or kernels) look at the
states in random directions, but their outputs carry no weight at the start.

A `StochasticRNN` holds both as units: `n` linear ones `z`, and bounded ones `h = V z + W u + b` that lag no
step behind, because with `z_t = A z_{t-1} + B u_t` follows `h_t = V A z_{t-1} + (V B + W) u_t + b`.
"""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
import numpy as np

from rekalman.models.linear import LinearGaussian
from rekalman.models.rbf import Kernels, RBFNetwork
from rekalman.models.stochastic_rnn import StochasticRNN

Kind = Literal["linear", "rnn", "rbf"]
NOISE = 0.1  # variances of Q and R; training replaces them


def simulation_start(
    kind: Kind, states: int, observations: int, inputs: int, bends: int = 8, seed: int = 0
) -> LinearGaussian | StochasticRNN | RBFNetwork:
    """A random start for standardised data.

    Args:
        kind: "linear"; "rnn", a `StochasticRNN` with linear units and bounded ones; "rbf".
        states: number of linear states.
        observations: number of observed variables.
        inputs: number of inputs.
        bends: number of bounded units, or of kernels.
        seed: start of the randomness.
    """
    random = np.random.default_rng(seed)
    n, k, p = states, inputs, observations
    A = np.diag(random.uniform(0.8, 0.98, n)) + 0.02 * random.normal(size=(n, n))
    B, C = 0.1 * random.normal(size=(n, k)), 0.5 * random.normal(size=(p, n))
    Q, R, D = NOISE * np.eye(n), NOISE * np.eye(p), np.zeros((p, k))
    if kind == "linear":
        return LinearGaussian.create(A=A, C=C, Q=Q, R=R, B=B, D=D, m=np.zeros(n), P=np.eye(n))
    if kind == "rbf":
        z = n + k
        spreads = np.broadcast_to(np.eye(z), (bends, z, z))
        kernels = Kernels(jnp.asarray(random.normal(size=(bends, z))), jnp.asarray(spreads))
        return RBFNetwork.create(A, C, Q, R, B=B, D=D, kernels=kernels)
    V, W = random.normal(size=(bends, n)), random.normal(size=(bends, k))
    whole = np.zeros((n + bends, n + bends))
    whole[:n, :n], whole[n:, :n] = A, V @ A
    return StochasticRNN.create(
        jnp.asarray(whole),
        jnp.concatenate([jnp.asarray(C), jnp.zeros((p, bends))], 1),
        NOISE * jnp.eye(n + bends),
        jnp.asarray(R),
        B=jnp.asarray(np.concatenate([B, V @ B + W])),
        c=jnp.asarray(np.concatenate([np.zeros(n), 0.5 * random.normal(size=bends)])),
        D=jnp.asarray(D),
        linear_units=n,
    )
