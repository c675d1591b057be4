"""`c2rl params` and `c2rl corpus`: what the pipeline is about to work with."""

from pathlib import Path
from typing import Annotated

import typer

from c2rl.cli.answer import Json, print_json

params_app = typer.Typer(help="Choose and check params.yaml.", no_args_is_help=True)
corpus_app = typer.Typer(help="Look at a corpus before the pipeline runs.", no_args_is_help=True)


@params_app.command("use")
def params_use(preset: Annotated[str, typer.Argument(help="A file of pipeline/presets.")]) -> None:
    """Put a preset in the place of params.yaml."""
    from c2rl import config, provenance

    folder = Path("pipeline/presets")
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if preset not in known:
        raise ValueError(f"preset '{preset}' is unknown. Known: {', '.join(known) or 'none here'}.")
    config.load(config.Params, folder / f"{preset}.yaml")
    text = (folder / f"{preset}.yaml").read_text(encoding="utf-8")
    provenance.write_atomic(Path("params.yaml"), text)
    typer.echo(f"params.yaml is now {preset}; `git diff params.yaml` shows what changed")


@params_app.command("check")
def params_check() -> None:
    """Check params.yaml as every stage does."""
    from c2rl import config

    config.load(config.Params)
    typer.echo("params.yaml is valid")


@corpus_app.command("check")
def corpus_check(
    dataset: Annotated[str, typer.Argument(help="A name that params.yaml's dataset may have.")],
    root: Annotated[
        Path | None, typer.Option(help="Folder of the release; default: where prepare looks.")
    ] = None,
    labels: Annotated[str, typer.Option(help="Whose annotations: prepare.labels.")] = "release",
    repair_text: Annotated[bool, typer.Option(help="As prepare.repair_text.")] = False,
    deep: Annotated[bool, typer.Option(help="Probe every clip (minutes).")] = False,
    size: Annotated[int, typer.Option(help="frames.size, to project the frame store.")] = 256,
    strict: Annotated[
        bool, typer.Option(help="Fail on known defects, notes and other numbers too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell what a release holds and lacks; write the fingerprint that stage prepare depends on."""
    from c2rl.corpora.clip import Choice
    from c2rl.prepare import check, summary

    target = Path("data/corpora") / f"{dataset}.json"
    choice = Choice(labels, repair_text)
    report = check.check(dataset, root, choice, target=target, deep=deep, size=size)
    if as_json:
        print_json(report)
    else:
        for line in (*summary.told(report), f"wrote {target}"):
            typer.echo(line)
    if not report["complete"] or (strict and not report["strict"]):
        raise typer.Exit(1)
