"""What one process of an extraction does: it loads the encoder once, then encodes shard by shard.

Frames are read or decoded ahead, in a thread, while the encoder is at work. Clips are encoded in
their order, and what shares a batch depends on the shard alone: a shard gives the same bytes
whoever works on it, and however often.
"""

import functools
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from c2rl.extract.encoder import OVERFLOW, Read, SignEncoder, reader
from c2rl.extract.work import Encoded, Features, Setup, Spent, Work, decoder
from c2rl.store.frames import FrameStore
from c2rl.store.manifest import OK, Row
from c2rl.training import distributed
from c2rl.training.prefetch import ahead
from c2rl.video.decode import Task, result_of, row_of, timeout_s, with_decord
from c2rl.video.pool import Pool
from c2rl.video.worker import Outcome

BATCH_FRAMES = 1024
"""Frames from which on a batch is enough for a GPU; on a CPU each clip is a batch of its own."""

_AHEAD = 2  # clips

Item = TypeVar("Item")


class _Seen(NamedTuple):
    """A clip whose frames are at hand."""

    row: Row
    views: list[Tensor]
    """(T', 3, R, R) uint8 each; none unless the row is ok."""
    seconds: float
    """That it took to read or decode."""


class Worker:
    """Encodes shards."""

    def __init__(self, setup: Setup) -> None:
        """Load the encoder.

        Args:
            setup: What to be.

        Raises:
            FileNotFoundError: If the encoder or the frame store is not there.
            ValueError: If one is damaged.
        """
        torch.set_num_threads(setup.threads)
        device = distributed.device()
        self.encoder = SignEncoder(setup.encoder, **setup.form._asdict(), device=device)
        self.batch_frames = BATCH_FRAMES if device.type == "cuda" else 1
        self.threads = setup.threads
        self.store = FrameStore(setup.frames) if setup.frames else None
        self.pool = Pool(decoder, None, workers=setup.threads)
        # One thread for the life of the process: decoders end with the thread that started them.
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")

    def __call__(self, work: Work) -> Encoded:
        """Encode a shard.

        Args:
            work: Its clips.

        Returns:
            Their features, and what went wrong with which clip.
        """
        began = time.perf_counter()
        waiting = encoding = decoding = 0.0
        done: list[tuple[Row, list[Tensor]]] = []
        batches = self._batches(self._ahead(self._seen(work)))
        while True:
            start = time.perf_counter()
            batch = next(batches, [])
            ready = time.perf_counter()
            waiting += ready - start
            if not batch:
                break
            done += self._encode(batch)
            encoding += time.perf_counter() - ready
            decoding += sum(seen.seconds for seen in batch)
        found = [views for _, views in done if views]
        return Encoded(
            [row for row, _ in done],
            np.array([len(views[0]) for views in found], np.int64),
            [self._joined([views[n] for views in found]) for n in range(work.views)],
            Spent(time.perf_counter() - began, waiting, encoding, decoding),
        )

    def _joined(self, clips: list[Tensor]) -> Features:
        empty = np.empty((0, self.encoder.width), np.float16)
        return np.concatenate([empty, *(clip.numpy() for clip in clips)])

    def _encode(self, batch: list[_Seen]) -> Iterator[tuple[Row, list[Tensor]]]:
        clips = [view for seen in batch for view in seen.views]
        encoded = iter(self.encoder.encode_batch(clips) if clips else ())
        for seen in batch:
            views = [next(encoded) for _ in seen.views]
            if all(view.isfinite().all() for view in views):
                yield seen.row, views
            else:
                yield seen.row._replace(status="overflow", reason=OVERFLOW), []

    def _batches(self, clips: Iterator[_Seen]) -> Iterator[list[_Seen]]:
        batch: list[_Seen] = []
        for seen in clips:
            batch.append(seen)
            frames = sum(len(view) for other in batch for view in other.views)
            if frames >= self.batch_frames or not frames:
                yield batch
                batch = []
        if batch:
            yield batch

    def _seen(self, work: Work) -> Iterator[_Seen]:
        """Give the clips of a shard in their order."""
        if self.store is None:
            return self._decoded(work)
        return ahead(functools.partial(self._stored, self.store, work), work.clips, self.threads)

    def _stored(self, store: FrameStore, work: Work, number: int) -> _Seen:
        began = time.perf_counter()
        return self._look(store.rows[number], store.reader(number), work.views, began)

    def _decoded(self, work: Work) -> Iterator[_Seen]:
        finished: dict[int, Outcome] = {}
        done = 0
        for outcome in self.pool.run(work.clips, timeout_s=timeout_s, retry=with_decord):
            finished[outcome.number] = outcome
            while done in finished:
                task: Task = work.clips[done]
                result = result_of(finished.pop(done), task)
                done += 1
                row = row_of(task.clip, result)
                began = time.perf_counter() - result.seconds
                yield self._look(row, reader(result.numbers, result.frames), work.views, began)

    def _look(self, row: Row, read: Read, views: int, began: float) -> _Seen:
        frames: list[Tensor] = []
        length = self.encoder.trained.length(row.num_frames, row.fps) if row.num_frames else 0
        most = self.encoder.most_frames
        if row.status == OK and most is not None and length > most:
            reason = f"{length} of its frames are to be encoded, the transformer takes {most}"
            row = row._replace(status="too_long", reason=reason)
        if row.status == OK:
            try:
                frames = [
                    self.encoder.look(read, row.num_frames, row.fps, phase=phase)
                    for phase in range(views)
                ]
            except ValueError as error:
                row = row._replace(status="decode_error", reason=str(error))
        return _Seen(row, frames, time.perf_counter() - began)

    def _ahead(self, items: Iterator[Item]) -> Iterator[Item]:
        """Go through an iterator in the thread, some items ahead of whoever asks."""
        end = object()
        waiting = deque(self.thread.submit(next, items, end) for _ in range(_AHEAD))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(self.thread.submit(next, items, end))
            yield item  # type: ignore[misc]
