"""What a method says of a fit of its own: for the heading of a report, and for how to repeat it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rekalman.fitting.result import Fit

Rows = tuple[tuple[str, int | str], ...]


class Description(NamedTuple):
    """A fit in words.

    Attributes:
        name: what was trained, "a recurrent network" say.
        training: its size and how it was trained, a sentence or two.
        arguments: the first arguments of the call of `rekalman.fit` that repeats it.
        settings: names and values of what else there is to know.
        beside_starts: what is said where the history names no starts.
        falls: why the log-likelihood may end below its best; "" where it may not.
    """

    name: str
    training: str
    arguments: tuple[str, ...]
    settings: Rows = ()
    beside_starts: str = "There was one start only, so none competed."
    falls: str = ""


WEAK_PRIORS = (
    "It is lower than before because training maximises the likelihood times weak priors that keep "
    "covariances from collapsing."
)


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def activation_argument(fit: Fit) -> tuple[str, ...]:
    """The options of a network that differ from their defaults."""
    model, given = fit.model, []
    if fit.history.trials:
        given.append(f"restarts={len(fit.history.trials)}")
    if isinstance(model.activation, str) and model.activation != "tanh":
        given.append(f'activation="{model.activation}"')
    if model.linear_observation:
        given.append("linear_observation=True")
    return tuple(given)


def network_settings(fit: Fit) -> Rows:
    """What a stochastic network has beside its states."""
    model = fit.model
    rows: Rows = (
        ("transfer function", model.activation_name),
        ("observation", "C x" if model.linear_observation else "C f(x)"),
    )
    return (*rows, *((("linear units", model.linear_units),) if model.linear_units else ()))
