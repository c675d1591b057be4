"""Work done ahead of need, in threads, in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

from c2rl.training import environment

Key = TypeVar("Key")
Item = TypeVar("Item")


def num_workers() -> int:
    """Tell how many threads decompress frames: `C2RL_WORKERS`, or what the machine suggests.

    Returns:
        0 for none: work is done when it is asked for.

    Raises:
        ValueError: If the variable is no number.
    """
    asked = environment.number("C2RL_WORKERS", what="a number")
    if asked is not None:
        return asked
    processors = len(os.sched_getaffinity(0))
    return min(8, processors) if torch.cuda.is_available() else 1


def ahead(make: Callable[[Key], Item], keys: Iterable[Key], workers: int) -> Iterator[Item]:
    """Make items in threads, at most two a thread ahead of the caller.

    Threads suffice where the work leaves Python, as reading and decompressing do; and unlike
    processes they cost no copy, no start and no signal of their own.

    Args:
        make: Pure function of its key.
        keys: In the order in which the items are wanted.
        workers: Threads; 0 makes each item when it is asked for.

    Yields:
        The items in the order of their keys, whatever the number of workers.
    """
    if workers == 0:
        yield from map(make, keys)
        return
    rest = iter(keys)
    with ThreadPoolExecutor(workers, thread_name_prefix="ahead") as pool:
        waiting: deque[Future[Item]] = deque()
        try:
            waiting.extend(pool.submit(make, key) for key in islice(rest, 2 * workers))
            while waiting:
                item = waiting.popleft().result()
                waiting.extend(pool.submit(make, key) for key in islice(rest, 1))
                yield item
        finally:
            for future in waiting:
                future.cancel()
