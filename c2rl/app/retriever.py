"""A trained retriever and the clips that it searches."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from c2rl.app import answers, words
from c2rl.app.answers import Answer, Found
from c2rl.app.embedder import Embedder, FilmedClip
from c2rl.app.words import Stretch
from c2rl.provenance import Meta
from c2rl.retrieve import folder
from c2rl.retrieve.exact import score_pairs
from c2rl.retrieve.index import Hit, Mode, SearchIndex
from c2rl.retrieve.items import Item
from c2rl.retrieve.merge import Merged, Span, merge
from c2rl.retrieve.rerank import Query

_MORE = 3
"""Hits that are looked for in place of each wanted one where clips are windows: with an overlap of
up to a half, each overlaps two others."""


class Retriever:
    """Finds clips by a sentence or a clip, and sentences by a clip."""

    def __init__(self, path: Path | str, *, index: Path | str | None = None) -> None:
        """Load a retriever.

        Args:
            path: Folder written by stage `retrieve`.
            index: Index of other clips (`c2rl index build`); None: those of the retriever's corpus.

        Raises:
            FileNotFoundError: If one is absent or incomplete.
            ValueError: If one is another kind of artefact, or damaged, or they do not fit.
        """
        self.seconds: dict[str, float] = {}
        with self._taking("load"):
            self.model = Embedder(Path(path))
            self.index = self._open(None if index is None else Path(index))

    @property
    def meta(self) -> Meta:
        """Where the retriever comes from."""
        return self.model.meta

    def _open(self, path: Path | None) -> SearchIndex:
        if path is None:
            return SearchIndex([self.model.own])
        folder.require(path, folder.read_state(path), self.model.made_from)
        return folder.open_index(path)

    def search(
        self,
        sentence: str,
        *,
        top: int = 10,
        mode: Mode = "auto",
        candidates: int | None = None,
    ) -> list[Found]:
        """Find the clips that sign a sentence.

        Args:
            sentence: In the language of the corpus.
            top: Clips to give.
            mode: exact, fast, certified or auto; see `SearchIndex.search`.
            candidates: Clips that the index proposes to the exact comparison, in mode fast; None:
                as many as it takes.

        Returns:
            Clips, best first.

        Raises:
            ValueError: If the sentence is empty.
        """
        return self.ask(sentence, top=top, mode=mode, candidates=candidates).hits

    @torch.no_grad()
    def ask(
        self,
        sentence: str,
        *,
        top: int = 10,
        mode: Mode = "auto",
        candidates: int | None = None,
    ) -> Answer:
        """Find the clips that sign a sentence, and tell how.

        Args:
            sentence: As for `search`.
            top: Likewise.
            mode: Likewise.
            candidates: Likewise.

        Returns:
            Hits with the moments of their words, recall, times and warnings.

        Raises:
            ValueError: If the sentence is empty.
        """
        if not sentence.strip():
            raise ValueError("the query is empty: give a sentence or a few words")
        self._begin()
        told = words.warnings(self.model.tokenizer, sentence)
        with self._taking("encode"):
            text = self.model.texts([sentence])[0]
        answer, pairs = self._clips(
            sentence, text, self.model.scoring["mix"], top, mode, candidates
        )
        with self._taking("alignment"):
            named = words.group(self.model.tokenizer, sentence)
            sharpness = self.model.scoring["sharpness"]
            hits = []
            for (hit, item), found in pairs:
                signs = torch.from_numpy(self.index.embeddings(hit).astype(np.float32))
                moments = words.align(signs, text, named, _stretch(item), sharpness=sharpness)
                hits.append(found._replace(words=tuple(moments)))
        return answer._replace(hits=hits, warnings=tuple(told), seconds=dict(self.seconds))

    @torch.no_grad()
    def ask_by_clip(
        self,
        clip: str | Path,
        *,
        wanted: Literal["clips", "sentences"] = "clips",
        encoder: Path | None = None,
        top: int = 10,
        mode: Mode = "auto",
        candidates: int | None = None,
    ) -> Answer:
        """Find the clips, or the sentences, that match a clip.

        Args:
            clip: Id of a clip of the index; or a video file or folder of frames, with `encoder`.
            wanted: What is looked for. Sentences are those of the index's clips, each once; they
                are always scored exactly.
            encoder: Folder of the sign encoder that the retriever belongs to.
            top: Hits to give; the clip itself is none.
            mode: As for `search`.
            candidates: Likewise.

        Returns:
            Hits, recall, times; the words of a sentence with the clip's moments that they read.

        Raises:
            FileNotFoundError: If there is no such file.
            KeyError: If there is no clip of that id.
            ValueError: If the video cannot be read, or the encoder is another one.
        """
        self._begin()
        with self._taking("encode"):
            if encoder is None:
                query = self._stored(str(clip))
            else:
                query = self.model.video(Path(clip), encoder)
        if wanted == "sentences":
            return self._sentences(query, top)
        answer, pairs = self._clips(query.name, query.vectors, 0.5, top + 1, mode, candidates)
        hits = [found for _, found in pairs if encoder is not None or found.id != query.name]
        return answer._replace(hits=hits[:top], seconds=dict(self.seconds))

    def _clips(
        self,
        name: str,
        vectors: Tensor,
        mix: float,
        top: int,
        mode: Mode,
        candidates: int | None,
    ) -> tuple[Answer, list[tuple[tuple[Hit, Item], Found]]]:
        """Search, and merge windows that overlap."""
        query = Query(vectors, self.model.scoring["sharpness"], mix)
        is_cut = any(len(part) and part.items[0].start_s is not None for part in self.index.parts)
        wanted = _MORE * top if is_cut else top
        while True:
            found = self.index.search(query, top=wanted, mode=mode, candidates=candidates)
            for step, took in found.seconds.items():
                self.seconds[step] = self.seconds.get(step, 0.0) + took
            items = [self.index.item(hit) for hit in found.hits]
            merged = merge([Span(item.source, item.start_s, item.end_s) for item in items])[:top]
            if len(merged) == top or len(items) < wanted:
                break
            wanted *= 2
        pairs = [((found.hits[m.best], items[m.best]), _told(found.hits, items, m)) for m in merged]
        recall = self.index.recall(candidates) if found.mode == "fast" else None
        size = len(self.index)
        return Answer(name, "clips", [], found.mode, found.scored, size, recall, {}), pairs

    def _sentences(self, query: FilmedClip, top: int) -> Answer:
        items, texts = self._known
        with self._taking("re-rank"):
            scores = score_pairs([query.vectors], texts, **self.model.scoring)[0]
            best = np.argsort(-scores, kind="stable")[:top]
        with self._taking("alignment"):
            hits = []
            for n in best.tolist():
                named = words.group(self.model.tokenizer, items[n].sentence)
                moments = words.align(
                    query.vectors, texts[n], named, query.stretch,
                    sharpness=self.model.scoring["sharpness"],
                )  # fmt: skip
                found = _told([Hit(0, 0, float(scores[n]))], [items[n]], Merged(0, [], None, None))
                hits.append(found._replace(source="", words=tuple(moments)))
        size = len(texts)
        return Answer(query.name, "sentences", hits, "exact", size, size, None, dict(self.seconds))

    @cached_property
    def _known(self) -> tuple[list[Item], list[Tensor]]:
        """The distinct sentences of the index: the first clip of each, and its vectors."""
        with self._taking("encode"):
            first: dict[str, Item] = {}
            for part, removed in zip(self.index.parts, self.index.removed, strict=True):
                gone = set(removed.tolist())
                for number, item in enumerate(part.items):
                    if item.sentence and number not in gone:
                        first.setdefault(item.sentence, item)
            if not first:
                raise ValueError(
                    "the clips of this index have no sentences: look for clips, or take the index"
                    " of the retriever's own corpus (without --index)"
                )
            return [*first.values()], self.model.texts([*first])

    def _stored(self, id_: str) -> FilmedClip:
        hit = self.index.find(id_)
        if hit is None:
            raise KeyError(
                f"no clip of this index has the id '{id_}'; for a video file give --encoder too"
            )
        vectors = torch.from_numpy(self.index.embeddings(hit).astype(np.float32))
        return FilmedClip(id_, vectors, _stretch(self.index.item(hit)))

    def _begin(self) -> None:
        self.seconds = {"load": self.seconds.get("load", 0.0)}
        with self._taking("load"):
            _ = self.model.network

    @contextmanager
    def _taking(self, what: str) -> Iterator[None]:
        began = perf_counter()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + perf_counter() - began


def _stretch(item: Item) -> Stretch:
    return Stretch(item.start_s or 0.0, item.duration_s)


def _told(hits: list[Hit], items: list[Item], merged: Merged) -> Found:
    others = [items[other].id for other in merged.others]
    return answers.of_item(items[merged.best], hits[merged.best].score, merged, others)
