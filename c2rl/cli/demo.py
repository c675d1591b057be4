"""`c2rl demo`: a page on this machine that translates, searches and shows."""

from pathlib import Path
from typing import Annotated

import typer

from c2rl.cli import made


def demo(
    data: Annotated[Path, typer.Option(help="Folder of all artefacts.")] = Path("data"),
    dataset: Annotated[
        str | None, typer.Option(help="Corpus whose models are shown; default: the project's.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of this machine; 0: any that is free.")
    ] = 7860,
) -> None:
    """Show a page, to this machine alone: translate a clip, search, look into the stores."""
    dataset = dataset or made.dataset()
    from c2rl.app.demo import page

    page.serve(data, dataset, port, tell=typer.echo)
