"""The members of a combination as fits by themselves, and the one whose dynamics explain it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from rekalman.core.filter import Filter
from rekalman.filters.combined import Combined
from rekalman.filters.model_filter import ModelFilter

if TYPE_CHECKING:
    from rekalman.fitting.result import Fit


class Member(NamedTuple):
    """One member of a combination.

    Attributes:
        name: the method with its options.
        weight: its share of the forecast, between 0 and 1.
        fit: what forecasts as it does.
    """

    name: str
    weight: float
    fit: Fit


def members_of(fit: Fit) -> tuple[Member, ...]:
    """The members of a combination, the heaviest first; none of any other fit."""
    combined = fit.algorithm
    if not isinstance(combined, Combined):
        return ()
    names = combined.names or tuple(f"member {i + 1}" for i in range(len(combined.members)))
    parts = zip(names, combined.weights.tolist(), combined.members, strict=True)
    members = [
        Member(
            name, weight, dataclasses.replace(fit, algorithm=member, kind=name.partition("(")[0])
        )
        for name, weight, member in parts
    ]
    return tuple(sorted(members, key=lambda each: -each.weight))


def explaining(fit: Fit) -> Member | None:
    """The heaviest member with a state-space model, whose dynamics stand for a combination.

    Structures are passed over: their states, with a diffuse start, have units that a combination forgets.
    """
    return next((each for each in members_of(fit) if _explains(each.fit.algorithm)), None)


def _explains(algorithm: Filter) -> bool:
    return isinstance(algorithm, ModelFilter) and not algorithm.model.diffuse


def weight_of(member: Member) -> str:
    """What a member counts, in a sentence."""
    return f"which has {100 * member.weight:.0f} % of the weight of the combination"
