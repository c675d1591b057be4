"""What a `meta.json` lists that comes from elsewhere, and whether a folder holds just that.

Whoever wrote it may have meant harm: no name in it leaves the artefact's folder, no size is taken
for granted, and its own checksums must agree before anything is done by it.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from c2rl import provenance

META = "meta.json"

MOST_BYTES = 64 * 2**20
"""Of a `meta.json`, which bounds how many files it can list; ours have some 100 bytes a file."""


class ListedFile(NamedTuple):
    """What is told of one file."""

    size: int
    """Bytes."""
    blake2b: str
    """32 hexadecimal digits."""


class Listed(NamedTuple):
    """An artefact as its `meta.json` tells it."""

    text: str
    """`meta.json` to the letter."""
    kind: str
    """frames, encoder, features, ..."""
    files: dict[str, ListedFile]
    """By their path below the artefact."""


def parse(where: str, text: bytes) -> Listed:
    """Read a `meta.json` that anybody may have written.

    Args:
        where: The artefact, for messages.
        text: Content of the file.

    Returns:
        What it lists.

    Raises:
        ValueError: If it is damaged, of another format, or lists what no artefact holds.
    """
    told = _checked(text) if len(text) <= MOST_BYTES else None
    if told is None:
        raise ValueError(f"{where}/{META} is damaged, or not that of an artefact of c2rl.")
    if told["format"] != provenance.FORMAT:
        raise ValueError(
            f"{where} has format {told['format']}, this version reads {provenance.FORMAT}."
        )
    files = {name: ListedFile(of["bytes"], of["blake2b"]) for name, of in told["files"].items()}
    for name, file in files.items():
        if not _stays_inside(name) or type(file.size) is not int or file.size < 0:
            raise ValueError(
                f"{where}/{META} lists {name!r} with {file.size!r} bytes, which is no file of an"
                " artefact. Nothing was written."
            )
    return Listed(text.decode(), str(told["kind"]), files)


def _checked(text: bytes) -> dict[str, Any] | None:
    """Read JSON whose own checksum and fingerprint agree with the rest of it."""
    try:
        told: dict[str, Any] = json.loads(text.decode())
        sums = {name: entry["blake2b"] for name, entry in told["files"].items()}
        has_sizes = all("bytes" in entry for entry in told["files"].values())
        own = provenance.fingerprint([told["kind"], told["format"], sums])
        is_whole = provenance.is_as_written(told) and told["fingerprint"] == own and has_sizes
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return told if is_whole else None


def _stays_inside(name: str) -> bool:
    parts = name.split("/")
    is_plain = name != META and all(part not in ("", ".", "..") for part in parts)
    return is_plain and ":" not in parts[0] and not set(name) & {"\\", "\0"}


def kind_at(place: Path) -> str | None:
    """Tell what lies at a place, before something else is put there.

    Args:
        place: Any file or folder.

    Returns:
        The kind of artefact; None where it is none that can be read, or nothing.
    """
    try:
        kind: str | None = json.loads((place / META).read_text(encoding="utf-8")).get("kind")
    except (OSError, ValueError, AttributeError):
        return None
    return kind


def holds(path: Path, file: ListedFile) -> bool:
    """Check a file's size and checksum.

    Args:
        path: Where it should be.
        file: What is told of it.

    Returns:
        False if it is absent or has other bytes.
    """
    return (
        path.is_file()
        and path.stat().st_size == file.size
        and provenance.hash_file(path) == file.blake2b
    )


def is_complete(folder: Path, artefact: Listed) -> bool:
    """Look for a complete copy: the same `meta.json`, and every file of its size.

    Args:
        folder: Where the copy should be.
        artefact: What is copied.

    Returns:
        False if the folder is absent, incomplete or that of another artefact.
    """
    try:
        return (folder / META).read_bytes() == artefact.text.encode() and all(
            (folder / name).stat().st_size == file.size for name, file in artefact.files.items()
        )
    except OSError:
        return False


def read_whole(folder: Path) -> Listed:
    """Read what a folder lists, and check every byte of it before it is handed on.

    Args:
        folder: An artefact.

    Returns:
        What it lists.

    Raises:
        FileNotFoundError: If it is no complete artefact.
        ValueError: If a file is not what was written.
    """
    if not (folder / META).is_file():
        raise FileNotFoundError(f"{folder} has no {META}: it is not a complete artefact.")
    artefact = parse(str(folder), (folder / META).read_bytes())
    for name, file in artefact.files.items():
        if not holds(folder / name, file):
            raise ValueError(
                f"{folder} is damaged: {name} is not what was written. Nothing was handed on."
            )
    return artefact
