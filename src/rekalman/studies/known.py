"""Figures of an earlier run of a study, so that seeds can be added without training the others again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rekalman.foundation.errors import RekalError
from rekalman.foundation.plain import plain

FREE = ("seed", "candidates", "all")
"""Entries of a configuration in which two runs of one protocol may differ: who else took part is one."""

Figures = dict[str, float]
Taken = Mapping[str, Mapping[int, Figures]]
"""Figures by candidate and seed."""


class Known(NamedTuple):
    """What an earlier run of a study, or of one part of it, told.

    That its protocol is the same is seen from its settings; what code or data have changed since is not.

    Attributes:
        path: the file it was read from.
        study: name of the study.
        config: its settings, and the figures of every seed under "all".
    """

    path: Path
    study: str
    config: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Known:
        """Read what `rekalman study NAME --out FILE` wrote.

        Raises:
            RekalError: there is no such file, or it is none that a study wrote.
        """
        try:
            content = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            raise RekalError(f"{path}: there is no such file.") from None
        except (ValueError, OSError, RecursionError) as error:
            raise RekalError(f"{path}: this is no JSON that a study wrote: {error}") from None
        match content:
            case {"study": str(study), "config": dict(config)}:
                return cls(path, study, config)
            case _:
                lack = "it has no study and config"
                raise RekalError(f"{path}: this is no JSON that a study wrote: {lack}.")

    def part(self, name: str) -> Known:
        """What it told of one part of a study.

        Raises:
            RekalError: there is no such part.
        """
        result = self.config.get(name)
        if not isinstance(result, dict):
            raise RekalError(f"{self.path}: it has no part '{name}', which the study has now.")
        return self._replace(config=result)

    def figures(self, settings: Mapping[str, Any], seeds: Iterable[int]) -> Taken:
        """What can be taken over; candidates that have changed since are left out.

        Args:
            settings: those of the run that is to take figures over.
            seeds: those of that run.

        Raises:
            RekalError: the earlier run had other settings, its figures are not whole, or it has none of
                these seeds and candidates.
        """
        now = plain(settings)
        before, here = (_without(config, FREE) for config in (self.config, now))
        if (gap := _first_gap(before, here)) is not None:
            name, old, new = gap
            raise RekalError(
                f"{self.path}: its {name} was {old}, but is {new} now, so its figures cannot stand beside "
                "new ones: run all seeds anew."
            )
        match {"candidates": [], **self.config}:
            case {"seed": int(first), "candidates": list(who), "all": dict(runs_by_title)} if all(
                map(_whole, runs_by_title.values())
            ):
                new = [each["title"] for each in now.get("candidates", []) if each not in who]
                taken = {
                    title: {seed: run for seed, run in enumerate(runs, first) if seed in seeds}
                    for title, runs in runs_by_title.items()
                    if title not in new
                }
            case _:
                lack = "it lacks the figures of every seed"
                raise RekalError(f"{self.path}: {lack}: run all seeds anew.")
        if not any(taken.values()):
            asked = ", ".join(map(str, seeds))
            raise RekalError(
                f"{self.path}: it has nothing of these networks with the seeds {asked}."
            )
        return taken


def taken_over(known: Known | None, settings: Mapping[str, Any], seeds: Iterable[int]) -> Taken:
    """`Known.figures`, or nothing where there was no earlier run."""
    return {} if known is None else known.figures(settings, seeds)


def _without(config: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in names}


def _first_gap(old: Any, new: Any, name: str = "") -> tuple[str, Any, Any] | None:
    """Name and values of the innermost entry in which two settings differ, or None."""
    if old == new:
        return None
    pairs: list[tuple[str, Any, Any]] = []
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = [(str(key), old.get(key), new.get(key)) for key in (*new, *old)]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(str(i), *both) for i, both in enumerate(zip(old, new, strict=True))]
    gaps = (_first_gap(a, b, f"{name}.{key}" if name else key) for key, a, b in pairs)
    return next((gap for gap in gaps if gap is not None), (name, old, new))


def _whole(runs: Any) -> bool:
    """Whether these are figures: one mapping for each seed, all of the same metrics."""
    return (
        isinstance(runs, list)
        and len(runs) > 0
        and all(isinstance(run, dict) and run.keys() == runs[0].keys() for run in runs)
        and all(
            type(value) in (int, float) and abs(value) < 1e300
            for run in runs
            for value in run.values()
        )
    )
