"""A process that can be killed at any moment: it does one task at a time, within limits.

The parent trusts it in nothing: it waits no longer than the deadline for any part of an answer,
and reads none that is too long.
"""

import contextlib
import ctypes
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

_START_S = 300.0  # for a cold network disk with all libraries on it
_GRACE_S = 10.0  # for an answer that begins to arrive just before the deadline
_MAX_ANSWER = 2**31  # bytes; twice what a clip may be stored in

Begin = Callable[[Any], Callable[[Any], Any]]
"""Called once in a process with its setup; gives the function that does the tasks."""


class Outcome(NamedTuple):
    """What became of a task."""

    number: int
    """Position among the tasks."""
    failure: str
    """Empty, `timeout` or `crash`."""
    value: Any
    """What the function returned; None after a failure."""


class Worker:
    """One process, its pipe and its task."""

    def __init__(self, begin: Begin, setup: Any, memory_bytes: float, place: int) -> None:
        """Start the process; it tells when it is ready for a task.

        Args:
            begin: Importable by name.
            setup: Its argument; picklable.
            memory_bytes: Most memory, on Linux; infinite: no limit.
            place: Number among its like, from 0.
        """
        self.made_from = (begin, setup, memory_bytes, place)
        self.task: tuple[int, Any] | None = None
        self.deadline = time.monotonic() + _START_S
        self.is_ready = False
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_serve, args=(other, *self.made_from, os.getpid()), daemon=True
        )
        with _no_interrupt():
            self.process.start()
        other.close()

    def signals(self) -> list[Any]:
        """Give what becomes ready when this worker has something to tell."""
        return [self.pipe, self.process.sentinel]

    def give(self, task: tuple[int, Any], timeout_s: float) -> None:
        """Hand out a task."""
        self.task = task
        self.deadline = time.monotonic() + timeout_s
        with contextlib.suppress(OSError):  # a dead worker is noticed at the next look
            self.pipe.send(task[1])

    def is_free(self) -> bool:
        """Tell whether it waits for a task."""
        return self.is_ready and self.task is None

    def look(self) -> Outcome | None:
        """Tell what became of the task, and forget it; None where nothing did."""
        number = self.task[0] if self.task else -1
        outcome = None
        is_due = not self.is_free() and time.monotonic() >= self.deadline
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
            raise RuntimeError(f"a worker process failed unexpectedly:\n{value}")
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

    def replace(self) -> "Worker":
        """Kill this one and start another."""
        self.kill()
        return Worker(*self.made_from)


class _BrokenAnswerError(Exception):
    """A worker died or went mad while it answered."""


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


def _serve(
    pipe: Connection, begin: Begin, setup: Any, memory_bytes: float, place: int, parent: int
) -> None:
    """Work in a process of its own until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _die_with_parent(parent)
    multiprocessing.current_process().daemon = False  # those may have no children
    os.environ.setdefault("LOCAL_RANK", str(place))
    _limit_memory(memory_bytes)
    function, told = None, ""
    try:
        function = begin(setup)
    except Exception:
        told = traceback.format_exc()
    with contextlib.suppress(EOFError, OSError):
        pipe.send((function is None, told))
        while function is not None:
            pipe.send_bytes(_answer(function, pipe.recv()))


def _answer(function: Callable[[Any], Any], task: Any) -> Any:
    try:
        return ForkingPickler.dumps((False, function(task)))
    except MemoryError:
        os._exit(1)  # nothing is certain any more, and the pool starts another
    except Exception:
        return ForkingPickler.dumps((True, traceback.format_exc()))


def _limit_memory(num_bytes: float) -> None:
    """Let a bomb fail in here before it makes the kernel choose a process to kill.

    RLIMIT_DATA counts private writable memory. RLIMIT_AS would also count the files of the
    libraries, and the address space that threads' arenas reserve and never touch: gigabytes on
    machines with many cores, before the first frame.
    """
    if sys.platform != "linux" or math.isinf(num_bytes):
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = int(num_bytes) if hard == resource.RLIM_INFINITY else min(int(num_bytes), hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _die_with_parent(parent: int) -> None:
    """Let the kernel end a worker that hangs in C when its parent was killed."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)
