"""Evolino: evolution of the units of a recurrent network, and linear regression for its readout."""

from __future__ import annotations

import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from rekalman.data import Sequences
from rekalman.foundation.arguments import real, whole
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch, as_batch
from rekalman.learners.evolution.generations import Generations
from rekalman.learners.evolution.parts import Parts, parts_of
from rekalman.learners.protocol import Callback, Iterations, TrainResult
from rekalman.networks.predictors.recurrent import RecurrentPredictor


class Evolino(eqx.Module):
    r"""Evolution of recurrent units with linear outputs (Schmidhuber, Wierstra, Gagliolo and Gomez 2007).

    The weights of the units are bred in enforced subpopulations, one for each unit (`population.py`). The
    readout of each network is a ridge regression, and its fitness the error of free runs over the end of
    each series (`evaluation.py`). No gradient is taken.

    Attributes:
        population: vectors in each subpopulation.
        generations: their number, at most.
        trials: networks of a generation in which each vector takes part.
        validation: share of each series, at its end, on which networks are judged; 0 = on what the readout
            was fitted on.
        horizon: steps of each free run that judges; None = to the end of the series, 1 = one step ahead.
        washout: steps at the beginning of each series that the readout is not fitted on.
        penalty: of the ridge regression, in standardised units.
        spread: standard deviation of the genes of the first generation around those of the start.
        mutation: probability that a gene of a child is moved.
        scale: of the Cauchy noise that moves it, and of burst mutation.
        patience: generations without a better network after which burst mutation begins anew around it.
        bursts: bursts without a better network after which the evolution ends.
        feedback: size of the weights by which the units are given the row of the step before, and of their
            changes; small, so that they work where they are nearly linear. 0 = inputs alone drive them.
        drive: the same of the weights of inputs.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> import rekalman
        >>> from rekalman.learners.evolution.evolino import Evolino
        >>> from rekalman.networks.predictors.recurrent import RecurrentPredictor
        >>> wave = rekalman.Sequences.from_arrays(np.sin(0.3 * np.arange(120))[:, None])
        >>> start = RecurrentPredictor.create(rekalman.LSTM, 1, units=3, key=jax.random.key(0))
        >>> learner = Evolino(population=8, generations=5, trials=1)
        >>> result = learner.run(start, wave, key=jax.random.key(1))
        >>> result.history.objective, len(result.history.values)
        ('validation error', 5)
    """

    population: int = eqx.field(static=True, default=40)
    generations: int = eqx.field(static=True, default=100)
    trials: int = eqx.field(static=True, default=2)
    validation: float = eqx.field(static=True, default=0.25)
    horizon: int | None = eqx.field(static=True, default=None)
    washout: int = eqx.field(static=True, default=50)
    penalty: float = eqx.field(static=True, default=1e-8)
    spread: float = eqx.field(static=True, default=1.0)
    mutation: float = eqx.field(static=True, default=0.2)
    scale: float = eqx.field(static=True, default=0.1)
    patience: int = eqx.field(static=True, default=10)
    bursts: int = eqx.field(static=True, default=5)
    feedback: float = eqx.field(static=True, default=0.1)
    drive: float = eqx.field(static=True, default=0.1)

    def __check_init__(self) -> None:
        whole("population", self.population, 4)
        for name in ("generations", "trials", "patience", "bursts"):
            whole(name, getattr(self, name))
        whole("washout", self.washout, 0)
        if self.horizon is not None:
            whole("horizon", self.horizon)
        for name in ("penalty", "scale"):
            real(name, getattr(self, name), above=0)
        for name in ("spread", "feedback", "drive"):
            real(name, getattr(self, name), least=0)
        for name, most in (("validation", 0.9), ("mutation", 1.0)):
            if real(name, getattr(self, name), least=0) > most:
                raise RekalError(f"{name} must be at most {most:g}, but is {getattr(self, name)}")

    def run(
        self,
        start: RecurrentPredictor,
        data: Sequences | Batch,
        *,
        key: PRNGKeyArray | None = None,
        callback: Callback | None = None,
    ) -> TrainResult:
        """Evolve a network on (standardised) series.

        Args:
            start: a network around whose weights, those of rows and inputs times `feedback` and `drive`, the
                first generation lies.
            data: the series.
            key: start of the randomness.
            callback: called after each generation.

        Returns:
            The best network, in double precision, with the readout of the rows that it was fitted on, and the
            error of the best network after each generation. Ctrl-C ends the evolution with the best so far.

        Raises:
            RekalError: no key, or data that are too short or of another width.
            KeyboardInterrupt: Ctrl-C before the first generation was judged.
        """
        if key is None:
            raise RekalError("what is evolved is drawn at random: give run a key")
        began = time.perf_counter()
        with jax.enable_x64(True):
            batch = as_batch(data)
            check_columns(start, batch)
            parts = parts_of(batch, self.validation, self.horizon, self.washout)
            check_rows(start, parts)
            evolution = Generations(self, in_double(start), parts, key)
            stopped = evolution.run(callback)
            history = Iterations(
                "validation error",
                "mean squared error",
                np.array(evolution.errors),
                stopped,
                time.perf_counter() - began,
                int(np.asarray(parts.fitted).sum()) * start.observations,
                rises=False,
                monotone=True,
            )
            return TrainResult(evolution.best(), history)


def in_double(start: RecurrentPredictor) -> RecurrentPredictor:
    """The same in double precision."""
    floating = lambda leaf: eqx.is_inexact_array(leaf)  # noqa: E731
    return jax.tree.map(
        lambda leaf: jnp.asarray(np.asarray(leaf), float) if floating(leaf) else leaf, start
    )


def check_columns(start: RecurrentPredictor, batch: Batch) -> None:
    """Refuse series that are not as wide as the network.

    Raises:
        RekalError: they are not.
    """
    columns = batch.values.shape[2]
    inputs = 0 if batch.inputs is None else batch.inputs.shape[2]
    if (columns, inputs) != (start.observations, start.n_inputs):
        raise RekalError(
            f"the network has {start.observations} columns and {start.n_inputs} inputs, but the data have "
            f"{columns} and {inputs}"
        )


def check_rows(start: RecurrentPredictor, parts: Parts) -> None:
    """Refuse series with fewer rows to fit the readout on than it has features.

    Raises:
        RekalError: there are fewer.
    """
    rows = int(np.asarray(parts.fitted).sum())
    if rows < start.features:
        raise RekalError(
            f"a readout of {start.features} features cannot be fitted on {rows} complete rows: use fewer "
            "units, a shorter washout or more data"
        )
