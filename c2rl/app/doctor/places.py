"""Folders that are written to, the disks below them, and what the environment says."""

import difflib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from c2rl.app.doctor.findings import Finding
from c2rl.video import pool

_LITTLE = 5e9
"""Free bytes below which the frames of a corpus hardly fit."""

VARIABLES = {
    *("C2RL_CACHE", "C2RL_DATA", "C2RL_DECODE_MEMORY", "C2RL_DECODE_TIMEOUT", "C2RL_DEVICE"),
    *("C2RL_DEVICES", "C2RL_EXECUTOR", "C2RL_FEATURES", "C2RL_FRAMES", "C2RL_RANK", "C2RL_RANKS"),
    *("C2RL_REALDATA", "C2RL_SAVE_MINUTES", "C2RL_SCRATCH", "C2RL_WORKERS"),
}
"""Environment variables that something reads."""


def folders() -> dict[str, Path]:
    """Name what is written to.

    Returns:
        Its use, and the folder; it need not exist yet.
    """
    home = Path.home()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    hub = Path(os.environ.get("HF_HOME") or cache / "huggingface") / "hub"
    return {
        "work in progress (C2RL_SCRATCH)": Path(os.environ.get("C2RL_SCRATCH") or ".c2rl/runs"),
        "releases (C2RL_DATA)": Path(os.environ.get("C2RL_DATA") or "data/raw"),
        "stores from elsewhere (C2RL_CACHE)": Path(
            os.environ.get("C2RL_CACHE") or home / ".cache/c2rl"
        ),
        "Hugging Face (HF_HUB_CACHE)": Path(os.environ.get("HF_HUB_CACHE") or hub),
        "torch (TORCH_HOME)": Path(os.environ.get("TORCH_HOME") or cache / "torch"),
        "temporary files (TMPDIR)": Path(tempfile.gettempdir()),
    }


def look() -> Iterator[Finding]:
    """Look at each folder.

    Yields:
        Whether it can be written to, and the free space of its disk.
    """
    for name, folder in folders().items():
        there = folder.absolute()
        while not there.exists():
            there = there.parent
        try:
            free = shutil.disk_usage(there).free
        except OSError as error:
            yield Finding("places", name, "broken", f"{folder}: {error.strerror}")
            continue
        told = f"{folder}, {free / 1e9:.1f} GB free"
        variable = name.partition("(")[2].rstrip(")")
        elsewhere = f"export {variable}=/folder/on/a/larger/disk"
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            told = f"{folder} cannot be written to"
            yield Finding("places", name, "broken", told, elsewhere)
        elif free < _LITTLE:
            yield Finding("places", name, "warning", told, elsewhere)
        else:
            yield Finding("places", name, "ok", told)


def environment() -> Iterator[Finding]:
    """Look at what the environment says.

    Yields:
        Variables of ours that nothing reads, or whose value is wrong; programs that are missing.
    """
    for variable in sorted(name for name in os.environ if name.startswith("C2RL_")):
        value = os.environ[variable]
        if variable in VARIABLES:
            yield _value(variable, value)
            continue
        close = difflib.get_close_matches(variable, VARIABLES, 1)
        mend = f"unset {variable}"
        mend += f" && export {close[0]}={value}" if close else ""
        yield Finding("environment", variable, "warning", "is read by nothing", mend)
    yield from _programs()


_READERS = {"C2RL_WORKERS": pool.num_workers, "C2RL_DECODE_MEMORY": pool.memory_limit}
_NUMBERS = {"C2RL_DECODE_TIMEOUT", "C2RL_DEVICES", "C2RL_SAVE_MINUTES"}


def _value(variable: str, value: str) -> Finding:
    try:
        if variable in _READERS:
            _READERS[variable]()
        elif variable in _NUMBERS and value:
            float(value)
    except ValueError:
        told = f"is '{value}', expected a number"
        return Finding("environment", variable, "broken", told, f"unset {variable}")
    return Finding("environment", variable, "ok", value)


def _programs() -> Iterator[Finding]:
    git = shutil.which("git")
    if git is not None:
        yield Finding("environment", "git", "ok", git)
    else:
        needed = Path(".dvc").is_dir()  # DVC finds the project by its repository
        told = "is not on the PATH; `dvc repro` in a checkout needs it"
        yield Finding(
            "environment", "git", "broken" if needed else "warning", told, "apt install git"
        )
    own = Path(sys.executable).parent / "c2rl"
    first = shutil.which("c2rl")
    if first is not None and own.is_file() and not Path(first).samefile(own):
        told = f"{first} is another installation's; this one's is {own}"
        mend = f"source {own.parent / 'activate'}"
        yield Finding("environment", "c2rl", "warning", told, mend)
