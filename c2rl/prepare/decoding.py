"""Decodes clips in shards that outlive a kill: what is finished is never decoded twice."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from c2rl.progress import Progress
from c2rl.store import shards
from c2rl.store.frames import EncodedClip
from c2rl.store.manifest import OK, Row
from c2rl.video import pool
from c2rl.video.decode import Result, Task, decode_one, result_of, row_of, timeout_s, with_decord

# another run cannot find anything else
_FINAL = (OK, "no_sentence", "unsafe_path", "known_defect", "no_annotation")


class Shard(NamedTuple):
    """A finished file of a few dozen clips."""

    path: Path
    rows: list[Row]


def decode(
    tasks: Sequence[Task],
    folder: Path,
    *,
    workers: int,
    progress: Progress,
    shard: int | None = None,
    keep: Callable[[Task, Result], None] = lambda _task, _result: None,
) -> list[Shard]:
    """Decode all clips into shard files, except those that an earlier run finished.

    Args:
        tasks: The clips in corpus order.
        folder: Scratch folder that belongs to exactly these tasks.
        workers: Number of processes; never changes the result.
        progress: Told after each clip.
        shard: Most clips of a shard; None: `shards.SHARD`.
        keep: Told of every result before its shard is written.

    Returns:
        The shards in corpus order.
    """
    size = shard or shards.SHARD
    groups = [tasks[i : i + size] for i in range(0, len(tasks), size)]
    finished: dict[int, Shard] = {}
    for number, group in enumerate(groups):
        path = shards.path_of(folder, number)
        rows = _finished(path, group)
        if rows is not None:
            finished[number] = Shard(path, rows)
            for num_bytes in _sizes_of(path, rows):
                progress.count(num_bytes, is_new=False)
    todo = [
        (n, i) for n, group in enumerate(groups) if n not in finished for i in range(len(group))
    ]
    done: dict[int, dict[int, Result]] = {}
    for number, place, result in _results(groups, todo, workers):
        shard_results = done.setdefault(number, {})
        shard_results[place] = result
        keep(groups[number][place], result)
        progress.count(sum(len(frame) for frame in result.frames))
        if len(shard_results) == len(groups[number]):
            results = [result for _, result in sorted(done.pop(number).items())]
            path = shards.path_of(folder, number)
            finished[number] = Shard(path, _save(path, groups[number], results))
    return [finished[number] for number in range(len(groups))]


def _results(
    groups: Sequence[Sequence[Task]], todo: list[tuple[int, int]], workers: int
) -> Iterator[tuple[int, int, Result]]:
    tasks = [groups[number][place] for number, place in todo]
    outcomes = pool.run(decode_one, tasks, workers=workers, timeout_s=timeout_s, retry=with_decord)
    for outcome in outcomes:
        yield (*todo[outcome.number], result_of(outcome, tasks[outcome.number]))


def _save(path: Path, tasks: Sequence[Task], results: Sequence[Result]) -> list[Row]:
    rows = [row_of(task.clip, result) for task, result in zip(tasks, results, strict=True)]
    frames = [frame for result in results for frame in result.frames]
    sizes = np.array([len(frame) for frame in frames], np.int64)
    shards.save(path, rows, sizes=sizes, data=np.concatenate([np.empty(0, np.uint8), *frames]))
    return rows


def _finished(path: Path, tasks: Sequence[Task]) -> list[Row] | None:
    """Read an earlier run's shard; None if there is none, or another run may find more."""
    rows = shards.rows(path, [task.clip for task in tasks])
    return rows if rows and all(row.status in _FINAL for row in rows) else None


def _sizes_of(path: Path, rows: list[Row]) -> list[int]:
    ends = np.cumsum([row.num_frames for row in rows])[:-1]
    return [int(part.sum()) for part in np.split(shards.load(path, "sizes"), ends)]


def frame_sizes(finished: Sequence[Shard]) -> list[npt.NDArray[np.int64]]:
    """List the sizes of the stored frames.

    Args:
        finished: From `decode`.

    Returns:
        (T,) int64 bytes of each frame, for every clip that is ok.
    """
    found = []
    for shard in finished:
        lengths = [row.num_frames for row in shard.rows if row.status == OK]
        found += (
            np.split(shards.load(shard.path, "sizes"), np.cumsum(lengths)[:-1]) if lengths else []
        )
    return found


def encoded(finished: Sequence[Shard]) -> Iterator[EncodedClip]:
    """Read the stored frames back, one shard in memory at a time.

    Args:
        finished: From `decode`.

    Yields:
        The frames of every clip that is ok.
    """
    for shard in finished:
        sizes = frame_sizes([shard])
        ends = np.cumsum([int(size.sum()) for size in sizes])[:-1]
        data = shards.load(shard.path, "data")
        for size, part in zip(sizes, np.split(data, ends) if sizes else [], strict=True):
            yield EncodedClip(part, size)
