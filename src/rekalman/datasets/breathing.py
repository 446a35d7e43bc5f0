"""Chest and abdomen markers during breathing: nine records of three markers in space.

Origin: T. Krilavicius, I. Zliobaite, A. Vidugiriene, H. Simonavicius, L. Jarusevicius,
Predicting Respiratory Motion for Controlling Radiotherapy Treatment: an algorithmic approach,
technical report, Baltic Institute of Advanced Technologies, 2013 (please cite it), licence
CC BY 4.0. Published with the code of M. Pohl, M. Uesaka, H. Takahashi, K. Demachi and
R. B. Chhatkuli, Computer Methods and Programs in Biomedicine, 2022 (arXiv 2106.01100).

An original file holds one marker of one record, filmed at 60 Hz and kept every 6th frame: the
columns Frame; Timestamp; x; y; z in mm with decimal commas. Of each file the last row, often
zeros, is dropped; the time is the row number / 10 Hz; positions are relative to the first row.
"""

import os
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pooch

from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError

ORIGIN = (
    "https://raw.githubusercontent.com/pohl-michel/"
    "time-series-forecasting-with-UORO-RTRL-LMS-and-linear-regression/"
    "051dc384964ede156128cb6127c4fe9a75b85d79/Original%20data/"
)
"""Where the original files are downloaded from, at a fixed commit."""

NAMES = tuple(f"{axis}{marker}_mm" for axis in "xyz" for marker in (1, 2, 3))
RECORDS = tuple(f"seq{i}" for i in range(1, 10))


def load_breathing(root: str | Path | None = None, hz: int | float = 10) -> Sequences:
    """Load the nine records.

    They are taken from the folder given, else from $REKAL_DATA/breathing if there is one, else
    downloaded once (1.4 MB, checksums verified) and kept in the user's cache. A folder holds
    either the converted records, `hz10/seq1.csv` and so on, or the originals in `original/`.
    The conversion gives the same numbers as the published 10 Hz records, which have four
    decimals.

    Args:
        root: the folder, or None.
        hz: 10; or 3.33, which is every third sample; or 30, which was made from 10 Hz by
            splines and random noise and is only read where the folder has it in `hz30/`.

    Returns:
        Nine series seq1 ... seq9 of 726 to 3199 steps at 10 Hz; observations x1_mm, x2_mm,
        x3_mm, y1_mm, ... z3_mm, in mm from the first sample; z runs along the spine.

    Raises:
        RekalError: another rate, a folder without these data, no download.
    """
    if hz not in (3.33, 10, 30):
        raise RekalError(f"The breathing records come at 3.33, 10 or 30 Hz, not at {hz:g}.")
    folder = None if root is None else Path(root)
    if folder is None and "REKAL_DATA" in os.environ:
        beside = Path(os.environ["REKAL_DATA"]) / "breathing"
        folder = beside if beside.is_dir() else None
    if folder is not None and (folder / f"hz{hz:g}" / "seq1.csv").exists():
        files = [folder / f"hz{hz:g}" / f"{name}.csv" for name in RECORDS]
        return Sequences.from_csv(files, time="t_s")
    if hz == 30:
        raise RekalError("The breathing records at 30 Hz are not in the folder given.")
    if folder is None:
        originals = _download()
    elif (folder / "original").is_dir():
        originals = [folder / "original" / name for name in _checksums()]
    else:
        raise RekalError(f"{folder}: there are no breathing records (hz10/ or original/) in it.")
    records = convert(originals)
    if hz == 10:
        return _sequences(records, 0.1)
    return _sequences([record[: len(record) // 3 * 3 : 3] for record in records], 0.3)


def convert(originals: list[Path]) -> list[np.ndarray]:
    """Turn the 27 original files, three for each record, into positions at 10 Hz.

    Args:
        originals: the files in the order of their names.

    Returns:
        For each record (time, 9) in the order of `NAMES`.
    """
    markers = [_read_marker(path) for path in originals]
    return [
        np.stack(markers[i : i + 3], axis=-1).reshape(len(markers[i]), 9)
        for i in range(0, len(markers), 3)
    ]


def _sequences(records: list[np.ndarray], interval: float) -> Sequences:
    return Sequences.from_arrays(
        records,
        interval=interval,
        names=NAMES,
        series_names=RECORDS,
        time_name="t_s",
        time_unit="s",
    )


def _read_marker(path: Path) -> np.ndarray:
    """Positions (time, 3) of one marker in mm, relative to the first."""
    try:
        table = pd.read_csv(path, sep=";", decimal=",", thousands=".", usecols=["x", "y", "z"])
    except (OSError, ValueError) as error:
        raise RekalError(f"{path}: this is not an original breathing record ({error}).") from None
    positions = table.to_numpy(dtype=np.float64)[:-1]
    return np.round(positions - positions[0], 4)


def _checksums() -> dict[str, str]:
    """SHA-256 of every original file by name, sorted so that records and markers are in order."""
    text = (resources.files("rekalman.datasets") / "breathing.sha256").read_text()
    pairs = [line.split() for line in text.splitlines()]
    return {name: f"sha256:{value}" for value, name in sorted(pairs, key=lambda pair: pair[1])}


def _download() -> list[Path]:
    """Fetch the originals into the cache, where they are not there yet."""
    known = _checksums()
    cache = pooch.create(
        path=pooch.os_cache("rekalman") / "breathing",
        base_url=ORIGIN,
        registry=known,
        env="REKAL_CACHE",
        retry_if_failed=1,
    )
    try:
        return [Path(cache.fetch(name)) for name in known]
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RekalError(
            f"The breathing records could not be downloaded ({reason}); "
            "put them into a folder and say which."
        ) from None
