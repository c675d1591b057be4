"""Exact scoring of a whole test split, in tiles, beside the padded form.

    c2rl bench retrieve [--rounds 3] [--device cuda] [--threads 1] [--json figures.json]

2348 clips and 1969 sentences, as many as How2Sign's test split has; 512 numbers a vector, float32;
60 vectors a clip and 25 tokens a sentence on average. Ours is `exact.score_pairs`: tiles of whole
clips against whole sentences, no padding inside. The padded form is `clcl` on blocks of 64 clips
against all sentences at once, each side as long as its longest, as peers score. Both give the same
scores, which is asserted. About four minutes on two idle cores; 8 GiB of memory; Linux only.

Tables 1 and 2, time of one block of 64 clips against all sentences. Rounds, ratios and `again` (the
first row's code once more) are those of `tests/benchmarks/pretrain.py`, which tells of them;
`--threads 1` measures processor time, which means something on a busy machine too.
    ragged     30 to 90 vectors, 10 to 40 tokens, evenly spread. The goal is 3 times as fast
    full       all 60 and all 25, so that no cosine is padding: what is left is due to the tiles. No
               goal: most of what is left is one matrix product, the same in both

Memory (CPU): how far the peak of resident memory rises above what was there before, each form in a
fresh process. Ours scores all 2348 clips, the padded form one block of them, which is its peak. The
goal is a tenth.
"""

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from c2rl.nn.masks import mask_of
from c2rl.objectives.similarity import clcl
from c2rl.retrieve import exact

sys.path.insert(0, str(Path(__file__).parent.parent))
from racing import Bench, machine, race, tell

CLIPS, SENTENCES, WIDTH, BLOCK = 2348, 1969, 512, 64
TIME_GOAL, MEMORY_GOAL, EQUAL = 3.0, 10.0, 1e-5
SCORING = {"sharpness": 0.07, "mix": 0.5}


class Split(NamedTuple):
    """Vectors of clips and sentences."""

    clips: list[Tensor]
    texts: list[Tensor]


def split(clips: int, device: torch.device | str = "cpu", *, full: bool = False) -> Split:
    """Draw vectors, some alike; `full`: all clips are equally long, and all sentences."""
    generator = torch.Generator().manual_seed(0)
    signs = torch.randn(100, WIDTH, generator=generator)

    def side(count: int, shortest: int, longest: int) -> list[Tensor]:
        mean, step = (shortest + longest) // 2, 37
        spread = [shortest + step * i % (longest - shortest + 1) for i in range(count)]
        lengths = [mean] * count if full else spread
        rows = signs[torch.randint(len(signs), (sum(lengths),), generator=generator)]
        rows += torch.randn(rows.shape, generator=generator)
        return list(rows.to(device).split(lengths))

    return Split(side(clips, 30, 90), side(SENTENCES, 10, 40))


def pad(sequences: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Pad vectors to the longest sequence; gives them and their mask."""
    mask = mask_of(torch.tensor([len(s) for s in sequences], device=sequences[0].device))
    return torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True), mask


@torch.no_grad()
def padded(own: Split) -> npt.NDArray[np.float32]:
    """Score one block as peers do."""
    both = clcl(*pad(own.clips), *pad(own.texts), sharpness=SCORING["sharpness"])
    mixed = SCORING["mix"] * both.video_to_text + (1 - SCORING["mix"]) * both.text_to_video
    found: npt.NDArray[np.float32] = mixed.cpu().numpy()
    return found


def tiled(own: Split) -> npt.NDArray[np.float32]:
    """Score as we do."""
    return exact.score_pairs(*own, **SCORING, device=own.clips[0].device)


def speed(bench: Bench, *, full: bool) -> dict[str, Any]:
    """Measure table 1 or 2."""
    own = split(BLOCK, bench.device, full=full)
    difference = float(np.abs(tiled(own) - padded(own)).max())
    assert difference < EQUAL, f"both forms differ by {difference:.1e}"
    rows = {"padded": partial(padded, own), "tiled": partial(tiled, own)}
    rows["again"] = rows["padded"]
    lines = race(bench, rows, BLOCK * SENTENCES)
    kind = "full" if full else "ragged"
    title = f"{1 + full}. 64 clips and {SENTENCES} sentences, {kind}, float32"
    told = tell(title, lines, None if full else TIME_GOAL, "", unit="pairs")
    print(f"both forms differ by {difference:.1e} at most")
    return told | {"difference": difference}


def growth(form: str, threads: int) -> float:
    """Score in this process; gives MiB from before it to its peak."""
    torch.set_num_threads(threads)
    score = {"padded": padded, "tiled": tiled}[form]
    small = split(2)
    score(Split(small.clips, small.texts[:2]))  # loads what a first call loads
    own = split(BLOCK if form == "padded" else CLIPS)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts from here
    before = _status("VmRSS")
    score(own)
    return (_status("VmHWM") - before) / 1024


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{key}:"))
    return int(line.split()[1])


def memory() -> dict[str, Any]:
    """Measure how much memory both forms take."""
    mib = {}
    for form in ("padded", "tiled"):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            mib[form] = pool.submit(growth, form, torch.get_num_threads()).result()
    leaner = mib["padded"] / mib["tiled"]
    verdict = "held" if leaner >= MEMORY_GOAL else "MISSED"
    print(f"\n3. Memory in MiB: {mib['padded']:.0f} padded, 64 clips; {mib['tiled']:.0f} tiled")
    print(f"tiled takes 1 / {leaner:.1f} of padded; goal 1 / {MEMORY_GOAL:g} {verdict}")
    return {"title": "memory", "mib": mib, "ratio": leaner, "goal": MEMORY_GOAL, "verdict": verdict}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Exact scoring in tiles beside the padded form.")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds; at least 3")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, help="of torch; default: as torch chooses")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    if options.rounds < 3:
        parser.error(f"--rounds is {options.rounds}, expected 3 or more: the best of fewer is luck")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no GPU")
    return options


def main() -> None:
    """Measure all tables."""
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    is_alone = options.device == "cpu" and options.threads == 1
    clock = time.process_time if is_alone else time.perf_counter
    bench = Bench(torch.device(options.device), options.rounds, BLOCK, has_bf16=False, clock=clock)
    told, load = machine(bench), [os.getloadavg()[0]]
    print(", ".join(f"{name} {version}" for name, version in told.items()))
    named = "processor time" if is_alone else "wall-clock time"
    print(f"load average {load[0]:.1f} before; {named}, best of {bench.rounds} rounds")
    tables = [speed(bench, full=full) for full in (False, True)]
    if options.device == "cpu":
        tables.append(memory())
    load.append(os.getloadavg()[0])
    print(f"\nload average {load[1]:.1f} after, these runs included")
    if options.json:
        report = {"machine": told, "load": load, "tables": tables}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
