"""The command line: `rekal fit|forecast|simulate|identify|report|study`.

Each command is a file of its own. They import the numerical part of rekal only when they run, so
that `rekal --help` answers at once.
"""

import os

from rekal.cli.app import app


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    # A time step is a few microseconds of work: spread over threads, most of it is waiting.
    os.environ.setdefault("PJRT_NPROC", "1")
    app(prog_name="rekal")


__all__ = ["app", "main"]
