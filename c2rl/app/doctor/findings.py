"""What a check finds, and how a person or a program reads it."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

Status = Literal["ok", "note", "warning", "broken"]
"""Works; may be had, and nothing needs it; works, but not as it should; is needed, and fails."""


class Finding(NamedTuple):
    """One thing that was looked at."""

    area: str
    """packages, libraries, video, gpu, weights, places or environment."""
    name: str
    status: Status
    found: str
    """In a few words."""
    mend: str = ""
    """The command that mends it, or what to do where there is none."""


def is_healthy(findings: Sequence[Finding]) -> bool:
    """Tell whether all that is needed works.

    Args:
        findings: Of all checks.
    """
    return all(finding.status != "broken" for finding in findings)


def told(findings: Sequence[Finding]) -> list[str]:
    """Lay findings out for a terminal.

    Args:
        findings: Of all checks.

    Returns:
        A line a finding, below it what mends it; the verdict last.
    """
    lines = []
    area = ""
    for finding in findings:
        if finding.area != area:
            area = finding.area
            lines.append(area)
        lines.append(f"  {finding.status:<8}{finding.name}: {finding.found}")
        if finding.mend:
            lines.append(f"          {finding.mend}")
    return [*lines, verdict(findings)]


def verdict(findings: Sequence[Finding]) -> str:
    """Say how things are.

    Args:
        findings: Of all checks.

    Returns:
        A line.
    """
    broken = [finding.name for finding in findings if finding.status == "broken"]
    warned = [finding.name for finding in findings if finding.status == "warning"]
    look = f"; worth a look: {', '.join(warned)}" if warned else ""
    if broken:
        return f"broken: {', '.join(broken)}{look}"
    return f"everything that is needed works{look}"


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """Make the findings an object for a program.

    Args:
        findings: Of all checks.

    Returns:
        `healthy` and `findings`.
    """
    return {
        "healthy": is_healthy(findings),
        "findings": [finding._asdict() for finding in findings],
    }
