"""`rekalman models`: the methods that `rekalman fit` can learn by, and their options."""

from __future__ import annotations

from typing import Annotated

import typer

from rekalman.cli import options
from rekalman.cli.output import emit_json, emit_table, emit_text
from rekalman.methods.describe import CAPABILITIES, describe
from rekalman.methods.plugins import load_plugins
from rekalman.methods.registry import get, names


def models(
    name: Annotated[
        str | None, typer.Argument(help="Which one; without a name they are listed.")
    ] = None,
    json: options.Json = False,
) -> None:
    """List the models that can be learned, or the options of one of them."""
    if name is None:
        _list(json)
    else:
        _show(name, json)


def _list(json: bool) -> None:
    """One row for each method: what it is for, what it needs, what it can."""
    load_plugins()
    described = [describe(get(each)) for each in names()]
    if json:
        emit_json({"models": described})
        return
    rows = [
        (
            each["name"],
            each["summary"],
            each["needs"],
            ", ".join(word for word in CAPABILITIES if each[word]),
        )
        for each in described
    ]
    emit_table(["model", "what for", "needs", "can"], rows)
    emit_text(
        "rekalman models NAME lists the options of one; rekalman fit DATA --model NAME learns it."
    )


def _show(name: str, json: bool) -> None:
    """The options of one method with default, range and help."""
    about = describe(get(name))
    if json:
        emit_json(about)
        return
    can = [word for word in CAPABILITIES if about[word]]
    emit_text(f"{about['name']}: {about['summary']}")
    emit_text(f"needs           {about['needs']}")
    emit_text(f"can             {', '.join(can)}")
    emit_text(f"trained by      {' or '.join(about['learners'])}")
    emit_text(f"filtered by     {about['filter'] or 'itself'}")
    if not about["options"]:
        emit_text("It has no options.")
        return
    headers = ["option", "default", "range", "what it is"]
    rows = [(o["name"], o["by_default"], o["range"], o["help"]) for o in about["options"]]
    emit_table(headers, rows)
    emit_text(f"rekalman fit DATA --model {name} --set {about['options'][0]['name']}=VALUE")
