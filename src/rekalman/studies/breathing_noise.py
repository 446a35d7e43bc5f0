r"""Why the paper's network had too much observation noise (section 4.2: "too large").

Trained on the first 60 s of one record, with the guided and with the paper's bootstrap filter, from the
paper's random start and from a network that is already precise. Markers are measured to 0.1 mm and move by
millimetres: under precise parameters hardly any blindly moved particle explains the next sample, so the
bootstrap filter estimates their likelihood as terrible, and EM settles where `R` is large enough for a
hundred particles.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from rekalman.filters.particle import Proposal
from rekalman.foundation.errors import RekalError
from rekalman.learners.em.em import EM
from rekalman.learners.online.tracked import TRAINING, Network, fit_network, track, train
from rekalman.models.stochastic_rnn import StochasticRNN
from rekalman.studies.base import Row

STATES = 12
DRAWS = 5
"""Draws of particles that are tried at most."""


def noise_rows(
    values: np.ndarray, record: str, iterations: int, seed: int
) -> tuple[list[Row], dict[str, dict[str, float]]]:
    """Train both ways on one record's first 60 s `(time, 9)`.

    Returns:
        Rows with the deviation of the observation noise in mm, the mean effective sample size of
        100 particles and the log-likelihood per sample in nats; and the same figures by system.
    """
    mask = np.ones(values.shape, bool)
    figures: dict[str, dict[str, float]] = {}
    precise = fit_network(values, mask, STATES, TRAINING, seed)
    z = (values - precise.location) / precise.scale
    for proposal in ("guided", "bootstrap"):
        figures[f"subspace start, guided EM, {proposal} filter"] = _figures(
            precise.model, precise, z, proposal, seed
        )
    key = jax.random.key(seed)
    random = StochasticRNN.init(STATES, z.shape[1], key=key)
    figures["random start, no EM, guided filter"] = _figures(random, precise, z, "guided", seed)
    runs: tuple[tuple[str, StochasticRNN, Proposal], ...] = (
        ("random start", random, "guided"),
        ("random start", random, "bootstrap"),
        ("precise start", precise.model, "bootstrap"),
    )
    for name, start, proposal in runs:
        em = EM(
            iterations=iterations,
            tolerance=0.0,
            average=10,
            proposal=proposal,
            process_noise="full",
            strength=TRAINING.strength,
        )
        model, failed = _trained(z, em, seed, start)
        system = f"{name}, {proposal} EM, {proposal} filter"
        figures[system] = _figures(model, precise, z, proposal, seed)
        figures[system]["failed_draws"] = failed
    names = ("noise_sd_mm", "effective_sample_size", "log_likelihood")
    rows = [
        Row(
            system=f"noise of {record}: {system}",
            metric=name,
            ours=of[name],
            worst=of[name],
            spread=0.0,
            better="lower" if name == "noise_sd_mm" else "higher",
        )
        for system, of in figures.items()
        for name in names
    ]
    return rows, figures


def _trained(z: np.ndarray, em: EM, seed: int, start: StochasticRNN) -> tuple[StochasticRNN, int]:
    """The network that EM makes of a start, and how many draws of particles failed before.

    Where hardly a blind particle survives, EM can end in covariances that are none: then another draw is
    taken, and the result says so.

    Raises:
        RekalError: all draws fail.
    """
    mask = np.ones(z.shape, bool)
    for draw in range(DRAWS - 1):
        try:
            return train(z, mask, STATES, em, jax.random.key(seed + draw), start=start).model, draw
        except RekalError:
            continue
    last = jax.random.key(seed + DRAWS - 1)
    return train(z, mask, STATES, em, last, start=start).model, DRAWS - 1


def _figures(
    model: StochasticRNN, units: Network, z: np.ndarray, proposal: Proposal, seed: int
) -> dict[str, float]:
    key = jax.random.key(seed + 1)
    tracked = track(model, z, np.ones(z.shape, bool), (1,), 100, key, proposal)
    deviation = np.sqrt(np.asarray(jnp.diagonal(model.R))) * units.scale
    return {
        "noise_sd_mm": float(deviation.mean()),
        "effective_sample_size": float(tracked.effective.mean()),
        "log_likelihood": float(tracked.log_evidence.mean()),
    }
