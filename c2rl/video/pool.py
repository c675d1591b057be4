"""Killable worker processes: one task at a time each, with a wall-clock limit.

Video libraries hang and crash on damaged files, in C and beyond the reach of exceptions. So each
worker is a spawned process that can be killed and replaced; its task is then reported as failed.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, NamedTuple

_MAX_STARTS = 3  # workers that die one after the other before their first task


class Outcome(NamedTuple):
    """What became of a task."""

    number: int
    """Position among the tasks."""
    failure: str
    """Empty, `timeout` or `crash`."""
    value: Any
    """What the function returned; None after a failure."""


def num_workers() -> int:
    """Tell how many processes decode; it changes speed only.

    Returns:
        Environment variable `C2RL_WORKERS`, or the number of cores.

    Raises:
        ValueError: If the variable is no positive number.
    """
    text = os.environ.get("C2RL_WORKERS", "")
    if not text:
        return os.cpu_count() or 1
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"C2RL_WORKERS is '{text}', expected a number of processes, 1 or more.")
    return int(text)


def run(
    function: Callable[[Any], Any],
    tasks: Iterable[Any],
    *,
    workers: int,
    timeout_s: Callable[[Any], float],
    retry: Callable[[Any], Any] = lambda _: None,
) -> Iterator[Outcome]:
    """Apply a function to tasks in worker processes, and survive what it does there.

    Args:
        function: Importable by name, as are its arguments' types; must not need this process.
        tasks: Picklable; handed out in order.
        workers: Number of processes.
        timeout_s: Wall-clock seconds that a task may take, from its hand-out.
        retry: Gives the task to try instead after a time-out or crash, or None to give up.

    Yields:
        One outcome a task, in the order in which they finish.

    Raises:
        RuntimeError: If the function raises, or no worker can be started.
    """
    context = multiprocessing.get_context("spawn")
    todo = deque(enumerate(tasks))
    crew = [_Worker(context, function) for _ in range(min(workers, len(todo)))]
    failed_starts = 0
    try:
        while todo or any(worker.task for worker in crew):
            wait([w for worker in crew for w in worker.signals()], timeout=_patience(crew))
            for place, worker in enumerate(crew):
                task, outcome = worker.task, worker.look()
                if outcome is not None and outcome.failure:
                    crew[place] = worker.replace()
                    failed_starts = 0 if worker.is_ready else failed_starts + 1
                    if failed_starts > _MAX_STARTS:
                        raise RuntimeError(_NO_START)
                if outcome is not None and task is not None:
                    again = retry(task[1]) if outcome.failure else None
                    if again is None:
                        yield outcome
                    else:
                        todo.appendleft((task[0], again))
                if todo and crew[place].is_free():
                    crew[place].give(todo.popleft(), timeout_s)
    finally:
        for worker in crew:
            worker.kill()


_NO_START = (
    "the decoding processes die as they start. A script that decodes needs"
    " `if __name__ == '__main__':` around its calls."
)


def _patience(crew: list["_Worker"]) -> float | None:
    deadlines = [worker.deadline for worker in crew if worker.task]
    return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None


class _Worker:
    """One process, its pipe and its task."""

    def __init__(self, context: SpawnContext, function: Callable[[Any], Any]) -> None:
        self.context = context
        self.function = function
        self.task: tuple[int, Any] | None = None
        self.deadline = 0.0
        self.is_ready = False
        self.pipe, other = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=_serve, args=(other, function, os.getpid()), daemon=True
        )
        self.process.start()
        other.close()

    def signals(self) -> list[Any]:
        """Give what becomes ready when this worker has something to tell."""
        return [self.pipe, self.process.sentinel]

    def give(self, task: tuple[int, Any], timeout_s: Callable[[Any], float]) -> None:
        """Hand out a task."""
        self.task = task
        self.deadline = time.monotonic() + timeout_s(task[1])
        with contextlib.suppress(OSError):  # a dead worker is noticed at the next look
            self.pipe.send(task[1])

    def is_free(self) -> bool:
        """Tell whether it waits for a task."""
        return self.is_ready and self.task is None

    def look(self) -> Outcome | None:
        """Tell what became of the task, and forget it; None where nothing did."""
        number = self.task[0] if self.task else -1
        outcome = None
        try:
            if self.pipe.poll():
                failed, value = self.pipe.recv()
                if failed:
                    raise RuntimeError(f"decoding failed unexpectedly:\n{value}")
                outcome = Outcome(number, "", value) if self.is_ready else None
                self.is_ready = True
            elif not self.process.is_alive() and not self.pipe.poll():
                outcome = Outcome(number, "crash", None)
            elif self.task and time.monotonic() >= self.deadline:
                outcome = Outcome(number, "timeout", None)
        except (EOFError, OSError):
            outcome = Outcome(number, "crash", None)
        self.task = None if outcome else self.task
        return outcome

    def kill(self) -> None:
        """End the process whatever it does."""
        self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()

    def replace(self) -> "_Worker":
        """Kill this one and start another."""
        self.kill()
        return _Worker(self.context, self.function)


def _serve(pipe: Connection, function: Callable[[Any], Any], parent: int) -> None:
    """Work in a process of its own until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _die_with_parent(parent)
    try:
        pipe.send((False, None))
        while True:
            task = pipe.recv()
            try:
                answer = (False, function(task))
            except Exception:
                answer = (True, traceback.format_exc())
            pipe.send(answer)
    except (EOFError, OSError):
        return


def _die_with_parent(parent: int) -> None:
    """Let the kernel end a worker that hangs in C when its parent was killed."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)
