"""Artefacts that somebody published on the Hugging Face hub: `hf://owner/name[@revision]`.

What the cache holds is taken without asking the network. Only what is missing is fetched, and not
that where `HF_HUB_OFFLINE` is set. So without a revision it is the one that was fetched first;
`hf download` brings a newer one.
"""

import glob
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

SCHEME = "hf://"
_NAME = r"[A-Za-z0-9][\w.-]*"
_ADDRESS = re.compile(rf"{SCHEME}({_NAME}/{_NAME})(?:@({_NAME}(?:/{_NAME})*))?/?", re.ASCII)

Missing = Callable[[Path], Sequence[str]]
"""Names of the files that a folder lacks; none: it is complete."""


class Address(NamedTuple):
    """Where something is published."""

    name: str
    """owner/name."""
    revision: str | None
    """Branch, tag or commit; None: the default branch."""


def parse(text: str) -> Address:
    """Read an address.

    Args:
        text: `hf://owner/name` or `hf://owner/name@revision`.

    Returns:
        Its parts.

    Raises:
        ValueError: If it is none.

    Example:
        >>> parse("hf://me/signs@v1.0")
        Address(name='me/signs', revision='v1.0')
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or ".." in text:
        raise ValueError(f"{text} is no hub id: expected hf://owner/name or hf://owner/name@tag.")
    return Address(found[1], found[2])


def fetch(address: Address, missing: Missing) -> Path:
    """Find a published folder, downloading what the cache lacks.

    Args:
        address: Where it is published.
        missing: Asked again after each download, as a downloaded list may name further files.

    Returns:
        The folder in the Hugging Face cache; nothing is missing in it.

    Raises:
        FileNotFoundError: If it cannot be had, with the files that are wanted and their place.
    """
    from huggingface_hub import constants

    folder = _snapshot(address, local=True)
    lacking = missing(folder) if isinstance(folder, Path) else missing(Path("/nowhere"))
    why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else ""
    while lacking and not why:
        folder = _snapshot(address, patterns=[glob.escape(name) for name in lacking])
        before, lacking = lacking, missing(folder) if isinstance(folder, Path) else lacking
        if isinstance(folder, str):
            why = folder
        elif lacking == before:
            why = "the hub has none"
    if isinstance(folder, Path) and not lacking:
        return folder
    revision = f" --revision {address.revision}" if address.revision else ""
    some = f"{', '.join(lacking[:3])}{' ...' if len(lacking) > 3 else ''}"
    place = Path(constants.HF_HUB_CACHE) / f"models--{address.name.replace('/', '--')}"
    raise FileNotFoundError(
        f"{SCHEME}{address.name} is not at hand: no {some} in the Hugging Face cache ({place}), and"
        f" {why}. Run `hf download {address.name}{revision}` where there is a network."
    )


def _snapshot(
    address: Address, *, local: bool = False, patterns: list[str] | None = None
) -> Path | str:
    """Name the folder in the cache, or say in a few words why there is none."""
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                address.name,
                revision=address.revision,
                allow_patterns=patterns,
                local_files_only=local,
                max_workers=2,
            )
        )
    except Exception as error:  # of the hub, of its HTTP client and of sockets
        said = (str(error).strip().splitlines() or ["no reason given"])[0]  # the rest is advice
        return f"a download failed ({type(error).__name__}: {said[:120]})"
