"""Prediction-error training of recurrent networks: all steps, by back-propagation through time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from rekalman.data import Sequences
from rekalman.foundation.arguments import real, seed_of, whole
from rekalman.foundation.errors import RekalError
from rekalman.learners.gradient.one_step import Best, Rows, epoch, flattened
from rekalman.learners.gradient.optimiser import (
    OptimiserSettings,
    Schedule,
    begin,
    with_parameters,
)
from rekalman.learners.gradient.shuffling import batch_size, held_out, shuffled
from rekalman.learners.protocol import Callback, Iterations, Progress, TrainResult
from rekalman.networks.predictors.predictor import Predictor

UPDATES = 1500
"""Steps of Adam that the default number of epochs comes to."""


class SideBySide(NamedTuple):
    """What the training of several networks leaves.

    Attributes:
        predictors: those of the best epoch; each array has the networks as first axis.
        train: mean loss of each epoch while parameters moved, in nats a step.
        validation: loss on held-out series after each epoch.
        stopped: by "epochs", "patience" or "interrupted".
        seconds: wall time.
    """

    predictors: Any
    train: Float[np.ndarray, "epochs nets"]
    validation: Float[np.ndarray, "epochs nets"]
    stopped: str
    seconds: float


@dataclass(frozen=True)
class PredictionError:
    """Adam on the one-step log-likelihood of a predictor, over minibatches of whole series.

    The covariance of the innovations is learned with the weights. Series that are held out choose the epoch.

    Attributes:
        epochs: how often every series is trained on; None = as many as come to 1,500 steps of Adam.
        batch: series in a minibatch, at most.
        rate: the highest learning rate.
        schedule: "cosine", which falls to 0 at the end, or "constant".
        warmup: share of all steps over which the rate first rises.
        clip: largest norm of the gradient; None = none.
        average: decay of a moving average of the parameters, which is validated and handed out; 0 = none.
        washout: so many first steps of each series do not count: the state begins at zero, not at its own.
        learn_noise: whether the covariance of the innovations is learned; else it stays, and with one that is
            the identity the loss is that of squared errors.
        hold_out: share of the series that chooses the epoch; 0 = the last epoch is taken.
        patience: stop after so many epochs without a better one; None = never.
        seed: start of all randomness.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> import rekalman
        >>> from rekalman.learners.gradient.prediction_error import PredictionError
        >>> from rekalman.networks.predictors.recurrent import RecurrentPredictor
        >>> wave = np.sin(0.5 * np.arange(60) + np.arange(8)[:, None])[..., None]
        >>> data = rekalman.Sequences.from_arrays(wave)
        >>> start = RecurrentPredictor.create(rekalman.GRU, 1, units=4, key=jax.random.key(0))
        >>> result = PredictionError(epochs=20, rate=0.02).run(start, data)
        >>> bool(result.history.values[-1] < result.history.values[0])
        True
    """

    epochs: int | None = None
    batch: int = 50
    rate: int | float = 1e-2
    schedule: Schedule = "cosine"
    warmup: int | float = 0.05
    clip: int | float | None = 1.0
    average: int | float = 0.99
    washout: int = 1
    learn_noise: bool = True
    hold_out: int | float = 0.2
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "patience"):
            value = getattr(self, name)
            if value is not None:
                whole(name, value)
        whole("washout", self.washout, 0)
        for name in ("rate", "clip"):
            value = getattr(self, name)
            if value is not None:
                real(name, value, above=0)
        if self.schedule not in ("cosine", "constant"):
            raise RekalError(f"schedule must be 'cosine' or 'constant', but is {self.schedule!r}")
        for name in ("warmup", "average", "hold_out"):
            value = real(name, getattr(self, name))
            if not 0 <= value < 1:
                raise RekalError(f"{name} is a share of at least 0 and below 1, but is {value}")
        seed_of(self.seed)

    def run(
        self,
        start: Predictor,
        data: Sequences,
        *,
        key: PRNGKeyArray | None = None,
        callback: Callback | None = None,
    ) -> TrainResult:
        """Train a predictor, from the parameters it has, on standardised series.

        Args:
            start: the predictor.
            data: the series, of any lengths, entries missing or not.
            key: start of the order of the series instead of `seed`.
            callback: called after each epoch.

        Returns:
            The predictor of the best epoch, and its loss on the held-out series after each.

        Raises:
            RekalError: data that do not fit the predictor, series no longer than the washout, one series
                where some are to be held out, or a loss that is not finite.
            KeyboardInterrupt: Ctrl-C in the first epoch; later it ends the run with the best so far.
        """
        rows = rows_of(start, data, self.washout)
        count = len(rows.values)
        if self.hold_out and count < 2:
            raise RekalError("one series leaves none to hold out: give more, or hold_out=0")
        seed = self.seed
        if key is not None:
            seed = int(jax.random.randint(key, (), 0, np.iinfo(np.int32).max))
        train = validation = np.arange(count)
        if self.hold_out:
            train, validation = held_out(count, float(self.hold_out), seed)
        take = lambda which: jax.tree.map(lambda leaf: leaf[None, which], rows)  # noqa: E731
        one = jax.tree.map(lambda leaf: leaf[None] if eqx.is_array(leaf) else leaf, start)
        result = self.run_many(one, take(train), take(validation), (seed,), callback=callback)
        model = jax.tree.map(
            lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, result.predictors
        )
        return TrainResult(
            model,
            Iterations(
                objective="loss on held-out series" if self.hold_out else "loss",
                unit="nats a step",
                values=result.validation[:, 0],
                stopped=result.stopped,
                seconds=result.seconds,
                entries=int(np.asarray(data.mask).sum()),
                rises=False,
            ),
        )

    def run_many(
        self,
        starts: Any,
        rows: Rows,
        validation: Rows,
        seeds: Sequence[int],
        *,
        callback: Callback | None = None,
    ) -> SideBySide:
        """Train several networks of one shape side by side, each on series of its own.

        Args:
            starts: a predictor whose arrays have the networks as first axis.
            rows: the series of each, `(nets, series, steps, ...)`.
            validation: those that choose the epoch, likewise.
            seeds: of the order of the series, one for each network.
            callback: called after each epoch.

        Raises:
            RekalError: the loss of a network is not finite.
            KeyboardInterrupt: Ctrl-C in the first epoch; later it ends the run with the best so far.
        """
        began = time.perf_counter()
        nets, count = rows.values.shape[:2]
        size = batch_size(count, self.batch)
        batches = -(-count // size)
        epochs = self.epochs or max(1, round(UPDATES / batches))
        template = jax.tree.map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, starts)
        parameters = flattened(starts)
        settings = self._settings(epochs * batches, parameters.dtype)
        state = jax.vmap(lambda vector: begin(settings, vector))(parameters)
        best = Best(
            parameters,
            jnp.full(nets, jnp.inf, parameters.dtype),
            jnp.zeros(nets, jnp.int32),
        )
        losses: list[tuple[np.ndarray, np.ndarray]] = []
        stopped = "epochs"
        try:
            for number in range(epochs):
                order, counts = self._order(count, size, seeds, number)
                state, best, *each = epoch(
                    settings, template, state, best, rows, validation, order, counts,
                    self.washout, self.learn_noise,
                )  # fmt: skip
                train, judged = map(np.asarray, each)
                if not (np.isfinite(train).all() and np.isfinite(judged).all()):
                    bad = int(np.argmin(np.isfinite(train) & np.isfinite(judged)))
                    raise RekalError(
                        f"the loss of network {bad} is not finite in epoch {number + 1}: use a lower rate "
                        "or standardise the data"
                    )
                losses.append((train, judged))
                if callback is not None:
                    callback(Progress(number + 1, epochs, -float(judged.mean())))
                if self.patience is not None and int(best.waited.min()) >= self.patience:
                    stopped = "patience"
                    break
        except KeyboardInterrupt:
            if not losses:
                raise
            stopped = "interrupted"
        chosen = best.parameters if self.hold_out else jax.vmap(lambda each: each.result)(state)
        trained = eqx.filter_vmap(lambda one: with_parameters(template, one))(chosen)
        return SideBySide(
            trained,
            np.array([a for a, _ in losses], np.float64),
            np.array([b for _, b in losses], np.float64),
            stopped,
            time.perf_counter() - began,
        )

    def _settings(self, steps: int, dtype: Any) -> OptimiserSettings:
        number = lambda value: jnp.asarray(float(value), dtype)  # noqa: E731
        return OptimiserSettings(
            schedule=self.schedule,
            rate=number(self.rate),
            warmup=number(self.warmup * steps),
            steps=number(steps),
            clip=number(np.inf if self.clip is None else self.clip),
            average=number(self.average) if self.average else None,
        )

    def _order(
        self, count: int, size: int, seeds: Sequence[int], number: int
    ) -> tuple[Int[jax.Array, "nets batches size"], Bool[jax.Array, "batches size"]]:
        """The minibatches of an epoch of each network, and which of their series count."""
        draws = [list(shuffled(count, size, seed, number)) for seed in seeds]
        order = np.array([[draw.which for draw in each] for each in draws])
        return jnp.asarray(order), jnp.asarray(np.array([draw.counts for draw in draws[0]]))


def rows_of(predictor: Predictor, data: Sequences, washout: int = 1) -> Rows:
    """Standardised series as arrays in the precision of a predictor.

    Args:
        predictor: what is to predict them.
        data: the series.
        washout: first steps that do not count.

    Raises:
        RekalError: other numbers of columns or inputs than the predictor has, steps of unequal length, or no
            series with an observed entry after the washout.
    """
    for name, ours, theirs in (
        ("columns", predictor.observations, data.observations),
        ("inputs", predictor.n_inputs, data.n_inputs),
    ):
        if ours != theirs:
            raise RekalError(f"the predictor has {ours} {name}, but the data have {theirs}")
    if data.dt is not None:
        raise RekalError(
            "a predictor runs in equal steps, but the series are sampled irregularly: resample them"
        )
    mask = np.asarray(data.mask)
    if not mask[:, washout:].any():
        raise RekalError(
            f"nothing is observed after the first {washout} steps of any series: give longer series or a "
            "shorter washout"
        )
    dtype = jnp.result_type(*jax.tree.leaves(eqx.filter(predictor, eqx.is_inexact_array)))
    return Rows(
        values=jnp.asarray(np.where(mask, np.asarray(data.values), 0.0), dtype),
        seen=None if mask.all() else jnp.asarray(mask),
        inputs=jnp.asarray(data.inputs, dtype) if data.n_inputs else None,
    )
