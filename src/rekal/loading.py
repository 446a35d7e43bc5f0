"""Reading a trained model from its file, which `Fit.save` or `NetworkFit.save` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rekal.archive import load_archive
from rekal.errors import RekalError
from rekal.filters.choice import Filtering
from rekal.first_state import FirstState
from rekal.fit import Fit
from rekal.fit_network import NetworkFit
from rekal.forecast import Labels
from rekal.history import History
from rekal.learning.uncertainty import Uncertainty
from rekal.models.serial import model_from
from rekal.networks.serial import KIND, network_from
from rekal.networks.table import TableNetwork
from rekal.sequences.standardiser import Standardiser
from rekal.trained import Parameter


def load(path: str | Path) -> Fit | NetworkFit:
    """Read what `Fit.save` or `NetworkFit.save` wrote.

    Raises:
        RekalError: the file is missing, truncated, altered or not a rekal model.
    """
    config, arrays = load_archive(path)
    kind = config.get("kind")
    if kind not in ("fit", "network-fit"):
        remedy = ": read it by rekal.load_network" if kind == KIND else ""
        raise RekalError(f"{path} holds {kind!r}, not a trained model{remedy}")
    common = {
        "standardiser": Standardiser(**_part(arrays, "standardiser.")),
        "history": History.of(config["history"], arrays),
        "seed": config["seed"],
        "labels": Labels(**{name: _plain(value) for name, value in config["labels"].items()}),
        "input_names": tuple(config["input_names"]),
        "kind": config["model_kind"],
    }
    if kind == "network-fit":
        network = network_from(config["network"], _part(arrays, "network."), str(path))
        table = TableNetwork(network, len(config["labels"]["names"]), config["interval"])
        return NetworkFit(table=table, **common)
    return Fit(
        model=model_from(config["model"], _part(arrays, "model.")),
        filtering=Filtering(**config["filtering"]),
        parameters=tuple(Parameter(*each) for each in config["parameters"]),
        uncertainty=Uncertainty.of(_part(arrays, "uncertainty.")),
        first=FirstState(**first) if (first := _part(arrays, "first.")) else None,
        **common,
    )


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays of a part, by their names in it."""
    return {name.removeprefix(prefix): v for name, v in arrays.items() if name.startswith(prefix)}


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
