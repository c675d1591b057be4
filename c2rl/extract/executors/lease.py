"""Leases on a disk that several machines share: who works on what, with no other agreement.

A shard's leases are numbered files, and the last one counts. A process that was killed stops
touching its own; whoever then makes the next file, and the file server lets one alone make it, has
the shard. Ages are differences of the file server's own times, so the machines' clocks do not
matter. A process that was only asleep may find its shard done by another: double work, no harm.
"""

import contextlib
import errno
import itertools
import os
import platform
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

HEARTBEAT_S = 30.0
"""Seconds between two touches; a file server may show them up to a minute late."""
_MISSED = 10  # heartbeats, until a holder counts as dead


@contextlib.contextmanager
def lease(
    folder: Path, number: int, holder: str, is_finished: Callable[[int], bool]
) -> Iterator[bool]:
    """Try to be the only one that works on a shard.

    Args:
        folder: On the shared disk.
        number: Of the shard.
        holder: Who asks, for people who look into the folder.
        is_finished: Tells whether a shard has been saved.

    Yields:
        Whether the shard is ours, and still to do.
    """
    file = _take(folder, number, holder)
    if file is None:
        yield False
        return
    stop = threading.Event()
    heart = threading.Thread(target=_beat, args=(file, stop), daemon=True)
    heart.start()
    try:
        yield not is_finished(number)
    finally:
        stop.set()
        heart.join()
        if not is_finished(number):
            with contextlib.suppress(OSError):
                os.utime(file, (0, 0))  # given up: free for anybody
        os.close(file)
        sweep(folder, [number], is_finished)


def sweep(folder: Path, numbers: list[int], is_finished: Callable[[int], bool]) -> None:
    """Remove the leases of finished shards.

    Args:
        folder: On the shared disk.
        numbers: Of shards.
        is_finished: Tells whether a shard has been saved.
    """
    for number in filter(is_finished, numbers):
        for path in folder.glob(f"{number:06d}.*.lease"):
            path.unlink(missing_ok=True)


def _take(folder: Path, number: int, holder: str) -> int | None:
    """Make the file after those of the dead; None if a living one has the shard."""
    for attempt in itertools.count():
        path = folder / f"{number:06d}.{attempt}.lease"
        try:
            file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            if not _is_dead(path):
                return None
        else:
            os.write(file, f"{holder}, process {os.getpid()} on {platform.node()}\n".encode())
            return file
    return None


def _is_dead(path: Path) -> bool:
    try:
        touched = path.stat().st_mtime
        if _is_gone(path.read_text()):
            return True
    except FileNotFoundError:  # finished and swept in this moment
        return False
    with tempfile.TemporaryFile(dir=path.parent) as now:
        return os.fstat(now.fileno()).st_mtime - touched > _MISSED * HEARTBEAT_S


def _is_gone(told: str) -> bool:
    """Tell whether a holder was a process of this machine that has ended; others must time out."""
    found = re.search(r", process (\d+) on (.+)\n", told)
    if sys.platform == "win32" or not found or found[2] != platform.node():
        return False
    try:
        os.kill(int(found[1]), 0)
    except OSError as error:  # of somebody else's it is another one
        return error.errno == errno.ESRCH
    return False


def _beat(file: int, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_S):
        with contextlib.suppress(OSError):  # the next one may reach the server
            os.utime(file)
