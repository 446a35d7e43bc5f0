"""Several devices and several hosts train as one device does."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
from processes import finish, start
from small_networks import small_frames, small_network, small_run

from rekalman.foundation.errors import RekalError
from rekalman.learners.gradient.backprop import BackpropResult
from rekalman.learners.gradient.devices import Devices
from rekalman.learners.gradient.optimiser import flatten


@pytest.fixture(scope="module")
def alone() -> BackpropResult:
    return small_run().run(small_network(), small_frames(34))


def close(path: Path, alone: BackpropResult) -> None:
    """The same but for rounding: sums over a batch are taken in another order."""
    result = np.load(path)
    np.testing.assert_allclose(result["parameters"], flatten(alone.model), rtol=0, atol=2e-6)
    np.testing.assert_allclose(result["validation"], alone.validation, rtol=2e-6)


def test_eight_devices_train_as_one(tmp_path: Path, alone: BackpropResult) -> None:
    result = tmp_path / "result.npz"
    flags = "--xla_force_host_platform_device_count=8"
    assert "8 devices" in finish(start(str(result), XLA_FLAGS=flags))
    close(result, alone)


def test_two_hosts_train_as_one(tmp_path: Path, alone: BackpropResult) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    result, checkpoint = tmp_path / "result.npz", str(tmp_path / "checkpoint")
    hosts = [
        start(str(result), "--host", host, "--port", port, "--checkpoint", checkpoint)
        for host in ("0", "1")
    ]
    for host in hosts:
        assert "2 devices" in finish(host)
    close(result, alone)


def test_a_batch_that_cannot_be_split_is_refused() -> None:
    devices = Devices()
    devices.count = 3
    with pytest.raises(RekalError, match="batch of 8 series cannot be split evenly over 3 devices"):
        devices.check(8)
