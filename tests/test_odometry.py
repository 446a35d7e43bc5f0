"""Paths of a vehicle, and KITTI odometry in its own folder layout."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from rekalman.datasets.kitti import TEST, TRAIN, load_kitti, load_poses
from rekalman.datasets.odometry import drift, poses_of, steps_of
from rekalman.foundation.errors import RekalError


@given(arrays(float, (7, 3), elements=st.floats(-1.5, 1.5)))
def test_steps_and_poses_are_inverse(steps):
    poses = poses_of(steps)
    np.testing.assert_allclose(steps_of(poses), steps, atol=1e-9)
    anywhere = poses_of(np.array([[3.0, -2.0, 0.7]]))[-1]
    np.testing.assert_allclose(steps_of(anywhere @ poses), steps, atol=1e-9)


def test_signs_of_a_step():
    """Ahead, then a quarter turn to the right: the axis ahead now points along +x."""
    poses = poses_of(np.array([[0.0, 2.0, np.pi / 2], [0.0, 1.0, 0.0]]))
    np.testing.assert_allclose(poses[1, :3, 2], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(poses[-1, :3, 3], [1, 0, 2], atol=1e-12)


def turned(axis, angle):
    """A rotation by Rodrigues' formula."""
    x, y, z = axis / np.linalg.norm(axis)
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * K @ K


def naive_drift(estimated, true):
    """The benchmark's own program, loop by loop."""
    travelled = [0.0]
    for a, b in itertools.pairwise(true):
        travelled.append(travelled[-1] + np.sqrt(((b - a)[:3, 3] ** 2).sum()))
    errors = []
    for first in range(0, len(true), 10):
        for length in (100, 200, 300, 400, 500, 600, 700, 800):
            after = [i for i in range(first, len(true)) if travelled[i] > travelled[first] + length]
            if not after:
                continue
            gone, meant = (np.linalg.inv(p[first]) @ p[after[0]] for p in (estimated, true))
            error = np.linalg.inv(gone) @ meant
            angle = np.arccos(max(-1, min(1, 0.5 * (np.trace(error[:3, :3]) - 1))))
            errors.append((np.linalg.norm(error[:3, 3]) / length, angle / length))
    return 100 * np.mean(errors, axis=0)


def test_drift_is_that_of_the_benchmark():
    rng = np.random.default_rng(0)
    steps = np.stack([rng.normal(0, 0.1, 300), rng.uniform(0, 5, 300), rng.normal(0, 0.05, 300)], 1)
    true = poses_of(steps)
    estimated = poses_of(steps + rng.normal(0, 0.02, steps.shape))
    for i, pose in enumerate(estimated):  # out of the plane as well
        pose[:3, :3] = pose[:3, :3] @ turned(np.array([1.0, 0.2, -0.4]), 1e-3 * i)
    np.testing.assert_allclose(drift(estimated, true), naive_drift(estimated, true), rtol=1e-9)
    np.testing.assert_allclose(drift(true, true), 0, atol=1e-5)


def test_drift_of_a_path_that_is_too_long_or_turns():
    straight = np.tile([0.0, 1.0, 0.0], (900, 1))
    true = poses_of(straight)
    longer = drift(poses_of(1.02 * straight), true)
    assert longer.rotation == 0 and longer.translation == pytest.approx(2, abs=0.03)
    turning = drift(poses_of(straight + np.array([0, 0, 1e-4])), true)
    assert turning.rotation == pytest.approx(0.01, rel=0.01)  # 1e-4 rad each metre


def test_drift_refusals():
    poses = poses_of(np.ones((50, 3)))
    with pytest.raises(RekalError, match="one has 51 and the other 50"):
        drift(poses, poses[1:])
    with pytest.raises(RekalError, match="over 100 m and more, but the path has 71 m"):
        drift(poses, poses)


@pytest.fixture
def drives(tmp_path):
    """Three short drives in KITTI's layout; images have the drive in red, the frame in green."""
    rng = np.random.default_rng(1)
    for name, frames in (("00", 12), ("07", 8), ("11", 6)):
        for camera in ("image_2", "image_0"):
            folder = tmp_path / "sequences" / name / camera
            folder.mkdir(parents=True)
            for i in range(frames):
                picture = np.full((37, 124, 3), (int(name), 10 * i, 200), np.uint8)
                shown = Image.fromarray(picture)
                shown = shown if camera == "image_2" else shown.getchannel("G")
                shown.save(folder / f"{i:06d}.png")
        times = 0.1 * np.arange(frames) + rng.uniform(0, 0.01, frames)
        np.savetxt(tmp_path / "sequences" / name / "times.txt", times)
        if name != "11":
            (tmp_path / "poses").mkdir(exist_ok=True)
            poses = poses_of(rng.normal(size=(frames - 1, 3)))
            np.savetxt(tmp_path / "poses" / f"{name}.txt", poses[:, :3].reshape(frames, 12))
    return tmp_path


def test_pairs_of_images_and_what_the_car_did(drives):
    frames = load_kitti(drives, ("00", "07"), steps=5)
    assert frames.values.shape == (3, 5, 50, 150, 6)  # 11 and 7 pairs: two pieces and one
    np.testing.assert_array_equal(frames.values[:, 0, 25, 75, 0], [0, 0, 7])
    np.testing.assert_array_equal(frames.values[1, :, 0, 0, 1], 10 * np.arange(5, 10))
    np.testing.assert_array_equal(frames.values[1, :, 0, 0, 4], 10 * np.arange(6, 11))
    steps = steps_of(load_poses(drives, "00"))
    np.testing.assert_allclose(frames.targets[1], steps[5:10], atol=1e-6)
    assert frames.names == ("dx_m", "dz_m", "dyaw_rad") and frames.dt is None and frames.mask.all()


def test_grey_images_times_and_drives_without_poses(drives, monkeypatch):
    monkeypatch.setenv("REKAL_DATA", str(drives.parent))
    drives.rename(drives.parent / "kitti")
    frames = load_kitti(sequences=("11",), steps=5, camera="image_0", timed=True)
    assert frames.values.shape == (1, 5, 50, 150, 2) and np.isnan(frames.targets).all()
    times = np.loadtxt(drives.parent / "kitti" / "sequences" / "11" / "times.txt")
    np.testing.assert_allclose(frames.dt[0], np.diff(times), rtol=1e-6)


def test_official_split():
    assert TRAIN == ("00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10")
    assert TEST == ("11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "21")


def test_refusals(drives, monkeypatch):
    monkeypatch.delenv("REKAL_DATA", raising=False)
    with pytest.raises(RekalError, match="say in which folder it is"):
        load_kitti()
    with pytest.raises(RekalError, match=r"sequences/01/image_2: there is no such folder"):
        load_kitti(drives, ("01",))
    with pytest.raises(RekalError, match=r"00/image_2: 12 images are no 50 pairs"):
        load_kitti(drives, ("00",))
    (drives / "sequences" / "07" / "times.txt").write_text("0.0\n0.1\n")
    with pytest.raises(RekalError, match=r"07/times.txt: it has 2 rows, but there are 8 images"):
        load_kitti(drives, ("07",), steps=5, timed=True)
    (drives / "sequences" / "07" / "image_2" / "000003.png").unlink()
    with pytest.raises(RekalError, match=r"poses/07.txt: it has 8 rows, but there are 7 images"):
        load_kitti(drives, ("07",), steps=5)
    (drives / "sequences" / "00" / "image_2" / "000003.png").write_bytes(b"\x89PNG")
    with pytest.raises(RekalError, match=r"000003.png: this is not an image, or it is damaged"):
        load_kitti(drives, ("00",), steps=5)
    (drives / "poses" / "07.txt").write_text("1 2 3\n")
    with pytest.raises(RekalError, match=r"poses/07.txt: a row is 12 numbers"):
        load_kitti(drives, ("07",), steps=5)
    (drives / "poses" / "07.txt").write_text("1 2 x\n")
    with pytest.raises(RekalError, match=r"poses/07.txt: it cannot be read"):
        load_kitti(drives, ("07",), steps=5)
    (drives / "poses" / "07.txt").unlink()
    with pytest.raises(RekalError, match=r"poses/07.txt: it cannot be read"):
        load_kitti(drives, ("07",), steps=5)
