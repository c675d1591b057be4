"""All checks, one after the other."""

from collections.abc import Iterator

from c2rl.app.doctor import libraries, packages, places
from c2rl.app.doctor.findings import Finding


def examine() -> Iterator[Finding]:
    """Look at everything; what is slow comes last but one.

    Yields:
        Findings, area by area.
    """
    installed = packages.look()
    yield from installed
    named = {finding.name for finding in installed}
    # decord is there for few kinds of machine; where it is not asked for nothing loads it
    wanted = [name for name in libraries.MODULES if name != "decord" or name in named]
    yield from libraries.look(libraries.probes(wanted))
    yield from places.look()
    yield from places.environment()
