"""Training of the adaptive forecaster: networks by EM, then one causal pass that teaches their readouts."""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from rekalman.data.scales.volume import log_volume
from rekalman.filters.adaptive.belief import AdaptiveBelief, AdaptivePath
from rekalman.filters.adaptive.filter import AdaptiveFilter
from rekalman.filters.adaptive.member import Member
from rekalman.filters.adaptive.online import OnlineForecaster
from rekalman.filters.adaptive.readout import Readout
from rekalman.fitting.history import History
from rekalman.fitting.progress import progress_bar
from rekalman.fitting.result import Fit
from rekalman.forecasting import Labels
from rekalman.learners.em.em import EM
from rekalman.learners.online.tracked import sizes_for, track, train
from rekalman.models.stochastic_rnn import StochasticRNN
from rekalman.numerics.precision import precision_of

if TYPE_CHECKING:
    from rekalman.methods.adaptive import Adaptive
    from rekalman.methods.request import TrainingRequest

RIDGE = 10.0
"""How firmly the readouts start at zero, in steps."""


def train_adaptive(method: Adaptive, request: TrainingRequest, em: EM, standardiser: Any) -> Fit:
    """Train networks on one series, and their readouts by going through it once.

    Args:
        method: the options.
        request: the series, in raw units.
        em: trains the networks.
        standardiser: from raw to standardised units.

    Raises:
        RekalError: as for `EM.run`.
        KeyboardInterrupt: Ctrl-C.
    """
    data, began = request.data, time.perf_counter()
    prepared = standardiser.apply(data)
    mask = np.asarray(prepared.mask)[0]
    z = np.where(mask, np.asarray(prepared.values)[0], 0.0)
    real = slice(int(data.lengths[0]))  # after it there is padding, of which nothing is learned
    sizes = (method.states,) if method.states else sizes_for(z.shape[1], real.stop)
    key = jax.random.key(request.seed)
    volume = log_volume(standardiser.rows(data), data).sum(-1)[0]
    members = []
    with progress_bar(request.progress, float(volume.sum()), request.prefix) as report:
        for n in sizes:
            each = None if report is None else functools.partial(report, f"{n} states")
            model = train(z[real], mask[real], n, em, key, length=len(z), callback=each).model
            of_tracking = jax.random.fold_in(key, n)
            members.append(_member(model, z[real], mask[real], method, of_tracking, len(z)))
    return taught_fit(tuple(members), standardiser, z, mask, method, request, began)


def taught_fit(
    members: tuple[OnlineForecaster, ...],
    standardiser: Any,
    z: np.ndarray,
    mask: np.ndarray,
    method: Adaptive,
    request: TrainingRequest,
    began: float,
    under: History | None = None,
) -> Fit:
    """The fit that is left of one causal pass through the series, which teaches the readouts.

    Args:
        members: forecasters whose readouts correct nothing yet.
        standardiser: from raw to standardised units.
        z: the series in standardised units `(steps, obs)`, padding included.
        mask: True = observed.
        method: the options.
        request: the series, in raw units.
        began: when the training did, by `time.perf_counter`.
        under: how the filter was found of which the readouts are, or None.
    """
    data = request.data
    volume = log_volume(standardiser.rows(data), data).sum(-1)[0]
    algorithm = _untaught(members, z, mask, method, request.seed)
    with precision_of(algorithm):
        dtype = algorithm.square.dtype
        end, path = _pass(algorithm, jnp.asarray(z, dtype), jnp.asarray(mask))
    evidence = np.asarray(path.log_evidence, np.float64) - volume
    entries = int(mask.sum())
    return Fit(
        algorithm=_taught(algorithm, end),
        standardiser=standardiser,
        history=History(
            log_likelihood=np.zeros(0),
            trials=() if under is None else under.trials,
            stopped="iterations" if under is None else under.stopped,
            seconds=time.perf_counter() - began,
            entries=entries,
            warnings=() if under is None else under.warnings,
            criteria=(("nats per value while it learned", float(evidence.sum() / entries)),),
        ),
        seed=request.seed,
        labels=Labels.of(data),
        input_names=(),
        kind=method.title(),
    )


def _member(
    model: StochasticRNN, z: np.ndarray, mask: np.ndarray, method: Adaptive, key: Any, length: int
) -> Member:
    """A network with readouts that correct nothing yet, and the scales of its features."""
    tracked = track(model, z, mask, (1,), method.followed_by, key, length=length)
    state, innovation = np.asarray(tracked.state), np.asarray(tracked.innovation)
    spread = innovation.std(0)
    with precision_of(model):
        dtype = model.A.dtype
        features, obs = state.shape[1] + 2 * z.shape[1] + 1, z.shape[1]
        readouts = Readout.start(features, obs, RIDGE, (2, method.horizon))
        return Member(
            model=model,
            location=jnp.asarray(state.mean(0), dtype),
            scale=jnp.asarray(np.maximum(state.std(0), 1e-9), dtype),
            innovation_scale=jnp.asarray(np.where(spread > 0, spread, 1.0), dtype),
            readouts=jax.tree.map(lambda leaf: leaf.astype(dtype), readouts),
        )


def _untaught(
    members: tuple[OnlineForecaster, ...],
    z: np.ndarray,
    mask: np.ndarray,
    method: Adaptive,
    seed: int,
) -> AdaptiveFilter:
    """The filter before its pass through the training data, which finds the range by itself."""
    with precision_of(members):
        dtype = members[0].dtype
        nothing = jnp.zeros((method.horizon, z.shape[1]), dtype)
        first = jnp.asarray(z[mask.argmax(0), np.arange(z.shape[1])], dtype)
        return AdaptiveFilter(
            members=members,
            square=nothing,
            weight=nothing,
            low=first,
            high=first,
            forgetting=(1.0, method.forgetting),
            particles=method.followed_by,
            seed=seed,
        )


@eqx.filter_jit
def _pass(algorithm: AdaptiveFilter, z: Any, mask: Any) -> tuple[AdaptiveBelief, AdaptivePath]:
    return algorithm.run_on(algorithm.init(), z, mask)


def _taught(algorithm: AdaptiveFilter, end: AdaptiveBelief) -> AdaptiveFilter:
    """The filter that begins with what the pass has taught."""
    assert end.errors is not None and end.low is not None and end.high is not None
    members = tuple(
        dataclasses.replace(each, readouts=known.readouts)
        for each, known in zip(algorithm.members, end.members, strict=True)
    )
    return dataclasses.replace(
        algorithm,
        members=members,
        square=end.errors.square,
        weight=end.errors.weight,
        low=end.low,
        high=end.high,
    )
