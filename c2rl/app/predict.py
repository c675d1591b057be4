"""Videos to sentences, in one process: each is decoded, encoded and translated, nothing is stored.

Decoding happens in processes that can be killed, as everywhere; models are loaded once. At most one
decoded clip a process is held, so memory grows neither with the videos nor with their length.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from c2rl.app import decoding
from c2rl.app.decoding import Long
from c2rl.app.predictions import Prediction, Window
from c2rl.app.translator import Translator
from c2rl.corpora.clip import Clip
from c2rl.extract.encoder import OVERFLOW, SignEncoder, reader
from c2rl.extract.windows import USUAL_WINDOWS, Windows, cut
from c2rl.progress import progress
from c2rl.store.manifest import OK
from c2rl.video import signer
from c2rl.video.decode import Result, Task, result_of, timeout_s, with_decord
from c2rl.video.files import find_clips
from c2rl.video.pool import Outcome, Pool, num_workers

_TOGETHER = 16
"""Videos that are looked at before the first of them is told: they are decoded side by side."""


class Predictor:
    """Translates videos; the models stay, and so do the processes that decode, until it is closed.

    A script needs `if __name__ == "__main__":` around its calls, as always where Python starts
    processes. One thread at a time may use it.

    Example:
        All videos of a folder; one that cannot be read says why, and the others are done::

            from c2rl.app.predict import Predictor

            with Predictor("data/encoders/synthsign", "data/translators/synthsign") as predictor:
                for found in predictor.predict(["clip.mp4", "clips"], best=2):
                    print(found.source, found.reason or found.n_best[0].sentence)
    """

    def __init__(
        self,
        encoder: Path | str,
        translator: Path | str,
        *,
        device: torch.device | str | None = None,
    ) -> None:
        """Load the models.

        Args:
            encoder: Folder of the sign encoder whose features the translator was trained on.
            translator: Folder of the translator.
            device: Where they are to be; None: a GPU if there is one.

        Raises:
            FileNotFoundError: If one is absent or incomplete, or the detector that crops its
                videos is.
            ValueError: If one is of another kind, or damaged, or they do not belong together.
        """
        self.translator = Translator(translator, device=device)
        self.encoder = SignEncoder(encoder, **self.translator.extract, device=device)
        _require(self.translator, self.encoder)
        signer.ready(self.encoder.trained.cropping)
        self._pool = Pool(decoding.begin, None, workers=num_workers())

    def __enter__(self) -> "Predictor":
        """Use it in a `with`, at whose end no process is left."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the processes that decode."""
        self._pool.__exit__()

    def predict(
        self,
        sources: Iterable[Path | str],
        *,
        windows: Windows = USUAL_WINDOWS,
        best: int | None = None,
        beams: int | None = None,
    ) -> Iterator[Prediction]:
        """Translate videos.

        Args:
            sources: Video files, folders of frames, and folders that hold such; each is looked for
                when its turn comes.
            windows: How a video of more than a minute is cut, as by `c2rl extract`.
            best: See `Translator.translate`.
            beams: See `Translator.translate`.

        Yields:
            One prediction a video, in order; one that cannot be read says why.

        Raises:
            ValueError: If windows do not move on, or more sentences are asked for than the search
                has beams.
        """
        self.translator.check(best=best, beams=beams)
        cut([], windows)  # refuses those that do not move on, before an hour of work
        found = self._found(sources)
        while batch := list(islice(found, _TOGETHER)):
            yield from self._batch(batch, windows, {"best": best, "beams": beams})

    def _found(self, sources: Iterable[Path | str]) -> Iterator[Clip | Prediction]:
        for source in sources:
            try:
                clips = find_clips([Path(source)])
            except OSError as error:  # that it is not there, first of all
                yield _unread(str(source), str(error))
            else:
                yield from clips

    def _batch(
        self, found: list[Clip | Prediction], windows: Windows, search: dict[str, Any]
    ) -> Iterator[Prediction]:
        places = [place for place, clip in enumerate(found) if isinstance(clip, Clip)]
        tasks = [self.task(clip) for clip in found if isinstance(clip, Clip)]
        done: dict[int, Window | Long] = {}
        for outcome in self.decode(tasks):
            is_long = isinstance(outcome.value, Long)
            done[places[outcome.number]] = (
                outcome.value if is_long else self._window(outcome, tasks, search)
            )
        of = dict(zip(places, tasks, strict=True))
        for place, clip in enumerate(found):
            if isinstance(clip, Prediction):
                yield clip
            elif isinstance(whole := done[place], Long):
                yield self._long(clip.source, of[place], windows, search)
            elif whole.reason:
                yield _unread(clip.source, whole.reason)
            else:
                yield Prediction(clip.source, [whole])

    def _long(
        self, source: str, task: Task, windows: Windows, search: dict[str, Any]
    ) -> Prediction:
        pieces = cut([task], windows)
        done: dict[int, Window] = {}
        with progress(f"predict {source}", len(pieces)) as bar:
            for outcome in self.decode(pieces):
                done[outcome.number] = self._window(outcome, pieces, search)
                bar.count(0)
        found = [done[number] for number in range(len(pieces))]
        if all(window.reason for window in found):
            return _unread(source, found[0].reason)
        return Prediction(source, found)

    def decode(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Decode clips in the processes, each in the thread that asks first.

        Args:
            tasks: From `task`.

        Yields:
            One outcome a clip, in the order in which they finish; `Long` of one to be cut.
        """
        return self._pool.run(tasks, timeout_s=timeout_s, retry=with_decord)

    def task(self, clip: Clip) -> Task:
        """Tell a process what to read of a clip.

        Args:
            clip: Whose source is a file or folder of this machine.
        """
        # An absolute path below "/" is a path below a root, as annotations' paths are.
        below = Path(clip.source).resolve().relative_to("/").as_posix()
        return self.encoder.trained.task(Path("/"), clip._replace(source=below))

    def _window(self, outcome: Outcome, tasks: Sequence[Task], search: dict[str, Any]) -> Window:
        """Encode and translate what a process decoded."""
        task = tasks[outcome.number]
        result = result_of(outcome, task)
        start, end = task.clip.start_s or 0.0, task.clip.end_s
        if end is None and result.fps:
            end = result.num_frames / result.fps
        if result.status != OK:
            return Window(start, end, [], result.reason)
        try:
            n_best = self.translator.translate(self.encode(result), **search)
        except ValueError as error:  # more frames than a model takes, or it diverged
            return Window(start, end, [], str(error))
        return Window(start, end, n_best)

    def encode(self, result: Result) -> torch.Tensor:
        """Encode what a process decoded.

        Args:
            result: Frames of a clip that could be read.

        Returns:
            (T', C) float16 on the CPU.

        Raises:
            ValueError: If the encoder gives what float16 cannot hold.
        """
        read = reader(result.numbers, result.frames)
        view = self.encoder.look(read, result.num_frames, result.fps)
        (features,) = self.encoder.encode_batch([view])
        if not features.isfinite().all():
            raise ValueError(OVERFLOW)
        return features


def _unread(source: str, reason: str) -> Prediction:
    """Tell why a video has no sentence, without its name, which stands before that."""
    for name in (source, Path(source).name):
        reason = reason.removeprefix(f"{name}: ").removeprefix(f"{name} ")
    return Prediction(source, reason=reason)


def _require(translator: Translator, encoder: SignEncoder) -> None:
    """Refuse an encoder that is not the translator's."""
    if translator.encoder is None:
        raise ValueError(
            f"{translator.path} was trained on imported features, which no encoder here makes:"
            " train a translator on features of stage `extract`."
        )
    if translator.encoder != encoder.meta.fingerprint:
        raise ValueError(
            f"{translator.path} was trained on features of encoder {translator.encoder}, but"
            f" {encoder.trained.path} is {encoder.meta.fingerprint}. Give the encoder it belongs"
            " to."
        )
