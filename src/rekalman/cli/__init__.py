"""The command line: `rekalman fit|forecast|simulate|identify|report|study|models`.

Each command is a file of its own. They import the numerical part of rekalman only when they run, so
that `rekalman --help` answers at once.
"""

import contextlib
import os
import sys

from rekalman.cli.app import app
from rekalman.cli.outcome import open_closed_descriptors, refuse_output


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    open_closed_descriptors()
    # A time step is a few microseconds of work: spread over threads, most of it is waiting.
    os.environ.setdefault("PJRT_NPROC", "1")
    try:
        app(prog_name="rekalman")
    except SystemExit as end:
        _leave_work_behind(end)
        raise
    except OSError as error:  # while the help was printed
        refuse_output(error)


def _leave_work_behind(end: SystemExit) -> None:
    """End at once where Ctrl-C left compiled code running: a process waits for it otherwise."""
    interrupts = sys.modules.get("rekalman.foundation.interrupts")
    if interrupts is None or not interrupts.still_working():
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))


__all__ = ["app", "main"]
