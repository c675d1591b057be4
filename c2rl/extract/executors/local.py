"""Worker processes of this machine, each with a model of its own."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from c2rl.extract.executors.contract import SecondTry, Shard, failure, guarded, opened
from c2rl.video.pool import Pool
from c2rl.video.worker import Begin


def run(
    begin: Begin, setup: Any, shards: Sequence[Shard], *, workers: int
) -> Iterator[tuple[int, Any]]:
    """Do shards, see `executors.run`.

    Each worker finds its number in environment variable `LOCAL_RANK`, where that is not set
    already, to choose its GPU.
    """
    with crew(begin, setup, workers=workers) as pool:
        yield from results(pool, shards)


def crew(begin: Begin, setup: Any, *, workers: int) -> Pool:
    """Make workers for `results`.

    Args:
        begin: See `executors.run`.
        setup: Its argument.
        workers: Most processes.

    Returns:
        A pool whose processes may take all memory: they hold models, and limit their decoders.
    """
    return Pool(guarded, (begin, setup), workers=workers, memory_bytes=math.inf)


def results(pool: Pool, shards: Sequence[Shard]) -> Iterator[tuple[int, Any]]:
    """Do shards in workers that may be used again.

    Args:
        pool: From `crew`.
        shards: What to do.

    Yields:
        Number and value of a shard.

    Raises:
        OSError: If a shard fails twice, or raised one.
        ValueError: If a shard, or `begin`, raised one.
    """
    # A shard is saved before its worker gets the next one, or a kill could cost both.
    outcomes = pool.run(
        shards, timeout_s=lambda shard: shard.timeout_s, retry=SecondTry(), is_ahead=False
    )
    for outcome in outcomes:
        shard = shards[outcome.number]
        if outcome.failure:
            raise failure(shard, outcome.failure)
        yield shard.number, opened(outcome.value)
