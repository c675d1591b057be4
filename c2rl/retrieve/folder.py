"""An index in a folder of its own, which grows and shrinks without being built again.

    meta.json     what belongs to it: the parts and their files, and which clips were removed
    parts/0001/   clips that were added together; see `parts`

A part is written beside the others, complete or not at all; then `meta.json` is replaced in one
step. So a kill at any moment leaves the index as it was, and a reader who has it open keeps what he
has. Clips are removed by their numbers in `meta.json`; their vectors stay until the next build.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from c2rl import provenance
from c2rl.lock import only_writer
from c2rl.provenance import Meta
from c2rl.retrieve.index import SearchIndex
from c2rl.retrieve.parts import Part
from c2rl.store import listed

KIND = "index"
META = listed.META


class State(NamedTuple):
    """What `meta.json` says."""

    made_from: dict[str, Any]
    """Fingerprints of the retriever and its encoder, sharpness and mix."""
    parts: dict[str, int]
    """Name to number of clips."""
    removed: dict[str, list[int]]
    """Name to increasing numbers of clips that are no longer there."""
    fingerprint: str = ""

    @property
    def num_clips(self) -> int:
        """Clips that can be found."""
        return sum(self.parts.values()) - sum(map(len, self.removed.values()))


def read_state(path: Path) -> State:
    """Read what an index consists of, and see that every file is there.

    Args:
        path: Its folder.

    Raises:
        FileNotFoundError: If it is absent or incomplete.
        ValueError: If it is something else, or damaged.
    """
    if not (path / META).is_file():
        what = "is no complete index" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"{path} {what}: `c2rl index build` makes one.")
    text = (path / META).read_bytes()
    found = listed.parse(str(path), text)
    if found.kind != KIND:
        raise ValueError(f"{path} holds {found.kind}, an index is needed (`c2rl index build`).")
    told = json.loads(text)
    for name, file in found.files.items():
        if not (path / name).is_file() or (path / name).stat().st_size != file.size:
            raise ValueError(
                f"{path} is damaged: {name} is missing or of another size than was written. Put it"
                " back, or make the index anew: `c2rl index build`."
            )
    return State(
        told["made_from"], told["counts"]["parts"], told["counts"]["removed"], told["fingerprint"]
    )


def open_index(path: Path) -> SearchIndex:
    """Open an index.

    Args:
        path: Its folder.

    Returns:
        Its parts, none of which is read before it is searched.

    Raises:
        FileNotFoundError: If it is absent or incomplete.
        ValueError: If it is something else, or damaged.
    """
    state = read_state(path)
    return SearchIndex(
        [_part(path / "parts" / name) for name in state.parts],
        [np.array(state.removed.get(name, []), dtype=np.int64) for name in state.parts],
    )


def _part(path: Path) -> Part:
    return Part(path, provenance.read_meta(path, "part", made_by="retrieve"))


def add(
    path: Path, write: Callable[[Path], None], *, made_from: Mapping[str, Any], is_new: bool
) -> State:
    """Add a part.

    Args:
        path: The index; it is made if `is_new`.
        write: Writes the part into the folder it is given.
        made_from: What the index must be made from: a retriever's fingerprint, and so on.
        is_new: Whether the index is to be made.

    Returns:
        What the index is now.

    Raises:
        FileExistsError: If it is to be made and is there.
        FileNotFoundError: If it is to be added to and is not there.
        ValueError: If it was made from something else, or a clip's id is in it.
        BlockingIOError: If another process writes to it.
    """
    with only_writer(path):
        if is_new and path.exists() and listed.kind_at(path) is not None:
            raise FileExistsError(
                f"{path} exists: `c2rl index add` adds to an index; delete it to build it anew."
            )
        state = State(dict(made_from), {}, {}) if is_new else read_state(path)
        require(path, state, made_from)
        _sweep(path, state)
        name = f"{max((int(n) for n in state.parts), default=0) + 1:04}"
        new = path / "parts" / name
        new.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(new)
            _refuse_twice(path, state, _part(new))
            state = state._replace(parts=state.parts | {name: len(_part(new))})
            _commit(path, state)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
    return read_state(path)


def require(path: Path, state: State, made_from: Mapping[str, Any]) -> None:
    """Refuse an index of another retriever or encoder.

    Args:
        path: The index, for the message.
        state: What it is.
        made_from: What it should be made from.

    Raises:
        ValueError: If it is not.
    """
    for what in ("retriever", "encoder"):
        if state.made_from.get(what) != made_from.get(what):
            raise ValueError(
                f"{path} is an index of {what} {state.made_from.get(what)}, but this one is"
                f" {made_from.get(what)}. Give the {what} it belongs to, or build another index."
            )


def _refuse_twice(path: Path, state: State, part: Part) -> None:
    here = {item.id for item in _items(path, state)}
    twice = []
    for item in part.items:
        if item.id in here:
            twice.append(item.id)
        here.add(item.id)
    if twice:
        more = f" and {len(twice) - 3} more" if len(twice) > 3 else ""
        raise ValueError(
            f"{', '.join(twice[:3])}{more}: already in {path}. Nothing was added; `c2rl index"
            " remove` takes clips out."
        )


def _items(path: Path, state: State) -> Iterator[Any]:
    for name in state.parts:
        removed = set(state.removed.get(name, []))
        for number, item in enumerate(_part(path / "parts" / name).items):
            if number not in removed:
                yield item


def remove(path: Path, ids: Sequence[str]) -> State:
    """Take clips out; their vectors stay on the disk until the index is built anew.

    Args:
        path: The index.
        ids: Of the clips.

    Returns:
        What the index is now.

    Raises:
        KeyError: If one is not in it; nothing is removed.
        BlockingIOError: If another process writes to it.
    """
    with only_writer(path):
        state = read_state(path)
        index = open_index(path)
        hits = {id_: index.find(id_) for id_ in ids}
        absent = [id_ for id_, hit in hits.items() if hit is None]
        if absent:
            raise KeyError(f"{', '.join(absent[:3])}: not in {path}. Nothing was removed.")
        names = list(state.parts)
        removed = {name: set(numbers) for name, numbers in state.removed.items()}
        for hit in hits.values():
            if hit is not None:
                removed.setdefault(names[hit.part], set()).add(hit.number)
        _commit(path, state._replace(removed={n: sorted(own) for n, own in removed.items()}))
    return read_state(path)


def _commit(path: Path, state: State) -> None:
    """Replace `meta.json` by one that lists the files of all parts, whose checksums are known."""
    files: dict[str, dict[str, Any]] = {}
    for name in state.parts:
        folder = path / "parts" / name
        meta = provenance.read_meta(folder, "part", made_by="retrieve")
        files |= {f"parts/{name}/{file}": entry for file, entry in meta.files.items()}
        own = folder / META
        files[f"parts/{name}/{META}"] = {
            "bytes": own.stat().st_size,
            "blake2b": provenance.hash_file(own),
        }
    sums = {name: entry["blake2b"] for name, entry in files.items()}
    counts = {"clips": state.num_clips, "parts": state.parts, "removed": state.removed}
    own_sum = provenance.fingerprint([KIND, provenance.FORMAT, sums])
    meta = Meta(KIND, own_sum, state.made_from, counts, files, provenance.versions())
    told = json.loads(json.dumps({"format": provenance.FORMAT, **meta._asdict()}))
    provenance.write_json(path / META, told | {"checksum": provenance.fingerprint(told)})


def _sweep(path: Path, state: State) -> None:
    """Remove parts that a killed writer left."""
    for leftover in (path / "parts").glob("*"):
        if leftover.is_dir() and leftover.name not in state.parts:
            shutil.rmtree(leftover)


def damage(path: Path) -> Iterable[str]:
    """Read every byte of an index, and tell what is not as written.

    Args:
        path: The index.

    Yields:
        A line for each finding: which file, what is wrong, which clips it touches.

    Raises:
        FileNotFoundError: If it is absent or incomplete.
        ValueError: If `meta.json` itself is damaged.
    """
    from c2rl.store import verify  # no stage verifies

    found = listed.parse(str(path), (path / META).read_bytes())
    stores = sorted(
        {name.split("/embeddings.zarr/")[0] for name in found.files if "/embeddings.zarr/" in name}
    )
    for store in stores:
        inside = f"{store}/embeddings.zarr"
        if not (path / inside).is_dir():
            yield f"{inside}: is missing; touches every clip of the part"
            continue
        for finding in verify.verify(path / inside, deep=True).findings:
            clips = ", ".join(clip.id for clip in finding.clips[:8])
            touches = f"; touches {clips}" if clips else ""
            yield f"{inside}/{finding.file}: {finding.problem}{touches}"
    for name, file in found.files.items():
        if "/embeddings.zarr/" not in name and not listed.holds(path / name, file):
            yield f"{name}: is not what was written"


def describe(path: Path) -> dict[str, Any]:
    """Tell what an index is; clips are not read.

    Args:
        path: The index.

    Returns:
        index, fingerprint, clips, removed, parts, bytes, fast (what its audits say), retriever,
        encoder.
    """
    state, index = read_state(path), open_index(path)
    recall = index.recall()
    files = listed.parse(str(path), (path / META).read_bytes()).files
    return {
        "index": str(path),
        "fingerprint": state.fingerprint,
        "clips": state.num_clips,
        "removed": sum(map(len, state.removed.values())),
        "parts": state.parts,
        "bytes": sum(file.size for file in files.values()),
        "fast": None if recall is None else recall._asdict(),
        **state.made_from,
    }
