"""One writer a place: who comes second is told, and a killed writer keeps nobody out."""

import signal
import subprocess
import sys
import time

import pytest

from c2rl.lock import only_writer

HOLD = """
import sys, time
from pathlib import Path
from c2rl.lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == "held"
    return process


def test_the_second_writer_is_told_who_writes(tmp_path) -> None:
    other = holder(tmp_path / "store")
    try:
        with pytest.raises(BlockingIOError, match=f"is being written by process {other.pid} on"):
            only_writer(tmp_path / "store").__enter__()
        with only_writer(tmp_path / "another"):
            pass
    finally:
        other.kill()
        other.communicate()


def test_a_killed_writer_keeps_nobody_out(tmp_path) -> None:
    other = holder(tmp_path / "store")
    other.send_signal(signal.SIGKILL)
    other.communicate()
    began = time.monotonic()
    with only_writer(tmp_path / "store"):
        assert time.monotonic() - began < 5
    assert list(tmp_path.iterdir()) == []


def test_a_process_may_ask_twice_and_the_outer_one_decides(tmp_path) -> None:
    with only_writer(tmp_path / "store"):
        with only_writer(tmp_path / "store"):
            pass
        assert [file.name for file in tmp_path.iterdir()] == [".store.lock"]
    assert list(tmp_path.iterdir()) == []
