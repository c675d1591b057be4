"""Search: pooled vectors propose clips, exact CLCL orders them; or all are scored; or it is proved.

An index is one part or more (`parts`), each with clips that were added together, and the numbers of
clips that were removed since.

Shape letters: V clips, U vectors of the query, D width.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from c2rl.retrieve import audit, certificate, rerank
from c2rl.retrieve.candidates import Numbers
from c2rl.retrieve.items import Item
from c2rl.retrieve.parts import Part
from c2rl.retrieve.rerank import Query

Mode = Literal["exact", "fast", "certified", "auto"]

EXACT_MOST = 100_000
"""Most clips of which `auto` scores every one: about half a second on two cores."""


class Hit(NamedTuple):
    """A clip that was found."""

    part: int
    """Number of its part."""
    number: int
    """Its position there."""
    score: float
    """Mix of both CLCL scores, in [-1, 1]; computed in float64."""


class Found(NamedTuple):
    """What a search gives."""

    hits: list[Hit]
    """Best first; equal ones in the order of the index."""
    mode: Literal["exact", "fast", "certified"]
    """How it was done."""
    scored: int
    """Clips that were scored exactly."""
    seconds: dict[str, float]
    """Where the time went: candidates, re-rank."""


class Recall(NamedTuple):
    """What `fast` finds of the truth, by the audit."""

    top: float
    """Share of the exact best ten that are among the candidates."""
    first: float
    """Share of the queries whose very best is."""
    queries: int
    """Queries asked of each part."""
    candidates: list[int]
    """Of each part."""


class Scored(NamedTuple):
    """Clips of a part with their scores."""

    numbers: Numbers
    """(n,) int64, increasing."""
    scores: npt.NDArray[np.float32]
    """(n,)."""


class SearchIndex:
    """Clips that can be searched."""

    def __init__(self, parts: Sequence[Part], removed: Sequence[Numbers] | None = None) -> None:
        """Put parts together.

        Args:
            parts: All of one retriever.
            removed: Of each, increasing numbers of clips that are no longer there.
        """
        self.parts = list(parts)
        self.removed = list(removed or [np.empty(0, np.int64) for _ in parts])

    def __len__(self) -> int:
        """Count the clips that can be found."""
        return sum(map(len, self.parts)) - sum(map(len, self.removed))

    def item(self, hit: Hit) -> Item:
        """Tell what is known of a hit."""
        return self.parts[hit.part].items[hit.number]

    def embeddings(self, hit: Hit) -> npt.NDArray[np.float16]:
        """Read the (T, D) float16 vectors of a hit."""
        return self.parts[hit.part].clips[hit.number]

    def find(self, id_: str) -> Hit | None:
        """Look for a clip by its id; None if there is none, or it was removed."""
        for place, (part, removed) in enumerate(zip(self.parts, self.removed, strict=True)):
            number = part.items.find(id_)
            if number is not None and number not in removed:
                return Hit(place, number, 1.0)
        return None

    def chosen(self, mode: Mode) -> Literal["exact", "fast", "certified"]:
        """Tell what `auto` is here."""
        if mode != "auto":
            return mode
        return "exact" if len(self) <= EXACT_MOST else "fast"

    def recall(self, candidates: int | None = None) -> Recall | None:
        """Tell what `fast` finds, by the audits of the parts.

        Args:
            candidates: Of each part; None: as many as its audit asks for.

        Returns:
            What is found, weighted by the parts' clips; None where a part was never audited.
        """
        known = [(part.audit, len(part)) for part in self.parts if part.audit is not None]
        if len(known) < len(self.parts):
            return None
        counts = [candidates or found.enough() for found, _ in known]
        told = [found.at(count)[1:] for (found, _), count in zip(known, counts, strict=True)]
        recall, first = np.average(told, axis=0, weights=[clips for _, clips in known])
        return Recall(float(recall), float(first), known[0][0].queries, counts)

    @torch.no_grad()
    def search(
        self, query: Query, *, top: int, mode: Mode = "auto", candidates: int | None = None
    ) -> Found:
        """Find the clips that match best.

        Args:
            query: Vectors of a sentence or a clip.
            top: Hits to give.
            mode: exact: all clips are scored. certified: all that can be among the best are.
                fast: those that their pooled vectors propose are. auto: exact up to 100,000 clips,
                then fast.
            candidates: Of each part, in mode fast; None: as many as its audit asks for.

        Returns:
            The best clips. In modes exact and certified those of a float64 search among all.

        Raises:
            ValueError: If the query is of another width than the clips.
        """
        for part in self.parts:
            if query.vectors.shape[1] != part.clips.width:
                raise ValueError(
                    f"the query has vectors of {query.vectors.shape[1]} numbers, {part.path} of"
                    f" {part.clips.width}: it belongs to another retriever."
                )
        search = _Search(self, query, top, candidates)
        done = self.chosen(mode)
        ways = {"exact": search.exact, "fast": search.fast, "certified": search.certified}
        scored = ways[done]()
        hits = search.best(scored)
        return Found(hits, done, sum(len(numbers) for numbers, _ in scored), search.seconds)


class _Search:
    """One search: every mode scores some clips of each part in float32, `best` orders them."""

    def __init__(self, index: SearchIndex, query: Query, top: int, candidates: int | None) -> None:
        self.parts = list(zip(index.parts, index.removed, strict=True))
        self.query, self.top, self.candidates = query, top, candidates
        self.seconds = {"candidates": 0.0, "re-rank": 0.0}

    def exact(self) -> list[Scored]:
        """Score every clip."""
        with self._taking("re-rank"):
            unit = self.query.unit()
            found = []
            for part, removed in self.parts:
                scores = np.empty(len(part), np.float32)
                for first, block in part.clips.blocks():
                    cosine = rerank.cosines(block, unit)
                    own = rerank.scores_of(cosine, block.offsets, self.query)
                    scores[first : first + len(own)] = own.numpy()
                numbers = np.delete(np.arange(len(part)), removed)
                found.append(Scored(numbers, scores[numbers]))
            return found

    def fast(self) -> list[Scored]:
        """Score what a few pooled vectors of each clip propose."""
        unit = self.query.unit()
        found = []
        for part, removed in self.parts:
            with self._taking("candidates"):
                count = max(self.candidates or _enough(part), self.top)
                numbers = part.propose(self.query, count, removed)
            with self._taking("re-rank"):
                block = part.clips.gather(numbers)
                cosine = rerank.cosines(block, unit)
                scores = rerank.scores_of(cosine, block.offsets, self.query).numpy()
                found.append(Scored(numbers, scores))
        return found

    def certified(self) -> list[Scored]:
        """Score what can be among the best, given what the pooled vectors propose."""
        known = np.concatenate([scores for _, scores in self.fast()])
        least = float(np.sort(known)[-self.top]) if len(known) >= self.top else -np.inf
        with self._taking("re-rank"):
            return [
                Scored(*certificate.search(part.clips, self.query, self.top, least, removed))
                for part, removed in self.parts
            ]

    def best(self, scored: list[Scored]) -> list[Hit]:
        """Order all that may be among the best in float64."""
        with self._taking("re-rank"):
            everything = np.concatenate([scores for _, scores in scored])
            error = rerank.slack(self.query.vectors.shape[1])
            chosen = rerank.finalists(everything, self.top, error)
            starts = np.cumsum([0, *(len(numbers) for numbers, _ in scored)])
            places = np.searchsorted(starts, chosen, side="right") - 1
            hits = [
                Hit(int(p), int(scored[p].numbers[n - starts[p]]), 0.0)
                for p, n in zip(places, chosen, strict=True)
            ]
            clips = (self.parts[hit.part][0].clips[hit.number] for hit in hits)
            exact = rerank.exact_scores(clips, self.query)
            order = np.argsort(-exact, kind="stable")[: self.top]
            return [hits[i]._replace(score=float(exact[i])) for i in order]

    @contextmanager
    def _taking(self, what: str) -> Iterator[None]:
        began = perf_counter()
        yield
        self.seconds[what] += perf_counter() - began


def _enough(part: Part) -> int:
    return part.audit.enough() if part.audit else audit.LADDER[-1]
