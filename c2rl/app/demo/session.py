"""What the page computes: one clip, one query at a time, with models that are loaded once.

Everything runs in one thread: the processes that decode end with the thread that made them.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from c2rl.app.answers import Found
from c2rl.app.decoding import Long
from c2rl.app.demo import pictures
from c2rl.app.demo.clips import Clips
from c2rl.app.demo.guard import too_large
from c2rl.app.demo.moments import moments
from c2rl.app.demo.told import Hit, Inspected, Near, Searched, Translated
from c2rl.app.predict import Predictor
from c2rl.app.retriever import Retriever
from c2rl.app.words import Stretch
from c2rl.corpora.clip import NO_SPLIT, Clip
from c2rl.extract.windows import LONGEST_S
from c2rl.retrieve.exact import score_pairs
from c2rl.store.manifest import OK
from c2rl.video.decode import Result, result_of
from c2rl.video.sample import at_inference

MAX_BYTES = 200 * 2**20
"""Largest video that is taken."""
NEAREST = 5
"""Training sentences that are shown beside a translation."""
LONGEST_QUERY = 500
"""Letters."""

_T = TypeVar("_T")


class Session:
    """Translates, searches and inspects; any thread may ask."""

    def __init__(
        self,
        data: Path,
        dataset: str,
        *,
        device: str | None = None,
        retriever: Path | None = None,
    ) -> None:
        """Load the models and open the stores.

        Args:
            data: Folder of all artefacts, as dvc.yaml lays them out.
            dataset: Name of the corpus.
            device: Where the encoder and the translator are to be; None: a GPU if there is one.
            retriever: Folder of another retriever of the same encoder; None: the corpus's.

        Raises:
            FileNotFoundError: If an artefact is absent or incomplete.
            ValueError: If one is damaged, or they do not belong together.
        """
        self.clips = Clips(data, dataset)
        self._predictor = Predictor(
            data / "encoders" / dataset, data / "translators" / dataset, device=device
        )
        self._retriever = Retriever(retriever or data / "retrievers" / dataset)
        self._require()
        self._thread = ThreadPoolExecutor(1, "demo")
        self._thread.submit(lambda: self._training)  # the first question need not wait for it

    def __enter__(self) -> "Session":
        """Use it in a `with`, at whose end no process is left."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the process that decodes, and the thread."""
        self._thread.submit(self._predictor.close).result()
        self._thread.shutdown()

    def translate(self, video: Path) -> Translated:
        """Translate a video that somebody handed over, and remove it, whatever comes of it.

        Args:
            video: The file.

        Raises:
            ValueError: If it cannot be read, or is too long or too large; the message tells which.
        """
        try:
            return self._alone(lambda: self._translate_video(video))
        finally:
            video.unlink(missing_ok=True)

    def translate_stored(self, id_: str) -> Translated:
        """Translate a clip of the corpus by its stored features.

        Args:
            id_: Of the clip.

        Raises:
            ValueError: If there is no such clip, or it is too long for a model.
        """
        return self._alone(lambda: self._translate_stored(id_))

    def search(self, query: str, top: int = 5) -> Searched:
        """Find the clips of the corpus that sign a sentence.

        Args:
            query: Sentence, or a few words.
            top: Clips to find.

        Raises:
            ValueError: If the query is empty or a whole book.
        """
        return self._alone(lambda: self._search(query, top))

    def inspect(self, id_: str) -> Inspected:
        """Show what is stored of a clip.

        Args:
            id_: Of the clip.

        Raises:
            ValueError: If there is no such clip.
        """
        return self._alone(lambda: self._inspect(id_))

    def _alone(self, work: Callable[[], _T]) -> _T:
        return self._thread.submit(work).result()

    def _require(self) -> None:
        encoder, own = self._predictor.encoder, self._retriever.model.config
        if own["encoder"] != encoder.meta.fingerprint:
            raise ValueError(
                f"{self._retriever.model.path} was trained on features of encoder"
                f" {own['encoder']}, but {encoder.trained.path} is {encoder.meta.fingerprint}."
                " Run `dvc repro`."
            )

    def _translate_video(self, video: Path) -> Translated:
        result = self._decode(video)
        features = self._predictor.encode(result)
        duration = result.num_frames / result.fps if result.fps else None
        length = f"{result.num_frames} frames"
        about = length if duration is None else f"{duration:.1f} s, {length}"
        strip = pictures.film(result.frames, "your clip")
        told = Translated("Your clip", about, "", [], strip, [], [])
        return self._told(told, features.numpy(), Stretch(0.0, duration))

    def _translate_stored(self, id_: str) -> Translated:
        strip = self.clips.strip(id_)
        told = Translated(id_, self.clips.about(id_), id_, [], strip, [], [])
        return self._told(told, self.clips.values(id_), self.clips.stretch(id_))

    def _told(
        self, told: Translated, features: np.ndarray[tuple[int, int], np.dtype[np.float16]],
        stretch: Stretch,
    ) -> Translated:  # fmt: skip
        n_best = self._predictor.translator.translate(features)
        (signs,) = self._retriever.model.clips([features])
        return told._replace(
            n_best=n_best,
            moments=moments(self._retriever, signs, n_best[0].sentence, stretch),
            nearest=self._nearest(signs),
        )

    def _decode(self, video: Path) -> Result:
        size = video.stat().st_size
        if size > MAX_BYTES:
            raise ValueError(too_large(size, MAX_BYTES))
        task = self._predictor.task(Clip("", NO_SPLIT, "", "", str(video)))
        (outcome,) = self._predictor.decode([task])
        if isinstance(outcome.value, Long):
            raise ValueError(
                f"The video is {outcome.value.duration_s:.0f} s long, this page takes"
                f" {LONGEST_S:.0f} s at most: cut it, or run `c2rl predict --srt`."
            )
        result = result_of(outcome, task)
        if result.status != OK:
            reason = result.reason.replace(f"{video.name}: ", "").replace(video.name, "it")
            raise ValueError(f"The video cannot be read: {reason}")
        return result

    @cached_property
    def _training(self) -> tuple[list[Near], list[Tensor]]:
        """The distinct sentences that were trained on, and their vectors."""
        first: dict[str, Near] = {}
        for part in self._retriever.index.parts:
            for item in part.items:
                if item.split == "train" and item.sentence:
                    first.setdefault(item.sentence, Near(item.sentence, 0.0, item.id))
        return [*first.values()], self._retriever.model.texts([*first])

    def _nearest(self, signs: Tensor) -> list[Near]:
        known, texts = self._training
        if not known:
            return []
        scores = score_pairs([signs], texts, **self._retriever.model.scoring)[0]
        best = np.argsort(-scores, kind="stable")[:NEAREST]
        return [known[n]._replace(score=float(scores[n])) for n in best.tolist()]

    def _search(self, query: str, top: int) -> Searched:
        query = query.strip()
        if len(query) > LONGEST_QUERY:
            raise ValueError(
                f"The query has {len(query):,} letters, expected {LONGEST_QUERY} at most: a"
                " sentence or a few words."
            )
        answer = self._retriever.ask(query, top=top)
        text = self._retriever.model.texts([query])[0]
        return Searched(answer, [self._hit(found, query, text) for found in answer.hits])

    def _hit(self, found: Found, query: str, text: Tensor) -> Hit:
        place = self._retriever.index.find(found.id)
        if place is None:
            raise KeyError(f"{found.id} is not in the index it was found in")
        signs = torch.from_numpy(self._retriever.index.embeddings(place).astype(np.float32))
        stretch = self.clips.stretch(found.id)
        read = moments(self._retriever, signs, query, stretch, text)
        has_video = self.clips.video(found.id) is not None
        return Hit(found, has_video, self.clips.strip(found.id), read)

    def _inspect(self, id_: str) -> Inspected:
        row, stretch, values = self.clips.row(id_), self.clips.stretch(id_), self.clips.values(id_)
        numbers = at_inference(row.num_frames, row.fps, **self._predictor.encoder.trained.sampling)
        (signs,) = self._retriever.model.clips([values])
        facts = [
            ("split", row.clip.split),
            ("signer", row.clip.signer or "unknown"),
            ("length", self.clips.about(id_).rpartition(", ")[2]),
            ("frames", f"{row.num_frames}, of which {len(numbers)} are used"),
            ("rate", f"{row.fps:g} frames a second" if row.fps else "unknown"),
            ("features", f"{values.shape[0]} x {values.shape[1]}, {values.dtype}"),
        ]
        return Inspected(
            id=id_,
            sentence=row.clip.sentence,
            facts=facts,
            has_video=self.clips.video(id_) is not None,
            strip=self.clips.strip(id_),
            used=pictures.marks(numbers, row.num_frames),
            features=pictures.features(values),
            moments=moments(self._retriever, signs, row.clip.sentence, stretch),
        )
