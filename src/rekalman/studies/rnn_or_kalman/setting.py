"""How large the study is, and how its networks are trained: chosen on systems with seeds from 1,000 on."""

from __future__ import annotations

from typing import Any, NamedTuple

from rekalman.learners.gradient.prediction_error import PredictionError

Shape = tuple[int, int, int]

SYSTEMS: dict[str, Shape] = {
    "1 state": (1, 1, 0),
    "2 states": (2, 1, 0),
    "4 states": (4, 2, 0),
    "8 states": (8, 3, 0),
    "4 states, driven": (4, 2, 1),
}
"""Numbers of states, observations and inputs."""


class Setting(NamedTuple):
    """How large the study is.

    Attributes:
        systems: names of the linear systems.
        counts: numbers of training sequences.
        test: series that are scored, of each system.
        em_rnn: systems and counts of sequences on which EM-RNN is trained, and over how many seeds.
        updates: steps of Adam of each network.
        em: iterations of EM of the linear model, over how many seeds, and on how many sequences at most.
        particles: of the exact answer on nonlinear systems, and of its check.
        nonlinear_seeds: seeds of the nonlinear part.
    """

    systems: tuple[str, ...] = tuple(SYSTEMS)
    counts: tuple[int, ...] = (10, 30, 100, 500, 2500)
    test: int = 300
    em_rnn: tuple[tuple[str, ...], tuple[int, ...], int] = (
        ("1 state", "4 states"),
        (10, 30, 100),
        3,
    )
    updates: int = 1500
    em: tuple[int, int, int] = (200, 3, 500)
    particles: tuple[int, int] = (1000, 5000)
    nonlinear_seeds: int = 1

    def to_dict(self) -> dict[str, Any]:
        """As the record of a run has it."""
        return dict(self._asdict())


QUICK = Setting(
    systems=("4 states, driven",),
    counts=(12,),
    test=5,
    em_rnn=((), (), 0),
    updates=4,
    em=(2, 1, 500),
    particles=(50, 100),
    nonlinear_seeds=1,
)

UNITS = {"GRU": 8, "Elman": 16}
"""Hidden units: of 8 and 16 those that came nearer to the Kalman filter with 500 sequences."""
INTO = {"GRU": 0.3, "Elman": 1.0}
"""Factor of the first weights of what units are given: small ones begin where gates are straight lines."""
RATES = {"GRU": 1e-2, "Elman": 5e-3}
"""Learning rates, chosen likewise."""


def learner(kind: str, updates: int, count: int) -> PredictionError:
    """How a network is trained on so many sequences.

    Args:
        kind: a key of `UNITS`.
        updates: steps of Adam.
        count: sequences that it is trained on.
    """
    batches = -(-count // 50)
    return PredictionError(epochs=max(1, round(updates / batches)), rate=RATES[kind])
