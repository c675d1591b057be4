"""One of several processes, on machines that share nothing but a disk: a SLURM array, say."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from c2rl.extract.executors import local
from c2rl.extract.executors.contract import Shard
from c2rl.extract.executors.lease import lease, sweep
from c2rl.video.worker import Begin


class Rank(NamedTuple):
    """Which process of how many."""

    number: int
    """From 0."""
    ranks: int
    """How many."""


def run(
    begin: Begin,
    setup: Any,
    shards: Sequence[Shard],
    *,
    folder: Path,
    is_finished: Callable[[int], bool],
) -> Iterator[tuple[int, Any]]:
    """Do this rank's stripe of the shards, then what others left, see `executors.run`.

    So a rank that dies costs time alone. Shards that living ranks are at when nothing else is left
    are not waited for. A rank has one worker: start as many ranks as there are GPUs.

    Args:
        begin: See `executors.run`.
        setup: Its argument.
        shards: May differ between the ranks by what is finished.
        folder: Holds the leases.
        is_finished: Asked again before a shard is begun.

    Yields:
        Number and value of a shard, which is leased until the next one is asked for.
    """
    me = rank_of(os.environ)
    name = f"rank {me.number} of {me.ranks}"
    order = sorted(shards, key=lambda shard: _turn(shard.number, me))
    done: set[int] = set()
    folder.mkdir(parents=True, exist_ok=True)
    with local.crew(begin, setup, workers=1) as pool:
        before = -1
        while len(done) > before:  # others may have died meanwhile
            before = len(done)
            for shard in order:
                if shard.number in done or is_finished(shard.number):
                    continue
                with lease(folder, shard.number, name, is_finished) as is_ours:
                    if is_ours:
                        yield from local.results(pool, [shard])
                        done.add(shard.number)
    sweep(folder, [shard.number for shard in shards], is_finished)


def rank_of(env: Mapping[str, str]) -> Rank:
    """Read which process of how many this is.

    Args:
        env: With `C2RL_RANK` and `C2RL_RANKS`; or, in a SLURM array, with `SLURM_ARRAY_TASK_ID`,
            `_COUNT`, `_MIN` and `_STEP`; or, under srun, with `SLURM_PROCID` and `SLURM_NTASKS`.

    Returns:
        Number, from 0, and count. An array of any list of numbers may give two tasks the same one:
        they find each other's leases.

    Raises:
        ValueError: If there are none, or they are wrong.
    """
    if "C2RL_RANK" in env or "C2RL_RANKS" in env:
        number, count = _number(env, "C2RL_RANK"), _number(env, "C2RL_RANKS")
    elif "SLURM_ARRAY_TASK_ID" in env:
        first = _number(env, "SLURM_ARRAY_TASK_MIN")
        step = max(1, _number(env, "SLURM_ARRAY_TASK_STEP", "1"))
        count = max(1, _number(env, "SLURM_ARRAY_TASK_COUNT"))
        task = _number(env, "SLURM_ARRAY_TASK_ID")
        if task < first:
            raise ValueError(f"SLURM_ARRAY_TASK_ID is {task}, below SLURM_ARRAY_TASK_MIN, {first}.")
        number = (task - first) // step % count
    elif "SLURM_PROCID" in env:
        number, count = _number(env, "SLURM_PROCID"), _number(env, "SLURM_NTASKS")
    else:
        raise ValueError(
            "executor rank does not know which rank it is. Set C2RL_RANK=0 and C2RL_RANKS=2 for"
            " the first of two processes, or start them by a SLURM array or srun."
        )
    if number >= count:
        raise ValueError(f"this is rank {number} of {count}, but ranks count from 0.")
    return Rank(number, count)


def _number(env: Mapping[str, str], name: str, default: str = "") -> int:
    text = env.get(name, default)
    if not text.isdecimal():
        raise ValueError(f"{name} is '{text}', expected a number, 0 or more.")
    return int(text)


def _turn(number: int, me: Rank) -> tuple[int, int]:
    """Sort own shards first, then the others' from their ends, where they are not yet."""
    distance = (number - me.number) % me.ranks
    return distance, -number if distance else number
