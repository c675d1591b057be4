"""`c2rl features`: show, prove and exchange feature stores."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from c2rl.cli.answer import Json, print_json

app = typer.Typer(help="Show, prove and exchange feature stores.", no_args_is_help=True)

Store = Annotated[
    str, typer.Argument(help="A store, or the URL of one (s3://bucket/x.zarr): its copy is used.")
]
Format = Annotated[
    Literal["gfslt", "neccam", "ssvp", "npy", "cico"],
    typer.Option(
        "--format", help="GFSLT-VLP; neccam, MMTLB; SSVP-SLT; SpaMo, multimodalhugs; CiCo."
    ),
]


@app.command("info")
def info(store: Store, as_json: Json = False) -> None:
    """Show splits, lengths, size and origin."""
    from c2rl.store import info, remote

    report = info.describe(remote.local(store, "features"))
    if as_json:
        print_json(report)
    else:
        typer.echo("\n".join(info.told(report)))


@app.command("verify")
def verify(
    store: Store,
    deep: Annotated[bool, typer.Option(help="Read every byte, check every checksum.")] = False,
    as_json: Json = False,
) -> None:
    """Prove that a store is what was written, or name the clips that are damaged."""
    from c2rl.store import remote, verify

    verdict = verify.verify(remote.local(store), deep=deep)
    if as_json:
        print_json(verify.as_json(verdict))
    else:
        typer.echo("\n".join(verify.told(verdict)))
    if not verdict.is_sound:
        raise typer.Exit(1)


@app.command("import")
def import_features(
    source: Annotated[Path, typer.Argument(help="The project's file or folder of features.")],
    form: Format,
    out: Annotated[Path, typer.Option(help="Feature store to write (.zarr).")],
    dataset: Annotated[str | None, typer.Option(help="Corpus that has the sentences.")] = None,
    root: Annotated[Path | None, typer.Option(help="Its folder; default: prepare's.")] = None,
    labels: Annotated[str, typer.Option(help="Whose annotations: prepare.labels.")] = "release",
    table: Annotated[Path | None, typer.Option(help="Or a table: id, sentence, split.")] = None,
    language: Annotated[str | None, typer.Option(help="If nothing tells it: de, en.")] = None,
    split: Annotated[str | None, typer.Option(help="If nothing tells it: train, dev.")] = None,
    postfix: Annotated[str, typer.Option(help="After a clip's name in its file's name.")] = "",
    as_json: Json = False,
) -> None:
    """Make a feature store of another project's features; nothing in them is executed."""
    if dataset is not None and table is not None:
        raise typer.BadParameter("--dataset and --table exclude each other")
    from c2rl.extract import exchange, texts
    from c2rl.prepare.release import find_root

    known = texts.NONE
    if dataset is not None:
        known = texts.of_corpus(dataset, root or find_root(dataset), labels=labels)
    elif table is not None:
        known = texts.of_table(table)
    done = exchange.import_features(
        source, form, out, texts=known, language=language, split=split, postfix=postfix
    )
    for id_, reason in (*done.left_out, *done.failed):
        typer.echo(f"{id_}: {reason}", err=True)
    if as_json:
        print_json(done._asdict())
    else:
        typer.echo("\n".join(exchange.told(done)))
    if done.failed:
        raise typer.Exit(1)


@app.command("export")
def export_features(
    store: Store,
    form: Format,
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    as_json: Json = False,
) -> None:
    """Write a feature store as another project's reader expects it."""
    from c2rl.extract import exchange
    from c2rl.store import remote

    counts = exchange.export_features(remote.local(store, "features"), form, out)
    told = ", ".join(f"{n} clips of {split}" for split, n in counts.items())
    if as_json:
        print_json(counts)
    else:
        typer.echo(f"{out}: {told}")


@app.command("push")
def push(
    store: Annotated[Path, typer.Argument(help="A complete store on this machine.")],
    url: Annotated[str, typer.Argument(help="Where it goes: s3://bucket/x.zarr, gs://, file://.")],
) -> None:
    """Put a store in another place; readers there find all of it or nothing."""
    from c2rl.store import remote

    remote.push(store, url)
    typer.echo(url)


@app.command("fetch")
def fetch(url: Annotated[str, typer.Argument(help="Where `push` put it.")]) -> None:
    """Copy a store to this machine, unless its copy is here; print the copy's folder."""
    from c2rl.store import remote

    typer.echo(remote.fetch(url))
