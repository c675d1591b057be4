"""CLCL packed beside CLCL padded: time, memory and gradients of one step of eq. (1).

    python tests/benchmarks/clcl.py [--rounds 5] [--threads 1] [--json figures.json]

One step is both matrices, `info_nce` on them, and the way back to frames and tokens, in float32;
D = 512, clips of up to 64 frames, sentences of up to 32 tokens. Both forms get their features
ready, the one padded, the other packed. About two minutes on two quiet cores; Linux only.

    time      padded / packed, the best of all rounds each. A round runs padded, packed, and padded
              again, one after the other; `again` is padded / padded again, which is noise: a gain
              of no more than that is none. Wall-clock time on all cores, which means something on
              a quiet machine alone, or the process's processor time under `--threads 1`.
    memory    how far the peak of resident memory rises above what was there before the step, each
              form in a fresh process that has run a tiny step before: what matters on a machine,
              with the allocator's leftovers, and the gradients of the features themselves.
    gradient  the largest difference of an element, divided by the largest element; the larger of
              frames and tokens.

Cases: lengths spread evenly (37 i mod 64 + 1 frames, 19 i mod 32 + 1 tokens), so that three cosines
of four are padding; and, without a goal, all sequences full, so that no cosine is: what is left
there is due to the tiles alone. Only ratios carry over to other machines. Goals: for a batch of 192
time 2, memory 5; for the paper's 64 time 1.3, memory 1; gradients 1e-5.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from c2rl.nn.masks import mask_of
from c2rl.objectives.contrastive import info_nce
from c2rl.objectives.packed import clcl_packed
from c2rl.objectives.similarity import Similarity, clcl

WIDTH, FRAMES, TOKENS = 512, 64, 32
GRADIENT_GOAL = 1e-5


class Case(NamedTuple):
    """One batch, and what the packed form should reach on it."""

    batch: int
    full: bool
    time_goal: float = 0.0
    memory_goal: float = 0.0

    @property
    def frame_lengths(self) -> list[int]:
        """Frames of each clip."""
        return [FRAMES if self.full else 1 + 37 * i % FRAMES for i in range(self.batch)]

    @property
    def token_lengths(self) -> list[int]:
        """Tokens of each sentence."""
        return [TOKENS if self.full else 1 + 19 * i % TOKENS for i in range(self.batch)]

    def __str__(self) -> str:
        """Name the case."""
        return f"batch {self.batch}, {'full' if self.full else 'ragged'}"


CASES = (Case(64, False, 1.3, 1.0), Case(192, False, 2.0, 5.0), Case(64, True))


class Step(NamedTuple):
    """What one step gives."""

    loss: Tensor
    frames: Tensor
    """(F, D) float, gradient."""
    tokens: Tensor
    """(P, D) float, gradient."""


def features(lengths: list[int], offset: float) -> Tensor:
    """Make packed features by arithmetic."""
    steps = torch.arange(sum(lengths) * WIDTH, dtype=torch.float64)
    return torch.sin(steps * steps * 0.37 + offset).float().reshape(-1, WIDTH)


def padded(case: Case) -> Callable[[], Step]:
    """Get a step of the padded form ready."""
    sides = []
    for lengths, offset in ((case.frame_lengths, 0.5), (case.token_lengths, 2.5)):
        mask = mask_of(torch.tensor(lengths))
        values = torch.zeros(*mask.shape, WIDTH)
        values[mask] = features(lengths, offset)
        sides.append((values.requires_grad_(), mask))
    (frames, frame_mask), (tokens, token_mask) = sides

    def step() -> Step:
        loss = contrast(clcl(frames, frame_mask, tokens, token_mask))
        of_frames, of_tokens = torch.autograd.grad(loss, (frames, tokens))
        return Step(loss.detach(), of_frames[frame_mask], of_tokens[token_mask])

    return step


def packed(case: Case) -> Callable[[], Step]:
    """Get a step of the packed form ready."""
    frames = features(case.frame_lengths, 0.5).requires_grad_()
    tokens = features(case.token_lengths, 2.5).requires_grad_()

    def step() -> Step:
        loss = contrast(clcl_packed(frames, case.frame_lengths, tokens, case.token_lengths))
        return Step(loss.detach(), *torch.autograd.grad(loss, (frames, tokens)))

    return step


def contrast(similarity: Similarity) -> Tensor:
    """Apply eq. (1)."""
    numbers = torch.arange(len(similarity.video_to_text))
    return info_nce(similarity, torch.tensor(1 / 0.07), sentence_ids=numbers)


FORMS = {"padded": padded, "packed": packed, "padded again": padded}


def best_times(case: Case, rounds: int) -> dict[str, float]:
    """Give the seconds of each form's fastest step."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    steps = {name: form(case) for name, form in FORMS.items()}
    best = dict.fromkeys(steps, float("inf"))
    for number in range(rounds + 1):
        for name, step in steps.items():
            start = clock()
            step()
            if number:  # the first round warms up
                best[name] = min(best[name], clock() - start)
    return best


def memory_growth(form: str, case: Case, threads: int) -> float:
    """Run one step in this process; gives MiB from before it to its peak."""
    torch.set_num_threads(threads)
    FORMS[form](Case(2, False))()  # loads what a first step loads
    step = FORMS[form](case)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts from here
    before = _status("VmRSS")
    step()
    return (_status("VmHWM") - before) / 1024


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{key}:"))
    return int(line.split()[1])


def in_a_fresh_process(form: str, case: Case) -> float:
    """Call `memory_growth` there."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(memory_growth, form, case, torch.get_num_threads()).result()


def difference(ours: Step, theirs: Step) -> float:
    """Give the largest difference of both gradients, relative to their largest element."""
    torch.testing.assert_close(ours.loss, theirs.loss, rtol=1e-5, atol=0)
    pairs = ((ours.frames, theirs.frames), (ours.tokens, theirs.tokens))
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


def measure(case: Case, rounds: int) -> dict[str, Any]:
    """Measure and print one line of the table."""
    seconds = best_times(case, rounds)
    again = seconds["padded"] / seconds["padded again"]
    faster = seconds["padded"] / seconds["packed"]
    mib = {form: in_a_fresh_process(form, case) for form in ("padded", "packed")}
    leaner = mib["padded"] / mib["packed"]
    gradient = difference(packed(case)(), padded(case)())
    goals = [
        (faster, case.time_goal),
        (leaner, case.memory_goal),
        (GRADIENT_GOAL, gradient),
    ]
    verdict = "held" if all(figure >= goal for figure, goal in goals) else "MISSED"
    print(
        f"{case!s:18}{seconds['padded']:8.2f} s{seconds['packed']:8.2f} s{faster:8.1f}x"
        f"{again:7.2f}{mib['padded']:10.0f}{mib['packed']:8.0f}{leaner:8.1f}x{gradient:11.1e}"
        f"   {verdict if case.time_goal else 'no goal'}",
        flush=True,
    )
    return {
        "case": str(case),
        "seconds": seconds,
        "mib": mib,
        "time": faster,
        "again": again,
        "memory": leaner,
        "gradient": gradient,
        "goals": {"time": case.time_goal, "memory": case.memory_goal, "gradient": GRADIENT_GOAL},
    }


def main() -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser(description="CLCL packed beside CLCL padded.")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds; at least 3")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    if options.rounds < 3:
        parser.error(f"--rounds is {options.rounds}, expected 3 or more: the best of fewer is luck")
    torch.set_num_threads(options.threads)
    told = {"torch": metadata.version("torch"), "threads": options.threads}
    load = os.getloadavg()[0]
    print(f"torch {told['torch']}, {told['threads']} threads, load average {load:.1f}")
    print(f"{'':18}{'padded':>10}{'packed':>10}{'time':>9}{'again':>7}", end="")
    print(f"{'padded':>8}, {'packed':>6} MiB{'':2}memory   gradient   goals")
    lines = [measure(case, options.rounds) for case in CASES]
    if options.json:
        report = {"machine": told | {"load": load}, "lines": lines}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
