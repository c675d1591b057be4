"""`c2rl predict`: what is signed in a video."""

from pathlib import Path
from typing import Annotated

import typer

from c2rl.cli import made
from c2rl.cli.answer import Json, print_json


def predict(
    clips: Annotated[list[Path], typer.Argument(help="Videos, folders of videos or of frames.")],
    encoder: Annotated[
        Path | None, typer.Option(help="Encoder folder; default: the project's.")
    ] = None,
    translator: Annotated[
        Path | None, typer.Option(help="Translator folder; default: the project's.")
    ] = None,
    best: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Sentences of each, with scores (log p a token); default: 1, with --json all.",
        ),
    ] = None,
    beams: Annotated[
        int | None, typer.Option(min=1, help="Of the search; default: as in training.")
    ] = None,
    window: Annotated[
        float, typer.Option(min=1, help="Videos over a minute: seconds of a window.")
    ] = 15.0,
    overlap: Annotated[
        float, typer.Option(min=0, help="Seconds that neighbouring windows share.")
    ] = 5.0,
    srt: Annotated[
        Path | None, typer.Option(help="Subtitles of one video: a file to write, or -.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Translate videos; one that cannot be read is a line on stderr, and the others are done."""
    if srt is not None and (as_json or best is not None):
        raise typer.BadParameter("--srt goes with neither --json nor --best")
    if srt is not None and len(clips) != 1:
        raise typer.BadParameter("--srt goes with one video")
    encoder, translator = encoder or made.model("encoder"), translator or made.model("translator")
    from c2rl.app import decoding, predictions

    decoding.share_cores()  # before torch is loaded
    from c2rl.app.predict import Predictor
    from c2rl.extract.windows import Windows

    failed = 0
    with Predictor(encoder, translator) as predictor:
        cutting = Windows(window, overlap)
        wanted = best if as_json else best or 1
        for found in predictor.predict(clips, windows=cutting, best=wanted, beams=beams):
            if found.failure:
                failed += 1
                typer.echo(f"{found.source}: {found.failure}", err=True)
            if srt is not None:
                _write(srt, predictions.srt(found))
            elif as_json:
                print_json(predictions.as_json(found))
            elif found.windows:
                typer.echo("\n".join(predictions.told(found, with_scores=best is not None)))
    if failed:
        raise typer.Exit(1)


def _write(target: Path, text: str) -> None:
    if str(target) == "-":
        typer.echo(text)
        return
    from c2rl import provenance

    provenance.write_atomic(target, text)
