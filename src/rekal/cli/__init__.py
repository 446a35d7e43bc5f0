"""The command line: `rekal fit|forecast|simulate|identify|report|study`.

Each command is a file of its own. They import the numerical part of rekal only when they run, so
that `rekal --help` answers at once.
"""

from rekal.cli.app import app


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    app(prog_name="rekal")


__all__ = ["app", "main"]
