"""A trained translator, ready to use."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from c2rl import provenance
from c2rl.app.predictions import Translation
from c2rl.language import backbones
from c2rl.language import tokenizer as language
from c2rl.training import checkpoint
from c2rl.training.features import pad_features
from c2rl.translate.model import TranslatorNetwork

Features = Tensor | npt.NDArray[Any]
"""(T', C) float features of one clip, from a sign encoder or a feature store."""

_TOGETHER = 16
"""Clips that are translated in one batch."""


class Translator:
    """Turns sign features into sentences.

    Any number of threads may translate with one at the same time.

    Example:
        A clip to sentences, the best first; and all clips of a split, in batches::

            import c2rl

            encoder = c2rl.load("data/encoders/synthsign")
            translator = c2rl.load("data/translators/synthsign")
            for sentence, score in translator.translate(encoder.encode("clip.mp4")):
                print(f"{score:.2f} {sentence}")

            test = c2rl.FeatureStore("data/features/synthsign.zarr")["test"]
            translated = translator.translate_all(test[id] for id in test)
            for id, n_best in zip(test, translated, strict=True):
                print(id, n_best[0].sentence)
    """

    def __init__(self, path: Path | str, *, device: torch.device | str | None = None) -> None:
        """Load a translator.

        Args:
            path: Folder written by stage `translate`.
            device: Where it is to be; None: a GPU if there is one.

        Raises:
            FileNotFoundError: If it is absent or incomplete.
            ValueError: If it is another kind of artefact, or damaged.
        """
        self.path = Path(path)
        self.meta = provenance.read_meta(self.path, "translator", made_by="translate")
        config: dict[str, Any] = json.loads((self.path / "config.json").read_text(encoding="utf-8"))
        self.encoder: str | None = config["encoder"]
        """Fingerprint of the sign encoder whose features it was trained on; None: imported."""
        self.extract: dict[str, Any] = config.get("extract") or {}
        """How that encoder was asked for them: which, point and precision of `SignEncoder`."""
        self.width: int = config["feature_width"]
        """C, columns of the features that it reads."""
        self.search: dict[str, Any] = config["search"]
        """Of its training: beams, length_penalty and max_length."""
        self.tokenizer = language.loads((self.path / "tokenizer.json").read_text(encoding="utf-8"))
        backbone = backbones.restore(config["backbone"])
        self.network = TranslatorNetwork(backbone, feature_width=self.width)
        weights = checkpoint.load_weights(self.path / "model.safetensors")
        checkpoint.fill(self.network, weights, source=self.path)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.network.eval().to(self.device)

    def translate(
        self, features: Features, *, best: int | None = None, beams: int | None = None
    ) -> list[Translation]:
        """Translate one clip.

        Args:
            features: (T', C) float, from a sign encoder or a feature store.
            best: Most sentences to give; None: as many as there are beams.
            beams: Of the search; None: as in training. Another number may change the sentences.

        Returns:
            The n best different sentences, best first; at least one.

        Raises:
            ValueError: If the features are not of the width, or too many, or more sentences are
                asked for than the search has beams.
        """
        return self._translate([features], best, beams)[0]

    def translate_all(
        self, clips: Iterable[Features], *, best: int | None = None, beams: int | None = None
    ) -> Iterator[list[Translation]]:
        """Translate clips in batches of 16, which are read when their turn comes.

        Args:
            clips: Features of each, as for `translate`.
            best: As for `translate`.
            beams: As for `translate`.

        Yields:
            What `translate` gives for each clip, in their order; scores up to rounding.

        Raises:
            ValueError: As `translate`.
        """
        waiting = iter(clips)
        while batch := list(islice(waiting, _TOGETHER)):
            yield from self._translate(batch, best, beams)

    def check(self, *, best: int | None = None, beams: int | None = None) -> None:
        """Refuse a search that cannot be done.

        Args:
            best: As for `translate`.
            beams: As for `translate`.

        Raises:
            ValueError: If there are no beams, or fewer than sentences are asked for.
        """
        have = self.search["beams"] if beams is None else beams
        if have < 1 or (best is not None and not 1 <= best <= have):
            raise ValueError(
                f"{1 if best is None else best} sentences are asked for, the search has {have}"
                " beams: ask for 1 up to that number, or for more beams, with which sentences may"
                " change"
            )

    @torch.no_grad()
    def _translate(
        self, clips: list[Features], best: int | None, beams: int | None
    ) -> list[list[Translation]]:
        self.check(best=best, beams=beams)
        search = self.search if beams is None else self.search | {"beams": beams}
        padded, mask = pad_features([self._checked(clip) for clip in clips])
        found = self.network.generate(padded.to(self.device), mask.to(self.device), **search)
        return [self._told(hypotheses)[:best] for hypotheses in found]

    def _checked(self, features: Features) -> npt.NDArray[np.float16]:
        if isinstance(features, Tensor):
            features = features.detach().cpu().numpy()
        shape = features.shape
        if len(shape) != 2 or shape[1] != self.width or not len(features):
            raise ValueError(
                f"features are {shape}, {self.path} expects (T, {self.width}), T at least 1: what"
                " its sign encoder gives for a clip"
            )
        most = self.network.backbone.max_positions
        if most is not None and len(features) > most:
            raise ValueError(
                f"a clip has {len(features)} features, {self.path} reads {most} at most: cut the"
                " video into windows"
            )
        return features.astype(np.float16, copy=False)

    def _told(self, hypotheses: list[Any]) -> list[Translation]:
        """Name each sentence once: tokens that differ may spell the same."""
        found: dict[str, float] = {}
        for hypothesis in hypotheses:
            found.setdefault(self.tokenizer.decode(hypothesis.tokens), hypothesis.score)
        return [Translation(sentence, score) for sentence, score in found.items()]
