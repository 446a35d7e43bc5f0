"""How a command ends: its exit codes, and what is said when something fails after a file was written."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer

from rekalman.cli.output import complain
from rekalman.foundation.errors import RekalError

UNFINISHED = 1
"""Exit code when a result was written and something after it failed; the sentence says what there is."""
REFUSED = 2
"""Exit code of a refusal: no file was written or changed. Usage errors have the same."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it: 128 + SIGINT."""
PIPE_CLOSED = 141
"""Exit code when the reader of a pipe has gone, as shells have it: 128 + SIGPIPE."""


@contextmanager
def ends_well() -> Generator[None]:
    """Turn what ends a command early into a sentence on stderr and an exit code.

    Raises:
        typer.Exit: with the exit code.
    """
    try:
        yield
        sys.stdout.flush()
    except RekalError as error:
        complain(str(error))
        raise typer.Exit(REFUSED) from None
    except KeyboardInterrupt:
        complain("interrupted")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        drop_stdout()
        raise typer.Exit(PIPE_CLOSED) from None
    except OSError as error:
        complain(_sentence(error))
        drop_stdout()
        raise typer.Exit(REFUSED) from None
    except MemoryError:
        complain("there is not enough memory for this: ask for less, or give fewer data")
        raise typer.Exit(REFUSED) from None


@contextmanager
def after_writing(paths: Sequence[Path], remedy: str = "") -> Generator[None]:
    """Do what comes after results are in their files, if any; should it fail, say that they are there.

    A training of hours is not thrown away because its report finds a full disk, or stdout does.

    Args:
        paths: the files, all of them complete. Ones that are appended meanwhile are named too. Without any
            nothing is caught.
        remedy: what to do about it, the end of the sentence.

    Raises:
        typer.Exit: with the exit code `UNFINISHED`, or that of Ctrl-C or of a closed pipe.
    """
    if not paths:
        yield
        return
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        complain(f"interrupted: {_written(paths)}{remedy}")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        drop_stdout()
        raise typer.Exit(PIPE_CLOSED) from None
    except OSError as error:
        drop_stdout()
        complain(f"{_written(paths)}, but stdout could not be ({_sentence(error)}){remedy}")
        raise typer.Exit(UNFINISHED) from None
    except (RekalError, MemoryError) as error:
        reason = str(error).removesuffix(".") or "there is not enough memory"
        complain(f"{reason}; {_written(paths)}{remedy}")
        raise typer.Exit(UNFINISHED) from None


def refuse_output(error: OSError) -> NoReturn:
    """End the process because stdout cannot be written.

    Raises:
        SystemExit: with the exit code of a refusal, or that of a closed pipe.
    """
    drop_stdout()
    if not isinstance(error, BrokenPipeError):
        complain(_sentence(error))
    sys.exit(PIPE_CLOSED if isinstance(error, BrokenPipeError) else REFUSED)


def drop_stdout() -> None:
    """Send the rest of stdout nowhere, so that flushing it at the end fails no more."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # not a file
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def open_closed_descriptors() -> None:
    """Give the process a stdin, stdout and stderr where it was started with one of them closed.

    Without them the next file that is opened gets the number of stdout, and what is printed lands in it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            descriptor = os.open(os.devnull, os.O_WRONLY if number else os.O_RDONLY)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


def _sentence(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _written(paths: Sequence[Path]) -> str:
    return f"{' and '.join(map(str, paths))} {'was' if len(paths) == 1 else 'were'} written"
