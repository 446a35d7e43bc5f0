"""A robot arm moved by pneumatic muscles: 120 episodes of random actions.

Origin: Büchler et al. (musculartt.embodied.ml); the first 120 of the episodes that Shaj et al.,
Action-Conditional Recurrent Kalman Networks, CoRL 2020, published with their code (licence MIT), as one CSV.
Each of four joints is pulled by two muscles, at 100 Hz. An action says by how much the pressures that are
asked for change; it is taken after the observation of its row, and the measured pressures answer two to six
rows later.

Not of the motion are the first row of an episode, from before the arm was brought to its start (q3 then jumps
by half a radian), and the last row of those that ended early, from after: the loader leaves them out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError

FILE = "pam_120episodes.csv"
JOINTS = tuple(f"q{i}_rad" for i in range(1, 5))
PRESSURES = tuple(f"p{i}" for i in range(1, 9))
ACTIONS = tuple(f"a{i}" for i in range(1, 9))

TRAIN, VALID, TEST = range(80), range(80, 100), range(100, 120)
"""The split by episode."""

JUMP = 0.5  # rad in a hundredth of a second; no joint moves by more than 0.35 but at such an end


def load_pneumatic_arm(
    root: str | Path | None = None,
    episodes: Iterable[int] = range(120),
    *,
    pressures: bool = True,
) -> Sequences:
    """Load episodes.

    Args:
        root: the folder of the file; None = $REKAL_DATA/pam_robot.
        episodes: which of the 120; `TRAIN`, `VALID` and `TEST` are the split.
        pressures: whether the pressures are observations too.

    Returns:
        A series of 86 to 145 steps for each episode. Observations: four joint angles in radians, then eight
        pressures, normalised. Inputs: eight actions; `u_t`, which drives the step into `t`, is the action
        taken after the observation before.

    Raises:
        RekalError: no folder given, a file that is not there or not complete, or no such episode.
    """
    if root is None and "REKAL_DATA" not in os.environ:
        raise RekalError(
            "the episodes of the pneumatic arm are not passed on: say in which folder they are"
        )
    folder = Path(os.environ["REKAL_DATA"]) / "pam_robot" if root is None else Path(root)
    path = folder / FILE
    if not path.is_file():
        raise RekalError(f"{folder}: there is no {FILE} in it")
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise RekalError(f"{path}: the episodes cannot be read ({error})") from None
    wanted = ("episode", *JOINTS, *PRESSURES, *ACTIONS)
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise RekalError(f"{path}: there is no column {missing[0]!r}, so this is another file")
    rows = dict(list(table.groupby("episode")))
    seen = JOINTS + PRESSURES if pressures else JOINTS
    values, inputs, chosen = [], [], list(episodes)
    for episode in chosen:
        if episode not in rows:
            raise RekalError(f"{path}: there is no episode {episode} in it")
        one = rows[episode]
        joints = one[list(JOINTS)].to_numpy(np.float64)
        end = len(one) - int(np.abs(joints[-1] - joints[-2]).max() > JUMP)
        values.append(one[list(seen)].to_numpy(np.float64)[1:end])
        inputs.append(one[list(ACTIONS)].to_numpy(np.float64)[: end - 1])
    return Sequences.from_arrays(
        values,
        inputs=inputs,
        interval=0.01,
        time_unit="s",
        names=seen,
        units=("rad",) * len(JOINTS) + (None,) * (len(seen) - len(JOINTS)),
        input_names=ACTIONS,
        series_names=[str(episode) for episode in chosen],
    )
