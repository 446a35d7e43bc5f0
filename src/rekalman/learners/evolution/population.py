r"""Enforced subpopulations: one for each unit of a network (Gomez and Miikkulainen 1997).

A network is a team of one vector from each subpopulation. A generation takes each vector into `trials` teams;
a vector is as fit as the best network that it took part in. Then, within each subpopulation,

* the best quarter recombine, each with a vector that is fitter than it: two children by one-point crossover;
* the children take the places of the worse half;
* each of their genes is moved, with a probability, by Cauchy noise, whose heavy tails take long steps now and
  then.

The vectors of the best network so far are the first of their subpopulations. They are never replaced, and
they meet as a team in each generation, so that the best network never becomes worse.

Where the best network stays the same for long, burst mutation begins all subpopulations anew around it: its
vectors plus Cauchy noise.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

Subpopulations = Float[np.ndarray, "units population genes"]


def teams(
    random: np.random.Generator, units: int, population: int, trials: int
) -> Int[np.ndarray, "networks units"]:
    """Which vector of each subpopulation is in which network.

    Args:
        random: source of randomness.
        units: number of subpopulations.
        population: vectors in each.
        trials: networks that each vector takes part in.

    Returns:
        Indices of vectors; the first team is that of the first vectors, and the `trials * population` others
        have each vector `trials` times.

    Examples:
        >>> import numpy as np
        >>> from rekalman.learners.evolution.population import teams
        >>> teams(np.random.default_rng(0), units=2, population=4, trials=3).shape
        (13, 2)
    """
    rounds = [
        np.stack([random.permutation(population) for _ in range(units)], 1) for _ in range(trials)
    ]
    return np.concatenate([np.zeros((1, units), int), *rounds])


def credit(
    errors: Float[np.ndarray, " networks"],
    team: Int[np.ndarray, "networks units"],
    population: int,
) -> Float[np.ndarray, "units population"]:
    """The error of each vector: the least of the networks that it took part in.

    Args:
        errors: of the networks; infinite where one broke down.
        team: its vectors.
        population: vectors in each subpopulation.
    """
    units = team.shape[1]
    least = np.full((units, population), np.inf)
    for unit in range(units):
        np.minimum.at(least[unit], team[:, unit], errors)
    return least


def with_elite(vectors: Subpopulations, best: Int[np.ndarray, " units"]) -> Subpopulations:
    """The same with the vectors of a network first in their subpopulations; they change places.

    Args:
        vectors: the subpopulations.
        best: index of a vector of each.
    """
    made, each = vectors.copy(), np.arange(len(best))
    made[each, 0], made[each, best] = vectors[each, best], vectors[each, 0]
    return made


def next_generation(
    random: np.random.Generator,
    vectors: Subpopulations,
    errors: Float[np.ndarray, "units population"],
    mutation: float,
    scale: float | Float[np.ndarray, " genes"],
) -> Subpopulations:
    """The better half of each subpopulation, and children of its best quarter.

    Args:
        random: source of randomness.
        vectors: the subpopulations, the vectors of the best network first.
        errors: of the vectors.
        mutation: probability that a gene of a child is moved.
        scale: of the Cauchy noise that moves it, for each gene or for all.
    """
    made = np.empty_like(vectors)
    for unit, (own, error) in enumerate(zip(vectors, errors, strict=True)):
        # The first is a vector of the best network, whatever the others did since.
        order = np.concatenate([[0], 1 + np.argsort(error[1:], kind="stable")])
        ranked = own[order]
        count = len(own) // 2
        children = crossed(random, ranked, count)
        ranked[len(own) - count :] = mutated(random, children, mutation, scale)
        made[unit] = ranked
    return made


def crossed(
    random: np.random.Generator, ranked: Float[np.ndarray, "population genes"], count: int
) -> Float[np.ndarray, "count genes"]:
    """Children of the best quarter by one-point crossover, each of a vector and one fitter than it.

    Args:
        random: source of randomness.
        ranked: the vectors, the fittest first.
        count: number of children.
    """
    genes, quarter = ranked.shape[1], max(2, len(ranked) // 4)
    made = []
    while len(made) < count:
        for parent in range(quarter):
            fitter = int(random.integers(max(parent, 1)))
            one, other = ranked[parent], ranked[fitter if parent else 1]
            cut = int(random.integers(1, genes)) if genes > 1 else 0
            made.append(np.concatenate([one[:cut], other[cut:]]))
            made.append(np.concatenate([other[:cut], one[cut:]]))
    return np.stack(made[:count])


def mutated(
    random: np.random.Generator, vectors: np.ndarray, probability: float, scale: float | np.ndarray
) -> np.ndarray:
    """The same with some genes moved by Cauchy noise.

    Args:
        random: source of randomness.
        vectors: of any shape.
        probability: that a gene is moved.
        scale: of the noise: half of the moves are shorter than it.
    """
    moved = random.random(vectors.shape) < probability
    return vectors + np.where(moved, scale * random.standard_cauchy(vectors.shape), 0.0)


def burst(
    random: np.random.Generator, vectors: Subpopulations, scale: float | np.ndarray
) -> Subpopulations:
    """New subpopulations around the vectors of the best network, which stay first in them.

    Args:
        random: source of randomness.
        vectors: the subpopulations before.
        scale: of the Cauchy noise.
    """
    made = mutated(random, np.repeat(vectors[:, :1], vectors.shape[1], 1), 1.0, scale)
    made[:, 0] = vectors[:, 0]
    return made
