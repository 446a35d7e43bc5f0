"""Networks in files, and networks that watch frames one by one."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_networks import small_frames, small_network

import rekalman
from rekalman.foundation.errors import RekalError
from rekalman.networks.decoders import GaussianHead
from rekalman.networks.encoders import BYTE, DenseEncoder
from rekalman.networks.gru import GRU
from rekalman.networks.lstm import LSTM
from rekalman.networks.network import Network
from rekalman.networks.rkn.layer import RKN
from rekalman.networks.serial import network_arrays, network_config, network_from
from rekalman.networks.vision.patch_encoder import PatchEncoder

KEYS = jax.random.split(jax.random.key(0), 3)


def whole(encoder: Any, layer: Any, decodes: Any = "posterior") -> Network:
    return Network(encoder, layer, GaussianHead(*layer.sizes, 2, (4,), key=KEYS[2]), decodes)


NETWORKS = {
    "rkn": lambda: whole(
        DenseEncoder((3, 3, 1), 2, (5,), scale=BYTE, norm=True, key=KEYS[0]),
        RKN.create(2, bases=3, hidden=(4,), inputs=1, timed="coefficients", key=KEYS[1]),
    ),
    "encoder-mixed rkn": lambda: whole(
        DenseEncoder((3, 3, 1), 2, (), scale=BYTE, key=KEYS[0]),
        RKN.create(2, bases=3, bandwidth=0, mixed_by="encoder", key=KEYS[1]),
        "prior",
    ),
    "lstm": lambda: whole(
        PatchEncoder((8, 8, 1), 2, (4, 4, 4), key=KEYS[0]),
        LSTM.create(2, units=4, timed=True, key=KEYS[1]),
    ),
    "gru": lambda: whole(
        DenseEncoder((3, 3, 1), 2, (5,), scale=BYTE, key=KEYS[0]),
        GRU.create(2, units=4, key=KEYS[1]),
        "prior",
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_comes_back_from_its_file(name, tmp_path):
    network = NETWORKS[name]()
    rekalman.save_network(network, tmp_path / "n.rekalman")
    again = rekalman.load_network(tmp_path / "n.rekalman")
    assert eqx.tree_equal(again, network)
    assert jax.tree.structure(again) == jax.tree.structure(network)


def test_what_is_not_a_network_or_not_whole_is_refused(tmp_path):
    network = small_network()
    config, arrays = network_config(network), network_arrays(network)
    place = "encoder.body.layers.0.weight"
    assert arrays[place].shape == (9, 5)
    for changed, sentence in (
        (
            {k: v for k, v in arrays.items() if k != place},
            f"the array '{place}' is missing",
        ),
        ({**arrays, "layer.W": np.ones(2)}, "the network has no array 'layer.W'"),
        ({**arrays, place: np.ones((9, 6))}, r"shape \(9, 6\), not \(9, 5\)"),
    ):
        with pytest.raises(RekalError, match=sentence):
            network_from(config, changed)
    for part, sentence in (
        ({"class": "Transformer", "parts": {}}, "knows no 'Transformer'"),
        ({"class": "Elman", "parts": {"heads": 8}}, "a Elman has no 'heads'"),
        ({"class": "Elman", "parts": {}}, "'layer.latent' is missing"),
    ):
        strange = {**config, "parts": {**config["parts"], "layer": part}}
        with pytest.raises(RekalError, match=sentence):
            network_from(strange, arrays)
    with pytest.raises(RekalError, match="this is no network"):
        network_from({"class": "Hidden", "parts": {"hidden": None}}, {})
    own = eqx.tree_at(lambda n: n.decoder, network, jnp.tanh)
    with pytest.raises(
        RekalError, match=r"network.decoder is the function tanh, which a file cannot"
    ):
        rekalman.save_network(own, tmp_path / "n.rekalman")
    assert not (tmp_path / "n.rekalman").exists()
    rekalman.save_network(network, tmp_path / "n.rekalman")
    with pytest.raises(RekalError, match=r"read it by rekalman\.load_network"):
        rekalman.load(tmp_path / "n.rekalman")


@pytest.mark.parametrize("name", NETWORKS)
def test_frame_by_frame_is_what_a_run_over_the_film_says(name):
    network = NETWORKS[name]()
    random, steps = np.random.default_rng(0), 6
    shape = network.encoder.shape
    film = random.integers(0, 256, (steps, *shape)).astype(np.uint8)
    seen = np.array([True, True, False, True, False, False])
    timed = name in ("rkn", "lstm")
    u = random.normal(size=(steps, 1)).astype(np.float32) if name == "rkn" else None
    dt = random.uniform(0.5, 2, steps).astype(np.float32) if timed else None
    dt = None if dt is None else np.where(np.arange(steps) < 4, dt, np.float32(0.7))
    batch = (None if each is None else jnp.asarray(each)[None] for each in (film, seen, u, dt))
    expected = eqx.filter_jit(network.run)(*batch).distribution
    stream = rekalman.film_fit(network, interval=1.0 if timed else None).stream()
    mean, var = (
        np.asarray(each).reshape(steps, -1) for each in (expected.mean[0], expected.var[0])
    )
    for t in range(4):
        more = {"u": None if u is None else u[t], "dt": None if dt is None else float(dt[t])}
        estimate = None
        if network.decodes == "prior" and t:
            ahead = {"future_inputs": None if u is None else u[t : t + 1], "dt": more["dt"]}
            estimate = stream.forecast(1, **ahead)
        stream.update(film[t] if seen[t] else None, **more)
        if network.decodes == "posterior":
            estimate = stream.estimate()
        if estimate is None:
            continue
        np.testing.assert_allclose(estimate.mean[0, 0], mean[t], atol=1e-5)
        np.testing.assert_allclose(estimate.var.reshape(-1), var[t], rtol=1e-4)
    ahead = stream.forecast(2, None if u is None else u[4:], dt=0.7 if timed else None)
    np.testing.assert_allclose(ahead.mean[0], mean[4:], atol=1e-5)
    assert stream.step == 4


def test_frames_that_do_not_fit_are_refused():
    stream = rekalman.film_fit(small_network()).stream()
    with pytest.raises(RekalError, match="has an estimate after its first frame"):
        stream.estimate()
    with pytest.raises(RekalError, match="after its first sample"):
        stream.forecast(1)
    for frame in (np.zeros((4, 3), np.uint8), np.zeros((3, 3)), np.zeros((2, 3, 3), np.uint8)):
        with pytest.raises(RekalError, match=r"trained on frames of shape \(3, 3, 1\) of bytes"):
            stream.update(frame)
    with pytest.raises(RekalError, match="takes no inputs"):
        stream.update(np.zeros((3, 3), np.uint8), u=[1.0])
    stream.update(np.zeros((3, 3), np.uint8))
    with pytest.raises(RekalError, match="runs in equal steps: leave dt out"):
        stream.update(np.zeros((3, 3), np.uint8), dt=0.5)
    with pytest.raises(RekalError, match="runs in equal steps: leave dt out"):
        stream.update(None, dt=-1.0)
    with pytest.raises(RekalError, match="a horizon is a whole number of steps above 0"):
        stream.forecast(0)
    with pytest.raises(RekalError, match="takes no inputs"):
        stream.forecast(2, np.zeros((2, 1)))


def test_frames_take_real_numbers_and_whole_frames():
    pixels = np.zeros((1, 2, 3, 3), np.uint8)
    make = rekalman.Frames.from_arrays
    hidden = np.ma.array([[[1.0], [9.97e36]]], mask=[[[False], [True]]])
    np.testing.assert_array_equal(make(pixels, hidden).targets[..., 0], [[1.0, np.nan]])
    for wrong, sentence in (
        (
            {"targets": np.array([[["1"], ["2"]]])},
            "targets of the frames must be numbers, not text",
        ),
        ({"targets": np.ones((1, 2, 1)) * 1j}, "must be real numbers"),
        ({"targets": np.full((1, 2, 1), 1e300)}, "a target of the frames is infinite"),
        ({"values": np.ma.array(pixels, mask=pixels == 0)}, "hide entries"),
        ({"inputs": np.ma.masked_all((1, 2, 1))}, "an input of the frames is missing"),
        ({"dt": [["1", "2"]]}, "dt of the frames must be numbers, not text"),
    ):
        with pytest.raises(RekalError, match=sentence):
            make(**{"values": pixels, "targets": np.ones((1, 2, 1)), **wrong})


def test_training_refuses_frames_of_another_size_or_mask():
    frames = small_frames(4, 5)
    with pytest.raises(RekalError, match=r"observations of shape \(8, 8, 1\), but the data"):
        rekalman.Backprop(epochs=1).run(NETWORKS["lstm"](), frames)
    with pytest.raises(RekalError, match=r"mask of shape \(4, 4\)"):
        dataclasses.replace(frames).from_arrays(
            frames.values, frames.targets, mask=np.ones((4, 4), bool)
        )
