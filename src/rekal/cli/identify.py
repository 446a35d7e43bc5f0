"""`rekal identify`: the learned dynamics in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rekal.cli import options
from rekal.cli.output import emit_json, emit_text

if TYPE_CHECKING:
    from rekal.fit import Fit
    from rekal.identify import Identification


def identify(
    model: options.Model, json: options.Json = False, seed: options.ModelSeed = None
) -> None:
    """Say what a model learned: attractor, period, amplitude, damping, noise levels."""
    from rekal.cli.cache import keep_compiled
    from rekal.cli.data import open_model

    keep_compiled()
    found = described(open_model(model, seed))
    if json:
        emit_json({"model": str(model), **found.to_dict()})
    else:
        emit_text(found.summary())


def described(fitted: Fit) -> Identification:
    """What a model learned, in the units of its data."""
    import numpy as np

    from rekal.identify import identify as run

    return run(
        fitted.model,
        fitted.labels.interval,
        np.asarray(fitted.standardiser.scale),
        np.asarray(fitted.standardiser.location),
        names=fitted.labels.names,
        time_unit=fitted.labels.time_unit,
        seed=fitted.seed,
    )
