"""KITTI visual odometry: drives of a car, filmed, with the pose of the camera at each frame.

Origin: A. Geiger, P. Lenz and R. Urtasun, Are we ready for Autonomous Driving? The KITTI Vision Benchmark
Suite, CVPR 2012, licence CC BY-NC-SA 3.0. It is not passed on with the package; its layout is

    sequences/00/image_2/000000.png ...   colour (image_0: grey)
    sequences/00/times.txt                seconds, a row for each frame
    poses/00.txt                          3 x 4 matrices, a row for each frame

Sequences 00 to 10 have poses and are there to train on; those of 11 to 21 are kept by the benchmark's server.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from rekalman.data.images import Frames
from rekalman.datasets.odometry import steps_of
from rekalman.foundation.errors import RekalError

Camera = Literal["image_2", "image_0"]

TRAIN = tuple(f"{i:02d}" for i in range(11))
TEST = tuple(f"{i:02d}" for i in range(11, 22))
HEIGHT, WIDTH = 50, 150
NAMES = ("dx_m", "dz_m", "dyaw_rad")


def load_kitti(
    root: str | Path | None = None,
    sequences: Sequence[str] = TRAIN,
    *,
    steps: int = 50,
    camera: Camera = "image_2",
    timed: bool = False,
) -> Frames:
    """Load drives as pairs of neighbouring images, with what the car did between the two.

    Every drive is cut into pieces of equal length; what is left over at its end is dropped. The size of the
    images, what is wanted of them and the length are those of Becker et al. 2019.

    Args:
        root: the folder that holds `sequences` and `poses`; None = $REKAL_DATA/kitti.
        sequences: which drives, as their folders are called.
        steps: pairs in each piece.
        camera: "image_2" (left, colour) or "image_0" (left, grey).
        timed: whether the times between frames, a tenth of a second and a little, become `dt`.

    Returns:
        Frames of 50 x 150 with the channels of the earlier image and then of the later one; targets are dx
        and dz in metres and dyaw in radians (`datasets/odometry.py`), unknown for the sequences 11 to 21.

    Raises:
        RekalError: no folder given, a part of it is missing or damaged, or there are not as many poses or
            times as images.
    """
    if root is None and "REKAL_DATA" not in os.environ:
        raise RekalError("KITTI odometry is not passed on: say in which folder it is")
    folder = Path(os.environ["REKAL_DATA"]) / "kitti" if root is None else Path(root)
    pieces: dict[str, list[np.ndarray]] = {"values": [], "targets": [], "dt": []}
    for name in sequences:
        files = _files(folder / "sequences" / name / camera)
        whole = (len(files) - 1) // steps * steps
        if whole == 0:
            raise RekalError(f"{files[0].parent}: {len(files)} images are no {steps} pairs")
        with ThreadPoolExecutor() as pool:  # decoding leaves the interpreter alone
            images = np.stack(list(pool.map(partial(_image, camera=camera), files[: whole + 1])))
        wanted = _targets(folder / "poses" / f"{name}.txt", len(files))
        parts = {"values": np.concatenate([images[:-1], images[1:]], -1), "targets": wanted[:whole]}
        if timed:
            times = _numbers(folder / "sequences" / name / "times.txt", 1, len(files))
            parts["dt"] = np.diff(times[: whole + 1, 0])
        for key, part in parts.items():
            pieces[key].append(part.reshape(-1, steps, *part.shape[1:]))
    joined = {key: np.concatenate(parts) for key, parts in pieces.items() if parts}
    note = (
        f"KITTI odometry {', '.join(sequences)} in pieces of {steps} pairs; remainders are left out"
    )
    return Frames.from_arrays(**joined, names=NAMES, notes=(note,))


def load_poses(root: str | Path, sequence: str) -> Float[np.ndarray, "frames 4 4"]:
    """Poses of the left grey camera in a whole drive, for `odometry.drift`.

    Raises:
        RekalError: the file is missing or damaged.
    """
    return _poses(Path(root) / "poses" / f"{sequence}.txt")


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise RekalError(f"{folder}: there is no such folder of KITTI images")
    files = sorted(folder.glob("*.png"))
    if not files:
        raise RekalError(f"{folder}: there are no images (*.png) in it")
    return files


def _image(path: Path, camera: Camera) -> UInt8[np.ndarray, "height width channel"]:
    try:
        with Image.open(path) as image:
            plain = image.convert("RGB" if camera == "image_2" else "L")
            small = plain.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    except OSError:
        raise RekalError(f"{path}: this is not an image, or it is damaged") from None
    return np.asarray(small).reshape(HEIGHT, WIDTH, -1)


def _targets(path: Path, images: int) -> Float[np.ndarray, "steps 3"]:
    if path.stem in TEST and not path.exists():
        return np.full((images - 1, len(NAMES)), np.nan)
    return steps_of(_poses(path, images))


def _poses(path: Path, images: int | None = None) -> Float[np.ndarray, "frames 4 4"]:
    rows = _numbers(path, 12, images).reshape(-1, 3, 4)
    below = np.broadcast_to([0.0, 0.0, 0.0, 1.0], (len(rows), 1, 4))
    return np.concatenate([rows, below], 1)


def _numbers(path: Path, columns: int, images: int | None) -> Float[np.ndarray, "frames columns"]:
    """A table of numbers with a row for each image."""
    try:
        table = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise RekalError(f"{path}: it cannot be read ({error})") from None
    if table.shape[1] != columns or not np.isfinite(table).all():
        raise RekalError(f"{path}: a row is {columns} numbers, but here it is not")
    if images is not None and len(table) != images:
        raise RekalError(f"{path}: it has {len(table)} rows, but there are {images} images")
    return table
