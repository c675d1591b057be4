"""What is installed, by what packages say of themselves: nothing of theirs is run."""

import platform
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import TYPE_CHECKING

from c2rl import __version__
from c2rl.app.doctor.findings import Finding

if TYPE_CHECKING:
    from packaging.requirements import Requirement

FAMILIES = (
    (
        *("opencv-python-headless", "opencv-python"),
        *("opencv-contrib-python-headless", "opencv-contrib-python"),
    ),
    ("faiss-gpu", "faiss-cpu", "faiss-gpu-cu12", "faiss-gpu-cu11"),
    ("decord", "eva-decord", "decord2"),
)
"""Packages that put the same module in the same place: one must be there, two overwrite another."""

EXTRAS = {
    "onnx": "person detectors in ONNX files",
    "demo": "c2rl demo",
    "ray": "c2rl extract --executor ray",
    "s3": "stores at s3:// addresses",
}
"""What the extras of the package are for."""

_OLDEST = (3, 11)


def look() -> list[Finding]:
    """Compare what is installed with what is needed.

    Returns:
        Python, each package that is needed, families of which there are too many, and extras.
    """
    found = [_python()]
    try:
        told = metadata.requires("c2rl") or []
    except metadata.PackageNotFoundError:
        mend = "in the checkout: pip install -e . -c constraints.txt"
        return [*found, Finding("packages", "c2rl", "broken", "is not installed", mend)]
    try:
        from packaging.requirements import Requirement
    except ImportError:
        mend = "pip install packaging"
        return [*found, Finding("packages", "packaging", "broken", "is not installed", mend)]
    wanted = [Requirement(line) for line in told]
    found += [_needed(one) for one in wanted if _applies(one)]
    found += _doubles([one for one in wanted if _applies(one)])
    found += _pair()
    found += [_extra(name, wanted) for name in EXTRAS]
    return found


def version(name: str) -> str | None:
    """Tell which version of a package is installed.

    Args:
        name: Of the package, as pip knows it.

    Returns:
        The version; None where there is none, or only what a broken removal left.
    """
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _python() -> Finding:
    told = f"{platform.python_version()} in {sys.prefix}, {platform.system()} {platform.machine()}"
    if sys.version_info < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        return Finding(
            "packages", "Python", "broken", told, f"make an environment of Python {oldest} or later"
        )
    return Finding("packages", "Python", "ok", f"{told}; c2rl {__version__}")


def _applies(one: "Requirement", extra: str = "") -> bool:
    return one.marker is None or one.marker.evaluate({"extra": extra})


def _needed(one: "Requirement") -> Finding:
    names = next((family for family in FAMILIES if one.name in family), (one.name,))
    for name in (one.name, *names):  # the package that is asked for, else one of its family
        installed = version(name)
        if installed is None:
            continue
        if name == one.name and not one.specifier.contains(installed, prereleases=True):
            mend = f"pip install --upgrade '{_plain(one)}'"
            told = f"{installed} is installed, {one.specifier} is needed"
            return Finding("packages", name, "broken", told, mend)
        return Finding("packages", name, "ok", installed)
    mend = f"pip install '{_plain(one)}'"
    return Finding("packages", one.name, "broken", "is not installed", mend)


def _plain(one: "Requirement") -> str:
    return f"{one.name}{one.specifier}"


def _doubles(wanted: Sequence["Requirement"]) -> Iterator[Finding]:
    for family in FAMILIES:
        there = [name for name in family if version(name) is not None]
        asked = [_plain(one) for one in wanted if one.name in family]
        if len(there) > 1 and asked:
            told = "are installed side by side, and overwrite one another's files"
            mend = f"pip uninstall --yes {' '.join(there)} && pip install '{asked[0]}'"
            yield Finding("packages", " and ".join(there), "warning", told, mend)


def _pair() -> Iterator[Finding]:
    """Compare torch with the one that torchvision's code is compiled for."""
    from packaging.requirements import Requirement

    torch, vision = version("torch"), version("torchvision")
    if torch is None or vision is None:
        return
    for one in map(Requirement, metadata.requires("torchvision") or []):
        if one.name == "torch" and not one.specifier.contains(torch, prereleases=True):
            told = f"{vision} is made for torch{one.specifier}, installed is torch {torch}"
            mend = "pip install --upgrade --force-reinstall torch torchvision -c constraints.txt"
            yield Finding("packages", "torchvision", "broken", told, mend)


def _extra(name: str, wanted: Sequence["Requirement"]) -> Finding:
    own = [one for one in wanted if _applies(one, name) and not _applies(one)]
    if own and all(version(one.name) is not None for one in own):
        told = ", ".join(f"{one.name} {version(one.name)}" for one in own)
        return Finding("packages", f"extra {name}", "ok", told)
    told = f"is not installed; it is for {EXTRAS[name]}"
    return Finding("packages", f"extra {name}", "note", told, f"pip install 'c2rl[{name}]'")
