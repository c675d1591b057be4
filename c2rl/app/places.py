"""Where an artefact lies: in a folder, at a URL, or on the Hugging Face hub."""

import json
from pathlib import Path, PurePosixPath

from c2rl.language import published
from c2rl.store import remote


def local(place: Path | str) -> Path:
    """Find the folder of an artefact, fetching it if it is elsewhere.

    Args:
        place: A folder, a URL, or `hf://owner/name[@revision]`, where somebody published an export.

    Returns:
        The folder; that it exists is checked only of what is elsewhere.

    Raises:
        FileNotFoundError: If it cannot be had, or is incomplete.
        OSError: As `remote.local`.
        ValueError: If the address is none, or what lies there is no artefact.
    """
    if isinstance(place, str) and place.startswith(published.SCHEME):
        address = published.parse(place)
        return published.fetch(address, lambda folder: _missing(place, folder))
    return remote.local(place)


def _missing(address: str, folder: Path) -> list[str]:
    file = folder / "meta.json"
    if not file.is_file():
        return ["meta.json"]
    try:
        sizes = {n: e["bytes"] for n, e in json.loads(file.read_bytes())["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        sizes = {"..": 0}
    if any(".." in PurePosixPath(n).parts or PurePosixPath(n).is_absolute() for n in sizes):
        raise ValueError(f"{address} is no artefact of c2rl: its meta.json lists no files of one.")
    whole = {n for n, size in sizes.items() if _size(folder / n) == size}
    return [name for name in sizes if name not in whole]


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else -1
