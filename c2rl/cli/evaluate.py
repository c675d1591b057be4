"""`c2rl evaluate`: score any two files of sentences."""

from pathlib import Path
from typing import Annotated

import typer

from c2rl.cli.answer import Json, print_json


def evaluate(
    hypotheses: Annotated[
        Path, typer.Argument(metavar="HYP", help="Text, .jsonl, .json, .csv or .tsv.")
    ],
    references: Annotated[
        Path | None, typer.Argument(metavar="REF", help="Left out if HYP holds both.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="phoenix.gfslt, phoenix.slrt, phoenix.mmtlb; csl.char, csl.mmtlb, csl.unisign;"
            " en.sacre13a, en.glofe, en.tarres. Default: the language's."
        ),
    ] = None,
    language: Annotated[str | None, typer.Option(help="Of the references: de, en, zh.")] = None,
    all_profiles: Annotated[bool, typer.Option(help="Every profile that fits as well.")] = False,
    against: Annotated[
        Path | None, typer.Option(help="Another system's hypotheses: paired bootstrap test.")
    ] = None,
    dataset_refs: Annotated[
        Path | None, typer.Option(help="The data set's strings: manifest.jsonl, a table or text.")
    ] = None,
    training: Annotated[
        Path | None, typer.Option(help="Training sentences, to count those copied.")
    ] = None,
    resamples: Annotated[
        int, typer.Option(min=0, help="Bootstrap samples of the 95 % interval; 0: none.")
    ] = 1000,
    frequent_words: Annotated[
        Path | None, typer.Option(help="Words that rBLEU of en.tarres leaves out, one a line.")
    ] = None,
    bleurt: Annotated[Path | None, typer.Option(help="Folder of a BLEURT checkpoint.")] = None,
    as_json: Json = False,
) -> None:
    """Score hypotheses: BLEU, ROUGE-L, chrF by named profiles, each with its signature."""
    from c2rl.translate import evaluate as work

    found = work.evaluate(
        work.Files(hypotheses, references, dataset_refs, against, training),
        profile=profile,
        language=language,
        all_profiles=all_profiles,
        resamples=resamples,
        frequent=frequent_words,
        bleurt=bleurt,
    )
    for note in found.notes:
        typer.echo(note, err=True)
    for warning in found.watch.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if as_json:
        print_json(work.as_json(found))
    else:
        typer.echo("\n".join(work.told(found)))
