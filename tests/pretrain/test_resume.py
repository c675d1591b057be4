"""The stage's own script, killed, stopped and with other workers: the same weights."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.processes
def test_kills_signals_and_workers_leave_the_weights_as_they_are() -> None:
    script = ROOT / "tests/benchmarks/killed_pretrain.py"
    done = subprocess.run(
        [sys.executable, script, "--epochs", "1", "--random", "2"],
        capture_output=True, text=True, check=False, timeout=580,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "DIFFERENT" not in done.stdout
    assert done.stdout.count("same") == 1 + 4 + 2 + 3 + 1
