"""Does the shards of an extraction on one machine, on many that share a disk, or on Ray."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from c2rl.extract.executors.contract import Shard
from c2rl.video.worker import Begin

__all__ = ["Shard", "run"]


def run(
    begin: Begin,
    setup: Any,
    shards: Sequence[Shard],
    *,
    executor: str,
    workers: int,
    folder: Path,
    is_finished: Callable[[int], bool],
) -> Iterator[tuple[int, Any]]:
    """Do shards in processes that may hang or die; the result is the same whatever executor.

    The caller saves a value durably before it asks for the next one: only then do others learn
    that the shard needs no work any more. A shard may be done twice, but never by halves.

    Args:
        begin: Called once in each worker with the setup; gives the function that does the shards'
            tasks. Importable by name. What it and that function raise as OSError, ValueError or
            KeyError is raised here as well.
        setup: Its argument; picklable.
        shards: Those that are not finished yet.
        executor: `local`, worker processes of this machine; `rank`, one of several such calls that
            share a disk; `ray`, actors of a Ray cluster.
        workers: Number of worker processes; a rank has one.
        folder: Scratch folder, the same for all ranks.
        is_finished: Tells whether a shard of that number has been saved, by whomever.

    Returns:
        Iterator over number and value of shards in the order in which they finish. Not of those
        that are other ranks' work.

    Raises:
        ValueError: If the executor is unknown, is not installed, or does not know its rank.
        TimeoutError: If a shard takes too long twice.
        ChildProcessError: If a shard's process dies twice.
        RuntimeError: If anything unexpected is raised, with its traceback, or no worker starts.
    """
    match executor:
        case "local":
            from c2rl.extract.executors import local

            return local.run(begin, setup, shards, workers=workers)
        case "rank":
            from c2rl.extract.executors import rank

            return rank.run(begin, setup, shards, folder=folder, is_finished=is_finished)
        case "ray":
            from c2rl.extract.executors import ray

            return ray.run(begin, setup, shards, workers=workers)
        case _:
            raise ValueError(f"executor is '{executor}', expected local, rank or ray.")
