"""Which start of a network goes on: the fitted linear model, unless another is surely better.

Held-out data are few, and the best of several networks is the best by luck as well. So a trained network
takes the place of the linear model that starts it (`near_linear.py`) only if it is better by `SURE` standard
error of the mean difference of their log densities, over at least `FEWEST` steps; of shorter data the linear
model is the network. Networks without a linear start are selected by their scores.

With less than `MANY` samples a model is judged at several leads and with the noise under which it does best
(`held_out.py`), and the best is also tried after its whole training, which may have learned the noise. The
noise of the linear model, with `k` parameters from `n` samples, is at least that of Akaike's final prediction
error (1969), larger than what was fitted by

    (1 + k / n) / (1 - k / n).
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from rekalman.filters.choice import Filtering
from rekalman.learners.batch import Batch
from rekalman.learners.em.em import EM
from rekalman.learners.em.restarts import Trial, hide_after
from rekalman.learners.protocol import TrainResult
from rekalman.training.stochastic.held_out import FACTORS, LEADS, HeldOut, Noise

FEWEST = 30
"""Held-out steps without which no network takes the place of the linear model."""
MANY = 1000
"""Samples from which on the noise is learned well, and one lead tells models apart."""
SURE = 1.0
REFRESHED = 20
"""Iterations by which a network that stopped early learns from the data that were held out."""


class LinearStart(NamedTuple):
    """A linear model as a network.

    Attributes:
        name: what it is called.
        blind: learned without the held-out data.
        result: learned from all data.
        parameters: how many of its parameters count (`order.counted`).
    """

    name: str
    blind: Any
    result: TrainResult
    parameters: int

    def final_prediction_error(self, samples: int) -> float:
        """What the variance of a forecast is in units of that of the fitted residuals."""
        share = min(self.parameters / max(samples, 1), 0.5)
        return (1 + share) / (1 - share)


class Judged(NamedTuple):
    """A network without the held-out data, and what it is worth there.

    Attributes:
        name: what it is called.
        model: the network.
        noise: the factor of its noise under which it was judged.
        score: mean log density over the leads.
        densities: log densities one after the other, lead after lead.
        one_step: mean log density one step ahead.
    """

    name: str
    model: Any
    noise: Noise
    score: float
    densities: Float[np.ndarray, " values"]
    one_step: float


class Selection(NamedTuple):
    """What goes on.

    Attributes:
        judged: all that were, the selected one first.
        noise: factors of its noise.
        iterations: of EM from there on all data; None = as many as asked for, 0 = it is `result`.
        result: what is learned already.
    """

    judged: tuple[Judged, ...]
    noise: Noise
    iterations: int | None
    result: TrainResult | None


def few(batch: Batch) -> bool:
    """Whether there are too few samples to learn the noise from what was trained on."""
    return int(np.asarray(batch.valid).sum()) < MANY


def short(batch: Batch, share: float) -> bool:
    """Whether the held-out data are too few to prefer a network to the linear model."""
    observed = np.asarray(batch.mask).any(-1)
    return int((hide_after(batch, share)[1] & observed).sum()) < FEWEST


def select(
    trials: list[Trial],
    linear: LinearStart | None,
    em: EM,
    batch: Batch,
    share: float,
    filtering: Filtering,
    key: PRNGKeyArray,
) -> Selection:
    """Select a network.

    Args:
        trials: networks that were trained for a while on the first part of the data.
        linear: the linear model, if there is one.
        em: how networks are trained.
        batch: all data.
        share: of each series, at its end, that was held out.
        filtering: what filters them.
        key: randomness.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    scarce = few(batch)
    leads, factors = (LEADS, FACTORS) if scarce else ((1,), (1.0,))
    if {"Q", "R", "P"} & {*em.freeze, *(em.fixed or {})}:
        factors = (1.0,)
    held_out = HeldOut.of(batch, share, filtering, key, leads=leads, factors=factors)
    networks = [judge(held_out, trial.name, trial.result.model) for trial in trials]
    networks.sort(key=lambda each: -each.score)
    whole = None
    if scarce and networks:
        whole = _trained_on(networks[0], trials, em, batch, share, held_out, key)
        if whole is not None:
            networks.append(whole)
            networks.sort(key=lambda each: -each.score)
    if linear is not None:
        start = judge(held_out, linear.name, linear.blind)
        if not networks or not surely_better(networks[0], start, held_out.steps):
            least = linear.final_prediction_error(int(np.asarray(batch.mask).sum()))
            noise = held_out.noise(start.model, start.noise)
            noise = noise.at_least(least) if len(factors) > 1 else noise
            start = judge(held_out, start.name, start.model, noise)
            return Selection((start, *networks), noise, 0, linear.result)
        networks.append(start)
    best = networks[0]
    iterations = None if not scarce or best is whole else min(REFRESHED, em.iterations)
    noise = held_out.noise(best.model, best.noise)
    best = judge(held_out, best.name, best.model, noise)
    return Selection((best, *networks[1:]), noise, iterations, None)


def judge(held_out: HeldOut, name: str, model: Any, noise: Noise | None = None) -> Judged:
    """What a network is worth on held-out data.

    Args:
        held_out: the data.
        name: what the network is called.
        model: the network.
        noise: factors of its noise; None = the one factor of all under which the data are likeliest.
    """
    chosen = held_out.common_noise(model) if noise is None else noise
    densities = held_out.densities(model, chosen)
    return Judged(
        name,
        model,
        chosen,
        held_out.score_of(densities, chosen),
        np.concatenate(densities),
        _mean(densities[0]),
    )


def _mean(densities: Float[np.ndarray, " values"]) -> float:
    return float(densities.mean()) if len(densities) else -np.inf


def surely_better(one: Judged, other: Judged, steps: int) -> bool:
    """Whether the first is better by more than chance explains.

    Args:
        one: a network.
        other: the linear model.
        steps: number of held-out steps, of which the leads share most.
    """
    if not np.isfinite(other.score):
        return bool(np.isfinite(one.score))
    gain = one.densities - other.densities
    error = float(gain.std()) / np.sqrt(max(steps, 1))
    return bool(steps >= FEWEST and one.score - other.score > SURE * error)


def _trained_on(
    best: Judged,
    trials: list[Trial],
    em: EM,
    batch: Batch,
    share: float,
    held_out: HeldOut,
    key: PRNGKeyArray,
) -> Judged | None:
    """The best network after the rest of its training; None where its trial was the whole of it."""
    trial = next(each for each in trials if each.result.model is best.model)
    left = em.iterations - len(trial.result.log_likelihood)
    if left < 1 or trial.result.stopped != "iterations":
        return None
    longer = dataclasses.replace(em, iterations=left, warm_start=0)
    result = longer.run(best.model, hide_after(batch, share)[0], key=key)
    if result.stopped == "interrupted":
        raise KeyboardInterrupt
    return judge(held_out, f"{best.name}, whole training", result.model)
