r"""Which driven model is delivered: linear, a mean of networks, or the mean of both, by held-out simulation.

All candidates are judged on the same held-out stretches (`held_out.py`). Of each start the stage of training
with the least held-out error counts, if its response is bounded. The better half of the starts are averaged,
without those far behind the best. That mean, or its mean with the linear model, is delivered only where it
is clearly better than the linear model; then its networks are trained on everything, each up to its stage.

The least of many held-out errors is less than what its network does on fresh data. Beside the linear model
the mean is therefore judged by cross-fitting: on each held-out stretch by the networks and stages that the
other stretches choose (Stone 1974, J. R. Stat. Soc. B 36; Varma and Simon 2006, BMC Bioinformatics 7). As
errors of neighbouring steps go together, it must be better on every stretch, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch
from rekalman.learners.driven.linear import (
    STATES,
    Linear,
    best_linear,
    linear_choice,
    output_error,
)
from rekalman.learners.driven.networks import Kind, Shape, Start, network_path
from rekalman.learners.driven.simulation_error import SimulationError
from rekalman.learners.em.held_out import (
    Choice,
    Fold,
    Member,
    clearly_better,
    folds_of,
    held_out_errors,
    is_bounded,
    outputs_of,
    root,
    squared,
)

KINDS: tuple[Kind, Kind] = ("linear", "random")
FAR = 1.3  # times the least held-out error; networks with more are not averaged


class Trained(NamedTuple):
    """A start that was trained in all folds, up to one stage.

    Attributes:
        start: where it began.
        stage: index of the stage.
        errors: squared held-out errors of each fold.
        members: the network of each fold.
        outputs: the simulation of each.
    """

    start: Start
    stage: int
    errors: list[np.ndarray]
    members: list[Member]
    outputs: list[np.ndarray]

    def error(self, left_out: int | None = None) -> float:
        """Root mean squared held-out error, of all folds or without one of them."""
        return root(np.concatenate([e for k, e in enumerate(self.errors) if k != left_out]))


def best_driven(
    batch: Batch,
    shapes: Sequence[Shape],
    seeds: Sequence[int],
    learner: SimulationError,
    after: Callable[[int, int, float], None] | None = None,
) -> Choice:
    """Linear models and networks compete; the winner is trained on everything.

    Args:
        batch: standardised series with inputs, in double precision.
        shapes: sizes of networks that compete.
        seeds: one start each; the kinds of starts take turns, and then the sizes.
        learner: least squares of the simulation.
        after: told the starts done, all of them and the least held-out error so far.

    Returns:
        The winner. Ctrl-C ends the search with the best of what was trained so far; networks are then
        those of the folds.

    Raises:
        RekalError: not even a linear model has a bounded response.
        KeyboardInterrupt: Ctrl-C before the linear models were learned.
    """
    folds = folds_of(batch)
    states = sorted({*STATES, *(shape.states for shape in shapes)})
    linear = best_linear(batch, folds, states, seeds[0])
    base = linear_choice(batch, linear)
    trained: list[list[Trained]] = []
    interrupted, least = False, root(linear.errors)
    try:
        for i, seed in enumerate(seeds):
            start = Start(KINDS[i % 2], shapes[i // 2 % len(shapes)], seed)
            made = in_folds(start, linear, batch, folds, learner)
            if made:
                trained.append(made)
                least = min(least, *(each.error() for each in made))
            if after is not None:
                after(i + 1, len(seeds), least)
    except KeyboardInterrupt:
        interrupted = True
    scores = dict(linear.scores)
    scores |= {
        f"{t.start.kind} start {seeds.index(t.start.seed) + 1}, {t.start.shape.states} + "
        f"{t.start.shape.units} units, stage {t.stage + 1}": t.error()
        for t in (min(stages, key=Trained.error) for stages in trained)
    }
    fallback = base._replace(errors=scores, interrupted=interrupted)
    if not trained:
        return fallback
    half = better_half(trained)
    mean = cross_fitted(trained, len(folds))
    judged = {}
    for share in (1.0, 0.5):
        mixed = [share * y + (1 - share) * z for y, z in zip(mean, linear.outputs, strict=True)]
        judged[share] = held_out_errors(mixed, batch, folds)
        scores[_name(share)] = root(judged[share])
    clear = [
        share
        for share, errors in judged.items()
        if clearly_better(errors, linear.errors, seeds[0])
        and better_everywhere(errors, linear.errors, folds)
    ]
    if not clear:
        return fallback
    share = min(clear, key=lambda s: judged[s].mean())
    networks: list[Member] = []
    if not interrupted:
        networks, interrupted = on_everything(half, batch, learner)
    if interrupted and not networks:
        networks = half[0].members
    if not networks:
        return fallback
    members, weights = networks, [share / len(networks)] * len(networks)
    if share < 1:
        members = [*networks, *base.members]
        weights += [(1 - share) * w for w in base.weights]
    return Choice(members, weights, scores, _name(share), interrupted)


def in_folds(
    start: Start, linear: Linear, batch: Batch, folds: Sequence[Fold], learner: SimulationError
) -> list[Trained]:
    """A start trained in every fold, after each stage at which its responses are bounded.

    None are left of a start that cannot be simulated.
    """
    bases: Sequence[Member | None] = linear.bases.get(start.shape.states, [None] * len(folds))
    if start.kind == "linear" and None in bases:
        return []
    try:
        paths = [
            network_path(start, base, fold.train, learner)
            for base, fold in zip(bases, folds, strict=True)
        ]
    except RekalError:
        return []
    stages = []
    for stage, members in enumerate(zip(*paths, strict=True)):
        outputs = [outputs_of(member, batch) for member in members]
        errors = [squared(y, batch, fold.judged) for y, fold in zip(outputs, folds, strict=True)]
        made = Trained(start, stage, errors, list(members), outputs)
        if np.isfinite(made.error()) and all(is_bounded(member, batch) for member in members):
            stages.append(made)
    return stages


def better_half(trained: Sequence[Sequence[Trained]], left_out: int | None = None) -> list[Trained]:
    """Of each start the stage with the least held-out error; of these the better half, best first.

    Those far behind the best are left out.

    Args:
        trained: stages of each start.
        left_out: index of a fold whose errors do not count, or None.
    """

    def error(each: Trained) -> float:
        return each.error(left_out)

    ranked = sorted((min(stages, key=error) for stages in trained), key=error)
    half = ranked[: (len(ranked) + 1) // 2]
    return [each for each in half if error(each) <= FAR * error(half[0])]


def cross_fitted(trained: Sequence[Sequence[Trained]], folds: int) -> list[np.ndarray]:
    """The mean simulation of each fold, by the networks and stages that the other folds choose."""
    return [
        np.mean([each.outputs[k] for each in better_half(trained, left_out=k)], 0)
        for k in range(folds)
    ]


def better_everywhere(errors: np.ndarray, reference: np.ndarray, folds: Sequence[Fold]) -> bool:
    """Whether squared errors of all folds are less than those of a reference in each of them."""
    ends = np.cumsum([int(fold.judged.sum()) for fold in folds])[:-1]
    pairs = zip(np.split(errors, ends), np.split(reference, ends), strict=True)
    return all(bool(one.mean() < other.mean()) for one, other in pairs)


def on_everything(
    chosen: Sequence[Trained], batch: Batch, learner: SimulationError
) -> tuple[list[Member], bool]:
    """The networks trained on all that is observed, and whether Ctrl-C ended it.

    One whose error of training is larger than the held-out error it was chosen for has got stuck, and is
    left out, as is one whose response is no longer bounded.
    """
    networks: list[Member] = []
    seen = np.asarray(batch.mask)
    bases: dict[int, Member] = {}
    try:
        for each in chosen:
            n = each.start.shape.states
            if each.start.kind == "linear" and n not in bases:
                bases[n] = output_error(batch, n)
            try:
                path = network_path(each.start, bases.get(n), batch, learner, each.stage)
            except RekalError:
                continue
            error = root(squared(outputs_of(path[-1], batch), batch, seen))
            if error <= each.error() and is_bounded(path[-1], batch):
                networks.append(path[-1])
    except KeyboardInterrupt:
        return networks, True
    return networks, False


def _name(share: float) -> str:
    return "networks" if share == 1 else "networks and linear"
