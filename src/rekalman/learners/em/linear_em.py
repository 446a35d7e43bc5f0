r"""Expectation-maximisation for a linear Gaussian model (Shumway and Stoffer 1982).

The E-step is exact (`linear_statistics.py`) and the M-step is closed form (`linear_maximise.py`), so that
the log-likelihood plus the log prior (`log_prior.py`) rises at every iteration; a fall beyond rounding is an
error. Covariances keep their range: what has no noise has none. Many iterations run inside one compiled loop:
small models would otherwise spend their time between the calls.

A diffuse start stays diffuse; `m` and `P` are then no parameters, and how a flat coordinate reaches the data
must be fixed: the likelihood grows without bound as its effect vanishes. A stationary start ties `m` and `P`
to `A`, `c` and `Q`, which leaves no closed form: it is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from rekalman.filters.kalman.filter import Kalman
from rekalman.filters.kalman.forms import Form
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch, like_lengths
from rekalman.learners.em.constraints import check_flat_columns, constrain_linear
from rekalman.learners.em.linear_maximise import LinearConstraints, LinearNoise, maximise_linear
from rekalman.learners.em.linear_statistics import linear_e_step
from rekalman.learners.em.log_prior import log_prior
from rekalman.learners.em.maximise import Priors
from rekalman.learners.em.priors import SAFEGUARD, PriorStrength
from rekalman.learners.likelihood.regression import RegressionPrior
from rekalman.learners.protocol import LIKELIHOOD, POSTERIOR, Iterations, Progress, TrainResult
from rekalman.models.linear import LinearGaussian
from rekalman.numerics.placing import placed

State = tuple[Any, Priors, Array, Array, Array, Array, Array]
"""Parameters, priors, likelihoods, objectives, count, the last objective, whether it settled."""

CHUNK = 64  # iterations at most between two looks at the keyboard and the progress display
ROUNDING = 1e-9  # share of an objective that is not told from its rounding
BREATH = 0.25  # seconds that such a stretch may take


def linear_em(
    model: LinearGaussian,
    batch: Batch,
    *,
    iterations: int = 100,
    tolerance: int | float = 1e-6,
    freeze: tuple[str, ...] = (),
    fixed: Mapping[str, Any] | None = None,
    process_noise: LinearNoise | None = "full",
    observation_noise: LinearNoise | None = "full",
    strength: PriorStrength | None = None,
    report: Callable[[Progress], None] | None = None,
) -> TrainResult:
    """Train a linear Gaussian model by EM.

    An interrupt (Ctrl-C) ends the run with the parameters found so far.

    Args:
        model: where to begin; its start must be given or diffuse.
        batch: the series (`as_batch`), any lengths, entries missing or not.
        iterations: at most so many.
        tolerance: stop when what is raised changes by less than this per observed entry (in nats) in one
            iteration; 0 never stops early.
        freeze: blocks that keep their value, any of A, B, c, C, D, d, Q, R, m, P.
        fixed: for a block of weights, an array that is True where an entry keeps its value.
        process_noise: "full" or "diagonal" `Q`, or "scaled", which learns one factor of the model's; None is
            diagonal where the model's is, else full. Directions without noise stay so in every shape.
        observation_noise: the same of `R`.
        strength: priors, or None for maximum likelihood.
        report: told after each iteration.

    Returns:
        The model after the last iteration, and the log-likelihood before each iteration; the objective is
        that, with priors plus their log density. It stops by "tolerance", "iterations" or "interrupted".

    Raises:
        RekalError: the start is stationary, shapes do not fit, a covariance that is to stay diagonal
            is not, the likelihood is not finite, or the objective falls by more than rounding.
        KeyboardInterrupt: Ctrl-C before the first iteration was done; later it ends the run with the best so
            far.
    """
    _check(model, batch)
    if model.initial == "diffuse":
        freeze = tuple(dict.fromkeys((*freeze, "m", "P")))
    constraints = constrain_linear(
        model, freeze, fixed, process_noise=process_noise, observation_noise=observation_noise
    )
    check_flat_columns(model, constraints)
    groups = like_lengths(batch)
    shapes, form = tuple(shape_of(group) for group in groups), Kalman(model).arithmetic
    gain = jnp.asarray(tolerance * int(batch.mask.sum()), model.A.dtype)

    start = model
    history: list[float] = []
    raised: list[float] = []
    rounding = float(np.finfo(model.A.dtype).eps) ** 0.4 * int(batch.mask.sum())
    stopped, began = "iterations", time.perf_counter()
    try:
        priors = no_priors(model)
        # Their scale comes from the first E-step: worked out apart, it would be compiled twice.
        scaled = jnp.asarray(strength is None)
        weights = _as_arrays(SAFEGUARD if strength is None else strength, model.A.dtype)
        stretch = 1
        while len(history) < iterations:
            stretch = min(stretch, iterations - len(history))
            since = time.perf_counter()
            before = jnp.asarray(raised[-1] if raised else -jnp.inf, model.A.dtype)
            new, priors, values, objectives, count, settled = _stretch(
                model, groups, (priors, scaled, weights), constraints, shapes, form, gain,
                jnp.asarray(stretch), before,
            )  # fmt: skip
            scaled = jnp.asarray(True)
            result = np.asarray(values, np.float64)[: int(count)]
            aims = np.asarray(objectives, np.float64)[: int(count)]
            for value, aim in zip(result, aims, strict=True):
                if not np.isfinite(value):
                    raise RekalError(
                        f"the log-likelihood is not finite at iteration {len(history) + 1}: scale "
                        "the data, or give EM priors (strength) or another start"
                    )
                if raised and aim < raised[-1] - rounding - ROUNDING * abs(aim):
                    raise RekalError(
                        f"EM lowered its objective from {raised[-1]:.6g} to {aim:.6g} nats at iteration "
                        f"{len(history)}: the model is too close to singular for it; give another start, "
                        "or use MaximumLikelihood"
                    )
                history.append(float(value))
                raised.append(float(aim))
                if report is not None:
                    report(Progress(len(history), iterations, float(value)))
            model = new
            if bool(settled):
                stopped = "tolerance"
                break
            if time.perf_counter() - since < BREATH:
                stretch = min(CHUNK, 2 * stretch)
    except KeyboardInterrupt:
        if model is start:  # nothing was learned
            raise
        stopped = "interrupted"
    seconds, entries = time.perf_counter() - began, int(batch.mask.sum())
    reached = np.array(history)
    objective, values = (LIKELIHOOD, reached) if strength is None else (POSTERIOR, np.array(raised))
    rest = (stopped, seconds, entries, reached)
    return TrainResult(model, Iterations(objective, "nats", values, *rest, monotone=True))


def no_priors(model: LinearGaussian) -> Priors:
    """Priors that weigh nothing."""
    n, p, k, dtype = model.states, model.observations, model.n_inputs, model.A.dtype

    def flat(rows: int, features: int) -> RegressionPrior:
        return RegressionPrior(
            mean=placed(np.zeros((rows, features)), dtype),
            precision=placed(np.zeros(features), dtype),
            noise=placed(np.zeros((rows, rows)), dtype),
            noise_weight=placed(0.0, dtype),
        )

    return Priors(flat(n, n + k + 1), flat(p, n + k + 1), flat(n, 1))


def shape_of(batch: Batch) -> tuple[bool, bool]:
    """Whether no entry of a real step is missing, and whether all series are equally long."""
    valid = np.asarray(batch.valid)
    complete = (np.asarray(batch.mask) == valid[..., None]).all()
    return bool(complete), bool(np.ptp(valid.sum(1)) == 0)


def _as_arrays(strength: PriorStrength, dtype: Any) -> PriorStrength:
    """The same as arguments of one compiled function, not a function for each of them."""
    return jax.tree.map(lambda number: placed(number, dtype), strength)


def _e_step(
    model: LinearGaussian,
    groups: tuple[Batch, ...],
    shapes: tuple[tuple[bool, bool], ...],
    form: Form,
) -> tuple[Any, Array]:
    """Statistics of all groups, and their log-likelihood."""
    each = [
        linear_e_step(model, batch, *shape, form)
        for batch, shape in zip(groups, shapes, strict=True)
    ]
    return jax.tree.map(lambda *parts: sum(parts[1:], parts[0]), *each)


@eqx.filter_jit
def _stretch(
    model: LinearGaussian,
    groups: tuple[Batch, ...],
    beliefs: tuple[Priors, Bool[Array, ""], PriorStrength],
    constraints: LinearConstraints,
    shapes: tuple[tuple[bool, bool], ...],
    form: Form,
    gain: Float[Array, ""],
    limit: Int[Array, ""],
    before: Float[Array, ""],
) -> tuple[
    LinearGaussian, Priors, Float[Array, " chunk"], Float[Array, " chunk"], Int[Array, ""], Array
]:
    """So many iterations at once.

    Args:
        model: where to begin.
        groups: the series.
        beliefs: the priors, whether they are known, and if not, how strong those are that the first E-step
            scales.
        constraints: what stays.
        shapes: of the groups.
        form: how covariances are carried.
        gain: a change of the objective by less has settled.
        limit: number of iterations.
        before: the last objective.

    Returns:
        Model, priors, likelihoods, objectives, their number, and whether it settled.
    """
    arrays, rest = eqx.partition(model, eqx.is_array)
    priors, known, strength = beliefs

    def going(state: State) -> Array:
        _, _, _, _, i, last, settled = state
        return (i < limit) & ~settled & ((i == 0) | jnp.isfinite(last))

    def iterate(state: State) -> State:
        arrays, priors, values, objectives, i, last, _ = state
        current = eqx.combine(arrays, rest)
        statistics, value = _e_step(current, groups, shapes, form)
        first = ~known & (i == 0)
        scaled = strength.priors(statistics)
        priors = jax.tree.map(lambda old, new: jnp.where(first, new, old), priors, scaled)
        new = maximise_linear(current, statistics, priors, constraints)
        objective = value + log_prior(current, priors, constraints)
        settled = jnp.abs(objective - last) < gain
        values, objectives = values.at[i].set(value), objectives.at[i].set(objective)
        left = eqx.filter(new, eqx.is_array)
        return left, priors, values, objectives, i + 1, objective, settled

    zero = jnp.zeros((), jnp.asarray(limit).dtype)
    empty = jnp.zeros(CHUNK, model.A.dtype)
    state = (arrays, priors, empty, empty, zero, before, jnp.asarray(False))
    arrays, priors, *recorded, count, _, settled = jax.lax.while_loop(going, iterate, state)
    return eqx.combine(arrays, rest), priors, recorded[0], recorded[1], count, settled


def _check(model: LinearGaussian, batch: Batch) -> None:
    if model.initial == "stationary":
        raise RekalError(
            "EM has no closed form for a model with a stationary start: use MaximumLikelihood, or "
            "give the model initial='given' or 'diffuse'"
        )
    observed, inputs = batch.values.shape[-1], 0 if batch.inputs is None else batch.inputs.shape[-1]
    if observed != model.observations or inputs != model.n_inputs:
        raise RekalError(
            f"the model has {model.observations} observations and {model.n_inputs} inputs, but the "
            f"data have {observed} and {inputs}"
        )
    if not bool(batch.mask.any()):
        raise RekalError("there is nothing to learn from: no entry was observed")
