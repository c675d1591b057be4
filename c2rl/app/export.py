"""An artefact as a folder to publish, laid out as the Hugging Face hub has it.

An export keeps the fingerprint of the artefact that it is of: features, translators and indexes
that name it go on with the export. What holds sentences of the corpus without being needed stays
behind, so `meta.json` lists fewer files than the artefact's.
"""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from c2rl import provenance
from c2rl.app import card
from c2rl.provenance import Meta

_NEEDED = ("config.json", "model.safetensors", "tokenizer.json")
_BEHIND = ("predictions.", "ranks.")
"""Beginnings of files that hold the corpus's sentences."""
_INDEX = ("embeddings.zarr/", "quarters.zarr/", "index.faiss", "audit.json")
"""Beginnings of a retriever's files that are its corpus's clips."""


class Exported(NamedTuple):
    """What was written."""

    kind: str
    path: Path
    files: dict[str, int]
    """Names to bytes; beside them lie meta.json and README.md."""
    to_fill_in: list[str]
    """What only its owner can say."""


def export(
    artefact: Path,
    to: Path,
    *,
    metrics: Path | None = None,
    frames: Path | None = None,
    index: bool = True,
) -> Exported:
    """Write a folder to publish.

    Args:
        artefact: An encoder, a translator or a retriever.
        to: Folder to write; it must be empty or absent.
        metrics: Folder of the stages' metrics; None: where the project has it.
        frames: Frame store that the artefact comes from; None: where the project has it, if it is
            there.
        index: Whether a retriever's clips go with it.

    Returns:
        What was written.

    Raises:
        FileExistsError: If there is something in the folder.
        FileNotFoundError: If the artefact is incomplete, or its metrics are absent.
        ValueError: If it is damaged, of another kind, or metrics or frames are not its own.
    """
    meta = _read(artefact)
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise FileExistsError(f"{to} is not empty: give another folder, or delete it.")
    home = artefact.resolve().parent.parent
    told = card.scores(meta.kind, artefact, metrics or home / "metrics")
    store = frames or home / "frames" / artefact.resolve().name
    learned = None
    if frames is not None or store.exists():
        learned = card.data(meta.kind, artefact, meta, store)
    dropped = _BEHIND if index else (*_BEHIND, *_INDEX)
    kept = {name: own for name, own in meta.files.items() if not name.startswith(dropped)}
    files = {name: int(own["bytes"]) for name, own in kept.items()}
    config: dict[str, Any] = json.loads((artefact / "config.json").read_text(encoding="utf-8"))
    text = card.render(
        meta.kind,
        meta,
        told,
        learned,
        files=files,
        has_index=any(name.startswith(_INDEX) for name in kept),
        encoder=config.get("encoder"),
        width=config["encoder"]["width"] if meta.kind == "encoder" else config.get("width"),
    )
    _write(artefact, to, kept, text)
    to_fill_in = ["the licence"] if learned else ["the licence", "the data set"]
    return Exported(meta.kind, to, files, to_fill_in)


def _read(artefact: Path) -> Meta:
    """Refuse what is no complete, sound artefact of a kind that can be published."""
    file = artefact / "meta.json"
    if not file.is_file():
        what = (
            "is not a complete artefact (no meta.json)" if artefact.exists() else "does not exist"
        )
        raise FileNotFoundError(
            f"{artefact} {what}: give the folder of an encoder, a translator or a retriever."
        )
    try:
        kind = json.loads(file.read_text(encoding="utf-8")).get("kind")
    except (ValueError, AttributeError):
        kind = None
    if kind not in card.STAGES:
        raise ValueError(f"{artefact} holds {kind}; {', '.join(card.STAGES)} can be exported.")
    stage = card.STAGES[kind]
    meta = provenance.read_meta(artefact, kind, made_by=stage)
    lacking = [name for name in _NEEDED if name not in meta.files]
    if lacking or not provenance.is_intact(artefact, meta.kind):
        what = f"lacks {', '.join(lacking)}" if lacking else "is damaged: a file has changed"
        raise ValueError(f"{artefact} {what}. Delete it and run `dvc repro {stage}`.")
    return meta


def _write(artefact: Path, to: Path, kept: dict[str, Any], text: str) -> None:
    """Copy beside the place, then rename: complete or absent."""
    building = to.parent / f".{to.name}.partial"
    shutil.rmtree(building, ignore_errors=True)
    try:
        for name in kept:
            (building / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(artefact / name, building / name)
        told = json.loads((artefact / "meta.json").read_text(encoding="utf-8"))
        told = {k: v for k, v in told.items() if k != "checksum"} | {"files": kept}
        provenance.write_atomic(building / "README.md", text)
        checksum = {"checksum": provenance.fingerprint(told)}
        provenance.write_json(building / "meta.json", told | checksum)
        if to.exists():
            to.rmdir()
        building.rename(to)
    finally:
        shutil.rmtree(building, ignore_errors=True)
