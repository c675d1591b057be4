"""What the report reads: four artefacts and the metrics, as far as they are there."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from c2rl import provenance
from c2rl.provenance import Meta
from c2rl.report import suites
from c2rl.report.suites import Suite
from c2rl.store.features import FeatureSplit, FeatureStore
from c2rl.store.frames import FrameStore

Json = dict[str, Any]
METRICS = ("prepare", "pretrain", "extract", "translate", "retrieve")


class Trained(NamedTuple):
    """The folder of one training."""

    path: Path
    meta: Meta
    config: Json
    history: list[Json]
    """One entry an epoch."""


class Inputs(NamedTuple):
    """Everything that is shown."""

    frames: FrameStore
    encoder: Trained
    translator: Trained
    retriever: Trained
    metrics: dict[str, Json]
    """Stage to the content of its metrics file; empty where there is none."""
    split: str
    """Whose examples are shown: test, or dev where nothing of test was translated."""
    predictions: list[Json]
    ranks: list[Json]
    embeddings: FeatureSplit | None
    """Sign vectors of `split` in the retriever's space."""
    suites: list[Suite]
    """Tables of ablations that were kept."""


def read(
    *, frames: Path, encoder: Path, translator: Path, retriever: Path, metrics: Path, tables: Path
) -> Inputs:
    """Read what the other stages wrote.

    Args:
        frames: Frame store.
        encoder: Encoder folder.
        translator: Translator folder.
        retriever: Retriever folder.
        metrics: Folder of `<stage>.json` files.
        tables: Folder of `<suite>.json` files; it may be absent.

    Returns:
        The content; lists are empty where a split is absent.

    Raises:
        FileNotFoundError: If an artefact is absent or incomplete.
        ValueError: If an artefact is damaged, or they do not belong to one run.
    """
    store = FrameStore(frames)
    found = {
        "encoder": _trained(encoder, "encoder", "pretrain"),
        "translator": _trained(translator, "translator", "translate"),
        "retriever": _trained(retriever, "retriever", "retrieve"),
    }
    _check_one_run(frames, store, found)
    named = {name: read_lines(translator / f"predictions.{name}.jsonl") for name in ("test", "dev")}
    split = next((name for name, rows in named.items() if rows), "test")
    embeddings = FeatureStore(retriever / "embeddings.zarr").splits.get(split)
    return Inputs(
        frames=store,
        **found,
        metrics={name: _read_json(metrics / f"{name}.json") for name in METRICS},
        split=split,
        predictions=named[split],
        ranks=read_lines(retriever / f"ranks.{split}.jsonl"),
        embeddings=embeddings if embeddings is not None and len(embeddings) else None,
        suites=suites.read(tables),
    )


def read_lines(path: Path) -> list[Json]:
    """Read a JSON lines file.

    Args:
        path: The file; it may be absent.

    Returns:
        One dictionary a line; none where there is no file.
    """
    if not path.is_file():
        return []
    # not splitlines(), which also cuts at characters that sentences may contain
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


def _read_json(path: Path) -> Json:
    content: Json = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content


def _trained(path: Path, kind: str, stage: str) -> Trained:
    meta = provenance.read_meta(path, kind, made_by=stage)
    return Trained(path, meta, _read_json(path / "config.json"), read_lines(path / "history.jsonl"))


def _check_one_run(frames: Path, store: FrameStore, found: dict[str, Trained]) -> None:
    """Refuse to show artefacts of different runs as one."""
    encoder = found["encoder"]
    made = [(encoder, "frames", encoder.meta.made_from["frames"], frames, store.meta, "pretrain")]
    for name, stage in (("translator", "translate"), ("retriever", "retrieve")):
        own = found[name].config["encoder"]
        made.append((found[name], "encoder", own, encoder.path, encoder.meta, stage))
    for trained, kind, used, path, meta, stage in made:
        if used is not None and used != meta.fingerprint:  # imported features have no encoder
            raise ValueError(
                f"{trained.path} was made from {kind} {used}, but {path} is {meta.fingerprint}."
                f" Run `dvc repro {stage}`."
            )
