r"""Expectation-maximisation for the stochastic network (paper, section 3).

One iteration filters and smooths every series with particles (the E-step, eq. 14-20) and replaces the
parameters by the closed-form maximiser of the expected complete log-likelihood plus the log prior
(the M-step, eq. 21 and its companions). With particles the likelihood rises only up to Monte-Carlo
noise: the stopping rule therefore compares means over a window, and the result is the average of the
parameters over the last iterations (Polyak and Juditsky 1992), whose noise is smaller.

The smoother can be exchanged. A Gaussian one (`gaussian_statistics.py`) is deterministic, and as good while
noise is low; with much noise in a curved network it goes astray. It can prepare the start of the particles
(`warm_start`), and is the one that trains an `RBFNetwork`. A linear model has an exact one (`linear_em.py`),
and needs none of what belongs to particles.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal, cast

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from rekalman.data import Sequences
from rekalman.filters.particle import Proposal
from rekalman.foundation.arguments import real, whole
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch, as_batch
from rekalman.learners.em.constraints import constrain
from rekalman.learners.em.gaussian_statistics import Approximation, gaussian_e_step
from rekalman.learners.em.iteration import average, check_finite, iterate, iterate_gaussian, scaled
from rekalman.learners.em.linear_em import linear_em
from rekalman.learners.em.linear_maximise import LinearNoise
from rekalman.learners.em.maximise import BLOCKS, Constraints
from rekalman.learners.em.particle_statistics import e_step
from rekalman.learners.em.priors import PriorStrength
from rekalman.learners.protocol import Callback, Iterations, Progress, TrainResult
from rekalman.models.gaussian import GaussianModel
from rekalman.models.linear import LinearGaussian
from rekalman.models.rbf import RBFNetwork
from rekalman.models.stochastic_rnn import StochasticRNN
from rekalman.numerics.memory import check_memory
from rekalman.numerics.precision import precision_of

MOST_ITERATIONS = 10_000_000
"""Each needs a key of its own, and all keys are drawn beforehand."""

Smoother = Literal["particles", "gaussian"]


class EM(eqx.Module):
    """EM with a particle smoother, a Gaussian one or, of a linear model, the exact one.

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
        process_noise: "diagonal" or "full" `Q`; of linear models also "scaled", one factor of the model's.
            None is "diagonal" for networks, and for linear models diagonal where the model's is, else full.
        observation_noise: the same of `R`.
        freeze: blocks that keep their value, any of A, B, c, C, D, d, Q, R, m, P.
        fixed: for a block of weights, an array that is True where an entry keeps its value.
        strength: the priors; None, of linear models only, for maximum likelihood. "auto" is
            `PriorStrength()` for networks, `SAFEGUARD` for "linear", and none for linear models of one's own.
        smoother: "particles", or "gaussian": no randomness, for low noise (see the module text).
        approximation: which Gaussian smoother, "unscented" or "extended".
        warm_start: iterations with the Gaussian smoother before those with particles; they come on top of
            `iterations` and leave no trace in the history, for their likelihood is another approximation.

    Examples:
        >>> import rekalman
        >>> learner = rekalman.EM(particles=50, iterations=30, freeze=("C",))
        >>> data = rekalman.load_example("sunspots")
        >>> fit = rekalman.fit(data, "em-rnn", learner, states=3)  # doctest: +SKIP
        >>> learner.process_noise is None  # a diagonal Q for networks
        True
    """

    particles: int = eqx.field(static=True, default=100)
    iterations: int = eqx.field(static=True, default=150)
    tolerance: int | float = eqx.field(static=True, default=3e-4)
    window: int = eqx.field(static=True, default=20)
    average: int = eqx.field(static=True, default=30)
    proposal: Proposal = eqx.field(static=True, default="guided")
    trajectories: int | None = eqx.field(static=True, default=None)
    process_noise: LinearNoise | None = eqx.field(static=True, default=None)
    observation_noise: LinearNoise | None = eqx.field(static=True, default=None)
    freeze: tuple[str, ...] = eqx.field(static=True, default=())
    fixed: Mapping[str, Any] | None = None
    strength: PriorStrength | Literal["auto"] | None = "auto"
    smoother: Smoother = eqx.field(static=True, default="particles")
    approximation: Approximation = eqx.field(static=True, default="unscented")
    warm_start: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        for name in ("particles", "iterations", "window", "average", "trajectories"):
            value = getattr(self, name)
            if value is not None:
                whole(name, value, most=MOST_ITERATIONS if name == "iterations" else None)
        real("tolerance", self.tolerance, least=0)
        for shape in (self.process_noise, self.observation_noise):
            if shape not in ("diagonal", "full", "scaled", None):
                raise RekalError(
                    f"a noise covariance is 'diagonal', 'full' or 'scaled', not {shape!r}"
                )
        if isinstance(self.strength, str) and self.strength != "auto":
            raise RekalError(
                f"strength is a PriorStrength, None or 'auto', but is {self.strength!r}"
            )
        for name in (*self.freeze, *(self.fixed or {})):
            if name not in (*BLOCKS, "H", "G"):
                raise RekalError(f"there is no block {name!r}: use one of {', '.join(BLOCKS)}")
        if self.smoother not in ("particles", "gaussian"):
            raise RekalError(
                f"smoother must be 'particles' or 'gaussian', but is {self.smoother!r}"
            )
        if self.approximation not in ("unscented", "extended"):
            raise RekalError(
                f"approximation must be 'unscented' or 'extended', but is {self.approximation!r}"
            )
        whole("warm_start", self.warm_start, 0)
        if self.warm_start and self.smoother == "gaussian":
            raise RekalError(
                "warm_start goes before particles: with smoother='gaussian' leave it out"
            )

    def run(
        self,
        start: GaussianModel,
        data: Sequences | Batch,
        *,
        key: PRNGKeyArray | None = None,
        callback: Callback | None = None,
    ) -> TrainResult:
        """Train from a model on (standardised) series.

        An interrupt (Ctrl-C) ends the run with the best found so far.

        Args:
            start: where to begin: a `StochasticRNN`, `RBFNetwork` or `LinearGaussian`.
            data: the series.
            key: start of the randomness of particles; nothing else draws.
            callback: called after each iteration.

        Returns:
            The trained model, of particles with parameters averaged over the last iterations, and the
            training log-likelihood under the parameters before each iteration.

        Raises:
            RekalError: the likelihood is not finite, a constraint does not fit the model, there are no
                priors, particles are asked to train an `RBFNetwork` or have no key, or the model is linear
                and has no closed-form M-step.
            KeyboardInterrupt: Ctrl-C before the first iteration was done.
        """
        if start.linear and (start.continuous or not start.time_invariant):
            raise RekalError(
                f"a {type(start).__name__} has no closed-form M-step: use MaximumLikelihood"
            )
        if start.linear:
            with precision_of(start):
                batch = as_batch(data, start)
                return self._exact(cast(LinearGaussian, start), batch, callback)
        return self._approximate(start, as_batch(data, start), key, callback)

    def _approximate(
        self,
        start: GaussianModel,
        batch: Batch,
        key: PRNGKeyArray | None,
        callback: Callback | None,
    ) -> TrainResult:
        """EM of a network, with particles or a Gaussian smoother.

        Raises:
            RekalError: as for `run`.
            KeyboardInterrupt: Ctrl-C before the first iteration was done.
        """
        # An RBFNetwork gets on only with the Gaussian smoother, which takes both kinds.
        model = cast(StochasticRNN, start)
        gaussian = self.smoother == "gaussian"
        if not model.elementwise and not gaussian:
            raise RekalError(
                f"EM trains an {type(model).__name__} with smoother='gaussian', not with particles"
            )
        strength = PriorStrength() if isinstance(self.strength, str) else self.strength
        if strength is None:
            raise RekalError("EM trains a network with priors only: give strength a PriorStrength")
        if not gaussian:
            self._check_memory(model, batch)
        constraints = self.constraints(model)
        entries = int(np.asarray(batch.mask).sum())
        keys = self._keys(key)
        options = (self.particles, self.proposal, self.trajectories)
        history: list[float] = []
        recent: list[StochasticRNN] = []
        stopped, began, done = "iterations", time.perf_counter(), 0
        total = self.warm_start + self.iterations
        try:
            if gaussian or self.warm_start:
                first = gaussian_e_step(model, self.approximation, batch)[0]
            else:
                first = e_step(model, options, batch, keys[-1])[0]
            priors = scaled(strength, first)
            for i in range(total):
                warming = i < self.warm_start
                if gaussian or warming:
                    how_gaussian = (self.approximation, batch, priors, constraints)
                    new, value = iterate_gaussian(model, *how_gaussian)
                else:
                    draw = keys[i - self.warm_start]
                    new, value = iterate(model, options, batch, draw, priors, constraints)
                value = float(value)
                check_finite(value, i, gaussian or warming)
                model, done = new, i + 1
                if not warming:
                    history.append(value)
                    recent = (
                        [*recent[-(self.average - 1) :], model] if self.average > 1 else [model]
                    )
                if callback is not None:
                    callback(Progress(i + 1, total, value))
                if self._settled(history, entries):
                    stopped = "tolerance"
                    break
        except KeyboardInterrupt:
            if not done:  # nothing was learned
                raise
            stopped = "interrupted"
        result = average(recent) if recent else model
        seconds = time.perf_counter() - began
        reached = Iterations.by_likelihood(np.array(history), stopped, seconds, entries)
        return TrainResult(result, reached)

    def _keys(self, key: PRNGKeyArray | None) -> Array:
        """One key for each iteration and one for the priors.

        Raises:
            RekalError: particles have none.
        """
        if key is None and self.smoother == "particles":
            raise RekalError("EM with particles draws them: give run a key")
        return jax.random.split(jax.random.key(0) if key is None else key, self.iterations + 1)

    def _exact(self, start: LinearGaussian, batch: Batch, callback: Callback | None) -> TrainResult:
        """EM of a linear model, whose smoother is exact.

        Raises:
            RekalError: as for `linear_em`.
        """
        return linear_em(
            start,
            batch,
            iterations=self.iterations,
            tolerance=self.tolerance,
            freeze=self.freeze,
            fixed=self.fixed,
            process_noise=self.process_noise,
            observation_noise=self.observation_noise,
            strength=None if isinstance(self.strength, str) else self.strength,
            report=callback,
        )

    def _check_memory(self, model: StochasticRNN | RBFNetwork, batch: Batch) -> None:
        """Refuse particles that no memory could hold.

        Raises:
            RekalError: they are too many.
        """
        path = batch.mask.shape[1] * self.particles * (model.states + 2)
        pairs = self.particles**2 if self.trajectories is None else 0  # of the marginal smoother
        check_memory(
            float(path + pairs) * batch.values.dtype.itemsize,
            f"an E-step with {self.particles} particles",
            "use fewer particles" + (", or EM(trajectories=...)" if pairs > path else ""),
        )

    def _settled(self, history: list[float], entries: int) -> bool:
        w = self.window
        if self.tolerance == 0 or len(history) < 2 * w:
            return False
        gain = np.mean(history[-w:]) - np.mean(history[-2 * w : -w])
        return bool(gain < self.tolerance * entries)

    def constraints(self, model: StochasticRNN | RBFNetwork) -> Constraints:
        """The frozen and fixed entries.

        Raises:
            RekalError: a block that the model has not, or a mask in `fixed` that does not fit its block.
        """
        shapes = {
            "process_noise": self.process_noise or "diagonal",
            "observation_noise": self.observation_noise or "diagonal",
        }
        for name, shape in shapes.items():
            if shape == "scaled":
                raise RekalError(f"{name}='scaled' is for linear models: a network's is not fixed")
        return constrain(model, self.freeze, self.fixed, **cast(Any, shapes))
