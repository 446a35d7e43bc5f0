"""Units written into column names: `x1_mm`, `t_s`, `z [mm]`, `flow (m3/s)`."""

import re

_BRACKETED = re.compile(r"^(?P<stem>.*?)\s*[\[(](?P<unit>[^\[\]()]+)[\])]\s*$")

_WORDS = (
    "s ms us ns min h hr d day days week month yr year years "
    "m mm cm km um nm in ft kg g mg t N mN kN Nm Pa kPa hPa MPa bar mbar psi "
    "V mV uV kV A mA uA W kW MW J kJ kWh MWh C F K degC degF deg rad mrad "
    "Hz kHz MHz GHz rpm bpm mmHg dB lux lx ppm ppb pct percent l ml L mL "
    "EUR USD GBP CHF JPY CNY INR KRW AUD CAD NZD SGD HKD SEK NOK DKK PLN CZK HUF RON TRY BRL MXN ZAR "
    "m/s km/h mph m2 m3 cm2 cm3 mm2 km2 ha m3/s mol mmol ug mL dl kcal Wh GWh TWh kVA lb oz gal mi"
)
_KNOWN = frozenset(_WORDS.split())

CURRENCIES = "\u20ac$\u00a3\u00a5\u20b9\u20a9\u20ba\u20bd\u20ab\u20b1\u0e3f"
"""Signs of currencies: euro, dollar, pound, yen, rupee, won, lira, rouble, dong, peso and baht."""

_SIGNS = frozenset(
    [*CURRENCIES, "%", "\u2030", "\u00b0", "\u00b0C", "\u00b0F", "kr", "z\u0142", "K\u010d"]
)
"""Signs that stand for a unit in a cell or in brackets, but not after an underscore."""

_PLAIN = str.maketrans({"\u00b2": "2", "\u00b3": "3", "\u00b5": "u", "\u03bc": "u"})
"""Superscripts and the Greek letter of millionths, as they are typed without them."""

_SIGNS_OF = {
    **{
        "EUR": "\u20ac",
        "USD": "$",
        "GBP": "\u00a3",
        "INR": "\u20b9",
        "KRW": "\u20a9",
        "TRY": "\u20ba",
    },
    **{
        "C": "\u00b0C degC",
        "F": "\u00b0F degF",
        "deg": "\u00b0",
        "pct": "% percent",
        "L": "l",
        "mL": "ml",
    },
}
_SPOKEN = {sign: word for word, signs in _SIGNS_OF.items() for sign in signs.split()}
"""Signs of units and the words for them."""

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
    """Whether `text` is a known unit or its sign, as cells carry one in `12 %`, `3.5 mm` or `7 kg/m3`."""
    if text in _KNOWN or text in _SIGNS:
        return True
    parts = text.translate(_PLAIN).split("/")
    return len(parts) <= 2 and all(part in _KNOWN for part in parts)


def same_unit(one: str, other: str) -> bool:
    """Whether two texts mean the same unit, such as `\u00b0C` and `C`, or `\u20ac` and `EUR`."""
    return len({_SPOKEN.get(text, text.translate(_PLAIN)) for text in (one, other)}) == 1


def stem_of(name: str) -> str:
    """The column name without its unit: "x1" of "x1_mm", "z" of "z [mm]"."""
    match = _BRACKETED.match(name)
    if match and match["stem"]:
        return match["stem"].strip()
    return name.rpartition("_")[0] if unit_of(name) else name


def time_unit_of(name: str) -> str | None:
    """The unit of a numeric time column: what `unit_of` finds, or "year" of `year`."""
    return unit_of(name) or _TIME_UNITS.get(name.strip().lower())
