"""Named arrays in groups, as ArviZ takes them (Kumar and others 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from inspect import signature
from typing import Any

import numpy as np

from rekalman.foundation.errors import RekalError


def arviz_groups(
    groups: Mapping[str, Mapping[str, np.ndarray]],
    coords: Mapping[str, np.ndarray],
    dims: Mapping[str, Sequence[str]],
) -> Any:
    """An `InferenceData`, from ArviZ 1.0 on a `DataTree`.

    Args:
        groups: arrays by the name of their group and their own; of draws the first axes are chains and draws.
        coords: values along dimensions.
        dims: the dimensions of each array, those of chains and draws left out.

    Raises:
        RekalError: ArviZ is not installed.
    """
    try:
        from_dict = import_module("arviz").from_dict
    except ImportError as missing:
        raise RekalError(
            "to_inference_data needs ArviZ: pip install 'rekalman[bayes]'"
        ) from missing
    named = {name: list(axes) for name, axes in dims.items()}
    where = {"coords": coords, "dims": named, "pred_coords": coords, "pred_dims": named}
    if "posterior" in signature(from_dict).parameters:  # before ArviZ 1.0
        return from_dict(**groups, **where)
    return from_dict(groups, **where)
