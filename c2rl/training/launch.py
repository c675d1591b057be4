"""How a training becomes several processes, and how it is asked to stop.

`C2RL_DEVICES=8` starts eight processes here; under torchrun or SLURM's srun the processes are there
already. None of this changes a result, so none of it is a parameter.
"""

import math
import multiprocessing
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist

from c2rl.training import distributed

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
_GRACE_S = 60.0
"""How long the other processes may take to end after one has failed."""


def run(work: Callable[..., None], *arguments: Any, most: float = math.inf) -> None:
    """Do a training in as many processes as the environment says.

    Args:
        work: A module's function; all its collectives are entered by every process.
        arguments: Its arguments; can be sent to another process.
        most: Micro-batches of a batch: more processes would have nothing to do.

    Raises:
        ValueError: If `C2RL_DEVICES` asks for what is not there, or a process failed.
    """
    by_srun = "SLURM_STEP_ID" in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1
    if by_srun and "RANK" not in os.environ:
        os.environ |= from_slurm(os.environ)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ:
        with _group():
            work(*arguments)
        return
    wanted = num_devices()
    if wanted > most:
        print(f"C2RL_DEVICES is {wanted}, but a batch has {most:g} micro-batches: {most:g} will do")
        wanted = int(most)
    if wanted == 1:
        work(*arguments)
    else:
        _spawn(wanted, work, arguments)


def num_devices() -> int:
    """Tell how many processes this machine shall train with: `C2RL_DEVICES`, else one.

    Returns:
        At least 1.

    Raises:
        ValueError: If the variable is no positive number, or there are fewer GPUs.
    """
    text = os.environ.get("C2RL_DEVICES", "1")
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"C2RL_DEVICES is '{text}', expected a number of processes, 1 or more.")
    gpus = torch.cuda.device_count() if distributed.device().type == "cuda" else 0
    if gpus and int(text) > gpus:
        raise ValueError(f"C2RL_DEVICES is {text}, but this machine has {gpus} GPUs.")
    return int(text)


def from_slurm(env: Any) -> dict[str, str]:
    """Translate what srun tells a task into what torch expects.

    Args:
        env: With SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID, SLURM_JOB_ID and SLURM_JOB_NODELIST.

    Returns:
        RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT.
    """
    nodes = env["SLURM_JOB_NODELIST"]
    first = re.match(r"([^,\[]+)(?:\[(\d+))?", nodes)
    assert first is not None, nodes
    return {
        "RANK": env["SLURM_PROCID"],
        "WORLD_SIZE": env["SLURM_NTASKS"],
        "LOCAL_RANK": env["SLURM_LOCALID"],
        "MASTER_ADDR": first[1] + (first[2] or ""),
        "MASTER_PORT": str(20000 + int(env["SLURM_JOB_ID"]) % 20000),
    }


@contextmanager
def _group() -> Iterator[None]:
    where = distributed.device()
    if where.type == "cuda":
        torch.cuda.set_device(where)
    # The first process alone evaluates and writes; the others wait for it, for hours if need be.
    dist.init_process_group("nccl" if where.type == "cuda" else "gloo", timeout=timedelta(hours=6))
    try:
        yield
    finally:
        dist.destroy_process_group()


def _spawn(count: int, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    context = multiprocessing.get_context("spawn")
    failures = context.SimpleQueue()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [
        context.Process(target=_rank, args=(rank, count, port, failures, work, arguments))
        for rank in range(count)
    ]

    def hand_on(number: int, frame: FrameType | None) -> None:
        for process in processes:
            if process.is_alive() and process.pid is not None:
                os.kill(process.pid, number)

    before = {number: signal.signal(number, hand_on) for number in SIGNALS}
    try:
        for process in processes:
            process.start()
        codes = _wait(processes)
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
        for number, handler in before.items():
            signal.signal(number, handler)
    if not failures.empty():
        raise ValueError(failures.get())
    if worst := next((code for code in codes if code), 0):
        if worst < 0:
            raise ValueError(f"a training process was killed by {signal.Signals(-worst).name}")
        sys.exit(worst)


def _wait(processes: list[SpawnProcess]) -> list[int]:
    """Wait for all; once one has failed, the others cannot go on without it."""
    failed_at = None
    while any(process.is_alive() for process in processes):
        time.sleep(0.05)
        if failed_at is None and any(process.exitcode for process in processes):
            failed_at = time.monotonic()
        if failed_at is not None and time.monotonic() - failed_at > _GRACE_S:
            break
    return [process.exitcode or 0 for process in processes]


def _rank(
    rank: int, count: int, port: int, failures: Any, work: Callable[..., None], arguments: Any
) -> None:
    """Be one of the processes."""
    if distributed.device().type == "cpu":
        torch.set_num_threads(max(1, torch.get_num_threads() // count))
    os.setpgrp()  # Ctrl-C reaches the parent alone, which hands it on once
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    try:
        with _group():
            work(*arguments)
    except (OSError, ValueError, KeyError, MemoryError) as error:
        failures.put(str(error.args[0]) if isinstance(error, KeyError) else str(error))
        sys.exit(1)


class Stop:
    """Hears SIGTERM, SIGINT and SIGUSR1; the training finishes its step, saves and exits."""

    def __init__(self) -> None:
        """Hear nothing yet."""
        self.heard = 0
        self._before: dict[int, Any] = {}
        self._parent = os.getppid()

    def __enter__(self) -> "Stop":
        """Listen; only a process's main thread can."""
        try:
            self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        except ValueError:  # not the main thread: whoever calls from there stops us another way
            self._before = {}
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.heard:  # a second one means now
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.heard = number

    def signal(self) -> float:
        """Tell which signal came; a process whose parent was killed stops as well."""
        if os.environ.get("RANK") and os.getppid() != self._parent:
            return float(signal.SIGTERM)
        return float(self.heard)
