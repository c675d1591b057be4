"""`c2rl search` and `c2rl index`: find signing, and say what is searched.

A retriever's folder holds an index of its corpus, so `search` needs no more than it. Other clips,
such as hours of video in windows, get an index of their own, which grows by `add` and shrinks by
`remove`.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from c2rl.cli import made
from c2rl.cli.answer import Json, print_json

index_app = typer.Typer(help="Indexes of any clips, for `c2rl search`.", no_args_is_help=True)

Retriever = Annotated[Path | None, typer.Option(help="Retriever folder; default: the project's.")]
Index = Annotated[Path, typer.Argument(metavar="INDEX", help="Folder of the index.")]
Stores = Annotated[
    list[str], typer.Argument(metavar="FEATURES...", help="Feature stores (`c2rl extract`).")
]


def search(
    sentence: Annotated[str | None, typer.Argument(help="What is signed.")] = None,
    retriever: Retriever = None,
    clip: Annotated[
        str | None, typer.Option(help="Instead: a stored clip's id, or a video.")
    ] = None,
    encoder: Annotated[
        Path | None, typer.Option(help="Encoder folder, for a video; default: the project's.")
    ] = None,
    wanted: Annotated[
        Literal["clips", "sentences"], typer.Option("--for", help="What a clip looks for.")
    ] = "clips",
    index: Annotated[
        Path | None, typer.Option(help="Index to search; default: the retriever's own corpus.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Hits to show.")] = 10,
    mode: Annotated[
        Literal["exact", "fast", "certified", "auto"],
        typer.Option(help="All clips; the likely ones; all that a bound leaves; by the size."),
    ] = "auto",
    candidates: Annotated[
        int | None, typer.Option(min=1, help="Likely clips; default: as many as the audit asks.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Page to write.")] = None,
    frames: Annotated[Path | None, typer.Option(help="Frame store, for its film strips.")] = None,
    profile: Annotated[bool, typer.Option(help="Tell where the time went.")] = False,
    as_json: Json = False,
) -> None:
    """Find clips by a sentence or a clip, or sentences by a clip."""
    if (sentence is None) == (clip is None):
        raise typer.BadParameter("give a sentence, or --clip")
    if clip is None and (encoder is not None or wanted == "sentences"):
        raise typer.BadParameter("--encoder and --for go with --clip")
    if frames is not None and html is None:
        raise typer.BadParameter("--frames goes with --html")
    retriever = retriever or made.model("retriever")
    if clip is not None and encoder is None and Path(clip).exists():
        encoder = made.model("encoder")
    from c2rl.app import answers
    from c2rl.app.retriever import Retriever

    opened = Retriever(retriever, index=index)
    if sentence is not None:
        answer = opened.ask(sentence, top=top, mode=mode, candidates=candidates)
    else:
        answer = opened.ask_by_clip(
            clip or "", wanted=wanted, encoder=encoder, top=top, mode=mode, candidates=candidates
        )
    for warning in answer.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if html is not None:
        from c2rl import provenance
        from c2rl.app import page

        provenance.write_atomic(html, page.render(answer, frames))
    if as_json:
        print_json(answers.as_json(answer))
    else:
        typer.echo("\n".join(answers.told(answer)))
        typer.echo(answers.how(answer), err=True)
    if profile:
        typer.echo("\n".join(answers.profile(answer)), err=True)


@index_app.command("build")
def build(
    index: Index, features: Stores, retriever: Retriever = None, as_json: Json = False
) -> None:
    """Make an index of the clips of feature stores."""
    _add(index, features, retriever, is_new=True, as_json=as_json)


@index_app.command("add")
def add(index: Index, features: Stores, retriever: Retriever = None, as_json: Json = False) -> None:
    """Add clips; what is there is not built again."""
    _add(index, features, retriever, is_new=False, as_json=as_json)


def _add(
    index: Path, features: list[str], retriever: Path | None, *, is_new: bool, as_json: bool
) -> None:
    retriever = retriever or made.model("retriever")
    from c2rl.app import indexing

    state = indexing.add(index, features, retriever, is_new=is_new)
    if as_json:
        print_json({"index": str(index), "clips": state.num_clips, "parts": len(state.parts)})
    else:
        typer.echo(f"{index}: {state.num_clips:,} clips in {len(state.parts)} parts")


@index_app.command("remove")
def remove(
    index: Index,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of clips.")],
) -> None:
    """Take clips out; nothing is built again."""
    from c2rl.retrieve import folder

    typer.echo(f"{index}: {folder.remove(index, ids).num_clips:,} clips")


@index_app.command("verify")
def verify(index: Index, as_json: Json = False) -> None:
    """Read every byte, and tell what is not as written."""
    from c2rl.retrieve import folder

    found = [*folder.damage(index)]
    if as_json:
        print_json({"index": str(index), "sound": not found, "findings": found})
    else:
        typer.echo(
            "\n".join([*found, f"{index}: {f'{len(found)} findings' if found else 'sound'}"])
        )
    if found:
        raise typer.Exit(1)


@index_app.command("info")
def info(index: Index, as_json: Json = False) -> None:
    """Show clips, parts, what it was made from, and what `fast` finds."""
    from c2rl.retrieve import folder

    told = folder.describe(index)
    if as_json:
        print_json(told)
    else:
        for name, value in told.items():
            typer.echo(f"{name:<12}{value}")
