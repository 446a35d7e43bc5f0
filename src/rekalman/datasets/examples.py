"""Small real series that come with the package.

All three are data sets of R, where they are free to pass on:

* sunspots: Waldmeier's yearly sunspot numbers (Tong, Non-linear Time Series, 1996, p. 471).
* nile: Cobb, The problem of the Nile, Biometrika 65, 1978, table 1.
* lynx: Campbell and Walker, A survey of statistical work on the Mackenzie River series of
  annual Canadian lynx trappings, J. R. Statist. Soc. A 140, 1977.
"""

from importlib import resources
from typing import Unpack

from rekalman.data import Sequences
from rekalman.data.tables.options import ReadOptions
from rekalman.foundation.errors import RekalError

EXAMPLES = {
    "sunspots": "yearly sunspot numbers, 1700-1988: a noisy cycle of changing height",
    "nile": "yearly flow of the Nile at Aswan, 1871-1970, in 1e8 m3: a level that drops once",
    "lynx": "yearly lynx trappings in Canada, 1821-1934: a cycle with sharp peaks",
}
"""Names of the examples, each with what it is."""


def load_example(name: str, **keywords: Unpack[ReadOptions]) -> Sequences:
    """Load an example by name.

    Args:
        name: a key of `EXAMPLES`.
        **keywords: which column is what, as for `Sequences.from_csv`; nothing is needed.

    Returns:
        One series without missing entries, batch 1, observations 1, sampled once a year.

    Raises:
        RekalError: there is no example of that name.

    Examples:
        >>> import rekalman
        >>> data = rekalman.load_example("nile")
        >>> data.steps, data.time_unit, data.values[0, :3, 0].tolist()
        (100, 'year', [1120.0, 1160.0, 963.0])
    """
    if name not in EXAMPLES:
        raise RekalError(f"There is no example '{name}'; there are {', '.join(EXAMPLES)}.")
    with resources.as_file(resources.files("rekalman.datasets") / f"{name}.csv") as path:
        options: ReadOptions = {"time": "year", "where": name}
        options.update(keywords)
        return Sequences.from_csv(path, **options)
