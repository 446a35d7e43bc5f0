"""What a comparison says in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rekalman.comparison.result import Comparison

LINEAR, NONLINEAR = "linear", "nonlinear"


def verdict(comparison: Comparison) -> str:
    """Which method, by how much, how sure; whether nonlinearity is paid for; whether dynamics are noisy."""
    sentences = [_winner(comparison), _rivals(comparison), _calibration(comparison)]
    sentences += [_nonlinearity(comparison), _noise(comparison)]
    return " ".join(each for each in sentences if each)


def _winner(c: Comparison) -> str:
    """The best and its gain over the best naive forecast."""
    if c.best == c.reference:
        if c.evaluation(c.best).group != "naive":
            return f"Only {c.best} has made forecasts: nothing to compare it with."
        return f"No method forecasts better than the naive one, {c.best}."
    d = c.difference(c.best, c.reference)
    skill = c.skill(c.best)
    error = d.high - d.mean
    reach = error / c.average(c.reference)["scaled_crps"]
    sure = (
        "the interval excludes zero"
        if d.significant
        else "the interval holds zero: on this test it may be chance"
    )
    low, high = _percent(skill - reach), _percent(min(skill + reach, 1.0))
    return (
        f"{c.best} forecasts best: its CRPS is {_percent(skill)} below that of {c.reference}, "
        f"{c.reference_is} (90 % interval {low} to {high}; {sure})."
    )


def _rivals(c: Comparison) -> str:
    """Which cannot be told from the best."""
    others = [name for name in c.equals if name != c.best]
    if len(c.names) < 2:
        return ""
    if not others:
        return "Every other method is worse, at 90 % confidence."
    cheap = min(c.equals, key=lambda name: c.evaluation(name).fit_seconds)
    sentence = f"On this test {_listed(others)} cannot be told from it"
    if cheap != c.best:
        sentence += f"; {cheap} is the cheapest of them"
    return sentence + "."


def _calibration(c: Comparison) -> str:
    """Whether the interval of the best holds."""
    held = c.average(c.best)["coverage_90"]
    return f"Its 90 % interval holds {100 * held:.0f} % of the values."


def _nonlinearity(c: Comparison) -> str:
    """The best network beside the best linear model: is nonlinearity paid for?"""
    linear, nonlinear = _best_of(c, LINEAR), _best_of(c, NONLINEAR)
    if linear is None or nonlinear is None:
        return ""
    d = c.difference(nonlinear, linear)
    if not _apart(c, nonlinear, linear):
        return (
            f"Nonlinearity: the best network, {nonlinear}, and the best linear model, {linear}, cannot be "
            "told apart, so that the data do not pay for it."
        )
    gain = -d.mean / c.average(linear)["scaled_crps"]
    if gain > 0:
        return (
            f"Nonlinearity pays: the network {nonlinear} is {_percent(gain)} better than the best linear "
            f"model, {linear}."
        )
    return (
        f"Nonlinearity does not pay: the linear model {linear} is {_percent(-gain / (1 - gain))} better "
        f"than the best network, {nonlinear}."
    )


def _noise(c: Comparison) -> str:
    """Whether what is observed is a state behind noise, or the state itself."""
    hidden, seen = _best_of(c, LINEAR, hidden=True), _best_of(c, LINEAR, hidden=False)
    if hidden is None or seen is None:
        return ""
    d = c.difference(seen, hidden)
    if not _apart(c, seen, hidden):
        return (
            f"Noise: a hidden state behind noise ({hidden}) and a regression on past values ({seen}) do "
            "equally well."
        )
    if d.mean > 0:
        return (
            f"Noise: a hidden state behind noise ({hidden}) forecasts better than a regression on past "
            f"values ({seen}), so that filtering is worth it."
        )
    return (
        f"Noise: a regression on past values ({seen}) forecasts better than a hidden state behind noise "
        f"({hidden}): what is measured is nearly the state itself."
    )


def _apart(c: Comparison, one: str, other: str) -> bool:
    """Whether two methods differ: by their own difference, or since one alone is in the confidence set.

    The set may leave out a method whose interval beside the best one holds zero; two sentences about the same
    pair must not contradict each other.
    """
    return c.difference(one, other).significant or (one in c.equals) != (other in c.equals)


def _best_of(c: Comparison, dynamics: str, hidden: bool | None = None) -> str | None:
    """The best method with such dynamics, and, where asked, with a state behind noise or without."""
    for each in c.candidates_by_rank:
        if each.dynamics == dynamics and (hidden is None or each.hidden == hidden):
            return each.name
    return None


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if abs(share) < 0.1 else f"{100 * share:.0f} %"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
