"""Open any artefact by its kind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from c2rl.app import places
from c2rl.app.retriever import Retriever
from c2rl.app.translator import Translator
from c2rl.extract.encoder import SignEncoder
from c2rl.store.features import FeatureStore
from c2rl.store.frames import FrameStore

_KINDS: dict[str, Callable[..., Any]] = {
    "frames": FrameStore,
    "encoder": SignEncoder,
    "features": FeatureStore,
    "translator": Translator,
    "retriever": Retriever,
}


def load(path: Path | str, **options: Any) -> Any:
    """Open an artefact.

    Args:
        path: Folder that a stage wrote, its URL, or `hf://owner/name[@revision]` of an export.
        options: Of the class, such as `device` of an encoder or a translator.

    Returns:
        A `SignEncoder`, `Translator`, `Retriever`, `FeatureStore` or `FrameStore`.

    Raises:
        FileNotFoundError: If it is absent or incomplete.
        ValueError: If it is damaged, or a kind that cannot be opened.

    Example:
        Whatever a folder holds::

            import c2rl

            encoder = c2rl.load("data/encoders/synthsign", device="cpu")
            features = encoder.encode("clip.mp4")
            assert features.shape[1] == encoder.width

            retriever = c2rl.load("data/retrievers/synthsign")
            print(retriever.search("der mann tanzt", top=3)[0].sentence)
    """
    path = places.local(path)
    if not (path / "meta.json").is_file():
        what = "is not a complete artefact (no meta.json)" if path.exists() else "does not exist"
        raise FileNotFoundError(f"{path} {what}. `dvc repro` makes the artefacts of a corpus.")
    kind = _kind(path / "meta.json")
    if kind not in _KINDS:
        raise ValueError(f"{path} holds {kind}; {', '.join(_KINDS)} can be opened.")
    return _KINDS[kind](path, **options)


def _kind(meta: Path) -> Any:
    try:
        told = json.loads(meta.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{meta} is no JSON: run the stage that made it again.") from None
    return told.get("kind") if isinstance(told, dict) else None
