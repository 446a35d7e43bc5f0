"""The commands together, and what happens when one of them fails."""

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rekalman.cli.compare import compare
from rekalman.cli.fit import fit
from rekalman.cli.forecast import forecast
from rekalman.cli.identify import identify
from rekalman.cli.models import models
from rekalman.cli.outcome import ends_well
from rekalman.cli.report import report
from rekalman.cli.simulate import simulate
from rekalman.cli.study import study
from rekalman.foundation.errors import RekalError
from rekalman.foundation.printable import printable
from rekalman.foundation.suggest import choices


class Commands(TyperGroup):
    """A group whose commands end with one sentence instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; a refusal becomes a sentence on stderr and an exit code."""
        with ends_well():
            try:
                return super().invoke(ctx)
            except (
                Exception
            ) as error:  # a usage error quotes what was typed, or what a shell put there
                if isinstance(getattr(error, "message", None), str):
                    error.message = printable(error.message)  # pyright: ignore[reportAttributeAccessIssue]
                raise

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command by its name.

        Raises:
            RekalError: there is none of that name.
        """
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            raise RekalError(
                f"there is no command '{name}': {choices(name, self.list_commands(ctx))}."
            )
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="rekalman",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
"""The command line as Typer has it."""

for command in (fit, compare, forecast, simulate, identify, report, study, models):
    app.command()(command)


def _show_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"rekalman {version('rekalman')}")
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

    Start with: rekalman fit sunspots
    """
