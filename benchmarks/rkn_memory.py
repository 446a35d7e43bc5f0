"""Peak memory of one gradient of the recursion, in MiB above what the process held before it, as JSON.

    python benchmarks/rkn_memory.py rekal|banded|lstm LATENT [UNITS]

A program of its own, because peak memory is that of a whole process. Linux only: the kernel is told to
measure the peak anew after everything is compiled.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jax
from rkn_problem import rekal_call, torch_call


def status(name: str) -> float:
    """A line of /proc/self/status, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 2**10


def main() -> None:
    """Run twice, measure the second."""
    who, latent = sys.argv[1], int(sys.argv[2])
    if who == "rekal":
        function, args = rekal_call(latent)
        compiled = function.lower(*args).compile()
        call = lambda: jax.block_until_ready(compiled(*args))  # noqa: E731
    else:
        call = torch_call(latent, int(sys.argv[3]) if who == "lstm" else None)
    call()
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    call()
    print(json.dumps({"peak_mib": status("VmHWM") - before}))


if __name__ == "__main__":
    main()
