"""Stage report: everything on one page, which needs no network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from c2rl import provenance
from c2rl.config import ReportParams
from c2rl.provenance import Meta
from c2rl.report import (
    alignment,
    charts,
    confusion,
    inputs,
    matching,
    origins,
    overlays,
    plot_data,
    plots,
    scores,
    strips,
    tables,
    templates,
    words,
)
from c2rl.report.inputs import Inputs
from c2rl.store.manifest import Row

MOST_IN_MATRIX = 200
"""Clips of the similarity matrix; more are thinned evenly."""


def report(
    params: ReportParams,
    frames: Path,
    encoder: Path,
    translator: Path,
    retriever: Path,
    metrics: Path,
    suites: Path,
    report: Path,
) -> None:
    """Write one page and the data of its plots.

    Args:
        params: What this stage may read.
        frames: Frame store, written by `prepare`.
        encoder: Sign encoder, written by `pretrain`.
        translator: Written by `translate`.
        retriever: Written by `retrieve`.
        metrics: Folder of the stages' metrics.
        suites: Folder of kept tables of ablations; it may be absent.
        report: Folder to write: report.html and plots/.

    Raises:
        FileNotFoundError: If an artefact is absent or incomplete.
        ValueError: If an artefact or a table is damaged, or they do not belong to one run.
    """
    found = inputs.read(
        frames=frames,
        encoder=encoder,
        translator=translator,
        retriever=retriever,
        metrics=metrics,
        tables=suites,
    )
    page = render(build(found, params.report.examples))
    made_from = {name: meta.fingerprint for name, meta in _metas(found).items()}
    made_from["metrics"] = provenance.fingerprint(found.metrics)
    made_from["suites"] = provenance.fingerprint([suite._asdict() for suite in found.suites])
    origin: dict[str, Any] = {**made_from, "params": params.model_dump()}
    counts = {"bytes": len(page.encode())}
    with provenance.artefact(report, "report", made_from=origin, counts=counts) as folder:
        provenance.write_atomic(folder / "report.html", page)
        plot_data.write(folder / "plots", found)


def render(content: dict[str, Any]) -> str:
    """Fill the template; every text is escaped.

    Args:
        content: From `build`.

    Returns:
        The page, HTML.
    """
    environment = templates.environment("c2rl", "report")
    return environment.get_template("page.html.jinja").render(content)


def build(found: Inputs, examples: int) -> dict[str, Any]:
    """Gather what the template shows.

    Args:
        found: The other stages' artefacts.
        examples: Clips shown as film strips.

    Returns:
        The template's variables.
    """
    metas, manifest = _metas(found), found.frames.manifest
    chosen = strips.examples(found.frames, found.predictions, examples)
    counts = words.tally(found.predictions)
    return {
        **_scores(found),
        **_matching(found, chosen),
        "dataset": _dataset(found),
        "split": found.split,
        "origins": origins.origins(metas),
        "parameters": origins.parameters(metas),
        "versions": origins.versions(metas),
        "corpus_card": tables.corpus_card(found.metrics["prepare"], manifest),
        "left_out": tables.left_out(manifest),
        "overlays": overlays.overlays(found.frames),
        "curves": charts.curves(found),
        "suites": found.suites,
        "lengths": charts.lengths(found),
        "confused": confusion.matrix(counts),
        "mistaken": confusion.bars(counts),
        "examples": chosen,
        "recall": charts.recall(found),
        "hits": tables.hits_and_misses(found.ranks),
        "aligned": found.metrics["pretrain"].get("dev", {}),
    }


def _scores(found: Inputs) -> dict[str, Any]:
    translate, retrieve = found.metrics["translate"], found.metrics["retrieve"]
    own = translate.get(found.split, {})
    training = [r.clip.sentence for r in found.frames.rows if r.clip.split == "train"]
    return {
        "headlines": scores.headlines(translate, retrieve, found.split),
        "translation": scores.translation(translate),
        "signatures": scores.signatures(translate, own=True),
        "profiles": scores.profiles(translate),
        "other_signatures": scores.signatures(translate, own=False),
        "watch": scores.watch(own, found.predictions, training),
        "covered": own.get("covered"),
        "unknown_pieces": own.get("unknown_pieces", ""),
        "retrieval": [scores.retrieval(retrieve, name) for name in ("test", "dev")],
        "retrieval_signatures": scores.retrieval_signatures(retrieve),
    }


def _metas(found: Inputs) -> dict[str, Meta]:
    return {
        "frames": found.frames.meta,
        "encoder": found.encoder.meta,
        "translator": found.translator.meta,
        "retriever": found.retriever.meta,
    }


def _dataset(found: Inputs) -> str:
    said = found.translator.meta.made_from.get("params", {}).get("dataset")
    return str(found.frames.meta.made_from.get("dataset") or said or tables.ABSENT)


def _matching(found: Inputs, examples: Sequence[strips.Example]) -> dict[str, Any]:
    """Compare the split's clips and sentences in the retriever's space."""
    split, config = found.embeddings, found.retriever.config
    if split is None:
        return {"matrix": None, "matrix_clips": 0, "all_clips": 0, "maps": []}
    text = matching.TextEncoder(found.retriever)
    chosen = matching.spread(len(split), MOST_IN_MATRIX)
    matched = matching.similarity(
        [matching.vectors(split, i) for i in chosen],
        text.encode([split.sentences[i] for i in chosen]),
        sharpness=config["sharpness"],
        mix=config["mix"],
    )
    sampling, rows = found.encoder.config["frames"], _mapped(found, examples)
    return {
        "matrix": plots.matrix(matched),
        "matrix_clips": len(chosen),
        "all_clips": len(split),
        "maps": [
            alignment.align(
                row, matching.vectors(split, row.clip.id), text, sampling, config["sharpness"]
            )
            for row in rows
        ],
    }


def _mapped(found: Inputs, examples: Sequence[strips.Example]) -> list[Row]:
    """Take the first best, random and worst example that has vectors."""
    assert found.embeddings is not None
    stored = set(found.embeddings.ids)
    rows = {row.clip.id: row for row in found.frames.rows if row.clip.id in stored}
    first: dict[str, Row] = {}
    for example in examples:
        if example.id in rows:
            first.setdefault(example.kind, rows[example.id])
    return list(first.values())
