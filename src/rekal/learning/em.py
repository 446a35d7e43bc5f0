r"""Expectation-maximisation for the stochastic network (paper, section 3).

One iteration filters and smooths every series with particles (the E-step, eq. 14-20) and replaces the
parameters by the closed-form maximiser of the expected complete log-likelihood plus the log prior
(the M-step, eq. 21 and its companions). With particles the likelihood rises only up to Monte-Carlo
noise: the stopping rule therefore compares means over a window, and the result is the average of the
parameters over the last iterations (Polyak and Juditsky 1992), whose noise is smaller.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rekal.errors import RekalError
from rekal.filters.particle import ParticleFilter, Proposal
from rekal.learning.batch import Batch
from rekal.learning.maximise import BLOCKS, Constraints, Priors, maximise
from rekal.learning.priors import PriorStrength
from rekal.learning.regression import NoiseShape
from rekal.learning.statistics import Statistics, expected_statistics
from rekal.models.stochastic_rnn import StochasticRNN

Inference = tuple[int, Proposal, int | None]


class Progress(NamedTuple):
    """What a progress display is told after each iteration."""

    iteration: int
    iterations: int
    log_likelihood: float


class EMResult(NamedTuple):
    """What a run of EM leaves.

    Attributes:
        model: parameters averaged over the last iterations.
        log_likelihood: training log-likelihood in nats under the parameters before each iteration.
        stopped: why it stopped: "tolerance", "iterations" or "interrupted".
        seconds: wall time.
    """

    model: StochasticRNN
    log_likelihood: Float[np.ndarray, " iterations"]
    stopped: str
    seconds: float


class EM(eqx.Module):
    """EM with a particle smoother.

    Attributes:
        particles: number of particles (the paper uses 100).
        iterations: at most so many.
        tolerance: stop when the mean log-likelihood per observed entry has risen by less than this
            (in nats) from one window of iterations to the next; 0 never stops early.
        window: length of that window.
        average: the result averages the parameters over so many last iterations.
        proposal: "guided" or "bootstrap" (paper).
        trajectories: None smooths by the paper's marginal smoother, O(N^2) a step; a number draws so
            many trajectories by backward simulation, O(N) a step, for many particles.
        process_noise: "diagonal" or "full" `Q`.
        observation_noise: "diagonal" or "full" `R`.
        freeze: blocks that keep their value, any of A, B, c, C, D, d, Q, R, m, P.
        fixed: for a block of weights, an array that is True where an entry keeps its value.
        strength: the priors.
    """

    particles: int = eqx.field(static=True, default=100)
    iterations: int = eqx.field(static=True, default=150)
    tolerance: float = eqx.field(static=True, default=3e-4)
    window: int = eqx.field(static=True, default=20)
    average: int = eqx.field(static=True, default=30)
    proposal: Proposal = eqx.field(static=True, default="guided")
    trajectories: int | None = eqx.field(static=True, default=None)
    process_noise: NoiseShape = eqx.field(static=True, default="diagonal")
    observation_noise: NoiseShape = eqx.field(static=True, default="diagonal")
    freeze: tuple[str, ...] = eqx.field(static=True, default=())
    fixed: Mapping[str, Any] | None = None
    strength: PriorStrength = PriorStrength()

    def __check_init__(self) -> None:
        for name in ("particles", "iterations", "window", "average", "trajectories"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RekalError(f"{name} must be at least 1, but is {getattr(self, name)}")
        if self.tolerance < 0:
            raise RekalError(f"tolerance must not be negative, but is {self.tolerance}")
        for shape in (self.process_noise, self.observation_noise):
            if shape not in ("diagonal", "full"):
                raise RekalError(f"a noise covariance is 'diagonal' or 'full', not {shape!r}")
        for name in (*self.freeze, *(self.fixed or {})):
            if name not in BLOCKS:
                raise RekalError(f"there is no block {name!r}: use one of {', '.join(BLOCKS)}")

    def run(
        self,
        model: StochasticRNN,
        batch: Batch,
        key: PRNGKeyArray,
        report: Callable[[Progress], None] | None = None,
    ) -> EMResult:
        """Train from `model` on (standardised) series.

        An interrupt (Ctrl-C) ends the run with the best found so far.

        Raises:
            RekalError: the likelihood is not finite, or a constraint does not fit the model.
        """
        constraints = self.constraints(model)
        entries = int(batch.mask.sum())
        keys = jax.random.split(key, self.iterations + 1)
        how = (self.particles, self.proposal, self.trajectories)
        history: list[float] = []
        recent: list[StochasticRNN] = []
        stopped, began = "iterations", time.perf_counter()
        try:
            priors = self.strength.priors(e_step(model, how, batch, keys[-1])[0])
            for i in range(self.iterations):
                new, value = _iterate(model, how, batch, keys[i], priors, constraints)
                value = float(value)
                if not np.isfinite(value):
                    raise RekalError(
                        f"the log-likelihood is not finite at iteration {i + 1}: use more particles, "
                        "proposal='guided', or stronger priors"
                    )
                model = new
                history.append(value)
                recent = [*recent[-(self.average - 1) :], model] if self.average > 1 else [model]
                if report is not None:
                    report(Progress(i + 1, self.iterations, value))
                if self._settled(history, entries):
                    stopped = "tolerance"
                    break
        except KeyboardInterrupt:
            stopped = "interrupted"
        result = _average(recent) if recent else model
        return EMResult(result, np.array(history), stopped, time.perf_counter() - began)

    def _settled(self, history: list[float], entries: int) -> bool:
        w = self.window
        if self.tolerance == 0 or len(history) < 2 * w:
            return False
        gain = np.mean(history[-w:]) - np.mean(history[-2 * w : -w])
        return bool(gain < self.tolerance * entries)

    def constraints(self, model: StochasticRNN) -> Constraints:
        """The frozen and fixed entries, as masks on `[A B c]` and `[C D d]`.

        Raises:
            RekalError: a mask in `fixed` has a shape that does not fit its block.
        """

        def mask(name: str) -> np.ndarray:
            value = getattr(model, name)
            if name in self.freeze:
                return np.ones(value.shape, bool)
            given = np.asarray((self.fixed or {}).get(name, np.zeros(value.shape, bool)), bool)
            if given.shape != value.shape:
                raise RekalError(
                    f"fixed[{name!r}] has shape {given.shape}, but {name} has {value.shape}"
                )
            return given

        def join(weight: str, inputs: str, offset: str) -> Array | None:
            rows = [mask(weight), mask(inputs), mask(offset)[:, None]]
            joined = np.concatenate(rows, 1)
            return jnp.asarray(joined) if joined.any() else None

        return Constraints(
            transition=join("A", "B", "c"),
            observation=join("C", "D", "d"),
            frozen=tuple(name for name in ("Q", "R", "m", "P") if name in self.freeze),
            process_noise=self.process_noise,
            observation_noise=self.observation_noise,
        )


@eqx.filter_jit
def e_step(
    model: StochasticRNN, how: Inference, batch: Batch, key: PRNGKeyArray
) -> tuple[Statistics, Float[Array, ""]]:
    """Statistics summed over all series, and the log-likelihood.

    Args:
        model: the current parameters.
        how: number of particles, proposal, and number of trajectories (None: marginal smoother).
        batch: the series.
        key: the randomness.
    """
    particles, proposal, trajectories = how
    filtering = ParticleFilter(model, particles, proposal)
    keys = jax.random.split(key, batch.values.shape[0])

    def one(row: tuple[Batch, PRNGKeyArray]) -> tuple[Statistics, Array]:
        series, key = row
        statistics, path = expected_statistics(
            model,
            filtering,
            series.values,
            series.mask,
            series.inputs,
            series.valid,
            key,
            trajectories,
        )
        return statistics, path.log_likelihood

    each, log_likelihood = jax.lax.map(one, (batch, keys))
    return jax.tree.map(lambda leaf: leaf.sum(0), each), log_likelihood.sum()


@eqx.filter_jit
def _iterate(
    model: StochasticRNN,
    how: Inference,
    batch: Batch,
    key: PRNGKeyArray,
    priors: Priors,
    constraints: Constraints,
) -> tuple[StochasticRNN, Float[Array, ""]]:
    statistics, log_likelihood = e_step(model, how, batch, key)
    return maximise(model, statistics, priors, constraints), log_likelihood


def _average(models: list[StochasticRNN]) -> StochasticRNN:
    arrays = [eqx.filter(model, eqx.is_array) for model in models]
    mean = jax.tree.map(lambda *leaves: sum(leaves) / len(leaves), *arrays)
    return eqx.combine(mean, models[-1])
