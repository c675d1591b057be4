"""Killable worker processes: one task at a time each, with limits on its time and memory.

Video libraries hang and crash on damaged files, in C and beyond the reach of exceptions. So each
worker is a spawned process that can be killed and replaced; its task is then reported as failed.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import wait
from time import monotonic
from typing import Any

from c2rl.video.worker import Begin, Outcome, Worker

__all__ = ["Outcome", "Pool", "memory_limit", "num_workers", "run"]

_MAX_STARTS = 3  # workers that die one after the other before their first task
_NO_START = (
    "the worker processes die as they start. A script that starts them needs"
    " `if __name__ == '__main__':` around its calls."
)


def num_workers() -> int:
    """Tell how many processes decode; it changes speed only.

    Returns:
        Environment variable `C2RL_WORKERS`, or the number of cores. 0 is one as well: a broken
        video must not take this process with it.

    Raises:
        ValueError: If the variable is no number.
    """
    text = os.environ.get("C2RL_WORKERS", "")
    if not text:
        return os.cpu_count() or 1
    if not text.isdecimal():
        raise ValueError(f"C2RL_WORKERS is '{text}', expected a number, 0 or more.")
    return max(1, int(text))


def memory_limit() -> int:
    """Tell how much memory a decoding process may take; clips that need more fail.

    Returns:
        Environment variable `C2RL_DECODE_MEMORY`, given in GB, or 4 GB; in bytes.

    Raises:
        ValueError: If the variable is no number.
    """
    text = os.environ.get("C2RL_DECODE_MEMORY", "4")
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < 1e6:
        raise ValueError(f"C2RL_DECODE_MEMORY is '{text}', expected GB for a process, such as 4.")
    return int(gigabytes * 1e9)


def run(
    function: Callable[[Any], Any],
    tasks: Iterable[Any],
    *,
    workers: int,
    timeout_s: Callable[[Any], float],
    retry: Callable[[Any], Any] = lambda _: None,
    memory_bytes: float | None = None,
) -> Iterator[Outcome]:
    """Apply a function to tasks in worker processes, and survive what it does there.

    Args:
        function: Importable by name, as are its arguments' types; must not need this process.
        tasks: Picklable; handed out in order.
        workers: Number of processes.
        timeout_s: Wall-clock seconds that a task may take, from its hand-out.
        retry: Gives the task to try instead after a time-out or crash, or None to give up.
        memory_bytes: Most memory of a worker, on Linux, after which the function meets a
            MemoryError or dies; None: `memory_limit()`.

    Yields:
        One outcome a task, in the order in which they finish.

    Raises:
        RuntimeError: If the function raises, or no worker can be started.
    """
    with Pool(_itself, function, workers=workers, memory_bytes=memory_bytes) as crew:
        yield from crew.run(tasks, timeout_s=timeout_s, retry=retry)


def _itself(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return function


class Pool:
    """Workers that stay for many runs, with what each has loaded.

    They may start processes of their own, and all end with the thread that made them, even where
    that is killed. Each finds its number in `LOCAL_RANK`, where that is not set already.
    """

    def __init__(
        self, begin: Begin, setup: Any, *, workers: int, memory_bytes: float | None = None
    ) -> None:
        """Start nothing yet.

        Args:
            begin: Called once in each worker; gives the function that does the tasks. Importable
                by name, as are the types of setup and tasks.
            setup: Its argument; picklable.
            workers: Most processes.
            memory_bytes: Most memory of each, see `run`; infinite: no limit.
        """
        memory = memory_limit() if memory_bytes is None else memory_bytes
        self._made_from = (begin, setup, memory)
        self._workers = workers
        self._crew: dict[int, Worker] = {}

    def __enter__(self) -> "Pool":
        """Use it in a `with`, at whose end no process is left."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill all workers."""
        for worker in self._crew.values():
            worker.kill()
        self._crew.clear()

    def run(
        self,
        tasks: Iterable[Any],
        *,
        timeout_s: Callable[[Any], float],
        retry: Callable[[Any], Any] = lambda _: None,
        is_ahead: bool = True,
    ) -> Iterator[Outcome]:
        """Do tasks; a run that is given up leaves nothing to the next, and two never overlap.

        Args:
            tasks: Picklable; handed out in order.
            timeout_s: Wall-clock seconds that a task may take, from its hand-out.
            retry: Gives the task to try instead after a time-out or crash, or None to give up.
            is_ahead: Whether a worker does its next task while the caller is at its last outcome;
                otherwise a kill of both costs no finished task but that one.

        Yields:
            One outcome a task, in the order in which they finish.

        Raises:
            RuntimeError: If `begin` or the function raises, or no worker can be started.
        """
        todo = deque(enumerate(tasks))
        failed_starts = 0
        for place in set(range(min(self._workers, len(todo)))) - set(self._crew):
            self._crew[place] = Worker(*self._made_from, place)
        try:
            while todo or any(worker.task for worker in self._crew.values()):
                signals = [signal for w in self._crew.values() for signal in w.signals()]
                wait(signals, timeout=self._patience(has_more=bool(todo)))
                for place, worker in self._crew.items():
                    task, outcome = worker.task, worker.look()
                    if outcome is not None and outcome.failure:
                        self._crew[place] = worker.replace()
                        failed_starts = 0 if worker.is_ready else failed_starts + 1
                        if failed_starts > _MAX_STARTS:
                            raise RuntimeError(_NO_START)
                        again = retry(task[1]) if task else None
                        if task and again is not None:
                            todo.appendleft((task[0], again))
                            outcome = None
                    finished = outcome if task else None
                    if finished and not is_ahead:
                        yield finished
                    if todo and self._crew[place].is_free():
                        following = todo.popleft()
                        self._crew[place].give(following, timeout_s(following[1]))
                    if finished and is_ahead:
                        yield finished
        finally:
            for place in [place for place, worker in self._crew.items() if worker.task]:
                self._crew.pop(place).kill()

    def _patience(self, *, has_more: bool) -> float | None:
        """Tell how long nothing may happen; None: until something does."""
        crew = self._crew.values()
        if has_more and any(worker.is_free() for worker in crew):
            return 0.0
        deadlines = [worker.deadline for worker in crew if not worker.is_free()]
        return max(0.0, min(deadlines) - monotonic()) if deadlines else None
