"""A fit that was never trained, for what matters is which numbers reach it."""

import jax.numpy as jnp
import numpy as np

import rekalman
from rekalman.data.scales.standardiser import Standardiser
from rekalman.filters.choice import Filtering
from rekalman.fitting.history import History
from rekalman.forecasting import Labels


def hand_made(data: rekalman.Sequences) -> rekalman.Fit:
    """A model of one column: 10 (a - 1) + (b - 5) of inputs a and b, or, without inputs, the last value."""
    one, none, width = jnp.ones((1, 1)), jnp.zeros(1), data.n_inputs
    noise = (1e-8, 1e-2) if width else (1.0, 1e-8)
    model = rekalman.LinearGaussian(
        A=(0 if width else 1) * one, B=jnp.zeros((1, width)), c=none, C=one,
        D=jnp.array([[10.0, 1.0]]) if width else jnp.zeros((1, 0)), d=none,
        Q=noise[0] * one, R=noise[1] * one, m=none, P=one,
    )  # fmt: skip
    moments = (np.array([1.0, 5.0]), np.ones(2)) if width else ()
    return rekalman.Fit(
        algorithm=Filtering("kalman").of(model),
        standardiser=Standardiser(np.zeros(1), np.ones(1), *moments),
        history=History(np.zeros(1), (), "iterations", 0.0, 40),
        seed=0,
        labels=Labels.of(data),
        input_names=data.input_names,
    )
