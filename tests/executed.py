"""Work for executors' workers to do, fail at and die of; they import it by name."""

import builtins
import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path

from c2rl.extract import executors
from c2rl.extract.executors import Shard, lease
from c2rl.video import pool


def begin(setup):
    """Give a function that does what its task says."""
    deeds = {
        "square": lambda number: number * number,
        "sleep": lambda seconds: time.sleep(seconds) or seconds,
        "touch": lambda mark: Path(mark).touch(),
        "die": die,
        "die once": lambda mark: once(mark, die),
        "hang once": lambda mark: once(mark, hang),
        "raise": raise_it,
        "begun": lambda: [setup, os.getpid()],
        "decode": decode,
        "family": family,
    }

    def do(task):
        deed, *arguments = task
        return deeds[deed](*arguments)

    return do


def begin_without_checkpoint(setup):
    raise FileNotFoundError(f"{setup} does not exist. Run: dvc repro pretrain")


def begin_with_a_bug(setup):
    return setup.undefined


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def hang():
    ctypes.PyDLL(None).sleep(60)  # holds the interpreter's lock


def once(mark, deed):
    """Do it the first time only; the mark tells which process did."""
    if Path(mark).exists():
        return "recovered"
    Path(mark).write_text(str(os.getpid()))
    return deed()


def raise_it(kind, *arguments):
    raise getattr(builtins, kind)(*arguments)


def decode(*codes):
    """Do what an extraction's worker does: start processes that can be killed."""
    outcomes = pool.run(eval, codes, workers=2, timeout_s=lambda _: 60.0)
    return [outcome.value for outcome in sorted(outcomes)]


def family(folder):
    """Tell of this process and of a child, then hang with it."""
    Path(folder, str(os.getpid())).touch()
    told = f"__import__('pathlib').Path({folder!r}, str(__import__('os').getpid())).touch()"
    decode(f"({told}, __import__('ctypes').PyDLL(None).sleep(60))")


def work(executor, folder, tasks, *, begin=begin, workers=1, timeout_s=60.0):
    """Be the caller: save each value, then ask for the next; yields what is saved."""
    folder = Path(folder)
    shards = [Shard(number, task, timeout_s) for number, task in enumerate(tasks)]
    results = executors.run(
        begin,
        "setup",
        shards,
        executor=executor,
        workers=workers,
        folder=folder,
        is_finished=lambda number: (folder / f"{number}.json").exists(),
    )
    for number, value in results:
        temporary = folder / f"{number}.{os.getpid()}.tmp"
        temporary.write_text(json.dumps(value))
        temporary.rename(folder / f"{number}.json")
        yield number, value


if __name__ == "__main__":  # a parent to kill, or a rank
    executor, folder, tasks, heartbeat_s = sys.argv[1:]
    lease.HEARTBEAT_S = float(heartbeat_s)
    for saved in work(executor, folder, json.loads(tasks)):
        print(json.dumps(saved), flush=True)
