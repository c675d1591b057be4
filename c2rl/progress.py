"""How far a long loop is: a bar on a terminal, a plain line every few seconds in a log."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_EVERY_S = 5.0
_PROJECT_AFTER = 8  # clips


def say(line: str) -> None:
    """Write a line for the person who waits.

    Args:
        line: Goes to stderr; stdout is for programs.
    """
    print(line, file=sys.stderr, flush=True)


@contextmanager
def progress(what: str, total: int, *, disk: Path | None = None) -> Iterator["Progress"]:
    """Show the progress of a long loop.

    Args:
        what: Verb phrase that begins every line.
        total: Number of clips.
        disk: Where the store goes; None projects no size.

    Yields:
        What to tell.
    """
    if not sys.stderr.isatty():
        yield Progress(what, total, disk)
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield Progress(what, total, disk, lambda n, of: bar.update(task, completed=n, total=of))


class Progress:
    """Counts clips and tells it."""

    def __init__(
        self,
        what: str,
        total: int,
        disk: Path | None = None,
        show: Callable[[int, int], None] | None = None,
    ) -> None:
        """Start the clock.

        Args:
            what: Verb phrase that begins every line.
            total: Number of clips.
            disk: Where the store goes; None projects no size.
            show: Told clips done and total; None writes lines.
        """
        self._what, self._total, self._disk, self._show = what, total, disk, show
        self._done = self._new = self._num_bytes = 0
        self._start = self._last = time.monotonic()

    def count(self, num_bytes: int, *, is_new: bool = True) -> None:
        """Count one clip more.

        Args:
            num_bytes: Size of its stored frames.
            is_new: False for a clip that an earlier run decoded.
        """
        self._num_bytes += num_bytes
        self._new += is_new
        self.reach(self._done + 1, self._total)
        if self._disk is not None and self._done == min(_PROJECT_AFTER, self._total):
            self._project(self._disk)

    def reach(self, done: int, total: int) -> None:
        """Tell how far the loop is.

        Args:
            done: Clips done.
            total: Clips in all.
        """
        self._done, self._total = done, total
        now = time.monotonic()
        if self._show is not None:
            self._show(done, total)
        elif now - self._last >= _EVERY_S or done == total:
            self._last = now
            new = self._new or done  # clips of an earlier run took no time in this one
            left_s = (total - done) * (now - self._start) / new
            say(f"{self._what}: {done}/{total} clips, {_clock(left_s)} left")

    def _project(self, disk: Path) -> None:
        expected = self._num_bytes / self._done * self._total
        if not expected:
            return
        while not disk.exists():
            disk = disk.parent
        free = shutil.disk_usage(disk).free
        say(f"{self._what}: the store will take about {_size(expected)}; {_size(free)} are free")
        if 2 * expected > free:  # finished shards and the store lie side by side for a while
            say(f"{self._what}: warning: making it takes about {_size(2 * expected)}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.1f} MB"
