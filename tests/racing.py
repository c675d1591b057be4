"""Rows that are timed side by side, round by round, and what they are timed on."""

import json
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

SIDE = 224
BLOCKS: dict[str, Any] = {
    "width": 512,
    "layers": 3,
    "heads": 8,
    "feedforward": 2048,
    "dropout": 0.1,
}


FLAGS = ("avx512_bf16", "amx_bf16", "bf16")
"""bfloat16 instructions as /proc/cpuinfo names them: of x86, x86 and Arm."""


LIBRARIES = ("torch", "torchvision", "numpy", "opencv-python-headless")


class Bench(NamedTuple):
    """Where and how long it is measured."""

    device: torch.device
    rounds: int
    batch: int
    """Frames of tables 1 and 2; 1 / 16 of it multiplies the other tables' clips' lengths."""
    has_bf16: bool
    """Whether the device has bfloat16 instructions."""
    clock: Callable[[], float]
    """Seconds."""

    def autocast(self, *, enabled: bool = True) -> AbstractContextManager[None]:
        """Compute in bfloat16."""
        context: AbstractContextManager[None] = torch.autocast(
            self.device.type, torch.bfloat16, enabled=enabled
        )
        return context

    def wait(self) -> None:
        """Let the device finish."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    @property
    def precision(self) -> Literal["float32", "bfloat16"]:
        """Of tables 3 and 4: what one would train in here."""
        return "bfloat16" if self.has_bf16 else "float32"

    @property
    def longer(self) -> int:
        """Multiplies the lengths of clips."""
        return max(1, self.batch // 16)


class Line(NamedTuple):
    """One row of a table."""

    name: str
    frames: int
    """Real frames a round."""
    seconds: list[float]
    """Of each round."""
    more: str = ""
    """What is told beside the speeds."""

    def over(self, first: "Line") -> float:
        """Tell how many times as fast it is."""
        return min(first.seconds) / min(self.seconds)

    def __str__(self) -> str:
        """Frames per second: the best round and the median."""
        best, median = min(self.seconds), statistics.median(self.seconds)
        return f"    {self.name:12}{self.frames / best:10.1f} {self.frames / median:10.1f}"


def race(bench: Bench, rows: Mapping[str, Callable[[], object]], frames: int) -> list[Line]:
    """Time every row once a round."""
    lines = [Line(name, frames, []) for name in rows]
    for number in range(bench.rounds + 1):
        order = list(zip(lines, rows.values(), strict=True))
        for line, row in order if number % 2 else reversed(order):
            bench.wait()
            start = bench.clock()
            row()
            bench.wait()
            if number:  # the first round fills caches and chooses kernels
                line.seconds.append(bench.clock() - start)
    return lines


def tell(
    title: str,
    lines: list[Line],
    goal: float | None,
    inapplicable: str,
    *,
    unit: str = "real frames",
) -> dict[str, Any]:
    """Print a table; the row before `again`, which is last, is held against the goal."""
    first, ours, again = lines[0], lines[-2], lines[-1]
    ratio, noise = ours.over(first), again.over(first)
    print(f"\n{title}")
    print(f"    {f'{unit} a second':24}best     median     ratio")
    for line in lines:
        print(f"{line} {line.over(first):9.2f}  {line.more}".rstrip())
    if goal is None:
        verdict = "no goal"
    elif inapplicable:
        verdict = f"the goal of {goal:g} does not apply: {inapplicable}"
    elif ratio >= goal:
        verdict = f"goal {goal:g} held"
    else:
        missed = "missed by no more than noise" if ratio >= goal * min(noise, 1 / noise) else ""
        verdict = f"goal {goal:g} {missed or 'MISSED'}"
    print(f"{ours.name} is {ratio:.2f} x {first.name}; {verdict}; the same code again: {noise:.2f}")
    rows = [
        {"name": line.name, "seconds": line.seconds, "ratio": line.over(first)} for line in lines
    ]
    told = {"title": title, "ratio": ratio, "same_code": noise, "frames": first.frames}
    return told | {"goal": goal, "verdict": verdict, "rows": rows}


def images(count: int, side: int) -> Iterable[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Draw smooth colours under noise, which JPEG finds as hard as a film."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        spots = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
        smooth = cv2.resize(spots, (side, side), interpolation=cv2.INTER_CUBIC)
        noisy = smooth + rng.normal(0, 3, (side, side, 3))
        yield np.clip(noisy, 0, 255).astype(np.uint8)


def frames_of(bench: Bench, count: int) -> Tensor:
    """Lay frames out as the frame store gives them: (S, 3, R, R) uint8, colours innermost."""
    distinct = np.stack(list(images(min(count, 16), SIDE)))
    repeated = torch.from_numpy(distinct)[torch.arange(count) % len(distinct)]
    return repeated.permute(0, 3, 1, 2).to(bench.device)


def opening(bench: Bench) -> tuple[dict[str, Any], float]:
    """Print what it runs on; give that, and the load of the machine before the first round."""
    told, load = machine(bench), os.getloadavg()[0]
    print(", ".join(f"{name} {version}" for name, version in told.items()))
    return told, load


def closing(file: Path | None, *, load: float, **report: Any) -> None:
    """Print the load after the last round; write all figures to a file, where one is wanted."""
    after = os.getloadavg()[0]
    print(f"\nload average {after:.1f} after, these runs included")
    if file:
        text = json.dumps({**report, "load": [load, after]}, indent=2)
        file.write_text(text + "\n", encoding="utf-8")


def machine(bench: Bench) -> dict[str, Any]:
    """Name the processor, its instructions and the libraries."""
    found: dict[str, Any] = {"cpu": cpu_line("model name") or platform.machine()}
    if bench.device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(bench.device)
    found |= {"cores": os.cpu_count(), "threads": torch.get_num_threads()}
    found["bf16"] = " ".join(bf16_flags()) or "no instructions"
    found["python"] = platform.python_version()
    return found | {name: metadata.version(name) for name in LIBRARIES}


def cpu_line(*names: str) -> str:
    """Give the first line of /proc/cpuinfo with one of these names; empty where there is none."""
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.is_file() else ():
        name, _, value = line.partition(":")
        if name.strip() in names:
            return value.strip()
    return ""


def bf16_flags() -> list[str]:
    """List the processor's bfloat16 instructions; Linux tells."""
    return [flag for flag in FLAGS if flag in cpu_line("flags", "Features").split()]
