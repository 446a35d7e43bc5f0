"""Runs of training that are killed or interrupted continue, and end bit for bit as if they had not been."""

from __future__ import annotations

import csv
import dataclasses
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import finish, start
from small_networks import small_frames, small_network, small_run

from rekalman.data.images import Frames
from rekalman.foundation.errors import RekalError
from rekalman.learners.gradient import training
from rekalman.learners.gradient.backprop import Backprop, BackpropResult
from rekalman.learners.gradient.checkpoint_files import load_checkpoint
from rekalman.learners.gradient.optimiser import flatten
from rekalman.networks.network import Network

EPOCHS = 30


def rows(path: Path) -> list[list[str]]:
    """The lines of a CSV but for what depends on the clock."""
    with path.open() as file:
        return [row[:4] for row in csv.reader(file)]


def same(one: BackpropResult, other: BackpropResult) -> None:
    np.testing.assert_array_equal(flatten(one.model), flatten(other.model))
    np.testing.assert_array_equal(one.train, other.train)
    np.testing.assert_array_equal(one.validation, other.validation)


def test_a_killed_run_ends_bit_for_bit_as_if_it_had_not_been_killed(tmp_path: Path) -> None:
    def run(name: str) -> subprocess.Popen[bytes]:
        places = ("--checkpoint", str(tmp_path / name), "--metrics", str(tmp_path / f"{name}.csv"))
        result = str(tmp_path / f"{name}.npz")
        return start(result, *places, "--epochs", str(EPOCHS))

    finish(run("whole"))
    random, killed = np.random.default_rng(), 0
    for _ in range(3):
        process = run("killed")
        assert process.stdout is not None
        if process.stdout.read(1) == b".":  # the first batch is done
            time.sleep(
                random.uniform(0, 0.4)
            )  # of an epoch of 0.1 s most is spent on the checkpoint
            process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        text = (tmp_path / "killed.csv").read_text()
        assert text.endswith("\n") and text.count("\n") <= EPOCHS + 1
    finish(run("killed"))
    assert killed  # a fast machine may be at the end before the last of them

    whole, outcome = np.load(tmp_path / "whole.npz"), np.load(tmp_path / "killed.npz")
    np.testing.assert_array_equal(outcome["parameters"], whole["parameters"])
    np.testing.assert_array_equal(outcome["validation"], whole["validation"])
    lines = rows(tmp_path / "killed.csv")
    assert lines == rows(tmp_path / "whole.csv")
    assert [line[0] for line in lines] == ["epoch", *map(str, range(1, EPOCHS + 1))]


class Interrupt:
    """Ctrl-C in the second batch of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def __call__(self, now: Any) -> None:
        if (now.epoch, now.batch) == (self.epoch, 2):
            raise KeyboardInterrupt


def train(how: Backprop, **where: Any) -> BackpropResult:
    return how.run(small_network(), small_frames(34), **where)


def test_an_interrupted_run_keeps_the_best_and_continues(tmp_path: Path) -> None:
    folder, table = tmp_path / "checkpoint", tmp_path / "metrics.csv"
    whole, two = train(small_run(5)), small_run(5)
    first = train(two, checkpoint=folder, metrics=table, progress=Interrupt(3))
    assert first.stopped == "interrupted" and first.train.shape == (2,)
    np.testing.assert_array_equal(first.train, whole.train[:2])
    assert rows(table)[1:] == [row for row in rows(table)[1:] if int(row[0]) <= 2]
    same(train(two, checkpoint=folder, metrics=table), whole)
    assert [row[0] for row in rows(table)] == ["epoch", "1", "2", "3", "4", "5"]
    again = train(two, checkpoint=folder, metrics=table)
    same(again, whole)
    assert again.stopped == "epochs" and len(rows(table)) == 6


def test_an_interrupt_in_the_first_epoch_hands_out_no_network() -> None:
    with pytest.raises(KeyboardInterrupt):
        train(small_run(), progress=Interrupt(1))


def test_a_run_at_a_constant_rate_can_be_made_longer(tmp_path: Path) -> None:
    constant = dataclasses.replace(small_run(2), schedule="constant", warmup=0)
    train(constant, checkpoint=tmp_path)
    longer = dataclasses.replace(constant, epochs=4)
    same(train(longer, checkpoint=tmp_path), train(longer))
    with pytest.raises(RekalError, match="of 4 epochs already, more than the 2 asked for"):
        train(constant, checkpoint=tmp_path)


def test_a_checkpoint_of_another_run_is_refused_with_the_field(tmp_path: Path) -> None:
    train(small_run(1), checkpoint=tmp_path)

    def refused(match: str, how: Backprop, network: Network, data: Frames) -> None:
        with pytest.raises(RekalError, match=match):
            how.run(network, data, checkpoint=tmp_path)

    network, data = small_network(), small_frames(34)
    refused(r"of another run: backprop.epochs is 1 there, but 2 here", small_run(2), network, data)
    other = dataclasses.replace(small_run(1), rate=0.02)
    refused(r"backprop.rate is 0.01 there, but 0.02 here", other, network, data)
    two = small_network(targets=2)
    both = Frames.from_arrays(data.values, np.repeat(data.targets, 2, 2), mask=data.mask)
    refused(r"network.decoder.mean.weight is float32 \(4, 1\).* there", small_run(1), two, both)
    other_start = small_network(1)
    refused("network.encoder.body.layers.0.weight is .* there", small_run(1), other_start, data)
    prior = small_network(decodes="prior")
    refused(r"network.decodes is 'posterior' there, but 'prior' here", small_run(1), prior, data)
    refused(r"data.values is uint8 .* there", small_run(1), network, small_frames(34, seed=1))
    for change in (
        lambda x: x[::-1],
        lambda x: x[:, ::-1],
    ):  # the same numbers, but of other series or steps
        targets = change(data.targets)
        moved = Frames.from_arrays(data.values, targets, mask=data.mask)
        refused(r"data.targets is float32 .* there", small_run(1), network, moved)
    upright = Frames.from_arrays(data.values[:, :, ::-1], data.targets, mask=data.mask)
    refused(r"data.values is uint8 .* there", small_run(1), network, upright)


def test_the_network_of_a_run_is_read_out_of_its_checkpoints(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with pytest.raises(RekalError, match="kept: there is no such folder"):
        load_checkpoint(small_network(), folder)
    assert not folder.exists()
    result = train(small_run(), checkpoint=folder)
    writing = folder / "4.orbax-checkpoint-tmp"  # of a run that goes on: left alone
    writing.mkdir()
    before = sorted(folder.rglob("*"))
    for seed in (0, 1):  # the parameters it had do not matter
        network = load_checkpoint(small_network(seed), folder)
        assert sorted(folder.rglob("*")) == before
        np.testing.assert_array_equal(flatten(network), flatten(result.model))
    with pytest.raises(RekalError, match=r"network.decoder.mean.weight is float32 \(4, 1\) there"):
        load_checkpoint(small_network(targets=2), folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RekalError, match="there is no checkpoint of a whole epoch"):
        load_checkpoint(small_network(), tmp_path / "empty")


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    train(small_run(1), checkpoint=tmp_path)
    for file in (tmp_path / "1").rglob("*"):
        if file.is_file() and "metadata" not in file.name.lower():
            file.write_bytes(b"")
    with pytest.raises(RekalError, match=r"1: this checkpoint cannot be read"):
        train(small_run(1), checkpoint=tmp_path)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, real = [0], training.step

    def broken(*arguments: Any) -> Any:
        state, belief, judged = real(*arguments)
        calls[0] += 1  # six windows an epoch, two a batch
        return state, belief, judged._replace(total=judged.total * (np.nan if calls[0] == 9 else 1))

    with monkeypatch.context() as patch:
        patch.setattr(training, "step", broken)
        with pytest.raises(
            RekalError, match=r"not finite in epoch 2, batch 2.* from epoch 1, train"
        ):
            train(small_run(), checkpoint=tmp_path)
    first = load_checkpoint(small_network(), tmp_path)
    assert np.isfinite(flatten(first)).all()
    same(train(small_run(), checkpoint=tmp_path), train(small_run()))


def test_events_for_tensorboard_are_repeated_by_a_run_that_continues(tmp_path: Path) -> None:
    folder, events = tmp_path / "checkpoint", tmp_path / "events"
    train(small_run(), checkpoint=folder, tensorboard=events, progress=Interrupt(2))
    result = train(small_run(), checkpoint=folder, tensorboard=events)
    output = [event for path in sorted(events.iterdir()) for event in read_events(path)]
    retained = output[
        len(output) - output[::-1].index(FORGET) :
    ]  # TensorBoard drops what it read before that
    for name in ("train", "validation"):
        values = [(step, value) for step, what, value in retained if what == name]
        np.testing.assert_allclose(values, list(enumerate(getattr(result, name), 1)), rtol=1e-6)


FORGET = (0, "forget", 0.0)


def read_events(path: Path) -> list[tuple[int, str, float]]:
    """Step, name and value of each event, as TensorBoard reads the file."""
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    content, result, at = path.read_bytes(), [], 0
    while at < len(content):
        length = struct.unpack_from("<Q", content, at)[0]
        event = Event.FromString(content[at + 12 : at + 12 + length])  # pyright: ignore
        at += 16 + length
        if event.session_log.status == SessionLog.START:  # pyright: ignore
            result.append(FORGET)
        result += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
    return result


@pytest.mark.parametrize(
    ("package", "where"), [("orbax.checkpoint", "checkpoint"), ("tensorboardX", "tensorboard")]
)
def test_what_needs_a_package_says_so(
    package: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RekalError, match=r"pip install 'rekalman\[train\]'"):
        train(small_run(1), **{where: tmp_path})


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(RekalError, match="checkpoints cannot be kept there"):
        train(small_run(1), checkpoint=file)
