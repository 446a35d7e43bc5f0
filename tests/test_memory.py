"""Freed memory that stays with the process."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from rekal import memory

PROGRAM = """
import resource, sys
import numpy as np
from rekal.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        np.ones(2**23)  # 64 MiB, more than glibc keeps by itself
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 4

faults()
without = faults()
assert keep_freed_memory()
faults()
print(without, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_a_freed_block_is_used_again():
    small_pages = {"NUMPY_MADVISE_HUGEPAGE": "0", "GLIBC_TUNABLES": ""}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | small_pages,
        capture_output=True,
        text=True,
        check=True,
    )
    without, kept = (int(word) for word in done.stdout.split())
    assert without >= 30  # 32 where the kernel gives huge pages unasked, else 16384
    assert kept <= without // 10


def test_other_systems_have_nothing_to_be_told(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not memory.keep_freed_memory()


def test_a_library_without_the_settings_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert not memory.keep_freed_memory()
