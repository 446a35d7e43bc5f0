"""Arguments and options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

READING = "Reading the data"
OUTPUT = "Output"

Model = Annotated[Path, typer.Argument(help="A model file that `rekalman fit` wrote.")]

Series = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column that tells several series apart; by default one called unique_id, series_id, item_id or "
        "series.",
        rich_help_panel=READING,
    ),
]
Sep = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="What separates the columns of a CSV file (tab: '\\t'); found out by default.",
        rich_help_panel=READING,
    ),
]
Decimal = Annotated[
    str,
    typer.Option(metavar="MARK", help="Decimal mark of a CSV file.", rich_help_panel=READING),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Encoding of a CSV file, such as latin-1; found out by default.",
        rich_help_panel=READING,
    ),
]
DateFormat = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help="How dates are written, such as %d/%m/%Y; found out by default.",
        rich_help_panel=READING,
    ),
]

Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON object on stdout, nothing else.", rich_help_panel=OUTPUT),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="No progress bar, no notes.", rich_help_panel=OUTPUT),
]
MOST = 2**32 - 1
"""The largest seed."""

Seed = Annotated[
    int,
    typer.Option(min=0, max=MOST, help="Start of all randomness; the same seed, the same result."),
]
ModelSeed = Annotated[
    int | None,
    typer.Option(
        min=0, max=MOST, show_default="that of the model", help="Start of all randomness."
    ),
]


class Noise(StrEnum):
    """Shape of a noise covariance."""

    diagonal = "diagonal"
    full = "full"


class Scale(StrEnum):
    """How several series are standardised."""

    series = "series"
    shared = "shared"


class Proposal(StrEnum):
    """How the particle filter moves its particles."""

    guided = "guided"
    bootstrap = "bootstrap"


class Intervals(StrEnum):
    """Where the intervals of a forecast come from."""

    model = "model"
    running = "running"


class Filter(StrEnum):
    """What filters a trained model."""

    kalman = "kalman"
    extended = "extended"
    unscented = "unscented"
    particles = "particles"


class Smoother(StrEnum):
    """What smooths in the E-step."""

    particles = "particles"
    gaussian = "gaussian"


def listed(values: list[str] | None) -> list[str] | None:
    """`--columns a,b --columns c` as ["a", "b", "c"]; None where the option was not given."""
    if not values:
        return None
    return [name.strip() for value in values for name in value.split(",") if name.strip()]
