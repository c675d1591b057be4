"""C2RL: gloss-free sign language translation and retrieval.

The public names are loaded when they are first used, so `import c2rl` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from c2rl.app.load import load
    from c2rl.app.predict import Predictor
    from c2rl.app.retriever import Retriever
    from c2rl.app.translator import Translator
    from c2rl.extract.encoder import SignEncoder
    from c2rl.store.features import FeatureStore

__version__ = "0.1.0"
__all__ = ["FeatureStore", "Predictor", "Retriever", "SignEncoder", "Translator", "load"]

_HOMES = {
    "load": "c2rl.app.load",
    "FeatureStore": "c2rl.store.features",
    "SignEncoder": "c2rl.extract.encoder",
    "Predictor": "c2rl.app.predict",
    "Translator": "c2rl.app.translator",
    "Retriever": "c2rl.app.retriever",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'c2rl' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)
