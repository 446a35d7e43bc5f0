"""Training of linear models: a subspace start, then exact EM, in double precision."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from rekal.filters.choice import Filtering, chosen
from rekal.learning.batch import as_batch, check_moments_memory
from rekal.learning.em import EM, EMResult, Progress
from rekal.learning.likelihood import MaximumLikelihood
from rekal.learning.linear_em import linear_em
from rekal.learning.n4sid import n4sid
from rekal.learning.order import choose_order
from rekal.learning.priors import SAFEGUARD
from rekal.learning.uncertainty import estimated
from rekal.models.continuous import LinearContinuous
from rekal.models.linear import LinearGaussian
from rekal.precision import modelling_dtype
from rekal.progress import Report
from rekal.sequences import Sequences
from rekal.trained import Trained

LINEAR_EM: dict[str, Any] = {
    "iterations": 300,
    "tolerance": 1e-6,
    "process_noise": "full",
    "observation_noise": "full",
    "strength": SAFEGUARD,
}
"""Settings of EM that fit a linear model."""


def train_linear(
    prepared: Sequences,
    model: LinearGaussian | LinearContinuous | None,
    learner: EM | MaximumLikelihood | None,
    states: int | None,
    filtering: str | Filtering | None,
    report: Report | None,
) -> Trained:
    """Train a linear Gaussian model by EM, or by maximum likelihood, as one in continuous time is.

    Args:
        prepared: data in the units of the model.
        model: where to begin, or None for a subspace start.
        learner: how to train; the particles of EM are of no use here.
        states: number of states of the subspace start, or None for the number with the least BIC.
        filtering: what filters the trained model; default the Kalman filter.
        report: told after each iteration.
    """
    following = chosen(filtering, Filtering("kalman"))

    def told(progress: Progress) -> None:
        if report is not None:
            report("training", progress)

    with jax.enable_x64(True):
        batch = as_batch(prepared, model)
        if model is not None:
            start = _in(jnp.float64, model)
        elif states is not None:
            start = linear_start(prepared, states)
        else:
            start = choose_order(batch).by_bic.model
        uncertainty = None
        following.of(start)  # refused before the work, not after
        check_moments_memory(start.states, batch)
        if isinstance(start, LinearContinuous):
            learner = MaximumLikelihood() if learner is None else learner
        if isinstance(learner, MaximumLikelihood):
            found = learner.run(start, batch, told)
            uncertainty = estimated(found, prepared.interval)
            result = EMResult(found.model, found.log_likelihood, found.stopped, found.seconds)
        else:
            assert isinstance(start, LinearGaussian)
            em = _learner(model, learner)
            if model is None:
                start = _shaped(start, em)
            result = linear_em(
                start,
                batch,
                iterations=em.iterations,
                tolerance=em.tolerance,
                freeze=em.freeze,
                fixed=em.fixed,
                process_noise=em.process_noise,
                observation_noise=em.observation_noise,
                strength=None if isinstance(em.strength, str) else em.strength,
                report=told,
            )
    result = result._replace(model=_in(modelling_dtype(), result.model))
    return Trained(result, following, uncertainty=uncertainty)


def _learner(model: LinearGaussian | LinearContinuous | None, learner: EM | None) -> EM:
    """What trains: by default with full covariances, those of a model of one's own as that model has them."""
    if learner is not None:
        return learner
    if model is None:
        return EM(**LINEAR_EM)
    return EM(**{**LINEAR_EM, "process_noise": None, "observation_noise": None})


def _shaped(start: LinearGaussian, em: EM) -> LinearGaussian:
    """A start that was made from the data, with the covariances that are to be learned."""
    diagonal = lambda V, shape: jnp.diag(jnp.diagonal(V)) if shape == "diagonal" else V  # noqa: E731
    covs = diagonal(start.Q, em.process_noise), diagonal(start.R, em.observation_noise)
    return eqx.tree_at(lambda m: (m.Q, m.R), start, covs)


def linear_start(prepared: Sequences, states: int) -> LinearGaussian:
    """A linear model by subspace identification."""
    return n4sid(
        np.asarray(prepared.values),
        np.asarray(prepared.mask),
        states,
        inputs=None if prepared.inputs is None else np.asarray(prepared.inputs),
        lengths=np.asarray(prepared.lengths),
    )


def _in(dtype: jnp.dtype | type, model: Any) -> Any:
    """The same model in another precision."""
    with jax.enable_x64(True):
        return _cast(dtype, model)


def _cast(dtype: jnp.dtype | type, model: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), dtype), model)
