"""Training of linear models: a subspace start, then exact EM, in double precision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from rekalman.data import Sequences
from rekalman.filters.choice import Filtering
from rekalman.fitting.progress import Report
from rekalman.fitting.trained import Trained
from rekalman.learners.batch import as_batch, check_batch_memory
from rekalman.learners.em.em import EM
from rekalman.learners.em.priors import SAFEGUARD
from rekalman.learners.likelihood.estimate import Estimate
from rekalman.learners.likelihood.uncertainty import estimated
from rekalman.learners.protocol import Learner, Progress
from rekalman.learners.start.n4sid import n4sid
from rekalman.learners.start.order import choose_order
from rekalman.models.continuous import LinearContinuous
from rekalman.models.linear import LinearGaussian
from rekalman.numerics.precision import modelling_dtype
from rekalman.training.linear_choice import choose_linear
from rekalman.training.ridge_ar import train_ridge_ar


def train_linear(
    prepared: Sequences,
    model: LinearGaussian | LinearContinuous | None,
    learner: Learner,
    states: int | None,
    following: Filtering,
    report: Report | None,
    choosing: bool = False,
) -> Trained:
    """Train a linear Gaussian model by EM, or by maximum likelihood, as one in continuous time is.

    Args:
        prepared: data in the units of the model.
        model: where to begin, or None for a subspace start.
        learner: how to train; the particles of EM are of no use here.
        states: number of states of the subspace start, or None for the number with the least BIC.
        following: what filters the trained model.
        report: called after each iteration.
        choosing: whether an autoregression may take the place of a state-space model, where no number of
            states is given (`linear_choice.py`).
    """

    def notify(progress: Progress) -> None:
        if report is not None:
            report("training", progress)

    trials: tuple[tuple[str, float], ...] = ()
    with jax.enable_x64(True):
        batch = as_batch(prepared, model)
        if model is not None:
            start = _in(jnp.float64, model)
        elif states is not None:
            start = linear_start(prepared, states)
        elif choosing:
            start, trials = choose_linear(prepared, batch)
        else:
            start = choose_order(batch).by_bic.model
    if start is None:
        return train_ridge_ar(prepared, None, None, following)._replace(trials=trials)
    with jax.enable_x64(True):
        following.of(start)  # refused before the work, not after
        check_batch_memory(start.states, batch)
        if model is None and isinstance(learner, EM):
            start, learner = _shaped(cast(LinearGaussian, start), learner), _safe(learner)
        result = learner.run(start, batch, callback=notify)
        uncertainty, starts = None, ()
        if isinstance(result, Estimate):
            uncertainty, starts = estimated(result, prepared.interval), result.starts
    result = replace(result, model=_in(modelling_dtype(), result.model))
    return Trained(result, following, trials, uncertainty=uncertainty, starts=starts)


def _safe(em: EM) -> EM:
    """EM with the weak priors of a start that was made from the data, where none are asked for."""
    return replace(em, strength=SAFEGUARD) if isinstance(em.strength, str) else em


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
