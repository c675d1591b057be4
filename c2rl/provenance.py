"""Where an artefact comes from, and the promise that it is complete or absent.

An artefact is a folder whose `meta.json` is written last. It is built beside its final place and
renamed into it, so a kill at any moment leaves either the finished folder or none.
"""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from c2rl.lock import only_writer

FORMAT = 1
"""Version of every artefact's layout on disk."""

_LIBRARIES = (
    *("c2rl", "torch", "torchvision", "transformers", "zarr", "sacrebleu"),
    *("decord", "av", "opencv-python-headless"),
)


class Meta(NamedTuple):
    """What `meta.json` says of an artefact."""

    kind: str
    """frames, encoder, features, translator, retriever or report."""
    fingerprint: str
    """Hash of the content; what is made from this artefact names it."""
    made_from: dict[str, Any]
    """Fingerprints and parameters of what made it."""
    counts: dict[str, Any]
    """What it holds."""
    files: dict[str, dict[str, Any]]
    """Size in bytes and blake2b-128 of every file."""
    versions: dict[str, str]
    """Library versions it was made with."""


def fingerprint(value: Any) -> str:
    """Hash any JSON-serialisable value.

    Args:
        value: Dictionaries are hashed independent of the order of their keys.

    Returns:
        16 hexadecimal digits.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def hash_file(path: Path) -> str:
    """Hash a file's bytes with blake2b-128.

    Args:
        path: An existing file.

    Returns:
        32 hexadecimal digits.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def versions() -> dict[str, str]:
    """List the versions that can change a number.

    Returns:
        Library name to version; libraries that are not installed are left out.
    """
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Args:
        path: Target; its folder is created.
        content: Text is written as UTF-8.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")  # one writer a path; a killed one's is reused
    data = content.encode() if isinstance(content, str) else content
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, indented and with a final newline.

    Args:
        path: Target file.
        value: Anything that JSON can hold.
    """
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_lines(path: Path, rows: Iterable[Any]) -> None:
    """Write JSON lines atomically.

    Args:
        path: Target file.
        rows: Anything that JSON can hold, one a line.
    """
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


@contextmanager
def artefact(
    path: Path, kind: str, *, made_from: dict[str, Any], counts: dict[str, Any]
) -> Iterator[Path]:
    """Build an artefact beside its place; on success commit it, on failure leave nothing.

    Args:
        path: Final folder; replaced if it exists.
        kind: What it is; `read_meta` checks it.
        made_from: Fingerprints and parameters of what makes it.
        counts: What it holds; may be filled while the block runs.

    Yields:
        The folder to write into.
    """
    with only_writer(path), _building(path) as building:
        building.mkdir()
        yield building
        _commit(building, kind, made_from, counts)
        _swap(building, path)


@contextmanager
def _building(path: Path) -> Iterator[Path]:
    """Name the place beside an artefact, empty before and gone afterwards."""
    building = path.parent / f".{path.name}.partial"
    shutil.rmtree(building, ignore_errors=True)
    try:
        yield building
    finally:
        shutil.rmtree(building, ignore_errors=True)


def put(path: Path, copy_from: Path) -> None:
    """Put a finished artefact in another place, by hard links.

    Args:
        path: Final folder; replaced if it exists.
        copy_from: The artefact, on the same file system.

    Raises:
        OSError: If it is on another file system.
    """
    with only_writer(path), _building(path) as building:
        shutil.copytree(copy_from, building, copy_function=os.link)
        _swap(building, path)


def is_intact(path: Path, kind: str) -> bool:
    """Check every file of an artefact against its checksum.

    Args:
        path: The artefact's folder.
        kind: What it should be.

    Returns:
        False if it is absent, incomplete, of another kind, or a file has changed.
    """
    try:
        meta = read_meta(path, kind, made_by="")
    except (OSError, ValueError):
        return False
    return all(hash_file(path / name) == entry["blake2b"] for name, entry in meta.files.items())


def _commit(folder: Path, kind: str, made_from: dict[str, Any], counts: dict[str, Any]) -> None:
    paths = sorted(folder.rglob("*"))
    found = [path for path in paths if path.is_file()]
    with ThreadPoolExecutor(4) as pool:  # hashing and waiting for the disk both leave Python
        entries = [*pool.map(_sealed, found)]
    files = {p.relative_to(folder).as_posix(): e for p, e in zip(found, entries, strict=True)}
    for path in paths:
        if path.is_dir():
            _sync(path)
    content = {name: entry["blake2b"] for name, entry in files.items()}
    meta = Meta(kind, fingerprint([kind, FORMAT, content]), made_from, counts, files, versions())
    told = json.loads(json.dumps({"format": FORMAT, **meta._asdict()}))
    write_json(folder / "meta.json", told | {"checksum": fingerprint(told)})


def _sealed(file: Path) -> dict[str, Any]:
    """Make sure that a file is on the disk, and tell what it is."""
    _sync(file)
    return {"bytes": file.stat().st_size, "blake2b": hash_file(file)}


def _swap(building: Path, path: Path) -> None:
    old = path.parent / f".{path.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    building.rename(path)
    _sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def read_meta(path: Path, kind: str, *, made_by: str) -> Meta:
    """Read an artefact's `meta.json` and refuse what is not a complete artefact of that kind.

    Args:
        path: The artefact's folder.
        kind: The kind that the caller needs.
        made_by: The stage that makes it, for the message.

    Returns:
        Its meta data.

    Raises:
        FileNotFoundError: If the folder is absent or was never completed.
        ValueError: If it is of another kind or format, or a file is missing or has another size.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist. `dvc repro {made_by}` makes it.")
    if not (path / "meta.json").is_file():
        raise FileNotFoundError(
            f"{path} has no meta.json: it is not a complete artefact."
            f" `dvc repro {made_by}` makes it."
        )
    try:
        found = json.loads((path / "meta.json").read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{path}/meta.json is no JSON: run `dvc repro {made_by}`.") from None
    if found.get("kind") != kind:
        raise ValueError(
            f"{path} holds {found.get('kind')}, but {kind} is needed"
            f" (written by stage `{made_by}`)."
        )
    if found.get("format") != FORMAT:
        raise ValueError(
            f"{path} has format {found.get('format')}, this version reads {FORMAT}."
            f" Run `dvc repro {made_by}`."
        )
    if not is_as_written(found):
        raise ValueError(f"{path} is damaged: meta.json is not as written. `dvc repro {made_by}`")
    meta = Meta(**{name: found[name] for name in Meta._fields})
    torn = [n for n, e in meta.files.items() if _size(f"{path}/{n}") != e["bytes"]]
    if torn:
        raise ValueError(
            f"{path} is damaged: {', '.join(torn[:3])}{' ...' if len(torn) > 3 else ''} missing or"
            f" of another size than meta.json says. Delete it and run `dvc repro {made_by}`."
        )
    return meta


def require_encoder(store: Path, made_from: dict[str, Any], encoder: Path) -> None:
    """Refuse features that another encoder made than the one that is there.

    Args:
        store: The features, for the message.
        made_from: What their meta data says; imported ones have no encoder, and pass.
        encoder: Where the encoder belongs; nothing is asked where there is none.

    Raises:
        ValueError: If it is another one.
    """
    told = made_from.get("encoder")
    if told is None or not encoder.exists():
        return
    found = read_meta(encoder, "encoder", made_by="pretrain").fingerprint
    if told != found:
        raise ValueError(
            f"{store} was made by encoder {told}, but {encoder} is {found}. Run `dvc repro extract`"
            f" to make it anew, or put the encoder that made it in {encoder}."
        )


def is_as_written(told: dict[str, Any]) -> bool:
    """Check the content of a `meta.json` against the checksum that it holds of itself."""
    content = {name: value for name, value in told.items() if name != "checksum"}
    is_known = content.keys() == {"format", *Meta._fields}  # older versions wrote no checksum
    return is_known and told.get("checksum") in (None, fingerprint(content))


def _size(file: str) -> int:
    with suppress(OSError):
        return os.path.getsize(file)  # noqa: PTH202 - a thousand Paths cost more than their sizes
    return -1
