"""Open any artefact by its kind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from c2rl.app.retriever import Retriever
from c2rl.app.translator import Translator
from c2rl.extract.encoder import SignEncoder
from c2rl.store import remote
from c2rl.store.features import FeatureStore
from c2rl.store.frames import FrameStore

_KINDS: dict[str, Callable[[Path], Any]] = {
    "frames": FrameStore,
    "encoder": SignEncoder,
    "features": FeatureStore,
    "translator": Translator,
    "retriever": Retriever,
}


def load(path: Path | str) -> Any:
    """Open an artefact.

    Args:
        path: Folder that a stage wrote, or its URL.

    Returns:
        A `SignEncoder`, `Translator`, `Retriever`, `FeatureStore` or `FrameStore`.

    Raises:
        FileNotFoundError: If it is absent or incomplete.
        ValueError: If it is damaged, or a kind that cannot be opened.
    """
    path = remote.local(path)
    if not (path / "meta.json").is_file():
        what = "is not a complete artefact (no meta.json)" if path.exists() else "does not exist"
        raise FileNotFoundError(f"{path} {what}. `dvc repro` makes the artefacts of a corpus.")
    kind = json.loads((path / "meta.json").read_text(encoding="utf-8")).get("kind")
    if kind not in _KINDS:
        raise ValueError(f"{path} holds {kind}; {', '.join(_KINDS)} can be opened.")
    return _KINDS[kind](path)
