"""Gradient training of networks by back-propagation through time."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from rekalman.data import Sequences
from rekalman.data.images import Frames
from rekalman.foundation.arguments import real, seed_of, whole
from rekalman.foundation.errors import RekalError
from rekalman.learners.gradient.checkpoints import Checkpoints, check_checkpoints
from rekalman.learners.gradient.configuration import describe
from rekalman.learners.gradient.device_data import DeviceData
from rekalman.learners.gradient.devices import Devices
from rekalman.learners.gradient.episodes import Episodes, as_episodes
from rekalman.learners.gradient.metrics_log import MetricsLog
from rekalman.learners.gradient.optimiser import OptimiserSettings, Schedule, with_parameters
from rekalman.learners.gradient.shuffling import Disturbance, batch_size, held_out
from rekalman.learners.gradient.training import Outputs, Plan, Training
from rekalman.learners.gradient.training_bar import BackpropReport, each_epoch, training_bar
from rekalman.learners.protocol import Callback, Iterations, TrainResult
from rekalman.networks.network import Network
from rekalman.numerics.memory import keep_freed_memory


class BackpropResult(TrainResult):
    """What a run of training leaves.

    Attributes:
        model: the network with the parameters of the best epoch, or of the last without validation.
        history: the loss on the series for validation after each epoch, else that of the training; it stops
            by "epochs", "patience" or "interrupted". Its seconds are those of all calls that continued it.
        train: mean loss of each epoch, in nats a step, while parameters changed.
        validation: loss on the series for validation after each epoch; NaN without any.
        frames_per_second: steps of series trained on in a second, median over the epochs.
    """

    train: Float[np.ndarray, " epochs"]
    validation: Float[np.ndarray, " epochs"]
    frames_per_second: float


@dataclass(frozen=True)
class Backprop:
    """Adam on minibatches of series, with back-propagation through time.

    The loss is minus the log density of the target at each step, in nats, mean over the steps.

    Attributes:
        epochs: how often every series is trained on.
        batch: series in a batch, at most; an epoch is cut into batches as equal as can be.
        rate: the highest learning rate.
        schedule: "cosine", which falls to 0 at the end, or "constant".
        warmup: share of all steps over which the rate first rises.
        clip: largest norm of the gradient of all parameters together; None = none.
        window: back-propagation is cut after so many steps, at most; the belief is carried over. None = the
            whole series.
        mask_probability: share of further steps to hide from the network in training, in spans, so that it
            learns to forecast while it learns to filter.
        permute_probability: share of steps whose entries change places, in spans. What noise hides stays
            hidden, but a network cannot learn its pattern by heart, and learns to say of such frames that it
            sees nothing.
        span_length: mean length of the spans of hidden and of scrambled steps.
        average: decay of a moving average of the parameters, which then is what is validated and handed out;
            0 = none.
        hold_out: share of the series that validates instead of training.
        patience: stop after so many epochs without a better validation; None = never.
        seed: start of all randomness.

    Examples:
        >>> import rekalman
        >>> learner = rekalman.Backprop(epochs=20, rate=5e-3, hold_out=0.2, patience=5)
        >>> fit = rekalman.fit(rekalman.load_example("lynx"), "gru", learner, states=4)  # doctest: +SKIP
        >>> result = learner.run(network, frames)  # doctest: +SKIP
        >>> learner.schedule
        'cosine'
    """

    epochs: int = 100
    batch: int = 50
    rate: int | float = 1e-3
    schedule: Schedule = "cosine"
    warmup: int | float = 0.05
    clip: int | float | None = 5.0
    window: int | None = None
    mask_probability: int | float = 0.0
    permute_probability: int | float = 0.0
    span_length: int | float = 5.0
    average: int | float = 0.0
    hold_out: int | float = 0.0
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "window", "patience"):
            value = getattr(self, name)
            if value is not None:
                whole(name, value)
        for name in ("rate", "clip"):
            value = getattr(self, name)
            if value is not None:
                real(name, value, above=0)
        if self.schedule not in ("cosine", "constant"):
            raise RekalError(f"schedule must be 'cosine' or 'constant', but is {self.schedule!r}")
        for name in ("warmup", "mask_probability", "permute_probability", "average", "hold_out"):
            value = real(name, getattr(self, name))
            if not 0 <= value < 1:
                raise RekalError(f"{name} is a share of at least 0 and below 1, but is {value}")
        real("span_length", self.span_length, least=1)
        seed_of(self.seed)

    def run(
        self,
        start: Network,
        data: Frames | Sequences,
        validation: Frames | Sequences | None = None,
        *,
        key: PRNGKeyArray | None = None,
        callback: Callback | None = None,
        checkpoint: str | Path | None = None,
        metrics: str | Path | None = None,
        tensorboard: str | Path | None = None,
        progress: bool | BackpropReport = False,
    ) -> BackpropResult:
        """Train a network, from the parameters it has.

        An interrupt (Ctrl-C) ends the run with the best epoch so far. A batch is split over all devices.
        The process keeps freed memory from then on (`rekalman.numerics.memory.keep_freed_memory`).

        Args:
            start: the network to train.
            data: series with targets.
            validation: series that choose the best epoch; default those of `hold_out`.
            key: start of all randomness instead of `seed`.
            callback: called after each epoch.
            checkpoint: folder for a checkpoint after each epoch. The same call continues from there, whatever
                ended the run, and ends as if nothing had happened.
            metrics: CSV file with a line for each epoch (`rekalman.learners.gradient.metrics_log.Record`).
            tensorboard: folder for events with the same numbers.
            progress: True shows a bar on stderr; a function is called after each batch.

        Raises:
            RekalError: data that do not fit the network, a batch that cannot be split over the devices, a
                checkpoint of another run, a file that cannot be written, a package that is not installed, or
                a loss that is not finite.
            KeyboardInterrupt: Ctrl-C in the first epoch.
        """
        if checkpoint is not None:
            check_checkpoints(checkpoint)
        keep_freed_memory()
        network, learner = start, self._seeded(key)
        episodes, judged = learner._split(network, data, validation)
        devices = Devices()
        devices.check(self.batch)
        plan = learner._plan(episodes, devices)
        first = jax.process_index() == 0
        with ExitStack() as stack:
            checkpoints = None
            if checkpoint is not None:
                checkpoints = Checkpoints(
                    checkpoint, learner._configuration(network, episodes, judged)
                )
                stack.callback(checkpoints.close)
            log = MetricsLog(metrics, tensorboard) if first else MetricsLog(None, None)
            stack.callback(log.close)
            report = stack.enter_context(training_bar(progress if first else False))
            training = Training(
                plan,
                network,
                devices,
                DeviceData(devices, episodes.lengthened(plan.windows * plan.length)),
                None if judged is None else DeviceData(devices, judged),
                Outputs(checkpoints, log, each_epoch(callback, report)),
            )
            outcome = training.run()
        records = outcome.records
        losses = np.array([record.train for record in records])
        judgements = np.array([record.validation for record in records], float)
        return BackpropResult(
            model=with_parameters(network, jnp.asarray(outcome.best)),
            history=Iterations(
                "loss",
                "nats per step",
                losses if judged is None else judgements,
                stopped=outcome.stopped,
                seconds=records[-1].seconds if records else 0.0,
                entries=int(np.asarray(data.mask).sum()),
                rises=False,
            ),
            train=losses,
            validation=judgements,
            frames_per_second=float(np.median([r.frames_per_second for r in records] or [0.0])),
        )

    def _seeded(self, key: PRNGKeyArray | None) -> Backprop:
        """The same with a seed from a key, where there is one."""
        if key is None:
            return self
        return replace(self, seed=int(jax.random.randint(key, (), 0, 2**31 - 1)))

    def _split(
        self,
        network: Network,
        data: Frames | Sequences,
        validation: Frames | Sequences | None,
    ) -> tuple[Episodes, Episodes | None]:
        episodes = as_episodes(data, network)
        if validation is not None:
            if self.hold_out:
                raise RekalError("give either series for validation or hold_out, not both")
            return episodes, as_episodes(validation, network, "the validation data")
        if self.hold_out:
            if episodes.series < 2:
                raise RekalError("hold_out needs at least two series, but there is one")
            training, apart = held_out(episodes.series, float(self.hold_out), self.seed)
            return episodes.take(training), episodes.take(apart)
        if self.patience is not None:
            raise RekalError("patience needs series for validation: give some, or hold_out")
        return episodes, None

    def _plan(self, episodes: Episodes, devices: Devices) -> Plan:
        size = batch_size(episodes.series, self.batch, devices.count)
        batches = -(-episodes.series // size)
        windows = -(-episodes.steps // (self.window or episodes.steps))
        steps = self.epochs * batches * windows
        return Plan(
            optimiser_settings=OptimiserSettings(
                self.schedule,
                rate=_number(self.rate),
                warmup=_number(round(self.warmup * steps)),
                steps=_number(steps),
                clip=_number(np.inf if self.clip is None else self.clip),
                average=_number(self.average) if self.average else None,
            ),
            epochs=self.epochs,
            size=size,
            batches=batches,
            windows=windows,
            length=-(-episodes.steps // windows),
            disturbance=Disturbance(
                float(self.mask_probability),
                float(self.permute_probability),
                float(self.span_length),
            ),
            patience=self.patience,
            seed=self.seed,
        )

    def _configuration(
        self, network: Network, episodes: Episodes, judged: Episodes | None
    ) -> dict[str, str]:
        result = describe("backprop", self) | describe("network", network)
        if (
            self.schedule == "constant" and not self.warmup
        ):  # a longer run begins like a shorter one
            result.pop("backprop.epochs")
        return result | describe("data", episodes) | describe("validation", judged)


def _number(value: int | float) -> Float[np.ndarray, ""]:
    return np.array(value, np.float32)
