"""The command line: one verb a stage, and what comes after training. Imports live in the verbs."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from c2rl import command
from c2rl.cli import demo, doctor, evaluate, export, features, predict, project, search
from c2rl.cli.answer import Json, print_json

app = typer.Typer(
    help="Gloss-free sign language translation and retrieval (C2RL).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(project.params_app, name="params")
app.add_typer(project.corpus_app, name="corpus")
app.add_typer(features.app, name="features")
app.add_typer(search.index_app, name="index")


def _stage(name: str) -> None:
    """Run one stage with the paths of dvc.yaml, by way of DVC, so that the cache stays true."""
    import subprocess

    if not Path("dvc.yaml").is_file():
        raise FileNotFoundError(f"dvc.yaml is missing: run `c2rl {name}` in the project's folder.")
    done = subprocess.run([sys.executable, "-m", "dvc", "repro", name], check=False)
    if done.returncode:
        raise typer.Exit(1)


@app.command()
def prepare() -> None:
    """Read the corpus: decode, crop and store its frames."""
    _stage("prepare")


@app.command()
def pretrain() -> None:
    """Learn the sign encoder by ICL and ECL."""
    _stage("pretrain")


@app.command()
def extract(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(help="Videos, folders of videos or frames, tables, or one frame store."),
    ] = None,
    ckpt: Annotated[Path | None, typer.Option(help="Encoder folder.")] = None,
    out: Annotated[str | None, typer.Option(help="Store to write (.zarr), or its URL.")] = None,
    which: Annotated[
        Literal["best", "last"], typer.Option(help="Weights of the best or the last epoch.")
    ] = "best",
    point: Annotated[
        Literal["after_transformer", "before_transformer"], typer.Option(help="extract.point.")
    ] = "after_transformer",
    precision: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="extract.precision.")
    ] = "float32",
    views: Annotated[int, typer.Option(min=1, help="extract.views; of clips of train.")] = 1,
    window: Annotated[
        float, typer.Option(min=1, help="Videos over a minute: seconds of a window.")
    ] = 15.0,
    overlap: Annotated[
        float, typer.Option(min=0, help="Seconds that neighbouring windows share.")
    ] = 5.0,
    executor: Annotated[
        Literal["local", "rank", "ray"] | None,
        typer.Option(help="This machine; one of many that share a disk; a Ray cluster."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Store sign features: of any videos (with --ckpt and --out), or of the corpus."""
    if not sources and ckpt is None and out is None:
        _stage("extract")
        return
    if not sources or ckpt is None or out is None:
        raise typer.BadParameter("videos, --ckpt and --out go together")
    from c2rl.extract.trained import Form
    from c2rl.extract.videos import extract_videos
    from c2rl.extract.windows import Windows

    done = extract_videos(
        sources,
        encoder=ckpt,
        out=out,
        form=Form(which, point, precision),
        views=views,
        windows=Windows(window, overlap),
        executor=executor,
    )
    for row in done.failed:
        typer.echo(f"{row.clip.source}: {row.reason}", err=True)
    if as_json:
        failed = {row.clip.id: [row.status, row.reason] for row in done.failed}
        print_json(done._asdict() | {"failed": failed})
    elif not done.is_complete:
        typer.echo(f"{out}: this rank is done; the last one writes the store")
    else:
        typer.echo(f"{out}: {done.written} of {done.written + len(done.failed)} clips")
    if done.failed:
        raise typer.Exit(1)


@app.command()
def translate() -> None:
    """Learn to translate from cached features, and score it."""
    _stage("translate")


@app.command()
def retrieve() -> None:
    """Learn to retrieve from cached features, and score it."""
    _stage("retrieve")


@app.command()
def report() -> None:
    """Write everything on one page."""
    _stage("report")


app.command()(evaluate.evaluate)


app.command()(predict.predict)
app.command()(search.search)
app.command()(export.export)
app.command()(demo.demo)
app.command()(doctor.doctor)


@app.command(context_settings={"allow_interspersed_args": False})
def bench(
    name: Annotated[str, typer.Argument(help="A script of tests/benchmarks.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Handed to the script; --help tells which.")
    ] = None,
) -> None:
    """Run a benchmark of a checkout: it prints ratios measured in one run."""
    import subprocess

    folder = Path("tests/benchmarks")
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is missing in {Path.cwd()}: benchmarks are not installed with the package."
            f" Run `c2rl bench {name}` in a checkout of the repository."
        )
    known = sorted(file.stem for file in folder.glob("*.py"))
    if name not in known:
        raise ValueError(f"benchmark '{name}' is unknown. Known: {', '.join(known)}.")
    call = [sys.executable, str(folder / f"{name}.py"), *(arguments or [])]
    raise typer.Exit(subprocess.run(call, check=False).returncode)


def main() -> None:
    """Run a command."""
    command.run(app)
