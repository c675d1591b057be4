"""The trained half of a retriever: sentences and clips to vectors of one space."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from c2rl import provenance
from c2rl.app.words import Stretch
from c2rl.language import tokenizer as language
from c2rl.retrieve.embed import embed_text
from c2rl.retrieve.model import RetrieverNetwork
from c2rl.retrieve.parts import Part
from c2rl.training import checkpoint
from c2rl.training.features import pad_features


class FilmedClip(NamedTuple):
    """A clip that is a query."""

    name: str
    vectors: Tensor
    """(T, D) float32."""
    stretch: Stretch


class Embedder:
    """Network, tokenizer and scoring of a retriever, and the clips of its corpus."""

    def __init__(self, path: Path) -> None:
        """Load what a search needs before the weights.

        Args:
            path: Folder written by stage `retrieve`.

        Raises:
            FileNotFoundError: If it is absent or incomplete.
            ValueError: If it is another kind of artefact, or damaged.
        """
        self.path = path
        self.meta = provenance.read_meta(path, "retriever", made_by="retrieve")
        config, tokenizer = (
            (path / name).read_text(encoding="utf-8") for name in ("config.json", "tokenizer.json")
        )
        self.config: dict[str, Any] = json.loads(config)
        self.scoring: dict[str, Any] = {key: self.config[key] for key in ("sharpness", "mix")}
        self.tokenizer = language.loads(tokenizer)

    @cached_property
    def own(self) -> Part:
        """The clips of the retriever's corpus."""
        return Part(self.path, self.meta)

    @property
    def made_from(self) -> dict[str, Any]:
        """What an index of this retriever's is made from."""
        return {
            "retriever": self.meta.fingerprint,
            "encoder": self.config["encoder"],
            **self.scoring,
        }

    @cached_property
    def network(self) -> RetrieverNetwork:
        """Both encoders, in evaluation mode."""
        network = RetrieverNetwork(**self.config["network"])
        weights = checkpoint.load_weights(self.path / "model.safetensors")
        checkpoint.fill(network, weights, source=self.path)
        return network.eval()

    def texts(self, sentences: list[str]) -> list[Tensor]:
        """Embed sentences: (U, D) float32 each."""
        return embed_text(self.network, sentences, self.tokenizer)

    @torch.no_grad()
    def clips(self, features: list[npt.NDArray[np.float16]]) -> list[Tensor]:
        """Embed clips.

        Args:
            features: (T, C) float16 each, from the sign encoder of the retriever.

        Returns:
            (T, D) float32 each, with the precision of what is stored: float16.
        """
        padded, mask = pad_features(features)
        encoded = self.network.encode_signs(padded, mask).half().float()
        return [e[m] for e, m in zip(encoded, mask, strict=True)]

    def video(self, video: Path, encoder: Path) -> FilmedClip:
        """Embed a video.

        Args:
            video: File, or folder of frames.
            encoder: Folder of the sign encoder that the retriever belongs to.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it cannot be read, or the encoder is another one.
        """
        from c2rl.extract.encoder import SignEncoder  # decoders take a second to load
        from c2rl.video import source

        signer = SignEncoder(encoder, **self.config.get("extract") or {})
        if signer.meta.fingerprint != self.config["encoder"]:
            raise ValueError(
                f"{self.path} was trained on features of encoder {self.config['encoder']}, but"
                f" {encoder} is {signer.meta.fingerprint}. Give the encoder it belongs to."
            )
        (vectors,) = self.clips([signer.encode(video).numpy()])
        span = source.span(video)  # it was decoded, so it can be looked at
        duration = span.num_frames / span.fps if span.fps else None
        return FilmedClip(str(video), vectors, Stretch(0.0, duration))
