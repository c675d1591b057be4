"""Answers for programs."""

from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]


def print_json(value: Any) -> None:
    """Print one line of JSON.

    Args:
        value: Anything that JSON can hold.
    """
    import json

    typer.echo(json.dumps(value, ensure_ascii=False))
