"""Trains and scores all networks of a study, with every seed, and goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pooch

from rekalman.data import Sequences
from rekalman.data.images import Frames
from rekalman.foundation.errors import RekalError
from rekalman.foundation.files import write_whole
from rekalman.foundation.printable import printable_line
from rekalman.learners.gradient.backprop import Backprop, BackpropResult
from rekalman.networks.network import Network
from rekalman.networks.recurrent import count_parameters
from rekalman.studies.base import Row, StudyOptions
from rekalman.studies.films.networks import Candidate
from rekalman.studies.known import Figures, Taken

LOWER = ("rmse", "mse", "anees", "negative_log_likelihood")
"""Metrics, also of a part of the steps (`rmse_blind`), of which less is better; of all others more is."""


class Comparison(NamedTuple):
    """What networks are compared on.

    Attributes:
        study: its name.
        train: series to learn from.
        valid: series to choose the best epoch by, or None where the protocol has none.
        candidates: who is compared.
        learner: how all of them are trained; its seed is replaced.
        build: the network of a candidate and a seed, drawn anew.
        score: figures of a trained network.
        about: what else the figures depend on, such as the size of the task and the encoder.
    """

    study: str
    train: Frames | Sequences
    valid: Frames | Sequences | None
    candidates: Sequence[Candidate]
    learner: Backprop
    build: Callable[[Candidate, int], Network]
    score: Callable[[Network], Figures]
    about: Mapping[str, Any]

    def run(self, options: StudyOptions, known: Taken) -> dict[str, list[Figures]]:
        """Figures of every candidate, one entry for each seed.

        A finished training is kept in the cache, an unfinished one continues from its last epoch.

        Args:
            options: of the study.
            known: figures that are taken over.

        Raises:
            RekalError: what is known was scored by other metrics.
        """
        seeds = options.all_seeds
        result: dict[str, list[Figures]] = {each.title: [] for each in self.candidates}
        done = 0
        for seed in seeds:  # every candidate once before the next seed
            for candidate in self.candidates:
                title = candidate.title
                options.report(done, len(seeds) * len(result), f"{title}, seed {seed}")
                before = known.get(title, {}).get(seed)
                result[title].append(self.one(candidate, seed) if before is None else before)
                if result[title][0].keys() != result[title][-1].keys():
                    raise RekalError(
                        f"known figures of {title} have other metrics than new ones: leave known out"
                    )
                done += 1
        return result

    def one(self, candidate: Candidate, seed: int) -> Figures:
        """Train and score one network, or read what it scored before."""
        folder = self.folder(candidate, seed)
        scores_path = folder / "scores.json"
        before = _read(scores_path)
        if before is not None:
            return before
        result = self.trained(candidate, seed)
        figures = self.score(result.model) | {
            "parameters": count_parameters(result.model),
            "parameters_layer": count_parameters(result.model.layer),
            "seconds": result.seconds,
        }
        if result.stopped == "interrupted":
            raise KeyboardInterrupt
        write_whole(scores_path, json.dumps(figures))
        return figures

    def trained(self, candidate: Candidate, seed: int) -> BackpropResult:
        """A network after its training, which goes on where it stopped: at once where it has ended."""
        folder = self.folder(candidate, seed)
        folder.mkdir(parents=True, exist_ok=True)
        return self.learner_of(seed).run(
            self.build(candidate, seed),
            self.train,
            self.valid,
            checkpoint=folder / "checkpoints",
            metrics=folder / "epochs.csv",
        )

    def learner_of(self, seed: int) -> Backprop:
        """The learner with the seed of one training."""
        return Backprop(**{**vars(self.learner), "seed": seed})

    def folder(self, candidate: Candidate, seed: int) -> Path:
        """Where one training is kept: a folder for all that its figures depend on."""
        identity = [self.study, candidate, self.learner_of(seed), dict(self.about), seed]
        key = hashlib.sha256(repr(identity).encode()).hexdigest()[:16]
        root = Path(os.environ.get("REKAL_CACHE") or pooch.os_cache("rekalman"))
        return root / "studies" / self.study / f"{candidate.kind}-{seed}-{key}"


def _read(retained: Path) -> Figures | None:
    """Figures that were kept, or None."""
    if not retained.exists():
        return None
    try:
        result = json.loads(retained.read_text())
        if result and all(isinstance(value, int | float) for value in result.values()):
            return result
    except (ValueError, AttributeError):  # no JSON, or no mapping
        pass
    warnings.warn(
        f"{printable_line(retained)} was damaged, so its network is scored anew", stacklevel=2
    )
    return None


def rows_of(
    title: str,
    result: Sequence[Mapping[str, float]],
    published: Mapping[str, tuple[float, str]],
    oracle: Mapping[str, float],
) -> list[Row]:
    """Rows of one candidate: the median over seeds, the worst and the spread.

    Args:
        title: the candidate.
        result: its figures, one mapping for each seed; parameters and seconds are no metrics.
        published: figure and source by metric.
        oracle: figures of the optimal method by metric.
    """
    rows = []
    for metric in (
        name for name in result[0] if name not in ("parameters", "parameters_layer", "seconds")
    ):
        values = np.array([each[metric] for each in result])
        figure, source = published.get(metric, (None, None))
        lower = metric.startswith(LOWER)
        rows.append(
            Row(
                system=title,
                metric=metric,
                ours=float(np.median(values)),
                worst=float(values.max() if lower else values.min()),
                spread=float(np.ptp(values)),
                better="lower" if lower else "higher",
                published=figure,
                source=source,
                oracle=oracle.get(metric),
            )
        )
    return rows
