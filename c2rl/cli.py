"""The command line: one verb a stage, and what comes after training. Imports live in the verbs."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from c2rl import command

app = typer.Typer(
    help="Gloss-free sign language translation and retrieval (C2RL).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
params_app = typer.Typer(help="Choose and check params.yaml.", no_args_is_help=True)
corpus_app = typer.Typer(help="Look at a corpus before the pipeline runs.", no_args_is_help=True)
features_app = typer.Typer(help="Show, prove and exchange feature stores.", no_args_is_help=True)
app.add_typer(params_app, name="params")
app.add_typer(corpus_app, name="corpus")
app.add_typer(features_app, name="features")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
Format = Annotated[
    Literal["gfslt", "neccam", "ssvp", "npy", "cico"],
    typer.Option(
        "--format", help="GFSLT-VLP; neccam, MMTLB; SSVP-SLT; SpaMo, multimodalhugs; CiCo."
    ),
]


def _print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, ensure_ascii=False))


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
        list[Path] | None, typer.Argument(help="Videos, folders of videos, folders of frames.")
    ] = None,
    ckpt: Annotated[Path | None, typer.Option(help="Encoder folder.")] = None,
    out: Annotated[Path | None, typer.Option(help="Feature store to write (.zarr).")] = None,
    which: Annotated[
        Literal["best", "last"], typer.Option(help="Weights of the best or the last epoch.")
    ] = "best",
) -> None:
    """Store sign features: of any videos (with --ckpt and --out), or of the corpus."""
    if not sources and ckpt is None and out is None:
        _stage("extract")
        return
    if not sources or ckpt is None or out is None:
        raise typer.BadParameter("videos, --ckpt and --out go together")
    from c2rl.extract.run import extract_videos

    written, failed = extract_videos(sources, encoder=ckpt, out=out, which=which)
    for row in failed:
        typer.echo(f"{row.clip.source}: {row.reason}", err=True)
    typer.echo(f"{out}: {written} of {written + len(failed)} clips")
    if failed:
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


@app.command()
def predict(
    clips: Annotated[list[Path], typer.Argument(help="Videos or folders of frames.")],
    encoder: Annotated[Path, typer.Option(help="Encoder folder.")],
    translator: Annotated[Path, typer.Option(help="Translator folder.")],
    as_json: Json = False,
) -> None:
    """Translate videos."""
    from c2rl.app.translator import Translator
    from c2rl.extract.encoder import SignEncoder

    signer, speaker = SignEncoder(encoder), Translator(translator)
    if speaker.encoder != signer.meta.fingerprint:
        raise ValueError(
            f"{translator} was trained on features of encoder {speaker.encoder}, but {encoder} is"
            f" {signer.meta.fingerprint}. Give the encoder it belongs to."
        )
    for clip in clips:
        found = speaker.translate(signer.encode(clip))
        if as_json:
            _print_json({"clip": str(clip), "n_best": [t._asdict() for t in found]})
        else:
            typer.echo(f"{clip}\t{found[0].sentence}")


@app.command()
def search(
    sentence: Annotated[str, typer.Argument(help="What is signed.")],
    retriever: Annotated[Path, typer.Option(help="Retriever folder.")],
    top: Annotated[int, typer.Option(min=1, help="Clips to show.")] = 10,
    as_json: Json = False,
) -> None:
    """Find clips by a sentence."""
    from c2rl.app.retriever import Retriever

    for hit in Retriever(retriever).search(sentence, top=top):
        if as_json:
            _print_json(hit._asdict())
        else:
            typer.echo(f"{hit.score:.3f}  {hit.split:5}  {hit.id}  {hit.sentence}")


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
        _print_json(report)
    else:
        for line in (*summary.told(report), f"wrote {target}"):
            typer.echo(line)
    if not report["complete"] or (strict and not report["strict"]):
        raise typer.Exit(1)


@features_app.command("info")
def features_info(
    store: Annotated[Path, typer.Argument(help="A feature store (.zarr).")], as_json: Json = False
) -> None:
    """Show splits, lengths, size and origin."""
    from c2rl.store import info

    report = info.describe(store)
    if as_json:
        _print_json(report)
    else:
        typer.echo("\n".join(info.told(report)))


@features_app.command("verify")
def features_verify(
    store: Annotated[Path, typer.Argument(help="A store of features, embeddings or frames.")],
    deep: Annotated[bool, typer.Option(help="Read every byte, check every checksum.")] = False,
    as_json: Json = False,
) -> None:
    """Prove that a store is what was written, or name the clips that are damaged."""
    from c2rl.store import verify

    verdict = verify.verify(store, deep=deep)
    if as_json:
        _print_json(verify.as_json(verdict))
    else:
        typer.echo("\n".join(verify.told(verdict)))
    if not verdict.is_sound:
        raise typer.Exit(1)


@features_app.command("import")
def features_import(
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
        _print_json(done._asdict())
    else:
        typer.echo("\n".join(exchange.told(done)))
    if done.failed:
        raise typer.Exit(1)


@features_app.command("export")
def features_export(
    store: Annotated[Path, typer.Argument(help="A feature store (.zarr).")],
    form: Format,
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    as_json: Json = False,
) -> None:
    """Write a feature store as another project's reader expects it."""
    from c2rl.extract import exchange

    counts = exchange.export_features(store, form, out)
    told = ", ".join(f"{n} clips of {split}" for split, n in counts.items())
    if as_json:
        _print_json(counts)
    else:
        typer.echo(f"{out}: {told}")


def main() -> None:
    """Run a command."""
    command.run(app)
