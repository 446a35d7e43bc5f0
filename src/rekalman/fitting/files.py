"""What the file of a trained model holds: its filter as a tree of modules, its units, how it was found."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from rekalman.core.serial import arrays_of, described, storable_in
from rekalman.data.scales.panel import Panel
from rekalman.models.serial import register_models
from rekalman.networks.serial import register_networks

if TYPE_CHECKING:
    from rekalman.fitting.result import Fit

KIND = "fit"

register_models()
register_networks()
for package in ("rekalman.filters", "rekalman.networks"):
    storable_in(package)


def stored_fit(fit: Fit) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """JSON configuration and arrays (`Fit.stored`).

    Raises:
        RekalError: the filter holds what a file cannot.
    """
    config = {
        "kind": KIND,
        "filter": described(fit.algorithm, "filter"),
        "history": fit.history.settings(),
        "seed": fit.seed,
        "labels": dataclasses.asdict(fit.labels),
        "input_names": fit.input_names,
        "model_kind": fit.kind,
        "parameters": [list(each) for each in fit.parameters],
    }
    scales = fit.standardiser
    if isinstance(scales, Panel):
        config["scales"] = scales.names
    arrays = {**fit.history.arrays(), **arrays_of(fit.algorithm, "filter")}
    for name in ("location", "scale", "input_location", "input_scale"):
        value = getattr(scales, name)
        if value is not None:
            arrays[f"standardiser.{name}"] = np.asarray(value)
    if scales.transform is not None:
        arrays["standardiser.power"] = np.asarray(scales.transform.power)
    if fit.first is not None:
        arrays["first.mean"] = np.asarray(fit.first.mean)
        arrays["first.cov"] = np.asarray(fit.first.cov)
    if fit.uncertainty is not None:
        blocks = fit.uncertainty.arrays()
        arrays.update({f"uncertainty.{name}": np.asarray(blocks[name]) for name in blocks})
    return config, arrays
