"""What all executors promise: the same work, the same second try, the same errors."""

import os
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from c2rl.video.worker import Begin

_EXPECTED = (KeyError, ValueError, OSError)


class Shard(NamedTuple):
    """A piece of work, small enough to be lost and done again."""

    number: int
    """Which one, of all."""
    task: Any
    """What the function gets; picklable."""
    timeout_s: float
    """Wall-clock seconds that it may take."""


class Failed(NamedTuple):
    """An exception on its way to another process, which may not have its class."""

    kind: type[Exception]
    """A built-in one."""
    text: str
    """A line, or a traceback for a RuntimeError."""


def guarded(begin_and_setup: tuple[Begin, Any]) -> Callable[[Shard], Any]:
    """Begin, and make a function that never raises.

    Args:
        begin_and_setup: The caller's.

    Returns:
        A function from a shard to its value, or to a `Failed`.
    """
    begin, setup = begin_and_setup
    function = _caught(begin, setup)
    if isinstance(function, Failed):
        failed = function
        return lambda _: failed
    return lambda shard: _caught(function, shard.task)


def _caught(function: Callable[[Any], Any], argument: Any) -> Any:
    try:
        return function(argument)
    except MemoryError:
        os._exit(1)  # nothing is certain any more, and the executor starts another process
    except _EXPECTED as error:
        kind = next(k for k in type(error).__mro__ if k.__module__ == "builtins")
        text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        return Failed(kind, text or kind.__name__)
    except Exception:
        return Failed(
            RuntimeError, f"a worker process failed unexpectedly:\n{traceback.format_exc()}"
        )


def opened(value: Any) -> Any:
    """Take the value of a guarded function.

    Args:
        value: What it returned.

    Returns:
        The same.

    Raises:
        Exception: What was raised in the worker: of the same type and text, if it is an OSError,
            ValueError or KeyError.
    """
    if not isinstance(value, Failed):
        return value
    try:
        error = value.kind(value.text)
    except TypeError:  # a UnicodeDecodeError wants more than a text
        error = ValueError(value.text)
    raise error


class SecondTry:
    """Gives each shard that failed one more try."""

    def __init__(self) -> None:
        """Know of no failure yet."""
        self._failed: set[int] = set()

    def __call__(self, shard: Shard) -> Shard | None:
        """Give the shard to try again, or None the second time."""
        if shard.number in self._failed:
            return None
        self._failed.add(shard.number)
        return shard


def failure(shard: Shard, reason: str) -> OSError:
    """Word the second failure of a shard.

    Args:
        shard: Which one.
        reason: `timeout` or `crash`.

    Returns:
        A TimeoutError or ChildProcessError of one line.
    """
    kind, what = {
        "timeout": (TimeoutError, f"did not finish within {shard.timeout_s:.0f} s"),
        "crash": (ChildProcessError, "took its process with it"),
    }[reason]
    return kind(
        f"shard {shard.number} {what}, twice. What is finished is kept:"
        " find out why, then run the same command again."
    )
