"""The synthetic sets of KalmanNet and RTSNet: a linear system and the Lorenz attractor, with true states.

Origin: the authors' own test and training files (Revach et al., KalmanNet, IEEE Transactions on Signal
Processing 70, 2022; Revach et al., RTSNet, ibid. 71, 2023), converted to CSV. They carry no licence, so they
are not passed on with the package: the folder that holds them is given.

Both have process noise `0.01 I` and observation noise `I`, 100 steps each, and a known state before the first
step: zero (linear) or (1, 1, 1) (Lorenz).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from rekalman.foundation.errors import RekalError

System = Literal["linear", "lorenz"]

FILES: dict[System, str] = {
    "linear": "linear2x2_r0dB_v-20dB_T100_test.csv",
    "lorenz": "lorenz_Hrot1deg_r0dB_v-20dB_T100_test.csv",
}


class Trajectories(NamedTuple):
    """Simulated series with their true states.

    Attributes:
        values: observations.
        states: what produced them.
    """

    values: Float[np.ndarray, "batch steps obs"]
    states: Float[np.ndarray, "batch steps states"]


def load_kalmannet(system: System, root: str | Path | None = None) -> Trajectories:
    """Load the test file of one system.

    Args:
        system: "linear" (two states) or "lorenz" (three, observed through a rotation by one degree).
        root: the folder of the files; None = $REKAL_DATA/kalmannet_synthetic.

    Returns:
        200 series of 100 steps.

    Raises:
        RekalError: an unknown system, no folder given, a file that is not there or not complete.
    """
    if system not in FILES:
        raise RekalError(f"there is no set {system!r}: use one of {', '.join(FILES)}")
    if root is None:
        if "REKAL_DATA" not in os.environ:
            raise RekalError("the KalmanNet files are not passed on: say in which folder they are")
        root = Path(os.environ["REKAL_DATA"]) / "kalmannet_synthetic"
    path = Path(root) / FILES[system]
    if not path.is_file():
        raise RekalError(f"{root}: there is no {FILES[system]} in it")
    table = pd.read_csv(path)
    y, x = ([c for c in table.columns if c[0] == letter and c[1:].isdigit()] for letter in "yx")
    batch, steps = (len(np.unique(table[name].to_numpy())) for name in ("traj", "t"))
    if len(table) != batch * steps or not y or not x:
        raise RekalError(f"{path}: this is not a complete set of series of equal length")
    table = table.sort_values(["traj", "t"])
    shaped = lambda names: table[names].to_numpy(np.float64).reshape(batch, steps, len(names))  # noqa: E731
    return Trajectories(shaped(y), shaped(x))
