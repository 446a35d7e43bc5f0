"""The commands together, and what happens when one of them fails."""

import os
import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rekal.cli.fit import fit
from rekal.cli.forecast import forecast
from rekal.cli.identify import identify
from rekal.cli.output import complain
from rekal.cli.report import report
from rekal.cli.simulate import simulate
from rekal.cli.study import study
from rekal.errors import RekalError

REFUSED = 2
"""Exit code of a refusal; usage errors have the same."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it: 128 + SIGINT."""
PIPE_CLOSED = 141
"""Exit code when the reader of a pipe has gone, as shells have it: 128 + SIGPIPE."""


class Commands(TyperGroup):
    """A group whose commands end with one sentence instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; a refusal becomes a sentence on stderr and an exit code."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except RekalError as error:
            complain(str(error))
            raise typer.Exit(REFUSED) from None
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            _drop_stdout()
            raise typer.Exit(PIPE_CLOSED) from None
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            complain(f"{where}{error.strerror or error}")
            raise typer.Exit(REFUSED) from None


def _drop_stdout() -> None:
    """Send the rest of stdout nowhere, so that flushing it at the end fails no more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
"""The command line as Typer has it."""

for command in (fit, forecast, simulate, identify, report, study):
    app.command()(command)


def _show_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"rekal {version('rekal')}")
        raise typer.Exit()
    return wanted


@app.callback()
def about(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Learn the dynamics under noisy time series, and say how sure it is.

    Start with: rekal fit sunspots
    """
