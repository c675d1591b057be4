"""Decodes clips in shards that outlive a kill: what is finished is never decoded twice."""

import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from c2rl.corpora.clip import Clip
from c2rl.prepare.progress import Progress
from c2rl.store.frames import EncodedClip
from c2rl.store.manifest import OK, Row
from c2rl.video import pool
from c2rl.video.decode import Result, Task, decode_one, row_of, timeout_s, with_decord

SHARD = 64
"""Most clips of a shard."""

TRANSIENT = ("decode_timeout", "decode_crash")
"""What may go better another time."""
# another run cannot find anything else
_FINAL = (OK, "no_sentence", "unsafe_path", "known_defect", "no_annotation")


class Shard(NamedTuple):
    """A finished file of at most `SHARD` clips."""

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
        shard: Most clips of a shard; None: `SHARD`.
        keep: Told of every result before its shard is written.

    Returns:
        The shards in corpus order.
    """
    size = shard or SHARD
    groups = [tasks[i : i + size] for i in range(0, len(tasks), size)]
    shards: dict[int, Shard] = {}
    for number, group in enumerate(groups):
        path = folder / f"{number:06d}.npz"
        rows = _finished(path, group)
        if rows is not None:
            shards[number] = Shard(path, rows)
            for num_bytes in _sizes_of(path, rows):
                progress.count(num_bytes, is_new=False)
    todo = [(n, i) for n, group in enumerate(groups) if n not in shards for i in range(len(group))]
    done: dict[int, dict[int, Result]] = {}
    for number, place, result in _results(groups, todo, workers):
        shard_results = done.setdefault(number, {})
        shard_results[place] = result
        keep(groups[number][place], result)
        progress.count(sum(len(frame) for frame in result.frames))
        if len(shard_results) == len(groups[number]):
            results = [result for _, result in sorted(done.pop(number).items())]
            path = folder / f"{number:06d}.npz"
            shards[number] = Shard(path, _save(path, groups[number], results))
    return [shards[number] for number in range(len(groups))]


def _results(
    groups: Sequence[Sequence[Task]], todo: list[tuple[int, int]], workers: int
) -> Iterator[tuple[int, int, Result]]:
    tasks = [groups[number][place] for number, place in todo]
    outcomes = pool.run(decode_one, tasks, workers=workers, timeout_s=timeout_s, retry=with_decord)
    for outcome in outcomes:
        result = outcome.value
        if outcome.failure:
            reason = f"the decoder did not answer within {timeout_s(tasks[outcome.number]):.0f} s"
            if outcome.failure == "crash":
                reason = "the decoder's process died"
            result = Result(f"decode_{outcome.failure}", reason)
        yield (*todo[outcome.number], result)


def _save(path: Path, tasks: Sequence[Task], results: Sequence[Result]) -> list[Row]:
    rows = [row_of(task.clip, result) for task, result in zip(tasks, results, strict=True)]
    frames = [frame for result in results for frame in result.frames]
    told = json.dumps(
        [
            row._asdict() | {"clip": row.clip.id, "box": row.clip.box, "video": dict(row.video)}
            for row in rows
        ]
    )
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez(
            file,
            rows=np.frombuffer(told.encode(), np.uint8),
            sizes=np.array([len(frame) for frame in frames], np.int64),
            data=np.concatenate([np.empty(0, np.uint8), *frames]),
        )
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return rows


def _row(clip: Clip, told: dict[str, Any]) -> Row:
    box = told.pop("box")
    return Row(**told | {"clip": clip._replace(box=tuple(box) if box else None)})


def _finished(path: Path, tasks: Sequence[Task]) -> list[Row] | None:
    """Read an earlier run's shard; None if it is absent, torn, of other clips, or may improve."""
    if not path.is_file():
        return None
    try:
        told: list[dict[str, Any]] = json.loads(_load(path, "rows").tobytes())
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    if [row["clip"] for row in told] != [task.clip.id for task in tasks]:
        return None
    rows = [_row(t.clip, row) for row, t in zip(told, tasks, strict=True)]
    return rows if all(row.status in _FINAL for row in rows) else None


def _load(path: Path, name: str) -> npt.NDArray[Any]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return np.asarray(archive[name])


def _sizes_of(path: Path, rows: list[Row]) -> list[int]:
    ends = np.cumsum([row.num_frames for row in rows])[:-1]
    return [int(part.sum()) for part in np.split(_load(path, "sizes"), ends)]


def frame_sizes(shards: Sequence[Shard]) -> list[npt.NDArray[np.int64]]:
    """List the sizes of the stored frames.

    Args:
        shards: From `decode`.

    Returns:
        (T,) int64 bytes of each frame, for every clip that is ok.
    """
    found = []
    for shard in shards:
        lengths = [row.num_frames for row in shard.rows if row.status == OK]
        found += np.split(_load(shard.path, "sizes"), np.cumsum(lengths)[:-1]) if lengths else []
    return found


def encoded(shards: Sequence[Shard]) -> Iterator[EncodedClip]:
    """Read the stored frames back, one shard in memory at a time.

    Args:
        shards: From `decode`.

    Yields:
        The frames of every clip that is ok.
    """
    for shard in shards:
        sizes = frame_sizes([shard])
        ends = np.cumsum([int(size.sum()) for size in sizes])[:-1]
        data = _load(shard.path, "data")
        for size, part in zip(sizes, np.split(data, ends) if sizes else [], strict=True):
            yield EncodedClip(part, size)
