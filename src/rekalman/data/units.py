"""Units written into column names: `x1_mm`, `t_s`, `z [mm]`, `flow (m3/s)`."""

import re

_BRACKETED = re.compile(r"^(?P<stem>.*?)\s*[\[(](?P<unit>[^\[\]()]+)[\])]\s*$")

_WORDS = (
    "s ms us ns min h hr d day days week month yr year years "
    "m mm cm km um nm in ft kg g mg t N mN kN Nm Pa kPa hPa MPa bar mbar psi "
    "V mV uV kV A mA uA W kW MW J kJ kWh MWh C F K degC degF deg rad mrad "
    "Hz kHz MHz GHz rpm bpm mmHg dB lux lx ppm ppb pct percent l ml L mL "
    "EUR USD GBP m/s km/h m2 m3 m3/s mol mmol"
)
_KNOWN = frozenset(_WORDS.split())

_SIGNS = frozenset(
    [
        "%",
        "\u2030",
        "\u00b0",
        "\u00b0C",
        "\u00b0F",
        "\u20ac",
        "$",
        "\u00a3",
        "\u00b5m",
        "\u00b5s",
        "\u03bcm",
        "\u03bcs",
    ]
)
"""Signs that stand for a unit in a cell or in brackets, but not after an underscore."""

_TIME_UNITS = {
    "year": "year",
    "years": "year",
    "yr": "year",
    "month": "month",
    "day": "day",
    "days": "day",
    "hour": "h",
    "minute": "min",
    "seconds": "s",
    "second": "s",
    "sec": "s",
}


def unit_of(name: str) -> str | None:
    """The unit that a column name carries, or None.

    A unit in brackets is taken as it stands; after an underscore only a known unit counts,
    so that `pressure_kPa` has one and `player_one` has none.

    Args:
        name: the full column name.

    Returns:
        The unit, for example "mm", or None.
    """
    match = _BRACKETED.match(name)
    if match and match["stem"]:
        return match["unit"].strip() or None
    stem, separator, last = name.rpartition("_")
    return last if separator and stem and last in _KNOWN else None


def is_unit(text: str) -> bool:
    """Whether `text` is a known unit or its sign, as cells carry one in `12 %` or `3.5 mm`."""
    return text in _KNOWN or text in _SIGNS


def stem_of(name: str) -> str:
    """The column name without its unit: "x1" of "x1_mm", "z" of "z [mm]"."""
    match = _BRACKETED.match(name)
    if match and match["stem"]:
        return match["stem"].strip()
    return name.rpartition("_")[0] if unit_of(name) else name


def time_unit_of(name: str) -> str | None:
    """The unit of a numeric time column: what `unit_of` finds, or "year" of `year`."""
    return unit_of(name) or _TIME_UNITS.get(name.strip().lower())
