"""Where the training data of a model with a diffuse start began: a law from which it can be simulated."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rekalman.core.filter import Filter
from rekalman.data import AnyArray, Sequences
from rekalman.fitting.verbs import smooth
from rekalman.foundation.errors import RekalError
from rekalman.models.linear_model import LinearModel

WIDE = 1e8  # variances beyond this many times that of the data: they do not determine the state


class FirstState(eqx.Module):
    """The law of the state at the first step, given all data; several series on one scale are one law.

    Attributes:
        mean: its mean; of series with scales of their own, that of each, `(series, states)`.
        cov: its covariance, likewise.
    """

    mean: Float[AnyArray, "*series states"]
    cov: Float[AnyArray, "*series states states"]

    def of(self, model: LinearModel, which: int = 0) -> LinearModel:
        """A model that starts with this law.

        Args:
            model: the model.
            which: the series, where each has a law of its own.
        """
        dtype = model.m.dtype
        law = (self.mean, self.cov)
        mean, cov = law if np.ndim(self.mean) == 1 else (part[which] for part in law)
        moments = {"m": jnp.asarray(mean, dtype), "P": jnp.asarray(cov, dtype)}
        return dataclasses.replace(model, **moments, initial="given", flat=())


def first_state(algorithm: Filter, prepared: Sequences, each: bool = False) -> FirstState | None:
    """The smoothed first state of some series; None where they do not determine it.

    Args:
        algorithm: the filter of a linear model with a diffuse start.
        prepared: the series, in the units of the model.
        each: every series has a law of its own.
    """
    try:
        smoothed = smooth(algorithm, prepared)
    except RekalError:
        return None
    mean, cov = np.asarray(smoothed.mean[:, 0], float), np.asarray(smoothed.cov[:, 0], float)
    center = mean.mean(0)
    apart = mean - center
    center, pooled = (mean, cov) if each else (center, cov.mean(0) + apart.T @ apart / len(mean))
    level = float(np.mean(np.asarray(prepared.values)[np.asarray(prepared.mask)] ** 2))
    if not (
        np.isfinite(pooled).all()
        and np.diagonal(pooled, axis1=-2, axis2=-1).max() < WIDE * max(level, 1e-300)
    ):
        return None
    return FirstState(center, pooled)
