"""A trained retriever and its index, ready to search."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch

from c2rl import provenance
from c2rl.language import tokenizer as language
from c2rl.retrieve import index
from c2rl.retrieve.model import RetrieverNetwork
from c2rl.retrieve.run import embed_text
from c2rl.store.features import FeatureStore
from c2rl.training import checkpoint


class Found(NamedTuple):
    """A clip that signs something like the query."""

    id: str
    split: str
    score: float
    sentence: str


class Retriever:
    """Finds clips by a sentence."""

    def __init__(self, path: Path | str) -> None:
        """Load a retriever.

        Args:
            path: Folder written by stage `retrieve`.

        Raises:
            FileNotFoundError: If it is absent or incomplete.
            ValueError: If it is another kind of artefact, or damaged.
        """
        path = Path(path)
        self.meta = provenance.read_meta(path, "retriever", made_by="retrieve")
        config: dict[str, Any] = json.loads((path / "config.json").read_text(encoding="utf-8"))
        self.scoring = {key: config[key] for key in ("sharpness", "mix")}
        self.tokenizer = language.loads((path / "tokenizer.json").read_text(encoding="utf-8"))
        self.network = RetrieverNetwork(**config["network"])
        weights = checkpoint.load_weights(path / "model.safetensors")
        checkpoint.fill(self.network, weights, source=path)
        self.network.eval()
        store = FeatureStore(path / "embeddings.zarr")
        self.rows = [row for name in store for row in store[name].rows]
        self.clips = index.StoredClips([store[name] for name in store])
        self.index = index.read_index(path / "index.faiss")

    @torch.no_grad()
    def search(self, sentence: str, *, top: int = 10, candidates: int = 500) -> list[Found]:
        """Find the clips that sign a sentence.

        Args:
            sentence: In the language of the corpus.
            top: Clips to give.
            candidates: Clips that the index proposes to the exact comparison.

        Returns:
            Clips, best first.

        Raises:
            ValueError: If the sentence is empty.
        """
        if not sentence.strip():
            raise ValueError("the query is empty: give a sentence or a few words")
        text = embed_text(self.network, [sentence], self.tokenizer)[0]
        hits = index.search(
            self.index, self.clips, text, top=top, candidates=candidates, **self.scoring
        )
        return [
            Found(row.clip.id, row.clip.split, hit.score, row.clip.sentence)
            for hit in hits
            for row in [self.rows[hit.number]]
        ]
