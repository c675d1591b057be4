"""Stage report: everything on one page, which needs no network."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jinja2

from c2rl import provenance
from c2rl.config import ReportParams
from c2rl.provenance import Meta
from c2rl.report import alignment, inputs, matching, origins, overlays, plots, strips, tables
from c2rl.report.inputs import Inputs
from c2rl.report.pictures import Picture
from c2rl.report.plots import Curve
from c2rl.store.manifest import Row

MOST_IN_MATRIX = 200
"""Clips of the similarity matrix; more are thinned evenly."""
CURVES = ("epoch", "loss", "contrastive", "language", "dev_loss", "dev_recall", "dev_words")
"""Columns of plots/curves.csv."""


def report(
    params: ReportParams,
    frames: Path,
    encoder: Path,
    translator: Path,
    retriever: Path,
    metrics: Path,
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
        report: Folder to write: report.html and plots/.

    Raises:
        FileNotFoundError: If an artefact is absent or incomplete.
        ValueError: If an artefact is damaged, or they do not belong to one run.
    """
    found = inputs.read(
        frames=frames, encoder=encoder, translator=translator, retriever=retriever, metrics=metrics
    )
    page = render(build(found, params.report.examples))
    recall = plots.recall_rows(found.metrics["retrieve"].get("test", {}))
    made_from = {name: meta.fingerprint for name, meta in _metas(found).items()}
    made_from["metrics"] = provenance.fingerprint(found.metrics)
    origin: dict[str, Any] = {**made_from, "params": params.model_dump()}
    counts = {"bytes": len(page.encode())}
    with provenance.artefact(report, "report", made_from=origin, counts=counts) as folder:
        provenance.write_atomic(folder / "report.html", page)
        rows = ([entry.get(name, "") for name in CURVES] for entry in found.encoder.history)
        _write_csv(folder / "plots" / "curves.csv", CURVES, rows)
        _write_csv(folder / "plots" / "recall.csv", ("direction", "k", "recall"), recall)


def render(content: dict[str, Any]) -> str:
    """Fill the template; every text is escaped.

    Args:
        content: From `build`.

    Returns:
        The page, HTML.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("c2rl", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html.jinja").render(content)


def build(found: Inputs, examples: int) -> dict[str, Any]:
    """Gather what the template shows.

    Args:
        found: The other stages' artefacts.
        examples: Clips shown as film strips.

    Returns:
        The template's variables.
    """
    translate, retrieve = found.metrics["translate"], found.metrics["retrieve"]
    metas, manifest = _metas(found), found.frames.manifest
    chosen = strips.examples(found.frames, found.predictions, examples)
    ranked = retrieve.get(found.split, {})
    recall = plots.recall_rows(ranked)
    return {
        **_matching(found, chosen),
        "dataset": _dataset(found),
        "split": found.split,
        "headlines": tables.headlines(translate, retrieve, found.split),
        "origins": origins.origins(metas),
        "parameters": origins.parameters(metas),
        "versions": origins.versions(metas),
        "translation": tables.translation(translate),
        "signatures": tables.signatures(translate),
        "retrieval": tables.retrieval(retrieve),
        "corpus_card": tables.corpus_card(found.metrics["prepare"], manifest),
        "left_out": tables.left_out(manifest),
        "overlays": overlays.overlays(found.frames),
        "curves": _curves(found),
        "examples": chosen,
        "recall": plots.recall_bars(recall, ranked["grouped"]["pool"]) if recall else None,
        "hits": tables.hits_and_misses(found.ranks),
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


def _curves(found: Inputs) -> list[Picture]:
    pretrain, translate = found.encoder.history, found.translator.history
    retrieve, loss = found.retriever.history, (Curve("train", "loss"), Curve("dev", "dev_loss"))
    parts = (
        Curve("contrastive, train", "contrastive"),
        Curve("contrastive, dev", "dev_contrastive"),
        Curve("language, train", "language"),
        Curve("language, dev", "dev_language"),
    )
    probes = (Curve("clips matched (recall)", "dev_recall"), Curve("words right", "dev_words"))
    reads = (
        Curve("inside their sign", "dev_alignment"),
        Curve("all signed frames alike", "dev_alignment_signing"),
        Curve("all frames alike", "dev_alignment_chance"),
    )
    charts = [
        plots.curves(pretrain, "Pretraining: loss", "loss", loss),
        plots.curves(pretrain, "Pretraining: parts of the loss", "loss", parts),
        plots.curves(pretrain, "Pretraining: dev probes", "per cent", probes),
        plots.curves(pretrain, "Pretraining: what words read, dev", "per cent", reads),
        plots.curves(translate, "Translation: train loss", "loss", loss),
        plots.curves(translate, "Translation: dev BLEU-4", "BLEU-4", [Curve("dev", "dev_bleu4")]),
        plots.curves(retrieve, "Retrieval: dev R@1", "per cent", [Curve("dev", "dev_r1")]),
    ]
    return [chart for chart in charts if chart is not None]


def _matching(found: Inputs, examples: Sequence[strips.Example]) -> dict[str, Any]:
    """Compare the split's clips and sentences in the retriever's space."""
    split, config = found.embeddings, found.retriever.config
    if split is None:
        return {"matrix": None, "matrix_clips": 0, "all_clips": 0, "maps": []}
    text = matching.TextEncoder(found.retriever)
    chosen = matching.spread(len(split), MOST_IN_MATRIX)
    scores = matching.similarity(
        [matching.vectors(split, i) for i in chosen],
        text.encode([split.sentences[i] for i in chosen]),
        sharpness=config["sharpness"],
        mix=config["mix"],
    )
    sampling, rows = found.encoder.config["frames"], _mapped(found, examples)
    return {
        "matrix": plots.matrix(scores),
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
    """Take the first best, middle and worst example that has vectors."""
    assert found.embeddings is not None
    stored = set(found.embeddings.ids)
    rows = {row.clip.id: row for row in found.frames.rows if row.clip.id in stored}
    first: dict[str, Row] = {}
    for example in examples:
        if example.id in rows:
            first.setdefault(example.kind, rows[example.id])
    return list(first.values())


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    provenance.write_atomic(path, file.getvalue())
