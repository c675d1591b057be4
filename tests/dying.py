"""Deaths for extractions to survive; processes import them by name."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from c2rl.extract import work
from c2rl.store.shards import save
from c2rl.video.decode import Result, Task, decode_one
from c2rl.video.sample import at_inference

MARKS = "DYING_MARKS"
"""Environment variable: a folder, where each who dies leaves a file."""

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link")


def die_once(name: str) -> None:
    """Kill this process, unless another one has died so."""
    mark = Path(os.environ[MARKS], name)
    if not mark.exists():
        mark.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)


def begin(setup: work.Setup) -> Callable[[work.Work], work.Encoded]:
    """Make a worker that dies of its second shard, the first time."""
    encode, done = work.begin(setup), []

    def encode_or_die(shard: work.Work) -> work.Encoded:
        if done:
            die_once("worker")
        done.append(shard)
        return encode(shard)

    return encode_or_die


def choose(*arguments: Any, **options: Any) -> Any:
    """Choose frames as ever, in a decoder that dies of it the first time."""
    die_once("decoder")
    return at_inference(*arguments, **options)


def decoder_of_all_but_clip2(_: None) -> Callable[[Task], Result]:
    """Make a decoder that one clip takes along each time."""

    def decode(task: Task) -> Result:
        if task.clip.id == "clip2":
            os.kill(os.getpid(), signal.SIGKILL)
        return decode_one(task)

    return decode


def save_one(path: Path, *arguments: Any, **arrays: Any) -> None:
    """Save a shard, but die of the second."""
    if path.stem != "000000":
        os.kill(os.getpid(), signal.SIGKILL)
    save(path, *arguments, **arrays)


def apart(call: Callable[[], Any]) -> int:
    """Call in a fork; 0, or the negative number of the signal that ended it."""
    child = os.fork()
    if not child:
        code = 1
        try:
            call()
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at(step: int, folder: Path) -> None:
    """Kill this process before its n-th change to a folder; it cannot be called back.

    A change is to open a file to write, and to rename, remove, make or link something. So is fsync:
    who dies there leaves half of the file, as a power cut might.
    """
    home, changes, sync = str(folder), [], os.fsync

    def is_due() -> bool:
        changes.append(1)
        return len(changes) == step + 1

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not flags or not flags & _WRITES or not str(path).startswith(home):
                return
        elif event not in _CHANGES or not _is_in(home, arguments):
            return
        if is_due():
            os.kill(os.getpid(), signal.SIGKILL)

    def torn(file: int) -> None:
        if is_due():
            path = Path(f"/proc/self/fd/{file}").resolve()
            if path.is_file():
                os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        sync(file)

    sys.addaudithook(watch)
    os.fsync = torn


def _is_in(home: str, arguments: tuple[Any, ...]) -> bool:
    """Tell whether a path is below; or relative to an open folder, as rmtree has them."""
    return str(arguments[0]).startswith(home) or arguments[-1] not in (-1, None)
