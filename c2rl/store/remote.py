"""Artefacts in other places: any URL that fsspec opens, read by way of a copy on this machine.

`s3://bucket/x.zarr`, `gs://...`, `https://...` (reading), `file:///...`: who opens one gets a
folder below `C2RL_CACHE` (default `~/.cache/c2rl`), fetched once and memory-mapped from then on.
`meta.json` is read again each time, so a store that was replaced is noticed; without the network,
the copy (`FeatureStore(url).path`) opens like any folder. Nothing removes copies: delete at will.

An object store has no rename, so complete or absent is a matter of order: a push removes an older
`meta.json` first and writes the new one last. What it may overwrite or delete is what a `meta.json`
of ours, or the journal of a push that was killed, lists; never anything else.

Credentials and endpoint are the driver's affair. `s3://` (s3fs) reads what botocore reads:
`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_PROFILE`, `~/.aws`, and `AWS_ENDPOINT_URL` for a
store that is not Amazon's (MinIO, Ceph, R2); a failed request is tried again as botocore does.
"""

import errno
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from c2rl import provenance
from c2rl.store import listed
from c2rl.store.listed import META, Listed, ListedFile

JOURNAL = ".c2rl-push.json"
"""Lists what a push under way may overwrite or delete; gone when it is done."""

AT_ONCE = 8
"""Files on their way at the same time."""

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C:/ is a drive


class _Place(NamedTuple):
    url: str
    files: Any
    """fsspec's file system."""
    root: str
    """The URL as that file system names it."""

    def at(self, name: str) -> str:
        return f"{self.root}/{name}"


def is_url(place: Path | str) -> bool:
    """Tell a URL from a path.

    Args:
        place: What a person gave; a `Path` is never a URL, for it makes one slash of two.

    Returns:
        Whether it begins with a scheme and `://`.
    """
    return isinstance(place, str) and _URL.match(place) is not None


def local(place: Path | str, kind: str | None = None) -> Path:
    """Find the folder of an artefact, fetching it if it is elsewhere.

    Args:
        place: A folder or a URL.
        kind: As for `fetch`.

    Returns:
        The folder; that it exists is checked only of a URL.

    Raises:
        OSError: As `fetch`.
        ValueError: As `fetch`.
    """
    return fetch(str(place), kind) if is_url(place) else Path(place)


def fetch(url: str, kind: str | None = None) -> Path:
    """Copy an artefact to this machine, unless its copy is here already.

    The copy is named by the content of `meta.json`. What a killed fetch left is gone on with; of
    two processes that want the same copy, one waits for the other.

    Args:
        url: Where `push` put it, or any copy of an artefact's folder.
        kind: features, frames, ...; another kind is refused before anything is copied.

    Returns:
        The folder of the copy, every file of it checked against `meta.json` when it was fetched.

    Raises:
        FileNotFoundError: If there is no artefact, or only a part of one.
        OSError: If the place is out of reach, or the disk is full.
        ValueError: If it is damaged, of another kind, or the URL cannot be opened.
    """
    place = _open(url)
    found = _read(place)
    if kind not in (None, found.kind):
        raise ValueError(f"{place.url} holds {found.kind}, but {kind} is needed.")
    copy = _cache() / "artefacts" / provenance.fingerprint(found.text)
    if not listed.is_complete(copy, found):
        copy.parent.mkdir(parents=True, exist_ok=True)
        with _alone(copy.with_name(f".{copy.name}.lock")):
            if not listed.is_complete(copy, found):  # another process may have been first
                _fetch(place, found, copy)
    return copy


def push(folder: Path, url: str) -> None:
    """Put an artefact in another place, where readers find all of it or nothing.

    Killed half-way, it leaves what every reader refuses, and the next push completes it. One writer
    a place: a reader that meets a second one finds checksums that differ.

    Args:
        folder: A complete artefact; of features, the archive profile (zstd) has least to carry.
        url: Where it goes. An older artefact there is replaced; other files there are left alone.

    Raises:
        FileNotFoundError: If the folder is no complete artefact.
        OSError: If the place is out of reach.
        ValueError: If the folder is damaged, or files are in the way that no artefact lists.
    """
    artefact = listed.read_whole(folder)
    place = _open(url)
    with _told(place.url):
        place.files.invalidate_cache()
        present = _present(place)
    owned = _owned(place, present)
    _leave_alone(place, present - owned, {*artefact.files, META}, has_ours=bool(owned))
    journal = json.dumps(sorted({*owned, *artefact.files, META, JOURNAL})).encode()
    with _told(place.url):
        place.files.pipe_file(place.at(JOURNAL), journal)
        if META in present:
            place.files.rm_file(place.at(META))

    def send(name: str) -> None:
        with _told(f"{place.url}/{name}"):
            place.files.put_file(str(folder / name), place.at(name))

    _each(send, artefact.files)
    with _told(place.url):
        place.files.pipe_file(place.at(META), artefact.text.encode())
        for name in (present & owned) - {*artefact.files, META, JOURNAL}:
            place.files.rm_file(place.at(name))
        place.files.rm_file(place.at(JOURNAL))


def _open(url: str) -> _Place:
    import fsspec  # a fifth of a second, and a folder needs none

    scheme, _, rest = url.partition("://")
    if not rest.strip("/"):
        raise ValueError(f"{url} names no place: give scheme://bucket/folder.")
    url = f"{scheme}://{rest.rstrip('/')}"
    makes_folders = {"auto_mkdir": True} if scheme in ("file", "local") else {}
    try:
        files, root = fsspec.core.url_to_fs(url, **makes_folders)
    except ImportError as error:
        advice = "Run: pip install 'c2rl[s3]'" if scheme in ("s3", "s3a") else _line(error)
        raise ValueError(f"{url}: the driver of {scheme}:// is not installed. {advice}") from None
    except ValueError as error:
        raise ValueError(f"{url} cannot be opened: {_line(error)}") from None
    return _Place(url, files, root)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Tell in one line what a driver raises: botocore's and aiohttp's errors are of any class."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{url} does not exist: {_line(error)}") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise
        raise OSError(
            f"{url} cannot be used: {_line(error)}. Check address, network and credentials."
        ) from None


def _each(work: Callable[[str], None], names: Iterable[str]) -> None:
    """Do the work for every name, several at a time; the first that fails ends it."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="remote") as pool:
        for _ in pool.map(work, names):
            pass


def _read(place: _Place) -> Listed:
    try:
        with _told(place.url):
            place.files.invalidate_cache()
            text = place.files.cat_file(place.at(META), start=0, end=listed.MOST_BYTES + 1)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{place.url} has no {META}: it is not a complete artefact, or not the address of one."
            " `c2rl features push` writes one."
        ) from None
    return listed.parse(place.url, text)


def _cache() -> Path:
    return Path(os.environ.get("C2RL_CACHE") or Path.home() / ".cache/c2rl")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait for whoever else makes the same copy, where the system knows such locks."""
    with lock.open("ab") as file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)  # given back when the file is closed, by a kill too
        yield


def _fetch(place: _Place, found: Listed, copy: Path) -> None:
    building = copy.with_name(f".{copy.name}.partial")
    if copy.exists():  # files of it were lost since: the others are not fetched again
        shutil.rmtree(building, ignore_errors=True)
        copy.rename(building)
        (building / META).unlink(missing_ok=True)
    building.mkdir(exist_ok=True)
    absent = [name for name, file in found.files.items() if not listed.holds(building / name, file)]
    if sum(found.files[name].size for name in absent) > shutil.disk_usage(building).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(building))
    _each(lambda name: _fetch_file(place, name, found.files[name], building / name), absent)
    provenance.write_atomic(building / META, found.text)
    building.rename(copy)


def _fetch_file(place: _Place, name: str, file: ListedFile, target: Path) -> None:
    url = f"{place.url}/{name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # never written into: somebody may have it mapped
    try:
        with _told(url):
            size = place.files.size(place.at(name))
            if size in (None, file.size):  # a plain web server may not tell
                place.files.get_file(place.at(name), str(target))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{url} is missing, though {META} lists it: push the artefact again."
        ) from None
    if not listed.holds(target, file):
        target.unlink(missing_ok=True)
        raise ValueError(
            f"{url} is damaged: its size or checksum is not the one in {META}. Push the artefact"
            " again; if that is just being done, fetch it afterwards."
        )
    with target.open("rb") as written:
        os.fsync(written.fileno())


def _present(place: _Place) -> set[str]:
    """List the names of all files below a place."""
    start = f"{place.root}/"
    found = (name for name in place.files.find(place.root) if name.startswith(start))
    return {name.removeprefix(start) for name in found} - {""}


def _owned(place: _Place, present: set[str]) -> set[str]:
    """List what artefacts of ours have there, by their `meta.json` and a killed push's journal."""
    owned: set[str] = set()
    if META in present:
        with suppress(ValueError):  # not ours, or torn: if a push did that, its journal tells
            owned |= {META, *_read(place).files}
    if JOURNAL in present:
        with _told(place.url):
            text = place.files.cat_file(place.at(JOURNAL))
        owned.add(JOURNAL)
        with suppress(ValueError, TypeError):  # torn: then nothing else was changed yet
            owned |= {*json.loads(text)}
    return owned


def _leave_alone(place: _Place, others: set[str], wanted: set[str], *, has_ours: bool) -> None:
    in_the_way = others & wanted if has_ours else others
    if in_the_way:
        shown = ", ".join(sorted(in_the_way)[:3]) + (" ..." if len(in_the_way) > 3 else "")
        raise ValueError(
            f"{place.url} holds files of no artefact of c2rl: {shown}. Nothing was changed: give an"
            " empty place, or remove them."
        )
