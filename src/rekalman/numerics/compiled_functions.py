"""Room for compiled functions in long processes.

XLA maps the code of every compiled function into memory, some 16 regions each, and JAX keeps it for as long
as the process lives. Linux allows a process 65,530 regions by default (`vm.max_map_count`, proc(5)): after
some thousands of functions of different shapes, as in a study or a server that fits model after model, the
next compilation ends the process ("LLVM ERROR: Unable to allocate section memory").
"""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

import jax

from rekalman.numerics.memory import memory_in_use

MAPS, LIMIT = Path("/proc/self/maps"), Path("/proc/sys/vm/max_map_count")
FULL = 0.5
"""Share of the regions allowed from which on room is made."""


def make_room(resident: float = float("inf")) -> bool:
    """Forget compiled functions where they fill half of the regions that a process may map.

    What is still needed is compiled again. `rekalman.fit` and the studies call it; call it yourself between
    other work of many shapes.

    Args:
        resident: bytes of memory in use from which on room is made as well.

    Returns:
        Whether functions were forgotten; always False where there is no such limit (not Linux).
    """
    try:
        regions, limit = MAPS.read_bytes().count(b"\n"), int(LIMIT.read_text())
    except (OSError, ValueError):
        return False
    if regions < FULL * limit and memory_in_use() < resident:
        return False
    jax.clear_caches()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
    if trim is not None:
        trim(0)  # the code lies scattered over the heap, which would stay as large as it is
    return True
