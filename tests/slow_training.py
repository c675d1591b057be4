"""`tiny_training`, slow enough for a signal to arrive in the middle."""

import time
from pathlib import Path

from tiny_training import train


def work(folder: Path) -> None:
    train(folder, before_step=lambda number: time.sleep(0.5))
