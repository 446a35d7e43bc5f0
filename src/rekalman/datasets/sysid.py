"""Two benchmarks of nonlinear system identification with their official splits.

* Coupled electric drives (Wigren and Schoukens 2017): two motors, a belt, a spring-held pulley whose speed
  the sensor sees without its sign. Two series of 500 steps at 0.02 s; the first 400 of each train, the last
  100 test. Input in volts, speed in ticks/s.
* Cascaded tanks (Schoukens et al. 2016): water pumped into an upper tank flows into a lower one; both may
  overflow. 1024 steps at 4 s to train and as many to test. Input and level in volts.

The score of both is the root mean squared error of a free simulation of the test input, after an
initialisation on the first few test samples. The files are CC BY 4.0 and not passed on with the package.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError

Benchmark = Literal["drives", "tanks"]

FILES: dict[Benchmark, str] = {
    "drives": "sysid_ced/DATAUNIF.csv",
    "tanks": "sysid_cascaded_tanks/dataBenchmark.csv",
}
TRAINED = 400  # steps of each series of the drives that belong to training
WARM_UP = 4  # first samples of a test that a model may look at


class Split(NamedTuple):
    """Training data, and test series that follow it or stand alone.

    Attributes:
        train: one or two series with their input.
        test: as many test series.
    """

    train: Sequences
    test: Sequences


def load_benchmark(name: Benchmark, root: str | Path | None = None) -> Split:
    """Load one benchmark.

    Args:
        name: "drives" or "tanks".
        root: the folder that holds `sysid_ced` and `sysid_cascaded_tanks`; None = $REKAL_DATA.

    Raises:
        RekalError: an unknown name, no folder given, or a file that is not there or not complete.
    """
    if name not in FILES:
        raise RekalError(f"there is no benchmark {name!r}: use one of {', '.join(FILES)}")
    path, table = benchmark_table(FILES[name], root)
    if name == "drives":
        y, u = columns_of(path, table, ("z11", "z12")), columns_of(path, table, ("u11", "u12"))
        made = [
            _sequences(part(y), part(u), 0.02, ("speed", "ticks/s"), ("drive 1", "drive 2"))
            for part in (lambda v: v[:, :TRAINED], lambda v: v[:, TRAINED:])
        ]
        return Split(*made)
    train, test = (
        _sequences(
            columns_of(path, table, (f"y{part}_V",)), columns_of(path, table, (f"u{part}_V",)), 4.0,
            ("level", "V"), (f"tanks {label}",),
        )
        for part, label in (("Est", "training"), ("Val", "test"))
    )  # fmt: skip
    return Split(train, test)


def benchmark_table(file: str, root: str | Path | None) -> tuple[Path, pd.DataFrame]:
    """One file of the benchmarks, and where it is.

    Args:
        file: its path below the folder.
        root: the folder that holds `sysid_ced` and `sysid_cascaded_tanks`; None = $REKAL_DATA.

    Raises:
        RekalError: no folder given, or a file that is not there.
    """
    if root is None and "REKAL_DATA" not in os.environ:
        raise RekalError("the benchmark files are not passed on: say in which folder they are")
    path = Path(os.environ["REKAL_DATA"] if root is None else root) / file
    try:
        return path, pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise RekalError(f"{path}: the benchmark cannot be read ({error})") from None


def columns_of(
    path: Path, table: pd.DataFrame, names: tuple[str, ...]
) -> Float[np.ndarray, "columns steps"]:
    """Some columns of it.

    Raises:
        RekalError: one is not there.
    """
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise RekalError(f"{path}: there is no column {missing[0]!r}, so this is another file")
    return np.stack([table[name].dropna().to_numpy(np.float64) for name in names])


def _sequences(
    y: np.ndarray,
    u: np.ndarray,
    interval: float,
    output: tuple[str, str],
    series: tuple[str, ...],
) -> Sequences:
    return Sequences.from_arrays(
        y[:, :, None],
        inputs=u[:, :, None],
        interval=interval,
        names=(output[0],),
        units=(output[1],),
        input_names=("voltage",),
        series_names=series,
        time_unit="s",
    )
