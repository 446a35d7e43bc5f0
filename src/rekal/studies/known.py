"""Figures of an earlier run of a study, so that seeds can be added without training the others again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rekal.errors import RekalError
from rekal.studies.plain import plain

FREE = ("seed", "contestants", "all")
"""Entries of a configuration in which two runs of one protocol may differ: who else took part is one."""

Figures = dict[str, float]


class Known(NamedTuple):
    """What an earlier run of a study, or of one part of it, told.

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
        """Read what `rekal study NAME --out FILE` wrote.

        Raises:
            RekalError: there is no such file, or it is none that a study wrote.
        """
        try:
            told = json.loads(path.read_text())
        except FileNotFoundError:
            raise RekalError(f"{path}: there is no such file.") from None
        except (ValueError, OSError) as error:
            raise RekalError(f"{path}: this is no JSON that a study wrote: {error}") from None
        match told:
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
        found = self.config.get(name)
        if not isinstance(found, dict):
            raise RekalError(f"{self.path}: it has no part '{name}', which the study has now.")
        return self._replace(config=found)

    def figures(self, settings: Mapping[str, Any]) -> dict[str, dict[int, Figures]]:
        """Figures by contestant and seed; contestants that have changed since are left out.

        Args:
            settings: those of the run that is to take them over.

        Raises:
            RekalError: the earlier run had other settings, or its figures are not whole.
        """
        now = plain(settings)
        for name in (*now, *self.config):
            if name not in FREE and self.config.get(name) != now.get(name):
                raise RekalError(
                    f"{self.path}: its {name} was {self.config.get(name)}, but is {now.get(name)} now, "
                    "so its figures cannot stand beside new ones: run all seeds anew."
                )
        match {"contestants": [], **self.config}:
            case {"seed": int(first), "contestants": list(who), "all": dict(found)} if all(
                map(_whole, found.values())
            ):
                new = [each for each in now.get("contestants", []) if each not in who]
                changed = {each["title"] for each in new}
                return {
                    title: dict(enumerate(runs, first))
                    for title, runs in found.items()
                    if title not in changed
                }
            case _:
                lack = "it lacks the figures of every seed"
                raise RekalError(f"{self.path}: {lack}: run all seeds anew.")


def _whole(runs: Any) -> bool:
    """Whether these are figures, one mapping for each seed."""
    return isinstance(runs, list) and all(
        isinstance(run, dict)
        and all(isinstance(value, int | float) and value == value for value in run.values())
        for run in runs
    )
