"""Classic series of the books on time series, from a folder of R's data sets as CSV.

    load_classic("UKgas")

`UKgas` quarterly, `UKDriverDeaths` and `sunspots` monthly, `Nile`, `lynx`, `LakeHuron` and `sunspot.year`
yearly, `EuStockMarkets` as daily log returns in percent.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices

STARTS = {
    "sunspot.year": ("1700-01-01", "YS"),
    "sunspots": ("1749-01-01", "MS"),
    "lynx": ("1821-01-01", "YS"),
    "Nile": ("1871-01-01", "YS"),
    "LakeHuron": ("1875-01-01", "YS"),
    "UKgas": ("1960-01-01", "QS"),
    "UKDriverDeaths": ("1969-01-01", "MS"),
}
"""First dates and frequencies."""
RETURNS = "EuStockMarkets"
NAMES = (*STARTS, RETURNS)


def load_classic(name: str, root: str | Path | None = None) -> Sequences:
    """Load one of them.

    Args:
        name: one of `NAMES`.
        root: the folder of the files; None = `$REKAL_DATA/classic_ssm`.

    Raises:
        RekalError: the name is unknown, or the file is not there.
    """
    if name not in NAMES:
        raise RekalError(f"unknown series {name!r}: {choices(name, NAMES)}")
    if root is None and "REKAL_DATA" not in os.environ:
        raise RekalError("give the folder of the classic series, or set REKAL_DATA")
    folder = Path(os.environ["REKAL_DATA"]) / "classic_ssm" if root is None else Path(root)
    path = folder / f"{name}.csv"
    if not path.exists():
        raise RekalError(f"{path}: no such file")
    table = pd.read_csv(path)
    if name == RETURNS:
        prices = table.drop(columns="rownames")
        returns = 100 * np.diff(np.log(prices.to_numpy(np.float64)), axis=0)
        return Sequences.from_arrays(returns, names=tuple(map(str, prices.columns)))
    start, frequency = STARTS[name]
    index = pd.date_range(start, periods=len(table), freq=frequency)
    return Sequences.from_pandas(
        pd.DataFrame({name: np.asarray(table["value"], float)}, index=index)
    )
