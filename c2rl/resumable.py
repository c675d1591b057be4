"""Where unfinished work lies: outside DVC's outs, keyed by all that decides what it will be."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from c2rl.provenance import fingerprint, hash_file

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def folder(made_from: Any) -> Path:
    """Name the folder for resumable work, keyed by what makes the artefact.

    It lies outside DVC's outs, which DVC empties before each run.

    Args:
        made_from: Everything that decides the result; a change starts afresh.

    Returns:
        `.c2rl/runs/<fingerprint>`, created; `C2RL_SCRATCH` moves the root.
    """
    found = _root() / fingerprint(made_from)
    found.mkdir(parents=True, exist_ok=True)
    return found


def journal(made_from: Any) -> Path:
    """Name a file that outlives runs, keyed by all that its lines depend on.

    Args:
        made_from: Everything that decides what is written into it.

    Returns:
        A file beside those folders; not created.
    """
    return _root() / f"{fingerprint(made_from)}.jsonl"


def hash_code(*packages: str) -> str:
    """Hash the source of parts of this library: resumable work of other code is not gone on with.

    Args:
        packages: Folders below `c2rl`.

    Returns:
        16 hexadecimal digits.
    """
    home = Path(__file__).parent
    files = sorted(file for name in packages for file in (home / name).rglob("*.py"))
    return fingerprint({file.relative_to(home).as_posix(): hash_file(file) for file in files})


@contextmanager
def full_disk_told() -> Iterator[None]:
    """Tell of a full disk in one line, and that nothing that was finished is lost.

    Yields:
        Nothing.

    Raises:
        OSError: If the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        where = f" at {error.filename}" if error.filename else ""
        raise OSError(
            f"disk is full{where} ({error.strerror}). Nothing that was finished is lost: make room"
            " and run the same command again."
        ) from None


def _root() -> Path:
    return Path(os.environ.get("C2RL_SCRATCH", ".c2rl/runs"))
