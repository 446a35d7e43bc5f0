"""Which candidates a comparison has: all that fit the data, or those that are named."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any

from rekalman.comparison.candidate import Candidate
from rekalman.comparison.fracast_model import Fracast
from rekalman.comparison.statsforecast_models import MODELS, StatsforecastModel
from rekalman.comparison.trained_methods import TrainedMethod
from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices
from rekalman.methods.base import Method
from rekalman.methods.options import options_of
from rekalman.methods.plugins import load_plugins
from rekalman.methods.registry import get, names
from rekalman.training.scales import check_scale

CHEAP = 5.0
"""A method that usually takes no more CPU seconds for a thousand samples is cheap."""
SETS = ("all", "cheap", "baselines", "rekalman", "statsforecast")
"""Names that stand for several candidates."""
PEERS = {**dict.fromkeys(MODELS, "statsforecast"), "fracast": "fracast"}
"""Models of other libraries, and the package that each needs."""


def candidates_of(
    models: str | Sequence[Any] | None, season: int | None, scale: str | None = None
) -> list[Candidate]:
    """The candidates that are meant.

    Args:
        models: names of methods, of models of other libraries or of sets (`SETS`), as a list or separated by
            commas, or methods with their options; None is "all".
        season: steps of a season, for the methods that need one; None = there is none.
        scale: of several series, for the methods of rekalman, as for `rekalman.fit`.

    Raises:
        RekalError: a name or the scale is unknown, a package is not installed, or two candidates are the
            same.
    """
    load_plugins()
    check_scale(scale)
    given: Sequence[Any]
    if models is None:
        given = ["all"]
    elif isinstance(models, str):
        given = [each.strip() for each in models.split(",") if each.strip()]
    else:
        given = list(models) if isinstance(models, Iterable) else [models]
    if not given:
        raise RekalError("there is no model to compare: name some, or leave models out")
    chosen: dict[str, Candidate] = {}
    for each in given:
        named = isinstance(each, str)
        for candidate in _set(each, season) if named and each in SETS else [_one(each, season)]:
            if candidate.name in chosen and not (named and each in SETS):
                raise RekalError(f"{candidate.name} is among the models twice: once is enough")
            chosen.setdefault(candidate.name, candidate)
    return [_scaled(each, scale) for each in chosen.values()]


def _scaled(candidate: Candidate, scale: str | None) -> Candidate:
    """A method of rekalman with a scale of the series; others standardise for themselves."""
    if scale is None or not isinstance(candidate, TrainedMethod):
        return candidate
    return dataclasses.replace(candidate, scale=scale)


def _named(method: Method) -> str:
    """The name of a method with the options that differ from their defaults."""
    defaults = {name: each.default for name, each in options_of(type(method)).items()}
    given = [f"{k}={v}" for k, v in method.options.items() if v != defaults[k]]
    return f"{method.title()} ({', '.join(given)})" if given else method.title()


def _one(model: Any, season: int | None) -> Candidate:
    """A candidate by its name, or a method with its options."""
    if isinstance(model, Method):
        return TrainedMethod(model, _named(model))
    if not isinstance(model, str):
        if isinstance(model, type):
            raise RekalError(f"{model.__name__} is a class: compare {model.__name__}()")
        if isinstance(getattr(model, "name", None), str) and hasattr(model, "learn"):
            return model  # a candidate of one's own
        raise RekalError(
            f"a model to compare is a name, a Method or a Candidate, not {model!r:.60}"
        )
    if model in PEERS:
        if find_spec(PEERS[model]) is None:
            package = PEERS[model]
            raise RekalError(
                f"{model} needs the package {package}, which is not installed: pip install {package}"
            )
        return Fracast() if model == "fracast" else StatsforecastModel(model, season or 1)
    if model not in names():
        raise RekalError(f"unknown model {model!r}: {choices(model, (*names(), *PEERS, *SETS))}")
    return _method(model, season)


def _method(name: str, season: int | None) -> TrainedMethod:
    """A method of rekalman, with the season where it has one."""
    kind: Any = get(name)
    seasonal = season is not None and "period" in options_of(kind) and name != "oscillator"
    return TrainedMethod(kind(period=season) if seasonal else kind())


def _set(name: str, season: int | None) -> list[Candidate]:
    """The candidates of a set, as far as their packages are installed.

    Raises:
        RekalError: none of them is.
    """
    own: list[Candidate] = [
        _method(each, season)
        for each in names()
        if season is not None or each not in ("seasonal", "seasonal-naive")
    ]
    peers = [_one(each, season) for each in PEERS if find_spec(PEERS[each]) is not None]
    if name == "statsforecast" and not peers:
        return [_one("AutoETS", season)]  # says what to install
    groups = {
        "all": own + peers,
        "cheap": [each for each in own + peers if each.cost <= CHEAP],
        "baselines": [each for each in own if each.group in ("naive", "baseline")],
        "rekalman": [each for each in own if each.group == "rekalman"],
        "statsforecast": [each for each in peers if each.group == "statsforecast"],
    }
    return groups[name]


def applicable(
    candidates: Sequence[Candidate], data: Any
) -> tuple[list[Candidate], list[tuple[Candidate, str]]]:
    """Those that take the data, and the others with the reason."""
    able, unable = [], []
    for each in candidates:
        try:
            each.check(data)
        except RekalError as error:
            unable.append((each, str(error)))
        else:
            able.append(each)
    return able, unable
