"""How much of the truth the quick search finds: asked of random queries, kept with the index.

The queries are run exactly, and quickly with one number of candidates after the other. So what a
search promises was measured by the way it goes, and the number of candidates is chosen by it.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from c2rl.provenance import write_atomic

QUERIES = 32
"""Queries that are asked."""

TOP = 10
"""Best of each that are to be found."""

GOAL = 0.98
"""Share of them at which the number of candidates is enough: other queries find a little less than
those by which it was chosen."""

LADDER = (50, 100, 150, 200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 5000)
"""Numbers of candidates that are tried."""

Propose = Callable[[int, int], Sequence[int]]
"""From the number of a query and a number of candidates to the clips that are proposed."""


class Step(NamedTuple):
    """What so many candidates find."""

    candidates: int
    recall: float
    """Share of the exact best ten that are among them."""
    first: float
    """Share of the queries whose very best is."""


class Audit(NamedTuple):
    """What the queries found."""

    queries: int
    steps: list[Step]
    """By rising numbers of candidates."""

    def at(self, candidates: int) -> Step:
        """Tell what is promised of so many candidates: what was measured of no more.

        Example:
            >>> audit = Audit(32, [Step(50, 0.9, 1.0), Step(100, 0.98, 1.0)])
            >>> audit.at(99).recall, audit.at(49).recall, audit.enough()
            (0.9, 0.0, 100)
        """
        found = Step(0, 0.0, 0.0)
        for step in self.steps:
            if step.candidates <= candidates:
                found = step
        return found._replace(candidates=candidates)

    def enough(self) -> int:
        """Choose the number of candidates: the least that reaches the goal and misses no first."""
        for step in self.steps:
            if step.recall >= GOAL and step.first == 1:
                return step.candidates
        return self.steps[-1].candidates


def run(best: Sequence[Sequence[int]], propose: Propose, *, clips: int) -> Audit:
    """Try every number of candidates.

    Args:
        best: Numbers of the exact best ten of each query, best first.
        propose: The quick search up to its last step.
        clips: Clips that there are; more candidates than these are not tried.

    Returns:
        What was found.
    """
    steps = []
    for count in LADDER:
        proposed = [set(propose(query, count)) for query in range(len(best))]
        hits = [n in found for found, own in zip(proposed, best, strict=True) for n in own]
        firsts = [own[0] in found for found, own in zip(proposed, best, strict=True)]
        steps.append(Step(count, sum(hits) / len(hits), sum(firsts) / len(firsts)))
        if count >= clips or steps[-1].recall == 1:
            break
    return Audit(len(best), steps)


def write(path: Path, audit: Audit) -> None:
    """Write an audit.

    Args:
        path: JSON file to write.
        audit: What it says.
    """
    told = {"queries": audit.queries, "steps": [step._asdict() for step in audit.steps]}
    write_atomic(path, json.dumps(told) + "\n")


def read(path: Path) -> Audit:
    """Read an audit back.

    Args:
        path: Written by `write`.

    Returns:
        What it says.
    """
    told = json.loads(path.read_text(encoding="utf-8"))
    return Audit(told["queries"], [Step(**step) for step in told["steps"]])
