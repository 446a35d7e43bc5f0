"""The simulated experiments, by their published protocols. Each films once and keeps the films (`cached`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rekalman.datasets.cache import cached
from rekalman.datasets.filmed import Filmed, Task, generator
from rekalman.datasets.gaps import draw_kept, hide, thin, untold
from rekalman.datasets.pendulum import pendulum
from rekalman.datasets.quad_link import quad_link
from rekalman.datasets.three_pendulums import three_pendulums


def pendulum_task(train: int = 2000, test: int = 1000, steps: int = 75, seed: int = 0) -> Task:
    """State estimation of a pendulum under image noise (Becker et al., ICML 2019, section 5.1).

    Args:
        train: films to learn from.
        test: films to score on, drawn after them from the same generator.
        steps: frames of each, 0.05 s apart.
        seed: what all is drawn from.
    """
    return Task(*_films(pendulum, (train, test), seed, steps=steps))


def three_pendulums_task(
    train: int = 2000, test: int = 1000, steps: int = 75, seed: int = 0
) -> Task:
    """State estimation of three pendulums that hide each other (Becker et al., ICML 2019, section 5.1).

    Args:
        train: films to learn from.
        test: films to score on, drawn after them from the same generator.
        steps: frames of each, 0.05 s apart.
        seed: what all is drawn from.
    """
    return Task(*_films(three_pendulums, (train, test), seed, steps=steps))


def quad_link_task(
    train: int = 4000,
    test: int = 1000,
    steps: int = 150,
    image_noise: bool = False,
    seed: int = 42,
) -> Task:
    """State estimation of a pendulum of four links (Becker et al., ICML 2019, section 5.2).

    The full size is 750,000 frames: some minutes the first time, 2 GB on disk, three times that in memory.

    Args:
        train: films to learn from.
        test: films to score on, drawn after them from the same generator.
        steps: frames of each, 0.05 s apart.
        image_noise: whether the frames are noisy.
        seed: what all is drawn from.
    """
    return Task(*_films(quad_link, (train, test), seed, steps=steps, image_noise=image_noise))


def imputation_task(
    train: int = 2000,
    test: int = 1000,
    steps: int = 75,
    informed: bool = True,
    seed: int = 0,
) -> Task:
    """Filling in the frames of a pendulum, half of which are hidden (Becker et al., ICML 2019, section 5.1).

    Args:
        train: films to learn from.
        test: films to score on.
        steps: frames of each, 0.05 s apart.
        informed: whether the mask tells which frames are hidden; otherwise they are just black.
        seed: what all is drawn from: a set of films, then what is hidden of it, then the next set.
    """
    films = _films(pendulum, (train, test), seed, hide, steps=steps, image_noise=False)
    return Task(*(film if informed else untold(film) for film in films))


def irregular_task(
    train: int = 2000, test: int = 1000, valid: int = 1000, on_grid: bool = False
) -> Task:
    """State estimation at irregular times (Schirmer et al., ICML 2022; Smith et al., S5, ICLR 2023).

    A pendulum under image noise, 100 frames 0.01 s apart, of which each film keeps 50. All seeds are those
    published: 42 for training and test, 43 for validation, and for what is kept one a film.

    Args:
        train: films to learn from.
        test: films to score on.
        valid: films to choose by.
        on_grid: whether frames that were not kept stay as masked ones (`thin`).
    """
    steps, keep = 100, 50
    films = _films(pendulum, (train, test), 42, steps=steps, dt=0.01)
    films += _films(pendulum, (valid,), 43, steps=steps, dt=0.01)
    seeds = (train, 0, valid)
    return Task(
        *(
            thin(film, draw_kept(film.frames.batch, steps, keep, first), on_grid)
            for film, first in zip(films, seeds, strict=True)
        )
    )


def interpolation_task(train: int = 2000, test: int = 1000) -> Task:
    """Filling in frames at irregular times (Schirmer et al., ICML 2022).

    A pendulum without noise, 100 frames 0.05 s apart, half of them hidden; each film keeps 50, hidden or not.
    All seeds are those published: 42 for the films, and for what is kept one a film.

    Args:
        train: films to learn from.
        test: films to score on.
    """
    steps, keep = 100, 50
    films = _films(pendulum, (train, test), 42, hide, steps=steps, image_noise=False)
    return Task(
        *(
            thin(film, draw_kept(film.frames.batch, steps, keep, first))
            for film, first in zip(films, (train, 0), strict=True)
        )
    )


def _films(
    simulator: Callable[..., Filmed],
    sizes: tuple[int, ...],
    seed: int,
    then: Callable[..., Filmed] | None = None,
    **settings: Any,
) -> list[Filmed]:
    """Sets of films drawn one after the other from one generator, `then` also after each."""

    def make() -> list[Filmed]:
        random = generator(seed)
        films = []
        for sequences in sizes:
            film = simulator(sequences, seed=random, **settings)
            films.append(film if then is None else then(film, seed=random))
        return films

    name = simulator.__name__ if then is None else f"{simulator.__name__}-{then.__name__}"
    return cached(name, {"sizes": list(sizes), "seed": seed, **settings}, make)
