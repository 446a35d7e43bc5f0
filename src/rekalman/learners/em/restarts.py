"""Several starts, one winner: chosen by the log-likelihood of data held out from training.

Local optima are the rule here (paper, section 4.3) and the training likelihood favours the model that
overfits most, so each start is trained for a while on the first part of every series and scored on
the rest, of which it has seen nothing; the winner is then trained on everything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rekalman.filters.choice import Filtering
from rekalman.learners.batch import Batch
from rekalman.learners.em.em import EM
from rekalman.learners.protocol import Progress, TrainResult
from rekalman.models.gaussian import GaussianModel
from rekalman.models.rbf import RBFNetwork
from rekalman.models.stochastic_rnn import StochasticRNN
from rekalman.numerics.placing import placed
from rekalman.numerics.precision import in_own_precision


class Trial(NamedTuple):
    """One start after its trial run.

    Attributes:
        name: what kind of start it was.
        result: the trial run on the training part.
        held_out: log-likelihood of the held-out part in nats, given all that came before.
    """

    name: str
    result: TrainResult
    held_out: float


def hide_after(batch: Batch, share: float) -> tuple[Batch, Bool[np.ndarray, "batch steps"]]:
    """A batch without the last `share` of each series, and True where it was hidden.

    The shapes stay the same, so that the trial runs use the function already compiled.
    """
    valid = np.asarray(batch.valid)
    keep = np.ceil(valid.sum(1) * (1 - share)).astype(int)
    train = valid & (np.arange(valid.shape[1])[None, :] < keep[:, None])
    hidden = valid & ~train
    shown = batch._replace(
        mask=placed(np.asarray(batch.mask) & train[..., None]), valid=placed(train)
    )
    return shown, hidden


@in_own_precision
def log_evidence(
    model: GaussianModel, filtering: Filtering, batch: Batch, key: PRNGKeyArray
) -> Float[Array, "batch steps"]:
    """One-step predictive log densities of every step of every series, in nats.

    It runs the compiled function that filters with the trained model afterwards.
    """
    path = filtering.of(model).run_batch(batch.values, batch.mask, batch.inputs, None, key)
    return path.log_evidence


def try_starts(
    em: EM,
    starts: Sequence[tuple[str, StochasticRNN | RBFNetwork]],
    batch: Batch,
    share: float,
    key: PRNGKeyArray,
    report: Callable[[str, Progress], None] | None = None,
    filtering: Filtering | None = None,
) -> list[Trial]:
    """Train every start on the first part of the data and score it on the rest.

    Each is scored by the kind of filter that will forecast: another one may find another start the best.

    Args:
        em: how each trial is trained (give it fewer iterations than the final run).
        starts: named starting models.
        batch: standardised series.
        share: share of each series that is held out, at its end.
        key: randomness; all trials are scored with the same draws.
        report: called after each iteration with the name of the start.
        filtering: the filter that will follow the trained model; default particles as in EM. A particle
            filter scores with at least four times the particles of EM, for less noise.

    Returns:
        The trials, best first. A Ctrl-C ends the trials with those already made.

    Raises:
        KeyboardInterrupt: Ctrl-C before the first iteration of the first trial was done.
    """
    train, hidden = hide_after(batch, share)
    run_key, score_key = jax.random.split(key)
    judge = (
        Filtering("particles", 4 * em.particles, em.proposal) if filtering is None else filtering
    )
    if judge.kind == "particles":
        judge = dataclasses.replace(judge, particles=max(judge.particles, 4 * em.particles))
    trials: list[Trial] = []
    for name, start in starts:
        callback = None if report is None else lambda progress, name=name: report(name, progress)
        try:
            result = em.run(start, train, key=run_key, callback=callback)
        except KeyboardInterrupt:  # before its first iteration
            if not trials:
                raise
            trials[-1] = trials[-1]._replace(result=trials[-1].result.interrupted())
            break
        try:
            scores = log_evidence(result.model, judge, batch, score_key)
            held_out = float((np.asarray(scores, np.float64) * hidden).sum())
        except KeyboardInterrupt:  # not judged: behind all others
            result, held_out = result.interrupted(), -np.inf
        trials.append(Trial(name, result, held_out))
        if result.stopped == "interrupted":
            break
    return sorted(trials, key=lambda trial: -trial.held_out)
