"""`rekal identify`: the learned dynamics in numbers."""

from __future__ import annotations

from rekal.cli import options
from rekal.cli.output import emit_json, emit_text


def identify(
    model: options.Model, json: options.Json = False, seed: options.ModelSeed = None
) -> None:
    """Say what a model learned: attractor, period, amplitude, damping, noise levels."""
    from rekal.cli.cache import keep_compiled
    from rekal.cli.data import open_model

    keep_compiled()
    found = open_model(model, seed).identify()
    if json:
        emit_json({"model": str(model), **found.to_dict()})
    else:
        emit_text(found.summary())
