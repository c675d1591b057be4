"""How a command ends: 0 when all was done, otherwise one line that says what to do."""

import sys
from collections.abc import Callable
from typing import Any

import typer


def run(call: Callable[[], Any]) -> None:
    """Run a command; a failure that a person can mend is told in one line, exit code 1.

    Args:
        call: The command.
    """
    try:
        call()
    except (OSError, ValueError, KeyError, MemoryError) as error:
        typer.echo(f"c2rl: {_text(error)}", err=True)
        sys.exit(1)


def script(main: Callable[..., None]) -> None:
    """Run a script of `pipeline/` on its command line.

    Args:
        main: Its typed function; the arguments are paths.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run(app)


def _text(error: BaseException) -> str:
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])  # str() of a KeyError adds quotes
    return str(error) or type(error).__name__
