"""A trained translator, ready to use."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from c2rl import provenance
from c2rl.language import backbones
from c2rl.language import tokenizer as language
from c2rl.training import checkpoint
from c2rl.training.features import pad_features
from c2rl.translate.model import TranslatorNetwork


class Translation(NamedTuple):
    """A sentence and how sure the model is."""

    sentence: str
    score: float
    """Log probability a token."""


class Translator:
    """Turns sign features into sentences."""

    def __init__(self, path: Path | str) -> None:
        """Load a translator.

        Args:
            path: Folder written by stage `translate`.

        Raises:
            FileNotFoundError: If it is absent or incomplete.
            ValueError: If it is another kind of artefact, or damaged.
        """
        path = Path(path)
        self.meta = provenance.read_meta(path, "translator", made_by="translate")
        config: dict[str, Any] = json.loads((path / "config.json").read_text(encoding="utf-8"))
        self.encoder: str | None = config["encoder"]
        """Fingerprint of the sign encoder whose features it was trained on; None: imported."""
        self.extract: dict[str, Any] = config.get("extract") or {}
        """How that encoder was asked for them: which, point and precision of `SignEncoder`."""
        self.search: dict[str, Any] = config["search"]
        self.tokenizer = language.loads((path / "tokenizer.json").read_text(encoding="utf-8"))
        backbone = backbones.restore(config["backbone"])
        self.network = TranslatorNetwork(backbone, feature_width=config["feature_width"])
        weights = checkpoint.load_weights(path / "model.safetensors")
        checkpoint.fill(self.network, weights, source=path)
        self.network.eval()

    @torch.no_grad()
    def translate(self, features: Tensor | npt.NDArray[np.float16]) -> list[Translation]:
        """Translate one clip.

        Args:
            features: (T', C) float, from a sign encoder or a feature store.

        Returns:
            The n best sentences, best first.
        """
        padded, mask = pad_features([np.asarray(features, dtype=np.float16)])
        found = self.network.generate(padded, mask, **self.search)[0]
        return [Translation(self.tokenizer.decode(h.tokens), h.score) for h in found]
