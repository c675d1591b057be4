"""What planner and workers of an extraction tell one another; without torch, on any machine."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from c2rl.extract.trained import Form
from c2rl.store.manifest import Row
from c2rl.video.decode import Result, Task, decode_one

Features = npt.NDArray[np.float16]


class Setup(NamedTuple):
    """What a worker is to be."""

    encoder: Path
    form: Form
    frames: Path | None
    """Frame store; None where clips are decoded."""
    threads: int
    """That read, or processes that decode; and threads of torch on a CPU."""


class Work(NamedTuple):
    """The clips of a shard."""

    clips: Sequence[Any]
    """Positions in the frame store; or, where there is none, tasks for the decoders."""
    views: int
    """Phases of the sampling that are wanted."""


class Spent(NamedTuple):
    """Seconds of a worker."""

    all: float
    waiting: float
    """For frames."""
    encoding: float
    decoding: float
    """Of all its decoders or readers together."""


class Encoded(NamedTuple):
    """What became of a shard."""

    rows: list[Row]
    lengths: npt.NDArray[np.int64]
    """Features of each clip that is ok."""
    views: list[Features]
    """(sum of lengths, C) each; the first is that of the deterministic sampling."""
    spent: Spent


def begin(setup: Setup) -> Callable[[Work], Encoded]:
    """Load the encoder, in the process that is to use it.

    Args:
        setup: What the worker is to be.

    Returns:
        A function that encodes shards.
    """
    if setup.frames is None and "OMP_WAIT_POLICY" not in os.environ:
        # torch's threads spin for milliseconds before they sleep, on the cores that decode. GNU's
        # OpenMP reads this as it is loaded, which is below.
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    from c2rl.extract.worker import Worker  # torch: seconds, and no business of the planner's

    return Worker(setup)


def decoder(_: None) -> Callable[[Task], Result]:
    """Be what a decoding process does; here, for such a process must not load torch.

    Args:
        _: Nothing; a pool's processes are given something.

    Returns:
        A function that decodes clips.
    """
    return decode_one
