"""The simulated experiments, by their published protocols."""

from __future__ import annotations

from rekal.datasets.filmed import Task, generator
from rekal.datasets.pendulum import pendulum


def pendulum_task(train: int = 2000, test: int = 1000, steps: int = 75, seed: int = 0) -> Task:
    """State estimation of a pendulum under image noise (Becker et al., ICML 2019, section 5.1).

    Args:
        train: films to learn from.
        test: films to score on, drawn after them from the same generator.
        steps: frames of each, 0.05 s apart.
        seed: what all is drawn from.
    """
    random = generator(seed)
    return Task(*(pendulum(films, steps, seed=random) for films in (train, test)))
