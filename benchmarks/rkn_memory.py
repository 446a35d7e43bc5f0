"""Peak memory of one gradient of the recursion, in MiB above what the process held before it, as JSON.

    python benchmarks/rkn_memory.py rekalman|banded|lstm LATENT [UNITS]

A program of its own, because peak memory is that of a whole process. Linux only: the kernel is told to
measure the peak anew after everything is compiled.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path

import jax
from rkn_problem import rekalman_call, torch_call


def status(name: str) -> float:
    """A line of /proc/self/status, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 2**10


def caller(who: str, latent: int, units: int | None) -> Callable[[], object]:
    """What computes one gradient; compiled, but not run yet."""
    if who != "rekalman":
        return torch_call(latent, units)
    function, args = rekalman_call(latent)
    compiled = function.lower(*args).compile()
    return lambda: jax.block_until_ready(compiled(*args))


def main() -> None:
    """A small gradient loads all code; then the first large one is measured.

    A second one would be served from memory that the allocator has kept of the first.
    """
    who, latent = sys.argv[1], int(sys.argv[2])
    units = int(sys.argv[3]) if who == "lstm" else None
    caller(who, 4, units)()
    call = caller(who, latent, units)
    gc.collect()
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    call()
    print(json.dumps({"peak_mib": status("VmHWM") - before}))


if __name__ == "__main__":
    main()
