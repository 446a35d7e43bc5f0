"""What frames, networks and the verbs refuse before anything is computed with it."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import small_frames, small_network

from rekalman.data.images import Frames
from rekalman.fitting.verbs import check_filter
from rekalman.foundation.errors import RekalError
from rekalman.networks.network import Network
from rekalman.verbs.fit import read_data

PIXELS = np.zeros((2, 5, 4, 3, 1), np.uint8)
TARGETS = np.zeros((2, 5, 2))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            {"values": PIXELS.astype(float)},
            r"frames are bytes \(uint8, 0 to 255\), but these are float64",
        ),
        ({"values": PIXELS[0, 0]}, r"frames have the axes .* but these have shape \(4, 3, 1\)"),
        (
            {"targets": TARGETS[..., 0]},
            r"targets of shape \(2, 5\) do not go with .* they have 3 axes",
        ),
        (
            {"targets": TARGETS[:, :4]},
            r"targets of shape \(2, 4, 2\) do not go with 2 series of 5 frames",
        ),
        ({"targets": PIXELS[0]}, r"targets of shape \(5, 4, 3, 1, 1\) do not go with .* 5 axes"),
        ({"values": PIXELS[:, :0], "targets": None}, "hold no pixel: give at least one frame"),
        (
            {"targets": np.ma.masked_array(PIXELS, np.ones(PIXELS.shape, bool))},
            "targets that are images hide entries",
        ),
        ({"targets": TARGETS + np.inf}, "a target of the frames is infinite: give NaN"),
        ({"mask": np.ones((2, 5, 1), bool)}, r"mask of shape \(2, 5, 1\) do not go with .* 2 axes"),
        (
            {"mask": np.ones((2, 5), int)},
            "the mask of the frames is of booleans, .* not of type int",
        ),
        ({"mask": np.full((2, 5), np.nan)}, "the mask of the frames is of booleans"),
        ({"inputs": np.zeros((2, 5))}, r"inputs of shape \(2, 5\) do not go with .* 3 axes"),
        ({"inputs": np.full((2, 5, 1), np.nan)}, "an input of the frames is missing"),
        ({"dt": np.ones((2, 5, 1))}, r"dt of shape \(2, 5, 1\) do not go with .* 2 axes"),
        ({"dt": np.zeros((2, 5))}, "dt of the frames must be finite times above 0"),
        ({"dt": np.full((2, 5), np.inf)}, "dt of the frames must be finite times above 0"),
    ],
)
def test_frames_that_cannot_be_made(change, match):
    with pytest.raises(RekalError, match=match):
        Frames.from_arrays(**{"values": PIXELS, "targets": TARGETS, **change})


def test_frames_that_can_be_made():
    grey = Frames.from_arrays(PIXELS[..., 0], np.where(TARGETS == 0, np.nan, 0.0))
    assert grey.shape == (4, 3, 1) and grey.mask.all()
    images = Frames.from_arrays(PIXELS, PIXELS[..., 0], inputs=TARGETS, dt=np.ones((2, 5)))
    assert images.targets.shape == PIXELS.shape


def test_frames_come_back_from_their_file(tmp_path):
    frames = Frames.from_arrays(
        PIXELS, TARGETS, dt=np.ones((2, 5)), names=("a", "b"), notes=("made by hand",)
    )
    frames.save(tmp_path / "film.npz")
    again = Frames.from_npz(tmp_path / "film.npz")
    assert (again.names, again.notes) == (("a", "b"), ("made by hand",))
    np.testing.assert_array_equal(again.values, frames.values)
    np.testing.assert_array_equal(again.dt, frames.dt)


def test_files_that_hold_no_film_are_refused(tmp_path):
    np.save(tmp_path / "one.npy", PIXELS)
    with pytest.raises(RekalError, match="one array without a name"):
        Frames.from_npz(tmp_path / "one.npy")
    noise = np.random.default_rng(0).integers(0, 255, PIXELS.shape).astype(np.uint8)
    np.savez_compressed(tmp_path / "film.npz", frames=noise)
    content = bytearray((tmp_path / "film.npz").read_bytes())
    for i in range(120, 160):
        content[i] ^= 0xFF
    (tmp_path / "film.npz").write_bytes(content)
    with pytest.raises(RekalError, match="no archive of plain arrays"):
        Frames.from_npz(tmp_path / "film.npz")


@pytest.mark.parametrize("kind", [int, float, np.uint8])
def test_a_mask_of_numbers_is_refused(kind):
    network, frames = small_network(), small_frames(2)
    with pytest.raises(RekalError, match="a mask is of booleans, True = seen, not of type"):
        Network.encode.__wrapped__(network, frames.values, frames.mask.astype(kind))


def test_a_network_tells_before_or_after_and_nothing_else():
    """Past the type checks that only tests have."""
    network = object.__new__(Network)
    object.__setattr__(network, "decodes", "prio")
    with pytest.raises(RekalError, match="decodes is 'posterior' or 'prior', not 'prio'"):
        network.__check_init__()


@pytest.mark.parametrize("targets", [1, 3])
def test_a_network_knows_the_shape_of_what_it_tells(targets):
    assert small_network(targets=targets).target_shape == (targets,)


def test_fit_and_filter_say_what_they_are_for():
    with pytest.raises(RekalError, match=r"Sequences, tables or Frames, not from list: make some"):
        read_data([1, 2])
    assert read_data(small_frames(2)).frame_shape == (3, 3, 1)
    with pytest.raises(RekalError, match=r"not with Network; .* as FilmNetwork.of\(network\)"):
        check_filter(small_network())
