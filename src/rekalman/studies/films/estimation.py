"""What is behind frames: the course of the studies pendulum, three-pendulums, quad-link and imputation."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rekalman.data.images import Frames
from rekalman.datasets.filmed import Filmed, Task
from rekalman.learners.gradient.backprop import Backprop
from rekalman.networks.network import Network
from rekalman.studies.base import StudyOptions, StudyResult
from rekalman.studies.films.comparison import Comparison, rows_of
from rekalman.studies.films.networks import Candidate, EncoderAndHeads, network_of
from rekalman.studies.films.scores import scored
from rekalman.studies.known import taken_over

QUICK = Backprop(epochs=2, batch=20, rate=3e-3, clip=5.0)
"""How `--quick` trains."""
SMALL = (40, 20, 30)
"""Series to learn from, series to score on, and steps of `--quick`."""


class Size(NamedTuple):
    """Size of a task.

    Attributes:
        train: series to learn from.
        test: series to score on.
        steps: frames of each.
    """

    train: int
    test: int
    steps: int


class Reduced(NamedTuple):
    """A protocol that takes less time than the published one.

    Attributes:
        size: of the task.
        epochs: of training.
    """

    size: Size
    epochs: int


class Estimation(NamedTuple):
    """A study of states, or of whole images, from frames.

    Attributes:
        study: its name.
        task: films of a given size.
        size: the full size.
        candidates: who is compared.
        learner: how all are trained.
        encoder_and_heads: encoder and heads.
        published: figure and source by candidate and metric.
        oracle: figures of the best possible estimate.
        mirror: the signs that targets take in a mirror, where the mirror image of every series is trained
            on too; then an epoch has twice as many series.
        reduced: the reduced protocol, or None.
        score: figures of a network on the films to score on.
    """

    study: str
    task: Callable[[int, int, int], Task]
    size: Size
    candidates: Sequence[Candidate]
    learner: Backprop
    encoder_and_heads: EncoderAndHeads
    published: Mapping[str, Mapping[str, tuple[float, str]]]
    oracle: Mapping[str, float]
    mirror: tuple[int, ...] | None = None
    reduced: Reduced | None = None
    score: Callable[[Network, Filmed], dict[str, float]] = scored

    def run(self, options: StudyOptions) -> StudyResult:
        """All candidates with all seeds; training is kept and continued."""
        began = time.perf_counter()
        settings = self.settings(options)
        known = taken_over(options.known, settings, options.all_seeds)
        comparison, note = self.comparison(options)
        result = comparison.run(options, known)
        rows = [
            row
            for title, figures in result.items()
            for row in rows_of(title + note, figures, self.published.get(title, {}), self.oracle)
        ]
        return StudyResult(
            study=self.study,
            rows=tuple(rows),
            seeds=options.seeds or 1,
            seconds=time.perf_counter() - began,
            config={**settings, "all": result},
        )

    def settings(self, options: StudyOptions) -> dict[str, Any]:
        """What the result of the study tells beside its figures."""
        size, learner, _ = self._protocol(options)
        return {
            "quick": options.quick,
            "reduced": options.reduced,
            "seed": options.seed,
            **self._about(size),
            "learner": vars(learner),
            "candidates": [each._asdict() for each in self.candidates],
        }

    def comparison(self, options: StudyOptions) -> tuple[Comparison, str]:
        """Who is trained on what, and what a row adds to the name of its candidate."""
        size, learner, note = self._protocol(options)
        task = self.task(*size)
        frames = task.train.frames
        if self.mirror is not None:
            frames = with_mirror(frames, self.mirror)
        made = Comparison(
            study=self.study,
            train=frames,
            valid=None,
            candidates=self.candidates,
            learner=learner,
            build=partial(
                network_of,
                shape=frames.shape,
                targets=frames.targets.shape[2:],
                encoder_and_heads=self.encoder_and_heads,
            ),
            score=lambda network: self.score(network, task.test),
            about=self._about(size),
        )
        return made, note

    def _about(self, size: Size) -> dict[str, Any]:
        """What figures depend on beside learner and candidates."""
        return {**size._asdict(), **self.encoder_and_heads._asdict(), "mirror": self.mirror}

    def _protocol(self, options: StudyOptions) -> tuple[Size, Backprop, str]:
        """Size, learner, and what a row adds to the name of its candidate."""
        if options.quick:
            return Size(*SMALL), QUICK, ""
        if not options.reduced:
            return self.size, self.learner, ""
        assert self.reduced is not None  # `Study.run` refuses it
        size, epochs = self.reduced
        note = (
            f" (reduced: {size.train} of {self.size.train} series to learn from, {size.test} of "
            f"{self.size.test} to score on, {epochs} of {self.learner.epochs} epochs)"
        )
        return size, Backprop(**{**vars(self.learner), "epochs": epochs}), note


def side_by_side(study: str, parts: Mapping[str, Estimation], options: StudyOptions) -> StudyResult:
    """Several tasks as one study, one after the other; rows say which of them they belong to."""
    each = {
        name: dataclasses.replace(options, known=options.known and options.known.part(name))
        for name in parts
    }
    for name, part in parts.items():  # refused before anything is trained
        taken_over(each[name].known, part.settings(options), options.all_seeds)
    outcome = {name: part.run(each[name]) for name, part in parts.items()}
    return StudyResult(
        study=study,
        rows=tuple(
            dataclasses.replace(row, system=f"{name}: {row.system}")
            for name, result in outcome.items()
            for row in result.rows
        ),
        seeds=options.seeds or 1,
        seconds=sum(result.seconds for result in outcome.values()),
        config={name: result.config for name, result in outcome.items()},
    )


def with_mirror(frames: Frames, signs: tuple[int, ...]) -> Frames:
    """Every series and its mirror image, left for right; the targets take the signs given."""
    return Frames.from_arrays(
        np.concatenate([frames.values, frames.values[:, :, :, ::-1]]),
        np.concatenate([frames.targets, frames.targets * np.array(signs, np.float32)]),
        mask=np.concatenate([frames.mask, frames.mask]),
        names=frames.names,
        notes=frames.notes,
    )
