"""Killable worker processes: one task at a time each, with limits on its time and memory.

Video libraries hang and crash on damaged files, in C and beyond the reach of exceptions. So each
worker is a spawned process that can be killed and replaced; its task is then reported as failed.
The parent trusts a worker in nothing: it waits no longer than the deadline for any part of an
answer, and reads none that is too long.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

_MAX_STARTS = 3  # workers that die one after the other before their first task
_START_S = 300.0  # for a cold network disk with all libraries on it
_GRACE_S = 10.0  # for an answer that begins to arrive just before the deadline
_MAX_ANSWER = 2**31  # bytes; twice what a clip may be stored in


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
    memory_bytes: int | None = None,
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
    context = multiprocessing.get_context("spawn")
    todo = deque(enumerate(tasks))
    memory = memory_limit() if memory_bytes is None else memory_bytes
    crew: list[_Worker] = []
    failed_starts = 0
    try:
        crew.extend(_Worker(context, function, memory) for _ in range(min(workers, len(todo))))
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


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Keep Ctrl-C, which reaches all processes of a terminal, from one that is still starting."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the child inherits it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _patience(crew: list["_Worker"]) -> float | None:
    deadlines = [worker.deadline for worker in crew if worker.task or not worker.is_ready]
    return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None


class _Worker:
    """One process, its pipe and its task."""

    def __init__(
        self, context: SpawnContext, function: Callable[[Any], Any], memory_bytes: int
    ) -> None:
        self.made_from = (context, function, memory_bytes)
        self.task: tuple[int, Any] | None = None
        self.deadline = time.monotonic() + _START_S
        self.is_ready = False
        self.pipe, other = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=_serve, args=(other, function, memory_bytes, os.getpid()), daemon=True
        )
        with _no_interrupt():
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
        is_due = (self.task or not self.is_ready) and time.monotonic() >= self.deadline
        try:
            if self.pipe.poll():
                value = self._receive()
                outcome = Outcome(number, "", value) if self.is_ready else None
                self.is_ready = True
            elif not self.process.is_alive() and not self.pipe.poll():
                outcome = Outcome(number, "crash", None)
            elif is_due:
                outcome = Outcome(number, "timeout", None)
        except _BrokenAnswerError:
            outcome = Outcome(number, "crash", None)
        self.task = None if outcome else self.task
        return outcome

    def _receive(self) -> Any:
        """Read an answer; one that stops half way ends with the worker at the deadline."""
        left = max(0.0, self.deadline - time.monotonic())
        watch = threading.Timer(left + _GRACE_S, self.process.kill)
        watch.start()
        try:
            told, value = ForkingPickler.loads(self.pipe.recv_bytes(_MAX_ANSWER))
        except Exception:  # EOFError, OSError; whatever unpickling half an answer raises
            raise _BrokenAnswerError from None
        finally:
            watch.cancel()
        if told:
            raise RuntimeError(f"decoding failed unexpectedly:\n{value}")
        return value

    def kill(self) -> None:
        """End the process whatever it does; may be called again."""
        if self.pipe.closed:
            return
        self.pipe.close()
        self.process.kill()
        self.process.join(timeout=5)  # one that waits for a dead disk cannot even be killed
        if self.process.exitcode is not None:
            self.process.close()

    def replace(self) -> "_Worker":
        """Kill this one and start another."""
        self.kill()
        return _Worker(*self.made_from)


class _BrokenAnswerError(Exception):
    """A worker died or went mad while it answered."""


def _serve(
    pipe: Connection, function: Callable[[Any], Any], memory_bytes: int, parent: int
) -> None:
    """Work in a process of its own until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _die_with_parent(parent)
    _limit_memory(memory_bytes)
    with contextlib.suppress(EOFError, OSError):
        pipe.send((False, None))
        while True:
            pipe.send_bytes(_answer(function, pipe.recv()))


def _answer(function: Callable[[Any], Any], task: Any) -> Any:
    try:
        return ForkingPickler.dumps((False, function(task)))
    except MemoryError:
        os._exit(1)  # nothing is certain any more, and the pool starts another
    except Exception:
        return ForkingPickler.dumps((True, traceback.format_exc()))


def _limit_memory(num_bytes: int) -> None:
    """Let a bomb fail in here before it makes the kernel choose a process to kill.

    RLIMIT_DATA counts private writable memory. RLIMIT_AS would also count the files of the
    libraries, and the address space that threads' arenas reserve and never touch: gigabytes on
    machines with many cores, before the first frame.
    """
    if sys.platform != "linux":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = num_bytes if hard == resource.RLIM_INFINITY else min(num_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _die_with_parent(parent: int) -> None:
    """Let the kernel end a worker that hangs in C when its parent was killed."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)
