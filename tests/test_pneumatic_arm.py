"""Episodes of the pneumatic arm."""

import numpy as np
import pandas as pd
import pytest

from rekalman.datasets.pneumatic_arm import TEST, TRAIN, VALID, load_pneumatic_arm
from rekalman.foundation.errors import RekalError


def test_episodes(arm_folder, monkeypatch):
    monkeypatch.setenv("REKAL_DATA", str(arm_folder.parent))
    data = load_pneumatic_arm()
    assert (data.batch, data.observations, data.n_inputs, data.interval) == (120, 12, 8, 0.01)
    assert data.names[:5] == ("q1_rad", "q2_rad", "q3_rad", "q4_rad", "p1")
    assert data.units[:5] == ("rad", "rad", "rad", "rad", None)
    assert (data.lengths.min(), data.lengths.max()) == (86, 145)
    assert data.fraction_missing == 0
    table = pd.read_csv(arm_folder / "pam_120episodes.csv")
    whole = table[table.episode == 50].to_numpy()
    one = data.series("50")
    np.testing.assert_allclose(one.values[0], whole[1:-1, 2:14])  # its last row is of the reset
    # u_t is the action of the row before t
    np.testing.assert_allclose(one.inputs[0], whole[:-2, 14:])
    full = table[table.episode == 51].to_numpy()
    np.testing.assert_allclose(data.series("51").values[0], full[1:, 2:14])


def test_no_joint_jumps(arm_folder):
    data = load_pneumatic_arm(arm_folder, pressures=False)
    assert data.observations == 4
    joints = np.asarray(data.values)
    both = data.valid()[:, 1:, None]
    assert 0.3 < np.abs(np.diff(joints, axis=1) * both).max() < 0.35


def test_split_by_episode(arm_folder):
    parts = [load_pneumatic_arm(arm_folder, part) for part in (TRAIN, VALID, TEST)]
    assert [part.batch for part in parts] == [80, 20, 20]
    names = [name for part in parts for name in part.series_names]
    assert names == [str(i) for i in range(120)]


def test_refusals(arm_folder, tmp_path, monkeypatch):
    monkeypatch.delenv("REKAL_DATA", raising=False)
    with pytest.raises(RekalError, match="say in which folder they are"):
        load_pneumatic_arm()
    with pytest.raises(RekalError, match=r"there is no pam_120episodes.csv in it"):
        load_pneumatic_arm(tmp_path)
    with pytest.raises(RekalError, match="there is no episode 120 in it"):
        load_pneumatic_arm(arm_folder, [120])
    (tmp_path / "pam_120episodes.csv").write_text("episode,q1_rad\n0,1\n")
    with pytest.raises(RekalError, match="there is no column 'q2_rad', so this is another file"):
        load_pneumatic_arm(tmp_path)
    (tmp_path / "pam_120episodes.csv").write_text("")
    with pytest.raises(RekalError, match="the episodes cannot be read"):
        load_pneumatic_arm(tmp_path)
