"""Memory that a program frees stays with it.

A compiled function asks for one block for all that it computes on the way, and frees it at the end. glibc
takes a block of more than 32 MiB from the kernel each time anew, and the kernel fills it with zeros page by
page as it is touched: a third of the time of a gradient of an RKN with m = 100 (batch 50, T = 150, half of it
on each of two devices: 36 MiB). Kept blocks are used again, and no page is fetched twice.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from rekalman.foundation.errors import RekalError

# glibc, <malloc.h>; see mallopt(3)
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_MOST = 2**31 - 1  # bytes, the largest `int`
_HEAP = 65 * 2**20  # bytes, more than the heap of a thread can hold


def keep_freed_memory() -> bool:
    """Tell the allocator of this process to keep up to 2 GiB of freed memory for what is asked for next.

    `Backprop` calls it. Call it once before loops of your own around `jax.jit` with large arrays on a CPU.
    What is computed does not change. A block of more than 64 MiB in a thread other than the first, where JAX
    computes, is out of its reach: huge pages help there (`docs/training.md`).

    Returns:
        Whether there was something to tell: only glibc (Linux) has these settings.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # No block is mapped on its own, unless the heap of a thread cannot hold it. The top of the first heap is
    # given back only when it is larger than the threshold; an empty heap of a thread, of 64 MiB at most, only
    # when it is larger than the padding.
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _MOST), (_TOP_PAD, _HEAP))
    return all([mallopt(name, value) for name, value in settings])


def memory_of_machine() -> float:
    """Bytes of memory that this process may use at most: of the machine, or of the container it runs in."""
    try:
        most = float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return float("inf")
    for place in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            most = min(most, float(Path(place).read_text()))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return most


def memory_in_use() -> float:
    """Bytes of memory that this process holds, 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return float(os.sysconf("SC_PAGE_SIZE")) * pages
    except (AttributeError, ValueError, OSError):
        return 0.0


def check_memory(size: int | float, what: str, remedy: str) -> None:
    """Refuse what no memory could hold, before it is asked for: a kernel ends such a process without a word.

    Args:
        size: bytes that are needed at least.
        what: what needs them, the beginning of the sentence.
        remedy: what to do, its end.

    Raises:
        RekalError: it is more than the memory of the machine.
    """
    free = memory_of_machine() - memory_in_use()
    if size > free:
        raise RekalError(
            f"{what} would take {size / 2**30:,.0f} GiB of memory at least, but there are "
            f"{free / 2**30:,.0f}: {remedy}"
        )


def check_moments_memory(
    states: int, series: int, steps: int, obs: int, itemsize: int, smoothing: bool = False
) -> None:
    """Refuse series whose filtered moments, padding included, no memory could hold.

    Args:
        states: of the model.
        series: how many.
        steps: of each, padding included.
        obs: number of columns.
        itemsize: bytes of a number.
        smoothing: whether smoothed moments are wanted, too.

    Raises:
        RekalError: they are too large.
    """
    each = 2 * states + 2 * states**2 + 2 * obs + 1 + smoothing * (states + 2 * states**2)
    copies = 2.0  # measured: what is computed, and what is handed out
    check_memory(
        copies * each * itemsize * series * steps,
        f"{'smoothing' if smoothing else 'filtering'} {series} series, padded to {steps} steps,",
        "work on series of like lengths apart, or on fewer of them",
    )
