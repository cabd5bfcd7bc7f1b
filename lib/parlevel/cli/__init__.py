"""`parlevel ...`: one file per group of commands; this one puts them together and turns errors into exit codes."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from parlevel import __version__
from parlevel.cli import look, machine, run, tidy
from parlevel.cli.shared import STATE, error_console
from parlevel.errors import ParlevelError

INTERRUPTED = 130

app = typer.Typer(
    name="parlevel",
    help="Sales history in, tomorrow's orders out: forecasts and replenishment on Spark, in Delta tables.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"parlevel {__version__}\n")
        raise typer.Exit


@app.callback()
def every_command(
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where an error comes from.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="More log lines.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of every command."""
    STATE.traceback, STATE.verbose = traceback, verbose


run.register(app)
look.register(app)
machine.register(app)
tidy.register(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command line; always ends in SystemExit.

    Exit codes: 0 done; 2 something that the user can mend (the message says how); 1 anything else;
    130 interrupted.
    """
    STATE.traceback = STATE.verbose = False
    try:
        app(args=None if arguments is None else list(arguments))
    except SystemExit as end:  # typer turns Ctrl-C into this code and says nothing
        if end.code == INTERRUPTED:
            error_console().print("interrupted: tables written so far are whole; the same command goes on from there.")
        raise
    except ParlevelError as error:
        _say(error, type(error).__name__, str(error))
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        text = str(error).strip() or "no message"
        short = text if len(text) < 1500 else text[:1500] + " ..."
        _say(error, f"unexpected {type(error).__name__}", short)
        if not STATE.traceback:
            error_console().print("Run the same command as `parlevel --traceback ...` to see where it comes from.")
        sys.exit(1)


def _say(error: Exception, head: str, text: str) -> None:
    """One red message; markup in the text is not interpreted."""
    console = error_console()
    if STATE.traceback:
        console.print("".join(traceback.format_exception(error)), markup=False, highlight=False)
    console.print(f"{head}: ", style="bold red", end="", markup=False, highlight=False)
    console.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
