"""Encodes clips in shards that outlive a kill: what is finished is never encoded twice."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from c2rl.extract import executors
from c2rl.extract.executors import Shard
from c2rl.extract.plan import Part, Plan
from c2rl.extract.work import Encoded, Features, Setup, Spent, begin
from c2rl.progress import progress, say
from c2rl.store import shards
from c2rl.store.manifest import Row


def encode(
    plan: Plan, setup: Setup, folder: Path, *, executor: str, workers: int
) -> list[list[Row]] | None:
    """Encode all clips into shard files, except those that an earlier run finished.

    Args:
        plan: The clips.
        setup: What a worker is to be.
        folder: Scratch folder that belongs to exactly this work.
        executor: local, rank or ray.
        workers: Processes that encode; never changes the result.

    Returns:
        What became of the clips of each shard; None if other ranks are still at some.
    """
    finished: dict[int, list[Row]] = {}

    def look(number: int) -> bool:
        if number not in finished:
            rows = _rows(folder, number, plan.parts[number])
            if rows is None:
                return False
            finished[number] = rows
        return True

    clock = _Clock(workers, setup.threads)
    with progress("extract", plan.num_clips) as bar:
        todo = []
        for number, part in enumerate(plan.parts):
            if look(number):
                for _ in part.clips:
                    bar.count(0, is_new=False)
            else:
                todo.append(Shard(number, part.work, part.timeout_s))
        done = executors.run(
            begin, setup, todo,
            executor=executor, workers=workers, folder=folder, is_finished=look,
        )  # fmt: skip
        for number, encoded in done if todo else ():
            with clock.writing():
                _save(folder, number, encoded)
            finished[number] = encoded.rows
            clock.count(encoded)
            for _ in encoded.rows:
                bar.count(0)
    if todo:
        say(f"extract: {clock.told()}")
    if not all(look(number) for number in range(len(plan.parts))):
        return None
    return [finished[number] for number in range(len(plan.parts))]


class _Clock:
    """Tells where the time went."""

    def __init__(self, workers: int, threads: int) -> None:
        self.workers, self.threads = workers, threads
        self.began = time.perf_counter()
        self.spent = Spent(0.0, 0.0, 0.0, 0.0)
        self.written = 0.0

    @contextmanager
    def writing(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.written += time.perf_counter() - began

    def count(self, encoded: Encoded) -> None:
        self.spent = Spent(*(a + b for a, b in zip(self.spent, encoded.spent, strict=True)))

    def told(self) -> str:
        wall = time.perf_counter() - self.began
        crew = wall * self.workers
        rest = max(0.0, crew - self.spent.all)
        return (
            f"{wall:.1f} s: encoder busy {self.spent.encoding / crew:.0%}, waiting for frames"
            f" {self.spent.waiting / crew:.0%}, starting and waiting for shards {rest / crew:.0%},"
            f" writing {self.written / wall:.0%}; readers busy"
            f" {self.spent.decoding / crew / self.threads:.0%}"
        )


def _rows(folder: Path, number: int, part: Part) -> list[Row] | None:
    """Read an earlier run's shard; None if there is none, or another run may do better."""
    rows = shards.rows(shards.path_of(folder, number), part.clips)
    return rows if rows and not any(row.status in shards.TRANSIENT for row in rows) else None


def _save(folder: Path, number: int, encoded: Encoded) -> None:
    views = {f"view_{n}": view for n, view in enumerate(encoded.views)}
    path = shards.path_of(folder, number)
    shards.save(path, encoded.rows, lengths=encoded.lengths, **views)


def lengths(folder: Path, plan: Plan) -> list[int]:
    """List the features of the clips that are ok.

    Args:
        folder: Of the finished work.
        plan: What it was.

    Returns:
        T' of each.
    """
    paths = [shards.path_of(folder, number) for number in range(len(plan.parts))]
    return [int(n) for path in paths for n in shards.load(path, "lengths")]


def features(folder: Path, plan: Plan, view: int = 0) -> Iterator[Features]:
    """Read features back, one shard in memory at a time.

    Args:
        folder: Of the finished work.
        plan: What it was.
        view: Which; shards that have it not are passed over.

    Yields:
        (T', C) float16 of each clip that is ok.
    """
    for number, part in enumerate(plan.parts):
        if view < part.work.views:
            path = shards.path_of(folder, number)
            ends = np.cumsum(shards.load(path, "lengths"))
            rows = shards.load(path, f"view_{view}")
            yield from np.split(rows, ends[:-1]) if len(ends) else ()
