"""Whether a store is what was written, file by file, and which clips a damaged one touches.

Quick: every file is there, none more, each of its size. Deep: every checksum of `meta.json`, every
chunk's crc32c, and `meta.json` against its own checksum. Feature, embedding and frame stores.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from c2rl import provenance
from c2rl.store import integrity
from c2rl.store.info import size
from c2rl.store.touched import ClipName, Content

META = "meta.json"
MOST_LISTED = 8
"""Clips that a line for a person names one by one."""

_FIELDS = {"format", *provenance.Meta._fields}


class Finding(NamedTuple):
    """Something that is wrong with one file."""

    file: str
    """Path below the store."""
    problem: str
    """What was found, and what was expected."""
    clips: tuple[ClipName, ...] = ()
    """Clips that cannot be trusted any more."""
    whose: str = ""
    """In words, where that is more than a chunk: every clip of train, ..."""


class Verdict(NamedTuple):
    """What was looked at and what was found."""

    store: str
    is_deep: bool
    num_files: int
    num_bytes: int
    findings: list[Finding]

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def verify(path: Path, *, deep: bool = False) -> Verdict:
    """Look for damage in a store.

    Args:
        path: A feature store, embedding store or frame store.
        deep: Read every byte; otherwise only names and sizes.

    Returns:
        What was found; nothing is raised for damage.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it is an artefact of another kind.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path} does not exist: give the folder of a store.")
    found = {
        file.relative_to(path).as_posix(): file.stat().st_size
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }
    told, problem = _read_meta(path)
    if told.get("kind") not in ("features", "frames", None) and not problem:
        raise ValueError(f"{path} holds {told['kind']}; stores of features or frames are verified.")
    files = _files_of(told)
    content = Content(path, {*files, *found})
    damage = [(META, problem)] if problem else []
    damage += _differences(files, found)
    if deep:
        seen = {META, *(name for name, _ in damage)}
        damage += _deep(path, [name for name in found if name not in seen], files, bool(problem))
    findings = [_finding(content, *entry) for entry in damage]
    return Verdict(str(path), deep, len(found), sum(found.values()), findings)


def _read_meta(path: Path) -> tuple[dict[str, Any], str]:
    """Read what can be read of `meta.json`, and tell what is wrong with it."""
    file = path / META
    if not file.is_file():
        return {}, "is missing: the store was never completed"
    try:
        text = file.read_bytes().decode()
        told = json.loads(text)
    except ValueError as error:
        return {}, f"is no JSON: {error}"
    if not isinstance(told, dict):
        return {}, "is no JSON object"
    return told, _problem_of_meta(path, told, text)


def _problem_of_meta(path: Path, told: dict[str, Any], text: str) -> str:
    content = {key: value for key, value in told.items() if key != "checksum"}
    if content.keys() != _FIELDS:
        return f"has not the entries it should have: {', '.join(content.keys() ^ _FIELDS)}"
    if told.get("checksum", "") not in ("", provenance.fingerprint(content)):
        return "is not as written: its checksum differs"
    if text != json.dumps(told, indent=2, ensure_ascii=False) + "\n":
        return "is not as written: its layout differs"
    sums = {name: entry.get("blake2b") for name, entry in _files_of(told).items()}
    own = provenance.fingerprint([told["kind"], told["format"], sums])
    if own != told["fingerprint"] or told["format"] != provenance.FORMAT:
        return "is not as written: its fingerprint is not that of its files"
    attributes = _attributes(path) if told["kind"] == "features" else {}
    if any(told[key] != value for key, value in attributes.items()):
        return "does not agree with the attributes of zarr.json"
    return ""


def _attributes(path: Path) -> dict[str, Any]:
    """Read what the writer told twice; files older than the checksum of meta.json have only it."""
    try:
        found = json.loads((path / "zarr.json").read_text(encoding="utf-8"))["attributes"]
        return {key: found[key] for key in ("made_from", "counts")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # damaged itself, which its own checksum tells


def _files_of(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    files = told.get("files")
    entries = files.items() if isinstance(files, dict) else ()
    return {name: entry for name, entry in entries if isinstance(entry, dict)}


def _differences(
    files: Mapping[str, Mapping[str, Any]], found: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    for name, entry in files.items():
        size = entry.get("bytes")
        if name not in found:
            yield name, "is missing"
        elif found[name] != size:
            yield name, f"has {found[name]} bytes, {size} were written"
    if files:
        for name in found:
            if name not in files and name != META:
                yield name, "is none of the store's files: it was put there afterwards"


def _deep(
    path: Path, names: list[str], files: Mapping[str, Mapping[str, Any]], is_meta_damaged: bool
) -> Iterator[tuple[str, str]]:
    for name in names:
        is_chunk = "/c/" in name
        try:
            if is_chunk and not _crc32c_holds(path / name):
                yield name, "its bytes do not agree with their crc32c"
            elif name not in files or (is_chunk and is_meta_damaged):
                continue  # the chunk vouches for itself, and is not blamed for meta.json's damage
            elif provenance.hash_file(path / name) != files[name].get("blake2b"):
                yield name, "its checksum is not the one in meta.json"
        except OSError as error:
            yield name, f"cannot be read: {error.strerror}"


def _crc32c_holds(file: Path) -> bool:
    data: npt.NDArray[np.uint8] = np.fromfile(file, np.uint8)
    return integrity.crc32c_holds(data)


def _finding(content: Content, name: str, problem: str) -> Finding:
    clips, whose = content.touched(name)
    return Finding(name, problem, tuple(clips), whose)


def told(verdict: Verdict) -> Iterator[str]:
    """Put a verdict in words.

    Args:
        verdict: Of `verify`.

    Yields:
        One line a finding, then one of summary.
    """
    for finding in verdict.findings:
        clips = finding.whose or _listed(finding.clips)
        touches = f"; touches {clips}" if clips else ""
        yield f"{finding.file}: {finding.problem}{touches}"
    how = "every byte read" if verdict.is_deep else "names and sizes; --deep reads every byte"
    number = len(verdict.findings)
    state = "sound" if not number else f"{number} finding{'s' * (number > 1)}"
    yield f"{verdict.store}: {state} ({verdict.num_files} files, {size(verdict.num_bytes)}; {how})"


def _listed(clips: tuple[ClipName, ...]) -> str:
    """Name each of a few clips; of the many in a chunk, which are in sequence, first and last."""
    names = [f"{clip.split} {clip.id}" for clip in clips]
    if len(names) <= MOST_LISTED:
        return ", ".join(names)
    return f"{len(names):,} clips, {names[0]} to {names[-1]}; --json names each"


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Make a verdict an object for a program.

    Args:
        verdict: Of `verify`.

    Returns:
        store, sound, deep, files, bytes, findings; each finding names all its clips.
    """
    return {
        "store": verdict.store,
        "sound": verdict.is_sound,
        "deep": verdict.is_deep,
        "files": verdict.num_files,
        "bytes": verdict.num_bytes,
        "findings": [
            {
                "file": finding.file,
                "problem": finding.problem,
                "clips": [clip._asdict() for clip in finding.clips],
            }
            for finding in verdict.findings
        ],
    }
