"""How large the study is, and the settings of Evolino in it."""

from __future__ import annotations

import dataclasses
from typing import Any

from rekalman.learners.evolution.evolino import Evolino

SINES = Evolino(
    generations=50, washout=100, validation=0.25, horizon=None, penalty=1e-13, spread=0.2, scale=0.01,
    patience=5, feedback=1e-3,
)  # fmt: skip
"""Weights of the rows are small, so that the units are nearly linear, which sums of sines ask for."""
LANGUAGE = Evolino(
    generations=100, washout=0, validation=0.0, horizon=1, penalty=1e-8, spread=3.0, scale=0.3,
    feedback=0.0, drive=1.0,
)  # fmt: skip
"""The strings are few and exact: networks are judged on those that the readout is fitted on."""
CHAOS = Evolino(
    generations=25, washout=100, validation=0.25, horizon=84, penalty=1e-12, spread=0.2, scale=0.01,
    patience=5, feedback=0.1,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Setting:
    """How large the study is.

    Attributes:
        sines: numbers of superimposed sines.
        strings: largest n that is trained on.
        longest: largest n that is tried.
        steps: samples of the Mackey-Glass equation to learn from.
        bred: the last so many of them are those that Evolino breeds on; its readout sees all.
        origins: forecasts of another run of the equation.
        reservoir: units of the echo state networks on sines, and on the Mackey-Glass equation.
        lstm: units of the evolved networks on sines, the language and the Mackey-Glass equation.
        gru: units of the networks that are trained by back-propagation.
        updates: of back-propagation.
        generations: of Evolino at most, or None for those of the settings above.
    """

    sines: tuple[int, ...] = (2, 3, 4, 5)
    strings: int = 10
    longest: int = 500
    steps: int = 3000
    bred: int = 1000
    origins: int = 100
    reservoir: tuple[int, int] = (200, 400)
    lstm: tuple[int, int, int] = (15, 8, 20)
    gru: int = 16
    updates: int = 800
    generations: int | None = None

    def limited(self, learner: Evolino) -> Evolino:
        """The learner with as many generations as the size of the study allows."""
        if self.generations is None:
            return learner
        return dataclasses.replace(learner, generations=self.generations)

    def to_dict(self) -> dict[str, Any]:
        """All sizes, and the settings of Evolino."""
        learners = {"sines": SINES, "language": LANGUAGE, "mackey_glass": CHAOS}
        fields = lambda each: {f.name: getattr(each, f.name) for f in dataclasses.fields(each)}  # noqa: E731
        return {**dataclasses.asdict(self), "evolino": {k: fields(v) for k, v in learners.items()}}


QUICK = Setting(
    sines=(2,), strings=3, longest=6, steps=400, bred=300, origins=4, reservoir=(30, 30), lstm=(4, 3, 4),
    gru=4, updates=5, generations=2,
)  # fmt: skip
