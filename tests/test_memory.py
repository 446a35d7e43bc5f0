"""Freed memory that stays with the process."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from rekalman.datasets.tasks import pendulum_task
from rekalman.learners.gradient import backprop
from rekalman.numerics import memory
from rekalman.studies.films.networks import Candidate, EncoderAndHeads, network_of

PROGRAM = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from rekalman.numerics.memory import keep_freed_memory

thread = ThreadPoolExecutor(1)
place = {"first": lambda call: call(), "other": lambda call: thread.submit(call).result()}[sys.argv[1]]

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        np.ones(5 * 2**20)  # 40 MiB, more than glibc keeps by itself
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 4

place(faults)
without = place(faults)
assert keep_freed_memory()
place(faults)
print(without, place(faults))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
@pytest.mark.parametrize("thread", ["first", "other"])
def test_a_freed_block_is_used_again(thread):
    small_pages = {"NUMPY_MADVISE_HUGEPAGE": "0", "GLIBC_TUNABLES": ""}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, thread],
        env=os.environ | small_pages,
        capture_output=True,
        text=True,
        check=True,
    )
    without, retained = (int(word) for word in done.stdout.split())
    assert without >= 20  # 20 where the kernel gives huge pages unasked, else 10240
    assert retained <= without // 10


def test_training_asks_for_it(monkeypatch):
    class Asked(Exception):
        pass

    def asked():
        raise Asked

    monkeypatch.setattr(backprop, "keep_freed_memory", asked)
    task = pendulum_task(2, 1, 3)
    who = Candidate("GRU", "gru", 3)
    network = network_of(who, 0, task.train.frames.shape, (2,), EncoderAndHeads(widths=(4, 4, 4)))
    with pytest.raises(Asked):
        backprop.Backprop(epochs=1, batch=2).run(network, task.train.frames)


def test_other_systems_have_nothing_to_be_told(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not memory.keep_freed_memory()


def test_a_library_without_the_settings_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert not memory.keep_freed_memory()
