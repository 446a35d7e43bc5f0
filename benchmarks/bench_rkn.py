"""The Recurrent Kalman Network beside PyTorch: recursion, memory, training, streaming (float32)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from conftest import fact, ratio, temporary_mib
from rkn_problem import (
    FRAMES,
    SERIES,
    by_autodiff,
    epoch_seconds,
    films,
    layer_of,
    rekalman_call,
    torch_call,
)
from torch_rkn import ConvNet, StreamingLSTM

from rekalman.networks.beliefs import Evidence
from rekalman.networks.decoders import GaussianHead
from rekalman.networks.encoders import DenseEncoder
from rekalman.networks.network import Network
from rekalman.networks.vision.conv_encoder import ConvEncoder
from rekalman.networks.vision.patch_encoder import PatchEncoder
from rekalman.numerics.memory import keep_freed_memory

RECURSION = {m: f"RKN forward and backward, batch 50, T = 150, m = {m}, float32" for m in (100, 15)}
EPOCH = "pendulum epoch, 150000 frames, batch 50, T = 75, m = 15, float32"
STREAM = {m: f"one streamed observation, m = {m}, float32" for m in (100, 15)}
CALLS = 5_000
PER_CORE = "a device for each core"
UNITS = {100: (400, 100), 15: (60,)}


@pytest.fixture(autouse=True, scope="module")
def memory() -> None:
    """As in `Backprop`, for all candidates of this process."""
    keep_freed_memory()


@pytest.mark.parametrize("latent", RECURSION)
def test_gradients_agree(latent: int) -> None:
    """Ours, autodiff and PyTorch give the same value and gradients, to rounding in float32."""
    function, args = rekalman_call(latent)
    value, (layer, w, r) = function(*args)
    ours = [layer.bases, layer.coefficients.state.T, layer.coefficients.known.bias, w, r]
    result, (bases, mix, bias, _, of_w, of_r) = torch_call(latent, None)()
    theirs = [x.numpy() for x in (bases, mix, bias, of_w, of_r)]
    function, args = rekalman_call(latent, by_autodiff)
    other, (layer, w, r) = function(*args)
    again = [layer.bases, layer.coefficients.state.T, layer.coefficients.known.bias, w, r]
    assert float(value) == pytest.approx(result.item(), rel=1e-4)
    assert float(value) == pytest.approx(float(other), rel=1e-4)
    for a, b, c in zip(ours, theirs, again, strict=True):
        scale = float(np.abs(b).max())
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * scale)
        np.testing.assert_allclose(a, c, rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.parametrize("latent", RECURSION)
@pytest.mark.parametrize("name", ["rekalman", "rekalman, forward only", "the same by autodiff"])
def test_ours(comparison, latent: int, name: str) -> None:
    run = {"run": by_autodiff} if "autodiff" in name else {}
    function, args = rekalman_call(latent, gradient="only" not in name, **run)
    memory = temporary_mib(function, *args)
    comparison(RECURSION[latent], name, lambda: function(*args), rounds=30, temporary_mib=memory)


@pytest.mark.parametrize("latent", RECURSION)
def test_banded_in_torch(comparison, latent: int) -> None:
    call = torch_call(latent, None)
    comparison(RECURSION[latent], "torch banded, eager", call, rounds=10)


@pytest.mark.parametrize(("latent", "units"), [(m, n) for m in UNITS for n in UNITS[m]])
def test_lstm_in_torch(comparison, latent: int, units: int) -> None:
    comparison(
        RECURSION[latent], f"torch LSTM, {units} units", torch_call(latent, units), rounds=10
    )


@pytest.mark.parametrize("latent", RECURSION)
def test_memory(latent: int) -> None:
    """Peak memory of one gradient, each in a process of its own."""
    program = Path(__file__).with_name("rkn_memory.py")
    candidates = {"rekalman": ["rekalman"], "torch banded, eager": ["banded"]}
    candidates |= {f"torch LSTM, {n} units": ["lstm", str(n)] for n in UNITS[latent]}
    for name, (who, *units) in candidates.items():
        command = [sys.executable, str(program), who, str(latent), *units]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        fact(RECURSION[latent], name, **json.loads(done.stdout))


@pytest.mark.parametrize(
    ("name", "encoder"),
    [("rekalman, patches", PatchEncoder), ("rekalman, convolutions", ConvEncoder)],
)
def test_epoch(name: str, encoder: type) -> None:
    fact(EPOCH, name, seconds=epoch_seconds(encoder))


@pytest.mark.parametrize(
    ("group", "name", "what"),
    [
        *((group, "rekalman", ["recursion", str(m)]) for m, group in RECURSION.items()),
        (EPOCH, "rekalman, patches", ["epoch"]),
    ],
)
def test_a_device_for_each_core(group: str, name: str, what: list[str]) -> None:
    """The same with JAX told to see two devices, in a process of its own."""
    program = Path(__file__).with_name("rkn_devices.py")
    command = [sys.executable, str(program), *what]
    two = {**os.environ, "JAX_NUM_CPU_DEVICES": "2"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=two)
    result = json.loads(done.stdout)
    assert result.pop("devices") == 2
    fact(group, f"{name}, {PER_CORE}", **result)


def test_epoch_in_torch() -> None:
    """The same network with convolutions, channels last; Adam."""
    network = ConvNet(layer_of(15), 2)
    adam = torch.optim.Adam(network.parameters())
    pixels, targets = (torch.from_numpy(x) for x in films())
    seconds = []
    for begin in range(0, SERIES, 50):
        began = time.perf_counter()
        adam.zero_grad()
        network.loss(pixels[begin : begin + 50], targets[begin : begin + 50]).backward()
        adam.step()
        seconds.append(time.perf_counter() - began)
    fact(EPOCH, "torch, convolutions", seconds=float(np.median(seconds)) * FRAMES / (50 * 75))


def percentiles(call) -> dict[str, float]:
    """Over single calls; the first hundred only warm up."""
    micros = np.empty(CALLS)
    for i in range(-100, CALLS):
        began = time.perf_counter_ns()
        call()
        if i >= 0:
            micros[i] = (time.perf_counter_ns() - began) / 1e3
    p50, p99 = np.percentile(micros, [50, 99])
    return {"seconds": p50 / 1e6, "p50_microseconds": p50, "p99_microseconds": p99}


@pytest.mark.parametrize("latent", STREAM)
def test_streaming(latent: int) -> None:
    """Predict, update and observe one observation of one series."""
    layer = layer_of(latent)
    head = GaussianHead(*layer.sizes, 2, (30,), "tanh", key=jax.random.key(1))
    network = Network(DenseEncoder((latent,), latent, key=jax.random.key(2)), layer, head)
    evidence = Evidence(jnp.zeros(latent), jnp.ones(latent), jnp.array(True))

    @eqx.filter_jit
    def step(network: Network, belief, evidence: Evidence):
        belief, _ = network.update(network.predict(belief), evidence)
        return belief, network.observe(belief)

    belief = network.init()

    def ours() -> None:
        nonlocal belief
        belief, _ = jax.block_until_ready(step(network, belief, evidence))

    fact(STREAM[latent], "rekalman", **percentiles(ours))
    peer = StreamingLSTM(latent, 2)
    x, state = torch.zeros(1, 2 * latent), (torch.zeros(1, 4 * latent),) * 2

    def theirs() -> None:
        nonlocal state
        state = peer(x, state)

    with torch.inference_mode():
        fact(STREAM[latent], "torch LSTMCell", **percentiles(theirs))


def test_ratios() -> None:
    large, small = RECURSION.values()
    ratio("torch banded, eager / rekalman", large, "torch banded, eager", "rekalman", ">= 9")
    ratio("torch LSTM, 400 units / rekalman", large, "torch LSTM, 400 units", "rekalman", ">= 6")
    for peer, goal in (("torch banded, eager", ">= 9"), ("torch LSTM, 400 units", ">= 6")):
        ratio(f"{peer} / rekalman, {PER_CORE}", large, peer, f"rekalman, {PER_CORE}", goal)
    peer = "torch LSTM, 60 units"
    ratio(f"{peer} / rekalman, {PER_CORE}", small, peer, f"rekalman, {PER_CORE}", ">= 1")
    ratio("torch LSTM, 100 units / rekalman", large, "torch LSTM, 100 units", "rekalman", ">= 0")
    ratio("torch banded, eager / rekalman", small, "torch banded, eager", "rekalman", ">= 0")
    ratio("torch LSTM, 60 units / rekalman", small, "torch LSTM, 60 units", "rekalman", ">= 1")
    for where in RECURSION.values():
        ratio("autodiff / written by hand", where, "the same by autodiff", "rekalman", ">= 0")
    patches = "rekalman, patches"
    for seconds, name in (
        (4, patches),
        (4, f"{patches}, {PER_CORE}"),
        (15, "rekalman, convolutions"),
    ):
        fact(EPOCH, f"goal of {seconds} s", seconds=seconds)
        ratio(f"{name} / goal of {seconds} s", EPOCH, name, f"goal of {seconds} s", "<= 1")
    ratio(
        "torch / rekalman, convolutions",
        EPOCH,
        "torch, convolutions",
        "rekalman, convolutions",
        ">= 0",
    )
    for where in STREAM.values():
        ratio("torch LSTMCell / rekalman", where, "torch LSTMCell", "rekalman", ">= 0")
