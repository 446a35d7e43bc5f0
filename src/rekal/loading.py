"""Reading a trained model from its file, which `Fit.save` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rekal.archive import load_archive
from rekal.errors import RekalError
from rekal.filters.choice import Filtering
from rekal.fit import Fit
from rekal.forecast import Labels
from rekal.history import History
from rekal.learning.uncertainty import Uncertainty
from rekal.models.serial import model_from
from rekal.sequences.standardiser import Standardiser
from rekal.trained import Parameter


def load(path: str | Path) -> Fit:
    """Read what `Fit.save` wrote.

    Raises:
        RekalError: the file is missing, truncated, altered or not a rekal model.
    """
    config, arrays = load_archive(path)
    if config.get("kind") != "fit":
        raise RekalError(f"{path} holds {config.get('kind')!r}, not a trained model")
    part = lambda prefix: {  # noqa: E731
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }

    def plain(value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    return Fit(
        model=model_from(config["model"], part("model.")),
        standardiser=Standardiser(**part("standardiser.")),
        history=History.of(config["history"], arrays["log_likelihood"]),
        filtering=Filtering(**config["filtering"]),
        seed=config["seed"],
        labels=Labels(**{name: plain(value) for name, value in config["labels"].items()}),
        input_names=tuple(config["input_names"]),
        kind=config["model_kind"],
        parameters=tuple(Parameter(*each) for each in config["parameters"]),
        uncertainty=Uncertainty.of(part("uncertainty.")),
    )
