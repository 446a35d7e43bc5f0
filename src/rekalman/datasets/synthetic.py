"""The synthetic oscillation of Unkelbach, Sun and Schmidhuber (2009), section 4.1."""

from __future__ import annotations

import jax.numpy as jnp

from rekalman.models.stochastic_rnn import StochasticRNN


def em_paper_system() -> StochasticRNN:
    """The true system: two hidden units, one output, process and measurement noise.

    Its noise-free output oscillates with a period of 28 steps. The paper starts it at zero; here it
    starts near its limit cycle, and the studies let it run in before they record.
    """
    return StochasticRNN.create(
        A=jnp.array([[1.0, 1.0], [-0.05, 0.98]]),
        C=jnp.array([[1.0, 0.0]]),
        Q=0.001 * jnp.eye(2),
        R=0.01 * jnp.eye(1),
        P=jnp.diag(jnp.array([0.2, 0.01])),
    )
