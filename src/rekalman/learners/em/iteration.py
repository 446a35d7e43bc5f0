"""One iteration of EM for a network, and the mean of the parameters of several."""

from __future__ import annotations

from typing import TypeVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch
from rekalman.learners.em.gaussian_statistics import Approximation, gaussian_e_step
from rekalman.learners.em.maximise import Constraints, Priors, maximise
from rekalman.learners.em.particle_statistics import Inference, e_step
from rekalman.learners.em.priors import PriorStrength
from rekalman.learners.em.statistics import Statistics
from rekalman.models.rbf import RBFNetwork
from rekalman.models.stochastic_rnn import StochasticRNN
from rekalman.numerics.placing import placed
from rekalman.numerics.precision import precision_of

Network = TypeVar("Network", StochasticRNN, RBFNetwork)


def iterate(
    model: StochasticRNN,
    options: Inference,
    batch: Batch,
    key: PRNGKeyArray,
    priors: Priors,
    constraints: Constraints,
) -> tuple[StochasticRNN, Float[Array, ""]]:
    """One iteration with particles: the new parameters, and the log-likelihood of the old ones."""
    statistics, log_likelihood = e_step(model, options, batch, key)
    return _maximised(model, statistics, priors, constraints), log_likelihood


def iterate_gaussian(
    model: Network,
    approximation: Approximation,
    batch: Batch,
    priors: Priors,
    constraints: Constraints,
) -> tuple[Network, Float[Array, ""]]:
    """The same with a Gaussian smoother."""
    statistics, log_likelihood = gaussian_e_step(model, approximation, batch)
    return _maximised(model, statistics, priors, constraints), log_likelihood


@eqx.filter_jit
def _maximised(
    model: Network, statistics: Statistics, priors: Priors, constraints: Constraints
) -> Network:
    """Compiled apart from the E-step, which scales the priors as well and is large."""
    return maximise(model, statistics, priors, constraints)


@eqx.filter_jit
def scaled(strength: PriorStrength, statistics: Statistics) -> Priors:
    """The priors, on the scale of the first E-step."""
    return strength.priors(statistics)


def check_finite(value: float, iteration: int, gaussian: bool) -> None:
    """Refuse a log-likelihood that is no number, with what to do about it.

    Raises:
        RekalError: it is none.
    """
    if np.isfinite(value):
        return
    advice = (
        "the Gaussian smoother has diverged, so use particles, less warm_start, or stronger priors"
        if gaussian
        else "use more particles, proposal='guided', or stronger priors"
    )
    raise RekalError(f"the log-likelihood is not finite at iteration {iteration + 1}: {advice}")


def average(models: list[Network]) -> Network:
    """The mean of the parameters of several iterations."""
    arrays = [eqx.filter(model, eqx.is_array) for model in models]
    mean = lambda *leaves: placed(sum(np.asarray(leaf) for leaf in leaves) / len(leaves))  # noqa: E731
    with precision_of(models[-1]):
        return eqx.combine(jax.tree.map(mean, *arrays), models[-1])
