"""`c2rl export`: a folder to publish."""

from pathlib import Path
from typing import Annotated

import typer

from c2rl.cli.answer import Json, print_json


def export(
    artefact: Annotated[Path, typer.Argument(help="Encoder, translator or retriever folder.")],
    to: Annotated[Path | None, typer.Option(help="Folder to write; empty or absent.")] = None,
    onnx: Annotated[
        Path | None, typer.Option(help="Or: an ONNX file of an encoder (extra onnx).")
    ] = None,
    metrics: Annotated[
        Path | None, typer.Option(help="Folder of metrics; default: the project's.")
    ] = None,
    frames: Annotated[
        Path | None, typer.Option(help="Frame store it comes from; default: the project's.")
    ] = None,
    index: Annotated[
        bool, typer.Option(help="With a retriever's clips: their sentences and vectors.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Write a model as a folder for the Hugging Face hub, with its card; or an encoder as ONNX."""
    if (to is None) == (onnx is None):
        raise typer.BadParameter("give --to or --onnx")
    if onnx is not None:
        from c2rl.app.onnx import to_onnx

        to_onnx(artefact, onnx)
        typer.echo(f"{onnx}: {onnx.stat().st_size / 1e6:.1f} MB")
        return
    assert to is not None
    from c2rl.app import export as exporting

    done = exporting.export(artefact, to, metrics=metrics, frames=frames, index=index)
    if as_json:
        print_json(done._asdict() | {"path": str(done.path)})
        return
    size = sum(done.files.values()) / 1e6
    typer.echo(f"{done.path}: {done.kind}, {len(done.files)} files, {size:.1f} MB")
    typer.echo(f"To be filled in in README.md: {', '.join(done.to_fill_in)}.", err=True)
