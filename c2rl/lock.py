"""One writer a place."""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

_held: set[Path] = set()
"""Places that this process alone may write to."""


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Keep every other process from writing to a place; a killed one keeps nobody out.

    Args:
        path: An artefact, or a folder of unfinished work; a process may ask for it again within.

    Yields:
        Nothing; the place is this process's.

    Raises:
        BlockingIOError: If another process writes to it; the message tells which.
    """
    path = path.absolute()
    if sys.platform == "win32" or path in _held:
        yield
        return
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.parent / f".{path.name}.lock"
    while True:
        with lock.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise BlockingIOError(
                    f"{path} is being written by {file.read() or 'another process'}."
                    " Wait until that has ended, or stop it."
                ) from None
            if not _is_there(lock, file):
                continue  # its owner has just removed it: somebody may hold another of that name
            try:
                file.truncate(0)
                file.write(f"process {os.getpid()} on {platform.node()}")
                file.flush()
                _held.add(path)
                yield
            finally:
                _held.discard(path)
                lock.unlink(missing_ok=True)
            return


def _is_there(lock: Path, file: TextIO) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), lock.stat())
    return False
